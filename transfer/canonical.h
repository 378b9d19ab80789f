#ifndef TRANSFER_CANONICAL_H
#define TRANSFER_CANONICAL_H

#include <stddef.h>

#include "base/text.h"

/*
 * Queries and headers in the one form that is signed (sigv4.h).
 */
struct canonical_header {
    const char *name, *value;
    size_t name_length;
    size_t order; /* as given: those of one name keep it */
};

/* Points to strings of the caller's. */
struct canonical_headers {
    struct canonical_header *all;
    size_t n;
};

void canonical_init(struct canonical_headers *headers, size_t room);
void canonical_note(struct canonical_headers *headers, const char *name,
                    const char *value);
void canonical_note_line(struct canonical_headers *headers, const char *line);
void canonical_sort(struct canonical_headers *headers); /* after the last */
void canonical_free(struct canonical_headers *headers);

/* "host:example.com\nrange:bytes=0-9\n" */
void canonical_add_headers(struct text *out, const struct canonical_headers *headers);

/* "host;range" */
void canonical_add_names(struct text *out, const struct canonical_headers *headers);

/* "a=1&b=&b=2" of "b&b=2&a=1", which is percent-encoded already. */
void canonical_add_query(struct text *out, const char *query);

#endif
