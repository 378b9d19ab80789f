#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to somebody else.  Passed by value; never freed through a span. */
struct span {
    uint8_t *data;
    size_t size;
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
