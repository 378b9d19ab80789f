#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
    fputs("grid: out of memory; run the same command again to go on\n", stderr);
    _Exit(75); /* resumable, as the checkpoint has it */
}

void *mem_new(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *mem_buffer(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *mem_resize(void *memory, size_t count, size_t size)
{
    void *resized;

    if (size > 0 && count > SIZE_MAX / size)
        out_of_memory();
    resized = realloc(memory, count * size > 0 ? count * size : 1);
    if (resized == NULL)
        out_of_memory();
    return resized;
}

char *mem_copy_string(const char *string)
{
    return mem_copy_bytes(string, strlen(string));
}

char *mem_copy_bytes(const void *bytes, size_t size)
{
    char *copy = mem_buffer(size + 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}
