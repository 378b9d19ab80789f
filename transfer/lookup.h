#ifndef TRANSFER_LOOKUP_H
#define TRANSFER_LOOKUP_H

#include "manifest/checkpoint.h"
#include "transfer/store.h"

/*
 * What does the store hold of one file, where no note of it is left?  A whole object of
 * its size (its digests are read back where that is cheap, else its ETag tells), or an
 * open upload with parts, known by their ETags: they have no blocks.  All of it is to be
 * compared with the file before it counts.
 */
struct lookup;

struct lookup_options {
    struct loop *loop;
    struct store *store;
    const char *key;    /* valid until done() */
    uint64_t size;      /* of the file */
    uint64_t part_size; /* the user's wish; 0: none */

    /* Exactly once; the lookup is freed afterwards.  found: zeroed for nothing; its
     * memory is the callee's.  err: the store did not answer. */
    void (*done)(void *ctx, const struct upload_record *found, const struct error *err);
    void *ctx;
};

struct lookup *lookup_start(const struct lookup_options *options);
void lookup_cancel(struct lookup *lookup); /* done() follows */

#endif
