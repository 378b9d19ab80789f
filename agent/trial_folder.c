/* Component by component from the root, so that it is known which ones are ours. */
#include "agent/trial_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

static int cannot_make(const char *path, int code, struct error *err)
{
    if (code == ENOTDIR)
        return error_set(err, ERROR_IO, code,
                         "cannot make the folder %.200s: a file stands in its way",
                         path);
    if (code == ENOENT) /* what is above it is there */
        return error_set(err, ERROR_IO, code,
                         "cannot make the folder %.200s: no folders can be made where "
                         "it would stand",
                         path);
    return error_errno(err, code, "cannot make the folder %.200s", path);
}

/* 0, or an errno.  Where somebody else makes it meanwhile, it is his. */
static int make_one(const char *path, bool *is_ours)
{
    struct stat st;
    int code = 0;

    *is_ours = mkdir(path, 0777) == 0;
    if (*is_ours)
        return 0;
    code = errno;
    if (stat(path, &st) == 0) /* EROFS and EACCES come before EEXIST on some */
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return code;
}

int trial_folder_begin(struct trial_folder *t, const char *path, struct error *err)
{
    size_t length = strlen(path);
    int code = 0;

    *t = (struct trial_folder){.path = mem_copy_string(path),
                               .made = mem_new(length + 1, sizeof *t->made)};
    for (size_t i = 1; i <= length && code == 0; i++) {
        bool is_ours;

        if (path[i] != '/' && path[i] != '\0')
            continue;
        t->path[i] = '\0';
        code = make_one(t->path, &is_ours);
        if (is_ours)
            t->made[t->n_made++] = i;
        t->path[i] = path[i];
    }
    if (code == 0)
        return 0;
    cannot_make(path, code, err);
    trial_folder_end(t);
    return -1;
}

bool trial_folder_is_new(const struct trial_folder *t)
{
    return t->n_made > 0;
}

int trial_folder_write(const struct trial_folder *t, char **scratch, struct error *err)
{
    struct text path = {0};

    text_add_format(&path, "%s/.grid-check-XXXXXX", t->path);
    *scratch = text_take(&path);
    if (mkdtemp(*scratch) != NULL)
        return 0;
    if (errno == ENOENT)
        error_set(err, ERROR_IO, ENOENT,
                  "cannot write to the folder %.200s: it takes "
                  "nothing new",
                  t->path);
    else
        error_errno(err, errno, "cannot write to the folder %.200s", t->path);
    free(*scratch);
    *scratch = NULL;
    return -1;
}

void trial_folder_end(struct trial_folder *t)
{
    for (size_t i = t->n_made; i-- > 0;) {
        t->path[t->made[i]] = '\0';
        if (rmdir(t->path) != 0)
            break;
    }
    free(t->path);
    free(t->made);
    *t = (struct trial_folder){0};
}
