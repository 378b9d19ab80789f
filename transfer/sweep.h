#ifndef TRANSFER_SWEEP_H
#define TRANSFER_SWEEP_H

#include "manifest/checkpoint.h"
#include "transfer/store.h"

/*
 * Deletes what the store holds of entries that the source no longer has: whole objects
 * and open uploads, as the checkpoint lists them.  No upload may be under way
 * meanwhile.
 */
struct sweep;

struct sweep_options {
    struct store *store;
    struct checkpoint *checkpoint;
    const char *prefix;                               /* of every key: "NAME/v1/" */
    void (*done)(void *ctx, const struct error *err); /* exactly once */
    void *ctx;
};

struct sweep *sweep_start(const struct sweep_options *options);
void sweep_stop(struct sweep *sweep); /* done() follows */
void sweep_free(struct sweep *sweep); /* after done() */

#endif
