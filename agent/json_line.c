/*
 * JSON by hand, since a line is only ever appended to: no tree is built, and the order
 * of the fields is the order of the calls.
 *
 * JSON is UTF-8, file names are bytes.  The bytes of a name that is not UTF-8 are taken
 * one sequence at a time; each byte that begins none becomes U+FFFD, the way browsers
 * and Python's "replace" do for a stray byte.
 */
#include "agent/json_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

/* The bytes of the UTF-8 sequence at `bytes`, or 0 where there is none. */
static size_t sequence_size(const char *bytes, size_t left)
{
    size_t size;

    for (size = 1; size <= 4 && size <= left; size++)
        if (text_is_utf8(bytes, size))
            return size;
    return 0;
}

static void add_string(struct text *line, const char *bytes)
{
    struct text lossy = {0};
    size_t size = strlen(bytes);
    size_t at = 0;

    if (text_is_utf8(bytes, size)) {
        text_add_json(line, bytes, size);
        return;
    }
    while (at < size) {
        size_t step = sequence_size(bytes + at, size - at);

        if (step > 0)
            text_add_bytes(&lossy, bytes + at, step);
        else
            text_add(&lossy, replacement);
        at += step > 0 ? step : 1;
    }
    text_add_json(line, lossy.data, lossy.size);
    text_free(&lossy);
}

static void add_key(struct text *line, const char *key)
{
    if (line->data[line->size - 1] != '{')
        text_add(line, ",");
    text_add_format(line, "\"%s\":", key);
}

void json_line_begin(struct text *line)
{
    text_add(line, "{");
}

void json_line_end(struct text *line)
{
    text_add(line, "}\n");
}

void json_line_string(struct text *line, const char *key, const char *value)
{
    add_key(line, key);
    if (value != NULL)
        add_string(line, value);
    else
        text_add(line, "null");
}

void json_line_path(struct text *line, const char *key, const char *path)
{
    json_line_string(line, key, path);
    if (path == NULL || text_is_utf8(path, strlen(path)))
        return;
    text_add_format(line, ",\"%s_b64\":\"", key);
    text_add_base64(line, path, strlen(path));
    text_add(line, "\"");
}

void json_line_u64(struct text *line, const char *key, uint64_t value)
{
    add_key(line, key);
    text_add_format(line, "%" PRIu64, value);
}

void json_line_i64(struct text *line, const char *key, int64_t value)
{
    add_key(line, key);
    text_add_format(line, "%" PRId64, value);
}

void json_line_bool(struct text *line, const char *key, bool value)
{
    add_key(line, key);
    text_add(line, value ? "true" : "false");
}

void json_line_seconds(struct text *line, const char *key, double value)
{
    int64_t ms = (int64_t)(value * 1000 + 0.5);

    /* Not %f: its decimal point follows the locale. */
    add_key(line, key);
    text_add_format(line, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
}

void json_line_time(struct text *line, const char *key, int64_t ms_since_epoch)
{
    char time[TEXT_TIME_MAX];

    text_time(time, ms_since_epoch);
    json_line_string(line, key, time);
}
