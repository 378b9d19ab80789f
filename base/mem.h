#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * Memory that is never NULL.  When the system has none left the program says so and
 * ends: the checkpoint makes that as safe as any other crash, and it spares every
 * caller a path that is hardly ever taken.  Everything here is given back with free().
 */

/* Zeroed. */
void *mem_new(size_t count, size_t size);

/* Not zeroed: for buffers that are filled at once. */
void *mem_buffer(size_t size);

/* Like realloc(); the new bytes are not zeroed. */
void *mem_resize(void *memory, size_t count, size_t size);

char *mem_copy_string(const char *string);

/* A copy of size bytes with a NUL behind them. */
char *mem_copy_bytes(const void *bytes, size_t size);

#endif
