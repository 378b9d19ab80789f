/*
 * A list, since an upload uses one folder, two at most.
 */
#include "transfer/dir_uses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct use {
    char *folder;
    unsigned n;
    struct use *next;
};

struct dir_uses {
    pthread_mutex_t lock; /* guards the list */
    struct use *first;
};

struct dir_uses *dir_uses_new(void)
{
    struct dir_uses *uses = mem_new(1, sizeof *uses);

    pthread_mutex_init(&uses->lock, NULL);
    return uses;
}

void dir_uses_free(struct dir_uses *uses)
{
    while (uses->first != NULL) {
        struct use *use = uses->first;

        uses->first = use->next;
        free(use->folder);
        free(use);
    }
    pthread_mutex_destroy(&uses->lock);
    free(uses);
}

static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) : 0;
}

/* Where the list points to the entry of path's folder, or ends. */
static struct use **find(struct dir_uses *uses, const char *path)
{
    size_t size = folder_size(path);
    struct use **at = &uses->first;

    while (*at != NULL &&
           (strncmp((*at)->folder, path, size) != 0 || (*at)->folder[size] != '\0'))
        at = &(*at)->next;
    return at;
}

void dir_uses_begin(struct dir_uses *uses, const char *path)
{
    struct use **at;

    pthread_mutex_lock(&uses->lock);
    at = find(uses, path);
    if (*at == NULL) {
        *at = mem_new(1, sizeof **at);
        (*at)->folder = mem_copy_bytes(path, folder_size(path));
    }
    (*at)->n++;
    pthread_mutex_unlock(&uses->lock);
}

bool dir_uses_end(struct dir_uses *uses, const char *path)
{
    struct use **at, *use;
    bool is_last;

    pthread_mutex_lock(&uses->lock);
    at = find(uses, path);
    use = *at;
    is_last = use != NULL && --use->n == 0;
    if (is_last) {
        *at = use->next;
        free(use->folder);
        free(use);
    }
    pthread_mutex_unlock(&uses->lock);
    return is_last;
}
