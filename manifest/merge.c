/*
 * A cursor a run, in a heap by their present records.  A cursor's buffer always holds
 * its present record whole; it grows for a record that is larger than usual.  A parked
 * merge knows just the offsets of the present records and reads them again.
 *
 *   NEW --peek--> READY <--peek / park--> PARKED
 */
#include "manifest/merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Large enough that a read is cheap against what is done with its records; there may be
 * a hundred cursors. */
enum { CURSOR_BYTES = 8 << 10 };

struct cursor {
    uint64_t at, end; /* in the file: the present record, the end of the run */
    char *buffer;     /* NULL: parked */
    size_t room, filled, start; /* the present record begins at buffer + start */
    size_t size;                /* of the present record */
};

struct merge {
    const struct run_file *file;
    enum { MERGE_NEW, MERGE_READY, MERGE_PARKED } phase;
    struct cursor *heap; /* the smallest first */
    size_t n_cursors;    /* cursors at their ends are gone from the heap */
};

struct merge *merge_new(const struct run_file *file, const struct run *runs,
                        size_t n_runs)
{
    struct merge *merge = mem_new(1, sizeof *merge);

    merge->file = file;
    merge->heap = mem_new(n_runs, sizeof *merge->heap);
    for (size_t i = 0; i < n_runs; i++) {
        if (runs[i].size == 0)
            continue;
        merge->heap[merge->n_cursors].at = runs[i].start;
        merge->heap[merge->n_cursors].end = runs[i].start + runs[i].size;
        merge->n_cursors++;
    }
    return merge;
}

void merge_park(struct merge *merge)
{
    if (merge->phase != MERGE_READY)
        return;
    for (size_t i = 0; i < merge->n_cursors; i++) {
        free(merge->heap[i].buffer);
        merge->heap[i].buffer = NULL;
        merge->heap[i].room = merge->heap[i].filled = merge->heap[i].start = 0;
    }
    merge->phase = MERGE_PARKED;
}

void merge_free(struct merge *merge)
{
    if (merge == NULL)
        return;
    for (size_t i = 0; i < merge->n_cursors; i++)
        free(merge->heap[i].buffer);
    free(merge->heap);
    free(merge);
}

/* ---- a cursor ---- */

/* Is the record at c->at whole in the buffer?  Then its size is set. */
static bool has_record(struct cursor *c)
{
    const char *record = c->buffer + c->start;
    const char *end;

    if (c->filled == c->start)
        return false;
    end = memchr(record, '\0', c->filled - c->start);
    if (end == NULL)
        return false;
    c->size = (size_t)(end - record) + 1;
    return true;
}

static int read_record(const struct merge *merge, struct cursor *c, struct error *err)
{
    while (!has_record(c)) {
        size_t kept = c->filled - c->start;
        uint64_t left = c->end - c->at - kept;
        size_t wanted;

        if (left == 0)
            return error_set(err, ERROR_INTERNAL, 0, "a run ends within a record");
        if (kept > 0)
            memmove(c->buffer, c->buffer + c->start, kept);
        c->start = 0;
        if (kept == c->room) {
            c->room = c->room > 0 ? 2 * c->room : CURSOR_BYTES;
            c->buffer = mem_resize(c->buffer, c->room, 1);
        }
        wanted = c->room - kept < left ? c->room - kept : (size_t)left;
        c->filled = kept;
        if (run_file_read(merge->file, c->at + kept, c->buffer + kept, wanted, err) !=
            0)
            return -1;
        c->filled += wanted;
    }
    return 0;
}

/* ---- the heap ---- */

static bool is_before(const struct cursor *a, const struct cursor *b)
{
    return strcmp(a->buffer + a->start + 1, b->buffer + b->start + 1) < 0;
}

static void sift_down(struct merge *merge, size_t i)
{
    struct cursor *heap = merge->heap;

    for (;;) {
        size_t first = i;
        struct cursor moved;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < merge->n_cursors && is_before(&heap[child], &heap[first]))
                first = child;
        if (first == i)
            return;
        moved = heap[i];
        heap[i] = heap[first];
        heap[first] = moved;
        i = first;
    }
}

static int make_ready(struct merge *merge, struct error *err)
{
    for (size_t i = 0; i < merge->n_cursors; i++)
        if (read_record(merge, &merge->heap[i], err) != 0)
            return -1;
    if (merge->phase == MERGE_NEW)
        for (size_t i = merge->n_cursors; i-- > 0;)
            sift_down(merge, i);
    merge->phase = MERGE_READY;
    return 0;
}

int merge_peek(struct merge *merge, const char **record, size_t *size,
               struct error *err)
{
    if (merge->phase != MERGE_READY && make_ready(merge, err) != 0)
        return -1;
    if (merge->n_cursors == 0)
        return 0;
    *record = merge->heap[0].buffer + merge->heap[0].start;
    *size = merge->heap[0].size;
    return 1;
}

int merge_next(struct merge *merge, struct error *err)
{
    struct cursor *c = &merge->heap[0];

    if (merge->phase != MERGE_READY && make_ready(merge, err) != 0)
        return -1;
    c->at += c->size;
    c->start += c->size;
    if (c->at == c->end) {
        free(c->buffer);
        *c = merge->heap[--merge->n_cursors];
    } else if (read_record(merge, c, err) != 0) {
        return -1;
    }
    sift_down(merge, 0);
    return 0;
}
