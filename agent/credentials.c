#include "agent/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "agent/ini.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/*
 *   credentials.json   {"format": 1, "clusters": {"lab": {"access_key": "...",
 *                                                         "secret_key": "..."}}}
 *
 * Each source either gives both keys or is passed over; a half pair is told as an
 * error, since it is nearly always a slip.
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

/* 1: taken, 0: nothing there, -1: half a pair. */
static int take(struct credentials *c, const char *const values[3], const char *origin,
                struct error *err)
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
    if (c->session_token != NULL)
        log_hide(c->session_token);
    return 1;
}

/* ---- the AWS tools' ---- */

static char *aws_file(const char *variable, const char *name)
{
    const char *given = getenv(variable), *home = getenv("HOME");
    struct text path = {0};

    if (is_set(given))
        return mem_copy_string(given);
    text_add_format(&path, "%s/.aws/%s", home != NULL ? home : "", name);
    return text_take(&path);
}

static const char *profile_name(const struct cluster *cluster)
{
    const char *profile = cluster->profile;

    if (!is_set(profile))
        profile = getenv("AWS_PROFILE");
    if (!is_set(profile))
        profile = getenv("AWS_DEFAULT_PROFILE");
    return is_set(profile) ? profile : "default";
}

/* In ~/.aws/config sections are called "profile NAME", but for the default. */
static char *config_section(const char *profile)
{
    struct text section = {0};

    text_add_format(&section, "%s%s", strcmp(profile, "default") == 0 ? "" : "profile ",
                    profile);
    return text_take(&section);
}

static int take_section(struct credentials *c, const struct ini *ini,
                        const char *section, const char *file, struct error *err)
{
    const char *const values[] = {ini_get(ini, section, "aws_access_key_id"),
                                  ini_get(ini, section, "aws_secret_access_key"),
                                  ini_get(ini, section, "aws_session_token")};
    struct text origin = {0};
    int status;

    text_add_format(&origin, "[%s] in %s", section, file);
    status = take(c, values, text_string(&origin), err);
    text_free(&origin);
    return status;
}

static int find_in_file(struct credentials *c, const char *file, const char *section,
                        struct error *err)
{
    struct ini *ini = NULL;
    int status = ini_open(&ini, file, err);

    if (status == 0)
        status = take_section(c, ini, section, file, err);
    ini_free(ini);
    return status;
}

static int find_in_profile(struct credentials *c, const char *profile,
                           struct error *err)
{
    char *credentials = aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    char *config = aws_file("AWS_CONFIG_FILE", "config");
    char *section = config_section(profile);
    int status = find_in_file(c, credentials, profile, err);

    if (status == 0)
        status = find_in_file(c, config, section, err);
    free(credentials);
    free(config);
    free(section);
    return status;
}

static int find_in_environment(struct credentials *c, struct error *err)
{
    const char *const values[] = {getenv("AWS_ACCESS_KEY_ID"),
                                  getenv("AWS_SECRET_ACCESS_KEY"),
                                  getenv("AWS_SESSION_TOKEN")};

    return take(c, values, "the environment (AWS_ACCESS_KEY_ID)", err);
}

char *credentials_profile_setting(const struct cluster *cluster, const char *key)
{
    char *file = aws_file("AWS_CONFIG_FILE", "config");
    char *section = config_section(profile_name(cluster));
    struct ini *ini = NULL;
    struct error ignored;
    char *value = NULL;

    if (ini_open(&ini, file, &ignored) == 0)
        value = copy_or_null(ini_get(ini, section, key));
    ini_free(ini);
    free(file);
    free(section);
    return value;
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

static int find_own(struct credentials *c, const struct cluster *cluster,
                    const struct paths *paths, struct error *err)
{
    char *file = own_file(paths);
    cJSON *document, *entry;
    int status = load(&document, file, err);

    if (status == 0) {
        entry = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItem(document, "clusters"), cluster->name);
        const char *const values[] = {
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "access_key")),
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "secret_key")),
            cJSON_GetStringValue(cJSON_GetObjectItem(entry, "session_token"))};
        status = take(c, values, file, err);
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

/* ---- all of them, in order ---- */

int credentials_find_aws(struct credentials *c, const struct cluster *cluster,
                         struct error *err)
{
    int status = 0;

    memset(c, 0, sizeof *c);
    if (!is_set(cluster->profile)) /* --profile outranks the environment */
        status = find_in_environment(c, err);
    return status == 0 ? find_in_profile(c, profile_name(cluster), err) : status;
}

static int say_none(const struct cluster *cluster, struct error *err)
{
    if (strcmp(cluster->name, "env") == 0) /* there is no logging in to that */
        return error_set(err, ERROR_AUTH, 0,
                         "no credentials for %.80s: neither in AWS_ACCESS_KEY_ID and "
                         "AWS_SECRET_ACCESS_KEY, nor in profile %.40s of ~/.aws; set "
                         "them, or log in: grid login --store %.80s",
                         cluster->store, profile_name(cluster), cluster->store);
    return error_set(err, ERROR_AUTH, 0,
                     "no credentials for cluster %.60s: neither of `grid login`, nor "
                     "in AWS_ACCESS_KEY_ID, nor in profile %.40s of ~/.aws; log in: "
                     "grid login --cluster %.60s",
                     cluster->name, profile_name(cluster), cluster->name);
}

int credentials_find(struct credentials *c, const struct cluster *cluster,
                     const struct paths *paths, struct error *err)
{
    int status;

    memset(c, 0, sizeof *c);
    status = strcmp(cluster->name, "env") == 0 ? 0 : find_own(c, cluster, paths, err);
    if (status == 0)
        status = credentials_find_aws(c, cluster, err);
    if (status == 0)
        return say_none(cluster, err);
    return status < 0 ? -1 : 0;
}
