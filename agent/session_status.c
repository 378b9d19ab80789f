/*
 * A snapshot for other processes: written beside and renamed over, never synced, because
 * a session that has died is told by its checkpoint and the store.
 */
#include "agent/session_status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "agent/json_field.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

/* Each byte of its paths may take six in JSON. */
enum { STATUS_MAX_BYTES = 96 << 10, FILES_MAX_BYTES = 4 << 10 };

/* It is written once a second; clocks of machines differ, and NFS caches. */
enum { ELSEWHERE_MS = 5 * 60 * 1000 };

/* ---- writing ---- */

static cJSON *format_files(const struct session_status *s)
{
    cJSON *array = cJSON_CreateArray();
    size_t bytes = 0;

    for (unsigned i = 0; i < s->n_files; i++) {
        cJSON *file = cJSON_CreateObject();

        bytes += strlen(s->files[i].path);
        if (bytes > FILES_MAX_BYTES) {
            cJSON_Delete(file);
            break;
        }
        json_field_add_printable(file, "path", s->files[i].path);
        json_field_add_u64(file, "done", s->files[i].done);
        json_field_add_u64(file, "size", s->files[i].size);
        cJSON_AddItemToArray(array, file);
    }
    return array;
}

static cJSON *format_status(const struct session_status *s)
{
    cJSON *object = cJSON_CreateObject();

    json_field_add_printable(object, "name", s->name);
    json_field_add_u64(object, "version", s->version);
    json_field_add_printable(object, "cluster", s->cluster);
    json_field_add_printable(object, "store", s->store);
    json_field_add_path(object, "source", s->source);
    json_field_add_printable(object, "session", s->session);
    json_field_add_printable(object, "host", s->host);
    json_field_add_u64(object, "pid", (uint64_t)s->pid);
    json_field_add_printable(object, "state", s->state);
    json_field_add_printable(object, "reason", s->reason);
    json_field_add_path(object, "log", s->log);
    json_field_add_path(object, "socket", s->socket);
    json_field_add_u64(object, "started_ms", (uint64_t)s->started_ms);
    json_field_add_u64(object, "updated_ms", (uint64_t)s->updated_ms);
    json_field_add_u64(object, "files_done", s->files_done);
    json_field_add_u64(object, "files_total", s->files_total);
    json_field_add_u64(object, "bytes_done", s->bytes_done);
    json_field_add_u64(object, "bytes_total", s->bytes_total);
    json_field_add_u64(object, "bytes_sent", s->bytes_sent);
    json_field_add_u64(object, "bytes_in_flight", s->bytes_in_flight);
    json_field_add_u64(object, "rate", s->rate);
    json_field_add_u64(object, "retries", s->retries);
    cJSON_AddNumberToObject(object, "eta_s", (double)s->eta_s);
    json_field_add_u64(object, "connections", s->connections);
    json_field_add_u64(object, "limit", s->limit);
    cJSON_AddItemToObject(object, "files", format_files(s));
    cJSON_AddBoolToObject(object, "scan_done", s->scan_done);
    cJSON_AddBoolToObject(object, "is_refusal", s->is_refusal);
    cJSON_AddNumberToObject(object, "exit_code", s->exit_code);
    return object;
}

static int write_bytes(const char *file, const char *bytes, struct error *err)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t size = strlen(bytes);
    ssize_t n;

    if (fd < 0)
        return error_errno(err, errno, "cannot write %s", file);
    n = write(fd, bytes, size);
    if (n != (ssize_t)size) {
        error_errno(err, n < 0 ? errno : ENOSPC, "cannot write %s", file);
        close(fd);
        return -1;
    }
    close(fd);
    return 0;
}

int session_status_write(const struct session_status *s, const char *file,
                         struct error *err)
{
    cJSON *object = format_status(s);
    char *json = cJSON_Print(object);
    struct text aside = {0};
    int status;

    text_add_format(&aside, "%s.new", file);
    status = write_bytes(text_string(&aside), json, err);
    if (status == 0 && rename(text_string(&aside), file) != 0)
        status = error_errno(err, errno, "cannot write %s", file);
    text_free(&aside);
    cJSON_free(json);
    cJSON_Delete(object);
    return status;
}

/* ---- reading ---- */

static void parse_files(struct session_status *s, const cJSON *array)
{
    const cJSON *file;

    cJSON_ArrayForEach(file, array)
    {
        if (s->n_files == SESSION_STATUS_FILES)
            break;
        s->files[s->n_files].path = json_field_string(file, "path", "");
        s->files[s->n_files].done = json_field_u64(file, "done");
        s->files[s->n_files++].size = json_field_u64(file, "size");
    }
}

static void parse_status(struct session_status *s, const cJSON *object)
{
    s->name = json_field_string(object, "name", "");
    s->version = json_field_u64(object, "version");
    s->cluster = json_field_string(object, "cluster", "");
    s->store = json_field_string(object, "store", "");
    s->source = json_field_path(object, "source", "");
    s->session = json_field_string(object, "session", "");
    s->host = json_field_string(object, "host", "");
    s->pid = json_field_i64(object, "pid");
    s->state = json_field_string(object, "state", "");
    s->reason = json_field_string(object, "reason", "");
    s->log = json_field_path(object, "log", "");
    s->socket = json_field_path(object, "socket", "");
    s->started_ms = json_field_i64(object, "started_ms");
    s->updated_ms = json_field_i64(object, "updated_ms");
    s->files_done = json_field_u64(object, "files_done");
    s->files_total = json_field_u64(object, "files_total");
    s->bytes_done = json_field_u64(object, "bytes_done");
    s->bytes_total = json_field_u64(object, "bytes_total");
    s->bytes_sent = json_field_u64(object, "bytes_sent");
    s->bytes_in_flight = json_field_u64(object, "bytes_in_flight");
    s->rate = json_field_u64(object, "rate");
    s->retries = json_field_u64(object, "retries");
    s->eta_s = json_field_i64(object, "eta_s");
    s->connections = (unsigned)json_field_u64(object, "connections");
    s->limit = json_field_u64(object, "limit");
    parse_files(s, cJSON_GetObjectItem(object, "files"));
    s->scan_done = cJSON_IsTrue(cJSON_GetObjectItem(object, "scan_done"));
    s->is_refusal = cJSON_IsTrue(cJSON_GetObjectItem(object, "is_refusal"));
    s->exit_code = (int)json_field_i64(object, "exit_code");
}

int session_status_read(struct session_status *s, const char *file, struct error *err)
{
    char buffer[STATUS_MAX_BYTES];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    cJSON *object;

    memset(s, 0, sizeof *s);
    if (fd < 0)
        return error_errno(err, errno, "%s", file);
    n = read(fd, buffer, sizeof buffer);
    close(fd);
    object = n > 0 ? cJSON_ParseWithLength(buffer, (size_t)n) : NULL;
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return error_set(err, ERROR_CORRUPT, 0, "%s is damaged", file);
    }
    parse_status(s, object);
    cJSON_Delete(object);
    return 0;
}

void session_status_free(struct session_status *s)
{
    char *const strings[] = {s->name, s->cluster, s->store, s->source, s->session,
                             s->host, s->state,   s->log,   s->socket, s->reason};

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    for (unsigned i = 0; i < s->n_files; i++)
        free(s->files[i].path);
    memset(s, 0, sizeof *s);
}

static bool is_of_this_host(const struct session_status *s)
{
    char host[256] = "?";

    gethostname(host, sizeof host - 1);
    return strcmp(s->host, host) == 0;
}

bool session_status_is_elsewhere(const struct session_status *s, int64_t now_ms)
{
    return s->exit_code < 0 && !is_of_this_host(s) &&
           now_ms - s->updated_ms < ELSEWHERE_MS;
}

bool session_status_is_alive(const struct session_status *s)
{
    return s->exit_code < 0 && s->pid > 0 && is_of_this_host(s) &&
           (kill((pid_t)s->pid, 0) == 0 || errno == EPERM);
}

const char session_busy_hint[] =
    "watch it with `grid datastore status`; `grid datastore stop` ends it so that it "
    "can go on";

int session_status_refuse(const struct session_status *s, struct error *err)
{
    return error_set(err, ERROR_CONFLICT, 0,
                     "%s is being uploaded already, by pid %" PRId64 " on %s", s->name,
                     s->pid, s->host);
}

static bool is_status_file(const char *name)
{
    size_t length = strlen(name);

    return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

int session_status_each(const char *folder,
                        void (*each)(void *ctx, const struct session_status *s),
                        void *ctx, struct error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (dir == NULL && errno == ENOENT)
        return 0; /* no session was ever begun here */
    if (dir == NULL)
        return error_errno(err, errno, "cannot read %s", folder);
    while ((entry = readdir(dir)) != NULL) {
        struct session_status status;
        struct error ignored;
        struct text file = {0};
        if (!is_status_file(entry->d_name))
            continue;
        text_add_format(&file, "%s/%s", folder, entry->d_name);
        if (session_status_read(&status, text_string(&file), &ignored) == 0)
            each(ctx, &status);
        session_status_free(&status);
        text_free(&file);
    }
    closedir(dir);
    return 0;
}
