#ifndef BENCH_SINK_WIRE_H
#define BENCH_SINK_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/*
 * The head of an HTTP/1.1 request, taken apart in the buffer that it came in: all
 * pointers lie in there.
 */
struct wire_head {
    char *method;
    char *path;    /* decoded, without the first '/': "bucket/key" */
    char *query;   /* as sent, without '?'; "" if none */
    char *headers; /* the lines, each with its "\r\n" */
};

enum { WIRE_VALUE_MAX = 1100 };

/* The size of the head at the front of bytes, blank line included; 0: it is not whole. */
size_t wire_head_size(const char *bytes, size_t size);

/* bytes: the head and nothing else; changed.  -1: this is no HTTP. */
int wire_parse(struct wire_head *head, char *bytes, size_t size);

/* The value of a header, or, decoded, of a parameter of the query; false, and "", where
 * there is none or it is longer than a key can be. */
bool wire_header(const struct wire_head *head, const char *name,
                 char value[WIRE_VALUE_MAX]);
bool wire_query(const struct wire_head *head, const char *name,
                char value[WIRE_VALUE_MAX]);

/* A decimal header; 0 where there is none. */
uint64_t wire_number(const struct wire_head *head, const char *name);

/* The status line, Date and what every answer of the sink begins with. */
void wire_add_status(struct text *out, int status);

/* "Sun, 22 Nov 2026 20:00:00 GMT" */
void wire_add_date(struct text *out, int64_t time_s);

#endif
