#ifndef TRANSFER_REMOTE_HEAD_H
#define TRANSFER_REMOTE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "transfer/http.h"

/* What the head of an answer says of the file behind it.  Pure (RFC 9110, "Range
 * Requests", "Validator Fields"). */
enum { REMOTE_VALIDATOR_MAX = 128 };

struct remote_head {
    bool is_partial;
    uint64_t first; /* partial: offset of the first byte */
    bool has_size;
    uint64_t size;                       /* of the whole file */
    char etag[REMOTE_VALIDATOR_MAX];     /* "" where there is none, or none so short */
    char modified[REMOTE_VALIDATOR_MAX]; /* Last-Modified, likewise */
    bool is_page;                        /* text/html */
};

void remote_head_read(struct remote_head *out, const struct http_answer *answer);

/* May the bytes behind one be put behind those of the other?  False also where nothing
 * is known that could tell. */
bool remote_head_is_same(const struct remote_head *a, const struct remote_head *b);

/* What If-Range may name: a strong ETag, else the date; "": nothing. */
const char *remote_head_validator(const struct remote_head *head);

#endif
