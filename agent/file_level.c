/*
 * In the order of path bytes all that lies in a folder comes in one piece: a folder is
 * told when something else comes by.
 */
#include "agent/file_level.h"

#include <string.h>

static bool begins_with(const char *path, const char *prefix)
{
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

static bool is_behind(const struct file_level *l, const char *path)
{
    size_t size = l->after != NULL ? strlen(l->after) : 0;

    if (size == 0)
        return true;
    return strcmp(path, l->after) > 0 &&
           !(l->after[size - 1] == '/' && begins_with(path, l->after));
}

static void close_folder(struct file_level *l)
{
    if (l->open.size == 0)
        return;
    l->folder(l->ctx, text_string(&l->open), l->files, l->bytes);
    l->n_shown++;
    text_clear(&l->open);
    l->files = l->bytes = 0;
}

static bool is_full(const struct file_level *l)
{
    return l->limit > 0 && l->n_shown >= l->limit;
}

static void count(struct file_level *l, const struct manifest_line *line)
{
    l->files += line->entry.type == ENTRY_FILE;
    l->bytes += line->entry.stamp.size;
}

/* Behind all that lies in "a/" comes first what "a0" would be: '0' is the byte next to
 * '/'. */
void file_level_add_from(const struct file_level *l, struct text *path)
{
    size_t size = l->after != NULL ? strlen(l->after) : 0;

    if (size == 0 || strcmp(l->after, l->prefix) < 0) {
        text_add(path, l->prefix);
        return;
    }
    text_add(path, l->after);
    if (l->after[size - 1] == '/')
        path->data[path->size - 1] = '/' + 1;
}

bool file_level_take(struct file_level *l, const struct manifest_line *line)
{
    const char *path = line->entry.path;
    const char *slash;

    if (!begins_with(path, l->prefix))
        return strcmp(path, l->prefix) < 0;
    if (!is_behind(l, path))
        return true;
    if (l->open.size > 0 && begins_with(path, text_string(&l->open))) {
        count(l, line);
        return true;
    }
    close_folder(l);
    if (is_full(l))
        return false;
    slash = l->is_level ? strchr(path + strlen(l->prefix), '/') : NULL;
    if (slash != NULL) {
        text_add_bytes(&l->open, path, (size_t)(slash - path) + 1);
        count(l, line);
        return true;
    }
    l->entry(l->ctx, line);
    l->n_shown++;
    return !is_full(l);
}

void file_level_end(struct file_level *l)
{
    if (!is_full(l))
        close_folder(l);
    text_free(&l->open);
}
