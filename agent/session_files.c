#include "agent/session_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "base/text.h"
#include "manifest/digest.h"

/*
 * The status file is a snapshot for other processes: written beside and renamed over,
 * never synced, because a session that has died is told by its checkpoint and the
 * store.
 */

static char *join(const char *folder, const char *stem, const char *suffix)
{
    struct text path = {0};

    text_add_format(&path, "%s/%s%s", folder, stem, suffix);
    return text_take(&path);
}

void session_files_init(struct session_files *f, const char *folder, const char *name,
                        const char *store_url, const char *source)
{
    struct text key = {0}, stem = {0};
    struct digest digest;

    text_add_format(&key, "%s\n%s\n%s", store_url, name, source);
    digest = digest_of_bytes(key.data, key.size);
    text_add_format(&stem, "%s-", name);
    text_add_hex(&stem, digest.bytes, 8);
    f->folder = mem_copy_string(folder);
    f->stem = text_take(&stem);
    f->database = join(folder, f->stem, ".db");
    f->status = join(folder, f->stem, ".json");
    f->log = join(folder, f->stem, ".log");
    f->scratch = join(folder, f->stem, ".manifest-");
    text_free(&key);
}

void session_files_free(struct session_files *f)
{
    free(f->folder);
    free(f->stem);
    free(f->database);
    free(f->status);
    free(f->log);
    free(f->scratch);
    memset(f, 0, sizeof *f);
}

int session_files_set_aside(const char *file, const char *suffix, struct error *err)
{
    struct text aside = {0};
    int status;

    text_add_format(&aside, "%s.%s", file, suffix);
    status = rename(file, text_string(&aside));
    if (status != 0 && errno != ENOENT)
        error_errno(err, errno, "cannot rename %s", file);
    else
        status = 0;
    text_free(&aside);
    return status;
}

void session_files_remove_database(const struct session_files *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct text path = {0};
        text_add_format(&path, "%s%s", f->database, suffixes[i]);
        unlink(text_string(&path));
        text_free(&path);
    }
}

/* ---- writing ---- */

static void add_string(cJSON *object, const char *name, const char *string)
{
    struct text printable = {0};

    if (string == NULL)
        return;
    text_add_printable(&printable, string, strlen(string));
    cJSON_AddStringToObject(object, name, text_string(&printable));
    text_free(&printable);
}

static void add_number(cJSON *object, const char *name, uint64_t number)
{
    cJSON_AddNumberToObject(object, name, (double)number);
}

static cJSON *format_status(const struct session_status *s)
{
    cJSON *object = cJSON_CreateObject();

    add_string(object, "name", s->name);
    add_number(object, "version", s->version);
    add_string(object, "cluster", s->cluster);
    add_string(object, "store", s->store);
    add_string(object, "source", s->source);
    add_string(object, "session", s->session);
    add_string(object, "host", s->host);
    add_number(object, "pid", (uint64_t)s->pid);
    add_string(object, "state", s->state);
    add_string(object, "reason", s->reason);
    add_string(object, "log", s->log);
    add_string(object, "socket", s->socket);
    add_number(object, "started_ms", (uint64_t)s->started_ms);
    add_number(object, "updated_ms", (uint64_t)s->updated_ms);
    add_number(object, "files_done", s->files_done);
    add_number(object, "files_total", s->files_total);
    add_number(object, "bytes_done", s->bytes_done);
    add_number(object, "bytes_total", s->bytes_total);
    add_number(object, "bytes_sent", s->bytes_sent);
    add_number(object, "rate", s->rate);
    add_number(object, "retries", s->retries);
    cJSON_AddNumberToObject(object, "eta_s", (double)s->eta_s);
    cJSON_AddBoolToObject(object, "scan_done", s->scan_done);
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

static char *take_string(const cJSON *object, const char *name)
{
    const char *string = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));

    return mem_copy_string(string == NULL ? "" : string);
}

static uint64_t take_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? (uint64_t)item->valuedouble
                                                          : 0;
}

static int64_t take_signed(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);

    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static void parse_status(struct session_status *s, const cJSON *object)
{
    s->name = take_string(object, "name");
    s->version = take_number(object, "version");
    s->cluster = take_string(object, "cluster");
    s->store = take_string(object, "store");
    s->source = take_string(object, "source");
    s->session = take_string(object, "session");
    s->host = take_string(object, "host");
    s->pid = take_signed(object, "pid");
    s->state = take_string(object, "state");
    s->reason = take_string(object, "reason");
    s->log = take_string(object, "log");
    s->socket = take_string(object, "socket");
    s->started_ms = take_signed(object, "started_ms");
    s->updated_ms = take_signed(object, "updated_ms");
    s->files_done = take_number(object, "files_done");
    s->files_total = take_number(object, "files_total");
    s->bytes_done = take_number(object, "bytes_done");
    s->bytes_total = take_number(object, "bytes_total");
    s->bytes_sent = take_number(object, "bytes_sent");
    s->rate = take_number(object, "rate");
    s->retries = take_number(object, "retries");
    s->eta_s = take_signed(object, "eta_s");
    s->scan_done = cJSON_IsTrue(cJSON_GetObjectItem(object, "scan_done"));
    s->exit_code = (int)take_signed(object, "exit_code");
}

int session_status_read(struct session_status *s, const char *file, struct error *err)
{
    char buffer[32768];
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

    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
    memset(s, 0, sizeof *s);
}

bool session_status_is_alive(const struct session_status *s)
{
    char host[256] = "?";

    gethostname(host, sizeof host - 1);
    return s->exit_code < 0 && s->pid > 0 && strcmp(s->host, host) == 0 &&
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
        char *file;
        if (!is_status_file(entry->d_name))
            continue;
        file = join(folder, entry->d_name, "");
        if (session_status_read(&status, file, &ignored) == 0)
            each(ctx, &status);
        session_status_free(&status);
        free(file);
    }
    closedir(dir);
    return 0;
}
