#ifndef MANIFEST_MERGE_H
#define MANIFEST_MERGE_H

#include <stddef.h>

#include "base/error.h"
#include "manifest/run_file.h"

/*
 * Several sorted runs read as one.  A record is a byte that is not NUL (its kind) and a
 * string with its NUL; records are in the order of their strings.
 */
struct merge;

/* The file must outlive the merge. */
struct merge *merge_new(const struct run_file *file, const struct run *runs,
                        size_t n_runs);
void merge_free(struct merge *merge);

/*
 * The first record that is left: 1, 0 at the end, -1 on an error.  It is valid until
 * the next call.
 */
int merge_peek(struct merge *merge, const char **record, size_t *size,
               struct error *err);

/* Go on to the record behind the one that was looked at. */
int merge_next(struct merge *merge, struct error *err);

/* Give the buffers back until they are wanted again; the place is kept. */
void merge_park(struct merge *merge);

#endif
