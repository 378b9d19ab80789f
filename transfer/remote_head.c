/*
 * "bytes 500-999/8000": the first byte, the last, and the size, "*" where the server does
 * not know it.
 */
#include "transfer/remote_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

static char *value_of(const struct http_answer *answer, const char *name)
{
    size_t length;
    const char *value = http_header(answer, name, &length);

    return value != NULL ? mem_copy_bytes(value, length) : NULL;
}

static void keep(char *out, const struct http_answer *answer, const char *name)
{
    char *value = value_of(answer, name);

    out[0] = '\0';
    if (value != NULL && strlen(value) < REMOTE_VALIDATOR_MAX)
        memcpy(out, value, strlen(value) + 1);
    free(value);
}

static void read_range(struct remote_head *out, char *value)
{
    char *dash, *slash;

    if (value == NULL || strncasecmp(value, "bytes ", 6) != 0)
        return;
    dash = strchr(value, '-');
    slash = strchr(value, '/');
    if (dash == NULL || slash == NULL || slash < dash)
        return;
    *dash = '\0';
    out->is_partial = text_parse_u64(value + 6, &out->first) == 0;
    out->has_size = text_parse_u64(slash + 1, &out->size) == 0;
}

void remote_head_read(struct remote_head *out, const struct http_answer *answer)
{
    char *range = value_of(answer, "Content-Range");
    char *length = value_of(answer, "Content-Length");
    char *type = value_of(answer, "Content-Type");

    memset(out, 0, sizeof *out);
    if (answer->status == 206)
        read_range(out, range);
    else if (length != NULL)
        out->has_size = text_parse_u64(length, &out->size) == 0;
    out->is_page = type != NULL && strncasecmp(type, "text/html", 9) == 0;
    keep(out->etag, answer, "ETag");
    keep(out->modified, answer, "Last-Modified");
    free(range);
    free(length);
    free(type);
}

bool remote_head_is_same(const struct remote_head *a, const struct remote_head *b)
{
    return a->has_size == b->has_size && a->size == b->size &&
           strcmp(a->etag, b->etag) == 0 && strcmp(a->modified, b->modified) == 0 &&
           (a->has_size || a->etag[0] != '\0' || a->modified[0] != '\0');
}

const char *remote_head_validator(const struct remote_head *head)
{
    bool is_strong = head->etag[0] != '\0' && strncmp(head->etag, "W/", 2) != 0;

    return is_strong ? head->etag : head->modified;
}
