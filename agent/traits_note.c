/*
 * The check is a CRC32C over store, time and traits: against a file that was cut or
 * mixed up, not against an attacker, who could as well change the configuration.
 */
#include "agent/traits_note.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "manifest/digest.h"

enum { FORMAT = 1, FILE_MAX = 4096, NAME_BYTES = 8, CHECK_MAX = 9 };

const char traits_note_suffix[] = ".traits";

static void path_of(struct text *path, const char *folder, const char *store)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];

    digest_sha256(sha256, store, strlen(store));
    text_add_format(path, "%s/store-", folder);
    text_add_hex(path, sha256, NAME_BYTES);
    text_add(path, traits_note_suffix);
}

static void check_of(char check[CHECK_MAX], const char *store, const char *noted_at,
                     const char *traits)
{
    struct text all = {0};

    text_add_format(&all, "%s\n%s\n%s", store, noted_at, traits);
    snprintf(check, CHECK_MAX, "%08x", digest_crc32c(0, all.data, all.size));
    text_free(&all);
}

/* ---- reading ---- */

static cJSON *load(const char *path)
{
    char bytes[FILE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return NULL;
    n = read(fd, bytes, sizeof bytes);
    close(fd);
    return n > 0 ? cJSON_ParseWithLength(bytes, (size_t)n) : NULL;
}

static const char *string_of(const cJSON *note, const char *name)
{
    const char *value =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(note, name));

    return value != NULL ? value : "";
}

static bool counts(const cJSON *note, const char *store, int64_t now_ms)
{
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(note, "format");
    const char *noted_at = string_of(note, "noted_at");
    char check[CHECK_MAX];
    int64_t noted_ms;

    if (!cJSON_IsNumber(format) || format->valueint != FORMAT)
        return false;
    check_of(check, store, noted_at, string_of(note, "traits"));
    return strcmp(string_of(note, "check"), check) == 0 &&
           text_parse_time(noted_at, &noted_ms) == 0 && noted_ms <= now_ms &&
           now_ms - noted_ms < TRAITS_NOTE_MS;
}

char *traits_note_read(const char *folder, const char *store, int64_t now_ms)
{
    struct text path = {0};
    char *traits = NULL;
    cJSON *note;

    path_of(&path, folder, store);
    note = load(text_string(&path));
    if (note != NULL && counts(note, store, now_ms))
        traits = mem_copy_string(string_of(note, "traits"));
    cJSON_Delete(note);
    text_free(&path);
    return traits;
}

/* ---- writing ---- */

static char *spell(const char *store, const char *traits, int64_t now_ms)
{
    char noted_at[TEXT_TIME_MAX], check[CHECK_MAX];
    cJSON *note = cJSON_CreateObject();
    char *json;

    text_time(noted_at, now_ms);
    check_of(check, store, noted_at, traits);
    cJSON_AddNumberToObject(note, "format", FORMAT);
    cJSON_AddStringToObject(note, "noted_at", noted_at);
    cJSON_AddStringToObject(note, "traits", traits);
    cJSON_AddStringToObject(note, "check", check);
    json = cJSON_PrintUnformatted(note);
    cJSON_Delete(note);
    return json;
}

/* Several processes may do this at once: each has a name of its own aside.  No fsync:
 * what a crash leaves of it does not count. */
static bool replace(const char *path, const char *json)
{
    struct text aside = {0};
    size_t size = strlen(json);
    bool is_written = false;
    int fd;

    text_add_format(&aside, "%s.%ld", path, (long)getpid());
    fd = open(text_string(&aside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        is_written = write(fd, json, size) == (ssize_t)size;
        is_written = close(fd) == 0 && is_written;
        is_written = is_written && rename(text_string(&aside), path) == 0;
    }
    if (fd >= 0 && !is_written)
        unlink(text_string(&aside));
    text_free(&aside);
    return is_written;
}

void traits_note_write(const char *folder, const char *store, const char *traits,
                       int64_t now_ms)
{
    struct text path = {0};
    char *json = spell(store, traits, now_ms);

    path_of(&path, folder, store);
    if (!replace(text_string(&path), json))
        log_line(LOG_INFO, LOG_AGENT, "%s could not be written", text_string(&path));
    cJSON_free(json);
    text_free(&path);
}
