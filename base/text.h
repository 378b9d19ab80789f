#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing string.  Zeroed means empty; `data` is NULL until something was added, then
 * always ends in NUL.  Bytes may be anything, NUL included; `size` counts.
 */
struct text {
    char *data;
    size_t size;
    size_t room;
};

void text_free(struct text *text);
void text_clear(struct text *text); /* empty, memory kept */
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *bytes, size_t size);
void text_add_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As a JSON string, quotes included.  bytes must be valid UTF-8. */
void text_add_json(struct text *text, const char *bytes, size_t size);
void text_add_hex(struct text *text, const void *bytes, size_t size);
void text_add_base64(struct text *text, const void *bytes, size_t size);

/* Percent-encoded as RFC 3986 and S3 have it: all but letters, digits and -._~ becomes
 * %XX, but for '/' where keep_slash says so. */
void text_add_uri(struct text *text, const void *bytes, size_t size, bool keep_slash);

/*
 * For a person's eyes on a terminal: control characters (C1 too), marks that turn the
 * direction of writing, and bytes that are not UTF-8 become \n, \r, \t, \xNN.
 */
void text_add_printable(struct text *text, const char *bytes, size_t size);

/* The string itself, "" where nothing was added.  Valid until the next change. */
const char *text_string(const struct text *text);

/* Hand the string to the caller, who frees it; text is empty again. */
char *text_take(struct text *text);

bool text_is_utf8(const void *bytes, size_t size);

/*
 * Hex or base64 (padded, of one line) back into bytes; -1 when malformed or longer than
 * room, out may then have been written to.  base64 may be decoded in place (out ==
 * base64).
 */
int text_parse_hex(const char *hex, size_t length, void *out, size_t room,
                   size_t *size);
int text_parse_base64(const char *base64, size_t length, void *out, size_t room,
                      size_t *size);

/* A whole decimal number, nothing else; -1 otherwise. */
int text_parse_u64(const char *string, uint64_t *out);

/* "64M", "1.5G", "1024", "16MiB", "20kB": powers of 1,024 whatever the spelling; -1
 * otherwise, as below. */
int text_parse_size(const char *string, uint64_t *out);

/* "90", "90s", "500ms", "10m", "2h", "1d", "1h30m", "never" (0), in milliseconds. */
int text_parse_duration_ms(const char *string, uint64_t *out);

/* "1.5 GiB", "17 B", "3 min 20 s": for people. */
void text_add_size(struct text *text, uint64_t bytes);
void text_add_duration(struct text *text, uint64_t seconds);

/* RFC 3339 in UTC with milliseconds: "2026-11-22T13:16:00.123Z". */
enum { TEXT_TIME_MAX = 32 };
void text_time(char out[TEXT_TIME_MAX], int64_t ms_since_epoch);
/* Offsets ("+01:00") and any number of digits of the second are understood too. */
int text_parse_time(const char *string, int64_t *ms_since_epoch);

#endif
