#include "agent/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/*
 * A pair of keys, and the file of those that `grid login` saved:
 *
 *   credentials.json   {"format": 1, "clusters": {"lab": {"access_key": "...",
 *                                                         "secret_key": "..."}}}
 *
 * A half pair is told as an error, since it is nearly always a slip.
 */
enum { FORMAT = 1, FILE_MAX = 1 << 20 };

void credentials_free(struct credentials *c)
{
    char *const secrets[] = {c->secret_key, c->session_token};

    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (secrets[i] != NULL)
            explicit_bzero(secrets[i], strlen(secrets[i]));
    free(c->access_key);
    free(c->secret_key);
    free(c->session_token);
    free(c->origin);
    memset(c, 0, sizeof *c);
}

static char *copy_or_null(const char *string)
{
    return string == NULL || string[0] == '\0' ? NULL : mem_copy_string(string);
}

static bool is_set(const char *string)
{
    return string != NULL && string[0] != '\0';
}

int credentials_take(struct credentials *c, const char *const values[3],
                     const char *origin, struct error *err)
{
    if (!is_set(values[0]) && !is_set(values[1]))
        return 0;
    if (!is_set(values[0]) || !is_set(values[1]))
        return error_set(
            err, ERROR_AUTH, 0,
            "%s has only half of a key pair: both the access key id and the "
            "secret are needed",
            origin);
    c->access_key = mem_copy_string(values[0]);
    c->secret_key = mem_copy_string(values[1]);
    c->session_token = copy_or_null(values[2]);
    c->origin = mem_copy_string(origin);
    log_hide(c->secret_key);
    log_hide(c->session_token);
    return 1;
}

static bool is_equal(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool credentials_is_same(const struct credentials *a, const struct credentials *b)
{
    return is_equal(a->access_key, b->access_key) &&
           is_equal(a->secret_key, b->secret_key) &&
           is_equal(a->session_token, b->session_token);
}

void credentials_copy(struct credentials *to, const struct credentials *from)
{
    *to = (struct credentials){
        .access_key = copy_or_null(from->access_key),
        .secret_key = copy_or_null(from->secret_key),
        .session_token = copy_or_null(from->session_token),
        .expires_at_ms = from->expires_at_ms,
        .provider = from->provider,
        .origin = copy_or_null(from->origin),
    };
}

/* ---- credentials.json ---- */

static char *own_file(const struct paths *paths)
{
    struct text path = {0};

    text_add_format(&path, "%s/credentials.json", paths_of(paths, PATHS_CONFIG));
    return text_take(&path);
}

static int check_private(int fd, const char *file, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return error_errno(err, errno, "cannot read %s", file);
    if ((st.st_mode & 077) != 0)
        return error_set(err, ERROR_IO, 0,
                         "others may read %s; make it private first: chmod 600 %s",
                         file, file);
    return 0;
}

static int read_all(int fd, const char *file, struct text *out, struct error *err)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0 && out->size < FILE_MAX)
        text_add_bytes(out, chunk, (size_t)n);
    explicit_bzero(chunk, sizeof chunk);
    return n < 0 ? error_errno(err, errno, "cannot read %s", file) : 0;
}

/* The document; an empty one where there is none. */
static int load(cJSON **out, const char *file, struct error *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct text json = {0};
    int status = 0;

    *out = NULL;
    if (fd < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot read %s", file);
    if (fd >= 0) {
        status = check_private(fd, file, err);
        if (status == 0)
            status = read_all(fd, file, &json, err);
        close(fd);
    }
    if (status == 0 && json.size > 0) {
        *out = cJSON_ParseWithLength(json.data, json.size);
        if (!cJSON_IsObject(*out))
            status = error_set(err, ERROR_CORRUPT, 0,
                               "%s is damaged; remove it and log in again", file);
    } else if (status == 0) {
        *out = cJSON_CreateObject();
        cJSON_AddNumberToObject(*out, "format", FORMAT);
    }
    if (json.data != NULL)
        explicit_bzero(json.data, json.size);
    text_free(&json);
    if (status != 0) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    return status;
}

static int write_all(const char *file, const char *bytes, struct error *err)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t size = strlen(bytes);
    bool is_written;

    if (fd < 0)
        return error_errno(err, errno, "cannot write %s", file);
    is_written = fchmod(fd, 0600) == 0 && write(fd, bytes, size) == (ssize_t)size &&
                 fsync(fd) == 0;
    if (!is_written)
        error_errno(err, errno, "cannot write %s", file);
    close(fd);
    return is_written ? 0 : -1;
}

static int store(const cJSON *document, const char *file, struct error *err)
{
    char *json = cJSON_Print(document);
    struct text aside = {0};
    int status;

    text_add_format(&aside, "%s.new", file);
    status = write_all(text_string(&aside), json, err);
    if (status == 0 && rename(text_string(&aside), file) != 0)
        status = error_errno(err, errno, "cannot write %s", file);
    text_free(&aside);
    explicit_bzero(json, strlen(json));
    cJSON_free(json);
    return status;
}

int credentials_load(struct credentials *c, const struct paths *paths,
                     const char *cluster, struct error *err)
{
    char *file = own_file(paths);
    cJSON *document, *entry;
    int status = load(&document, file, err);

    if (status == 0) {
        entry = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItem(document, "clusters"), cluster);
        const char *const values[] = {
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "access_key")),
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "secret_key")),
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "session_token"))};
        status = credentials_take(c, values, file, err);
    }
    cJSON_Delete(document);
    free(file);
    return status;
}

static cJSON *clusters_of(cJSON *document)
{
    cJSON *clusters = cJSON_GetObjectItem(document, "clusters");

    return clusters != NULL ? clusters : cJSON_AddObjectToObject(document, "clusters");
}

int credentials_save(const struct paths *paths, const char *cluster,
                     const struct credentials *c, struct error *err)
{
    char *file = own_file(paths);
    cJSON *document = NULL, *entry;
    int status = paths_make(paths, PATHS_CONFIG, err);

    if (status == 0)
        status = load(&document, file, err);
    if (status == 0) {
        cJSON_DeleteItemFromObjectCaseSensitive(clusters_of(document), cluster);
        entry = cJSON_AddObjectToObject(clusters_of(document), cluster);
        cJSON_AddStringToObject(entry, "access_key", c->access_key);
        cJSON_AddStringToObject(entry, "secret_key", c->secret_key);
        if (c->session_token != NULL)
            cJSON_AddStringToObject(entry, "session_token", c->session_token);
        status = store(document, file, err);
    }
    cJSON_Delete(document);
    free(file);
    return status;
}

int credentials_forget(const struct paths *paths, const char *cluster,
                       struct error *err)
{
    char *file = own_file(paths);
    cJSON *document;
    int status = load(&document, file, err);

    if (status == 0 &&
        cJSON_GetObjectItemCaseSensitive(clusters_of(document), cluster) != NULL) {
        cJSON_DeleteItemFromObjectCaseSensitive(clusters_of(document), cluster);
        status = store(document, file, err);
    }
    cJSON_Delete(document);
    free(file);
    return status;
}
