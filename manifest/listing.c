/*
 * Names are gathered unsorted in one buffer of the space.  When it is full it is sorted
 * and goes to disk as a run of level 0; FAN_IN runs of a level are merged into one of
 * the next level, so that a folder of any size leaves a few dozen runs at most and each
 * name is written only once a level.
 *
 * A listing whose names fit keeps them in memory, sorted, in a block of just their size
 * - unless the listings below it on the stack have used the memory up, then it goes to
 * disk as well.  Of the listings on disk only one has read buffers at a time: while a
 * folder deep down is read, those above it wait parked.
 *
 * Of the bytes allowed a quarter is for gathering, with the pointers that sorting
 * takes, and half for what is kept.
 */
#include "manifest/listing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/merge.h"
#include "manifest/run_file.h"

enum { FAN_IN = 32, SMALLEST_GATHER = 4 << 10, FIRST_GATHER = 16 << 10 };

struct listing_space {
    struct run_file *file;
    size_t gather_max, keep_max;
    size_t kept; /* bytes of all listings in memory */

    char *gathered; /* records, as merge.h has them */
    size_t gathered_size, gathered_room, n_gathered;
    const char **order; /* room for sorting */
    size_t order_room;

    struct run *runs; /* of the listing that is being made */
    size_t n_runs, runs_room;
    uint64_t runs_start;

    struct listing *buffered; /* the one on disk that has buffers */
};

struct listing {
    struct listing_space *space;
    char *records, *next, *end; /* in memory */
    struct merge *merge;        /* on disk */
    uint64_t runs_start;
};

struct listing_space *listing_space_new(const char *scratch_folder, uint64_t bytes)
{
    struct listing_space *space = mem_new(1, sizeof *space);

    space->file = run_file_new(scratch_folder);
    space->gather_max = bytes / 4 > SMALLEST_GATHER ? bytes / 4 : SMALLEST_GATHER;
    space->keep_max = bytes / 2;
    return space;
}

void listing_space_free(struct listing_space *space)
{
    if (space == NULL)
        return;
    run_file_free(space->file);
    free(space->gathered);
    free(space->order);
    free(space->runs);
    free(space);
}

/* ---- sorting what was gathered ---- */

static int compare_records(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

static void sort_gathered(struct listing_space *space)
{
    const char *record = space->gathered;

    if (space->n_gathered > space->order_room) {
        space->order_room = space->n_gathered + space->n_gathered / 2;
        space->order =
            mem_resize(space->order, space->order_room, sizeof *space->order);
    }
    for (size_t i = 0; i < space->n_gathered; i++) {
        space->order[i] = record;
        record += strlen(record) + 1;
    }
    if (space->n_gathered > 1)
        qsort(space->order, space->n_gathered, sizeof *space->order, compare_records);
}

static void forget_gathered(struct listing_space *space)
{
    space->gathered_size = 0;
    space->n_gathered = 0;
}

/* ---- to disk ---- */

static int copy_merged(struct listing_space *space, struct merge *merge,
                       struct error *err)
{
    const char *record;
    size_t size;
    int found;

    while ((found = merge_peek(merge, &record, &size, err)) == 1) {
        if (run_file_write(space->file, record, size, err) != 0 ||
            merge_next(merge, err) != 0)
            return -1;
    }
    return found;
}

/* The last FAN_IN runs become one. */
static int merge_last_runs(struct listing_space *space, struct error *err)
{
    struct run *first = &space->runs[space->n_runs - FAN_IN];
    struct merge *merge = merge_new(space->file, first, FAN_IN);
    unsigned level = first->level + 1;
    struct run merged = {0};
    int result = copy_merged(space, merge, err);

    merge_free(merge);
    if (result == 0)
        result = run_file_end_run(space->file, &merged, err);
    if (result != 0)
        return -1;
    for (unsigned i = 0; i < FAN_IN; i++)
        run_file_punch(space->file, &first[i]);
    merged.level = level;
    *first = merged;
    space->n_runs -= FAN_IN - 1;
    return 0;
}

static bool is_level_full(const struct listing_space *space)
{
    return space->n_runs >= FAN_IN && space->runs[space->n_runs - FAN_IN].level ==
                                          space->runs[space->n_runs - 1].level;
}

static int write_run(struct listing_space *space, struct error *err)
{
    if (space->n_runs == 0)
        space->runs_start = run_file_end(space->file);
    if (space->n_runs == space->runs_room) {
        space->runs_room = space->runs_room > 0 ? 2 * space->runs_room : FAN_IN;
        space->runs = mem_resize(space->runs, space->runs_room, sizeof *space->runs);
    }
    sort_gathered(space);
    for (size_t i = 0; i < space->n_gathered; i++)
        if (run_file_write(space->file, space->order[i], strlen(space->order[i]) + 1,
                           err) != 0)
            return -1;
    forget_gathered(space);
    if (run_file_end_run(space->file, &space->runs[space->n_runs], err) != 0)
        return -1;
    space->n_runs++;
    while (is_level_full(space))
        if (merge_last_runs(space, err) != 0)
            return -1;
    return 0;
}

/* ---- making a listing ---- */

int listing_add(struct listing_space *space, char kind, const char *name, size_t length,
                struct error *err)
{
    size_t sort_size = 2 * sizeof(char *) * space->n_gathered; /* order, qsort's copy */
    size_t size = length + 2;
    char *record;

    if (space->gathered_size + size + sort_size > space->gather_max &&
        space->n_gathered > 0 && write_run(space, err) != 0)
        return -1;
    if (space->gathered_size + size > space->gathered_room) {
        space->gathered_room = 2 * space->gathered_room + size;
        if (space->gathered_room < FIRST_GATHER)
            space->gathered_room = FIRST_GATHER;
        space->gathered = mem_resize(space->gathered, space->gathered_room, 1);
    }
    record = space->gathered + space->gathered_size;
    record[0] = kind;
    memcpy(record + 1, name, length);
    record[size - 1] = '\0';
    space->gathered_size += size;
    space->n_gathered++;
    return 0;
}

static void keep_in_memory(struct listing_space *space, struct listing *listing)
{
    char *end = listing->records = mem_buffer(space->gathered_size);

    sort_gathered(space);
    for (size_t i = 0; i < space->n_gathered; i++) {
        size_t size = strlen(space->order[i]) + 1;

        memcpy(end, space->order[i], size);
        end += size;
    }
    listing->next = listing->records;
    listing->end = end;
    space->kept += space->gathered_size;
    forget_gathered(space);
}

int listing_end(struct listing_space *space, struct listing **out, struct error *err)
{
    bool fits = space->kept + space->gathered_size <= space->keep_max;
    struct listing *listing;

    *out = NULL;
    if (space->n_gathered == 0 && space->n_runs == 0)
        return 0;
    if ((space->n_runs > 0 || !fits) && space->n_gathered > 0 &&
        write_run(space, err) != 0)
        return -1;
    listing = mem_new(1, sizeof *listing);
    listing->space = space;
    if (space->n_runs == 0) {
        keep_in_memory(space, listing);
    } else {
        listing->merge = merge_new(space->file, space->runs, space->n_runs);
        listing->runs_start = space->runs_start;
        space->n_runs = 0;
    }
    *out = listing;
    return 0;
}

void listing_free(struct listing *listing)
{
    struct listing_space *space;

    if (listing == NULL)
        return;
    space = listing->space;
    if (space->buffered == listing)
        space->buffered = NULL;
    if (listing->merge != NULL)
        run_file_cut(space->file, listing->runs_start);
    else
        space->kept -= (size_t)(listing->end - listing->records);
    merge_free(listing->merge);
    free(listing->records);
    free(listing);
}

/* ---- reading it ---- */

static void take_buffers(struct listing *listing)
{
    struct listing_space *space = listing->space;

    if (space->buffered != NULL && space->buffered != listing)
        merge_park(space->buffered->merge);
    space->buffered = listing;
}

int listing_peek(struct listing *listing, struct listing_name *out, struct error *err)
{
    const char *record = listing->next;
    size_t size;

    if (listing->merge != NULL) {
        int found;

        take_buffers(listing);
        found = merge_peek(listing->merge, &record, &size, err);
        if (found != 1)
            return found;
    } else {
        if (listing->next == listing->end)
            return 0;
        size = strlen(record) + 1;
    }
    out->kind = record[0];
    out->name = record + 1;
    out->length = size - 2;
    return 1;
}

int listing_next(struct listing *listing, struct error *err)
{
    if (listing->merge == NULL) {
        listing->next += strlen(listing->next) + 1;
        return 0;
    }
    take_buffers(listing);
    return merge_next(listing->merge, err);
}
