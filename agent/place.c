#include "agent/place.h"

/*
 * realpath() decides what a source is called, so that `create .` and a link to a folder
 * find the session that the folder's own name began.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static bool has_scheme(const char *source, const char *scheme)
{
    return strncasecmp(source, scheme, strlen(scheme)) == 0;
}

static char *url_of(const char *path)
{
    struct text url = {0};

    text_add(&url, "file://");
    text_add_uri(&url, path, strlen(path), true);
    return text_take(&url);
}

int place_resolve(struct place *p, const char *source, struct error *err)
{
    struct stat st;

    memset(p, 0, sizeof *p);
    if (has_scheme(source, "s3://") || has_scheme(source, "http://") ||
        has_scheme(source, "https://"))
        return error_set(err, ERROR_USAGE, 0,
                         "%s: this version of grid takes local folders and files only",
                         source);
    p->path = realpath(source, NULL);
    if (p->path == NULL || stat(p->path, &st) != 0)
        return error_errno(err, errno, "cannot read the source %s", source);
    p->is_folder = S_ISDIR(st.st_mode);
    if (access(p->path, p->is_folder ? R_OK | X_OK : R_OK) != 0)
        return error_set(err, ERROR_IO, 0, "cannot read the source %s: %s", source,
                         strerror(errno));
    if (!p->is_folder && !S_ISREG(st.st_mode))
        return error_set(err, ERROR_USAGE, 0,
                         "%s is neither a folder nor a regular file", source);
    p->url = url_of(p->path);
    return 0;
}

void place_free(struct place *p)
{
    free(p->path);
    free(p->url);
    memset(p, 0, sizeof *p);
}

bool place_is_inside(const char *path, const char *folder)
{
    char *inner = realpath(path, NULL), *outer = realpath(folder, NULL);
    size_t length = outer == NULL ? 0 : strlen(outer);
    bool is_inside = inner != NULL && outer != NULL &&
                     strncmp(inner, outer, length) == 0 &&
                     (inner[length] == '\0' || inner[length] == '/' || length == 1);

    free(inner);
    free(outer);
    return is_inside;
}
