/*
 * Numbers and ETags are read from a copy: what http_header() gives has no end of its
 * own.  Of the three forms of a date only the one that is to be sent is read (RFC 9110,
 * 5.6.7); the older two are not seen any more.
 */
#include "transfer/s3_header.h"

#include <string.h>
#include <time.h>

#include "base/text.h"

void s3_header_text(const struct http_answer *answer, const char *name, char *out,
                    size_t room)
{
    size_t length = 0;
    const char *value = http_header(answer, name, &length);

    if (value == NULL)
        length = 0;
    if (length >= room)
        length = room - 1;
    if (length > 0)
        memcpy(out, value, length);
    out[length] = '\0';
}

void s3_header_etag(const struct http_answer *answer, char out[STORE_ETAG_MAX])
{
    char value[STORE_ETAG_MAX + 2];
    size_t size;

    s3_header_text(answer, "ETag", value, sizeof value);
    size = strlen(value);
    if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
        memmove(value, value + 1, size - 2);
        size -= 2;
    }
    if (size >= STORE_ETAG_MAX)
        size = 0; /* cut, it would be another */
    memcpy(out, value, size);
    out[size] = '\0';
}

int s3_header_number(const struct http_answer *answer, const char *name, uint64_t *out)
{
    char value[24];

    s3_header_text(answer, name, value, sizeof value);
    return text_parse_u64(value, out);
}

/* "Sun, 22 Nov 2026 14:41:54 GMT" */
static int parse_date(const char *value, size_t length, int64_t *ms)
{
    char copy[32];
    struct tm tm = {0};
    const char *end;

    if (length >= sizeof copy)
        return -1;
    memcpy(copy, value, length);
    copy[length] = '\0';
    end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0')
        return -1;
    *ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

int s3_header_date_ms(const struct http_answer *answer, const char *name, int64_t *out)
{
    size_t length;
    const char *value = http_header(answer, name, &length);

    return value != NULL ? parse_date(value, length, out) : -1;
}

/* Seconds, or a date. */
unsigned s3_header_retry_after_s(const struct http_answer *answer)
{
    uint64_t seconds;
    int64_t then_ms, now_ms;

    if (s3_header_number(answer, "Retry-After", &seconds) == 0)
        return seconds < UINT32_MAX ? (unsigned)seconds : UINT32_MAX;
    if (s3_header_date_ms(answer, "Retry-After", &then_ms) == 0 &&
        s3_header_date_ms(answer, "Date", &now_ms) == 0 && then_ms > now_ms)
        return (unsigned)((then_ms - now_ms) / 1000);
    return 0;
}
