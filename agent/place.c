#include "agent/place.h"

/*
 * realpath() decides what a source is called, so that `create .` and a link to a folder
 * find the session that the folder's own name began.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/http_url.h"

static char *url_of(const char *path)
{
    struct text url = {0};

    text_add(&url, "file://");
    text_add_uri(&url, path, strlen(path), true);
    return text_take(&url);
}

static void set_urls(struct place *p, bool is_folder)
{
    struct text url = {0};

    text_add_format(&url, "s3://%s/%s", p->bucket, p->key);
    if (is_folder && p->key[0] != '\0')
        text_add(&url, "/");
    free(p->path);
    free(p->url);
    p->path = mem_copy_string(text_string(&url));
    p->url = text_take(&url);
    p->is_folder = is_folder;
}

static int resolve_s3(struct place *p, const char *source, struct error *err)
{
    const char *bucket = source + strlen("s3://");
    const char *key = bucket + strcspn(bucket, "/");
    size_t length;

    p->bucket = mem_copy_bytes(bucket, (size_t)(key - bucket));
    key += strspn(key, "/");
    length = strlen(key);
    while (length > 0 && key[length - 1] == '/')
        length--;
    p->key = mem_copy_bytes(key, length);
    if (p->bucket[0] == '\0')
        return error_set(err, ERROR_USAGE, 0,
                         "%s names no bucket: write s3://BUCKET/PREFIX/", source);
    set_urls(p, length == 0 || key[length] == '/');
    return 0;
}

static int resolve_http(struct place *p, const char *source, struct error *err)
{
    struct http_url url;

    if (http_url_parse(&url, source, err) != 0)
        return error_wrap(err, "the source");
    if (url.user != NULL)
        log_hide(strchr(url.user, ':') + 1);
    p->fetch = mem_copy_string(source);
    p->url = mem_copy_string(url.lasting);
    p->path = mem_copy_string(url.lasting);
    http_url_free(&url);
    return 0;
}

static int resolve_local(struct place *p, const char *source, struct error *err)
{
    struct stat st;

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

static const char browser_scheme[] = "browser:";

/* `grid ui` says where; whoever resumes such a session elsewhere has no page. */
static int resolve_browser(struct place *p, const char *source, struct error *err)
{
    const char *socket = getenv("GRID_BROWSER_SOCKET");
    const char *label = source + strlen(browser_scheme);
    struct text url = {0};

    if (socket == NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "the files of %s are in a browser: choose them again on the "
                         "page (grid ui, New, From the browser), under the same name",
                         source);
    text_add(&url, browser_scheme);
    text_add_uri(&url, label, strlen(label), true);
    p->kind = PLACE_BROWSER;
    p->path = mem_copy_string(source);
    p->url = text_take(&url);
    p->socket = mem_copy_string(socket);
    return 0;
}

int place_resolve(struct place *p, const char *source, struct error *err)
{
    memset(p, 0, sizeof *p);
    if (strncmp(source, browser_scheme, strlen(browser_scheme)) == 0)
        return resolve_browser(p, source, err);
    switch (name_scheme_of(source)) {
    case NAME_S3:
        p->kind = PLACE_S3;
        return resolve_s3(p, source, err);
    case NAME_HTTP:
        p->kind = PLACE_HTTP;
        return resolve_http(p, source, err);
    default:
        p->kind = PLACE_LOCAL;
        return resolve_local(p, source, err);
    }
}

void place_settle(struct place *p, bool is_folder)
{
    set_urls(p, is_folder);
}

const char *place_kind_name(enum place_kind kind)
{
    static const char *const names[] = {[PLACE_LOCAL] = "local",
                                        [PLACE_S3] = "s3",
                                        [PLACE_HTTP] = "http",
                                        [PLACE_BROWSER] = "local"};

    return names[kind];
}

void place_free(struct place *p)
{
    free(p->path);
    free(p->url);
    free(p->bucket);
    free(p->key);
    free(p->fetch);
    free(p->socket);
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
