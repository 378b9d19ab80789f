/* cJSON trees in and out, field by field (json_field.h). */
#include "agent/record.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "agent/agent.h"
#include "agent/json_field.h"
#include "base/mem.h"

/* ---- what all of them have ---- */

static void take_id(char out[RECORD_ID_MAX], const cJSON *object, const char *name)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));

    snprintf(out, RECORD_ID_MAX, "%s", id == NULL ? "" : id);
}

static cJSON *parse_document(const char *json, size_t size, const char *what,
                             struct error *err)
{
    cJSON *object = cJSON_ParseWithLength(json, size);

    if (!cJSON_IsObject(object)) {
        error_set(err, ERROR_CORRUPT, 0, "%s is not a JSON object", what);
    } else if (json_field_u64(object, "format") != RECORD_FORMAT) {
        error_set(err, ERROR_CORRUPT, 0,
                  "%s has format %g, and this grid reads only format %d: "
                  "a newer grid is needed",
                  what, cJSON_GetNumberValue(cJSON_GetObjectItem(object, "format")),
                  RECORD_FORMAT);
    } else {
        return object;
    }
    cJSON_Delete(object);
    return NULL;
}

static cJSON *new_document(void)
{
    cJSON *object = cJSON_CreateObject();

    json_field_add_u64(object, "format", RECORD_FORMAT);
    return object;
}

static void print_document(cJSON *object, struct text *out)
{
    char *json = cJSON_Print(object);

    text_add(out, json);
    text_add(out, "\n");
    cJSON_free(json);
    cJSON_Delete(object);
}

/* ---- session.json ---- */

void session_record_format(const struct session_record *r, struct text *out)
{
    cJSON *object = new_document();

    json_field_add_string(object, "session", r->session);
    json_field_add_string(object, "run", r->run);
    json_field_add_string(object, "host", r->host);
    json_field_add_string(object, "boot_id", r->boot_id);
    json_field_add_string(object, "machine", r->machine);
    json_field_add_string(object, "pid_space", r->pid_space);
    json_field_add_u64(object, "pid", (uint64_t)r->pid);
    json_field_add_string(object, "user", r->user);
    json_field_add_string(object, "source", r->source);
    json_field_add_string(object, "options", r->options);
    json_field_add_u64(object, "part_size", r->part_size);
    json_field_add_string(object, "ended", r->ended);
    print_document(object, out);
}

int session_record_parse(struct session_record *r, const char *json, size_t size,
                         struct error *err)
{
    cJSON *object = parse_document(json, size, "session.json", err);

    memset(r, 0, sizeof *r);
    if (object == NULL)
        return -1;
    take_id(r->session, object, "session");
    take_id(r->run, object, "run");
    r->host = json_field_string(object, "host", "?");
    r->boot_id = json_field_string(object, "boot_id", "");
    r->machine = json_field_string(object, "machine", "");
    r->pid_space = json_field_string(object, "pid_space", "");
    r->pid = (int64_t)json_field_u64(object, "pid");
    r->user = json_field_string(object, "user", "?");
    r->source = json_field_string(object, "source", "");
    r->options = json_field_string(object, "options", "");
    r->part_size = json_field_u64(object, "part_size");
    r->ended = json_field_string(object, "ended", NULL);
    cJSON_Delete(object);
    return 0;
}

void session_record_free(struct session_record *r)
{
    free(r->host);
    free(r->boot_id);
    free(r->machine);
    free(r->pid_space);
    free(r->user);
    free(r->source);
    free(r->options);
    free(r->ended);
    memset(r, 0, sizeof *r);
}

/* "" where it cannot be read. */
static char *read_line(const char *path)
{
    char line[64] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return mem_copy_string("");
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return mem_copy_string(line);
}

static char *read_pid_space(void)
{
    char link[64] = "";
    ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);

    return mem_copy_bytes(link, n > 0 ? (size_t)n : 0);
}

static char *user_name(void)
{
    struct passwd entry, *found = NULL;
    char buffer[4096], number[32];

    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 &&
        found != NULL)
        return mem_copy_string(entry.pw_name);
    snprintf(number, sizeof number, "%ld", (long)getuid());
    return mem_copy_string(number);
}

void session_record_sign(struct session_record *r)
{
    char host[256] = "?";

    gethostname(host, sizeof host - 1);
    free(r->host);
    free(r->boot_id);
    free(r->machine);
    free(r->pid_space);
    free(r->user);
    free(r->ended);
    r->host = mem_copy_string(host);
    r->boot_id = read_line("/proc/sys/kernel/random/boot_id");
    r->machine = read_line("/etc/machine-id");
    r->pid_space = read_pid_space();
    r->user = user_name();
    r->ended = NULL;
    r->pid = getpid();
}

static bool is_same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

/* It has ended, and nobody has waited for it (proc(5)): it does nothing any more. */
static bool is_zombie(int64_t pid)
{
    char path[40], line[512];
    const char *state = NULL;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof line, file) != NULL)
        state = strrchr(line, ')'); /* behind its name, whatever that is */
    fclose(file);
    return state != NULL &&
           (strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0);
}

static bool is_gone(int64_t pid)
{
    return pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH) || is_zombie(pid);
}

/* A pid says something only where it was given: same machine, same boot, same
 * namespace. Of the same machine before its last boot nothing can be alive. */
bool session_record_is_dead(const struct session_record *r)
{
    struct session_record here = {0};
    bool is_dead = false;

    session_record_sign(&here);
    if (strcmp(r->host, here.host) == 0 && is_same(r->boot_id, here.boot_id))
        is_dead = is_same(r->pid_space, here.pid_space) && is_gone(r->pid);
    else if (strcmp(r->host, here.host) == 0)
        is_dead = r->boot_id[0] != '\0' && is_same(r->machine, here.machine);
    session_record_free(&here);
    return is_dead;
}

/* ---- datastore.json ---- */

static cJSON *format_shards(const struct datastore_record *r)
{
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < r->n_shards; i++) {
        cJSON *shard = cJSON_CreateObject();
        json_field_add_string(shard, "key", r->shards[i].key);
        json_field_add_u64(shard, "entries", r->shards[i].entries);
        json_field_add_u64(shard, "bytes", r->shards[i].bytes);
        json_field_add_string(shard, "sha256", r->shards[i].sha256);
        cJSON_AddItemToArray(array, shard);
    }
    return array;
}

static cJSON *format_skipped(const struct datastore_record *r)
{
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < r->n_skipped; i++) {
        cJSON *skipped = cJSON_CreateObject();
        json_field_add_path(skipped, "path", r->skipped[i].path);
        json_field_add_string(skipped, "reason", r->skipped[i].reason);
        cJSON_AddItemToArray(array, skipped);
    }
    return array;
}

void datastore_record_format(const struct datastore_record *r, struct text *out)
{
    cJSON *object = new_document();
    cJSON *source;

    json_field_add_string(object, "name", r->name);
    json_field_add_u64(object, "version", r->version);
    json_field_add_string(object, "session", r->session);
    json_field_add_string(object, "created_at", r->created_at);
    source = cJSON_AddObjectToObject(object, "source");
    json_field_add_string(source, "kind", r->source_kind);
    json_field_add_string(source, "url", r->source_url);
    cJSON_AddBoolToObject(object, "copy", r->copy);
    json_field_add_u64(object, "files", r->files);
    json_field_add_u64(object, "directories", r->directories);
    json_field_add_u64(object, "symlinks", r->symlinks);
    json_field_add_u64(object, "bytes", r->bytes);
    json_field_add_string(object, "hash", "xxh3-128/blocks");
    json_field_add_string(object, "root", r->root);
    cJSON_AddItemToObject(object, "manifest", format_shards(r));
    if (r->skipped_count > r->n_skipped)
        json_field_add_u64(object, "skipped_count", r->skipped_count);
    if (r->n_skipped > 0)
        cJSON_AddItemToObject(object, "skipped", format_skipped(r));
    json_field_add_string(object, "agent", r->agent);
    print_document(object, out);
}

static void parse_shards(struct datastore_record *r, const cJSON *array)
{
    const cJSON *item;

    r->shards = mem_new((size_t)cJSON_GetArraySize(array), sizeof *r->shards);
    cJSON_ArrayForEach(item, array)
    {
        struct datastore_shard *shard = &r->shards[r->n_shards++];
        const char *sha256 = cJSON_GetStringValue(cJSON_GetObjectItem(item, "sha256"));
        shard->key = json_field_string(item, "key", "");
        shard->entries = json_field_u64(item, "entries");
        shard->bytes = json_field_u64(item, "bytes");
        snprintf(shard->sha256, sizeof shard->sha256, "%s", sha256 ? sha256 : "");
    }
}

static void parse_skipped(struct datastore_record *r, const cJSON *array)
{
    const cJSON *item;

    r->skipped = mem_new((size_t)cJSON_GetArraySize(array), sizeof *r->skipped);
    cJSON_ArrayForEach(item, array)
    {
        struct datastore_skipped *skipped = &r->skipped[r->n_skipped++];
        skipped->path = json_field_path(item, "path", "");
        skipped->reason = json_field_string(item, "reason", "");
    }
}

int datastore_record_parse(struct datastore_record *r, const char *json, size_t size,
                           struct error *err)
{
    cJSON *object = parse_document(json, size, "datastore.json", err);
    const cJSON *source = cJSON_GetObjectItem(object, "source");

    memset(r, 0, sizeof *r);
    if (object == NULL)
        return -1;
    r->name = json_field_string(object, "name", "");
    r->version = json_field_u64(object, "version");
    take_id(r->session, object, "session");
    r->created_at = json_field_string(object, "created_at", "");
    r->source_kind = json_field_string(source, "kind", "");
    r->source_url = json_field_string(source, "url", "");
    r->copy = !cJSON_IsFalse(cJSON_GetObjectItem(object, "copy"));
    r->files = json_field_u64(object, "files");
    r->directories = json_field_u64(object, "directories");
    r->symlinks = json_field_u64(object, "symlinks");
    r->bytes = json_field_u64(object, "bytes");
    r->root = json_field_string(object, "root", "");
    r->agent = json_field_string(object, "agent", "");
    parse_shards(r, cJSON_GetObjectItem(object, "manifest"));
    parse_skipped(r, cJSON_GetObjectItem(object, "skipped"));
    r->skipped_count = json_field_u64(object, "skipped_count");
    if (r->skipped_count < r->n_skipped)
        r->skipped_count = r->n_skipped; /* all of them are named */
    cJSON_Delete(object);
    return 0;
}

void datastore_record_free(struct datastore_record *r)
{
    for (size_t i = 0; i < r->n_shards; i++)
        free(r->shards[i].key);
    for (size_t i = 0; i < r->n_skipped; i++) {
        free(r->skipped[i].path);
        free(r->skipped[i].reason);
    }
    free(r->shards);
    free(r->skipped);
    free(r->name);
    free(r->created_at);
    free(r->source_kind);
    free(r->source_url);
    free(r->root);
    free(r->agent);
    memset(r, 0, sizeof *r);
}

/* ---- deleted.json ---- */

void deleted_record_format(const char *name, uint64_t version, struct text *out)
{
    cJSON *object = new_document();
    char now[TEXT_TIME_MAX];

    text_time(now, agent_clock_ms());
    json_field_add_string(object, "name", name);
    json_field_add_u64(object, "version", version);
    json_field_add_string(object, "deleted_at", now);
    print_document(object, out);
}
