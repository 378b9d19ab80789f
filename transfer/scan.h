#ifndef TRANSFER_SCAN_H
#define TRANSFER_SCAN_H

#include <stdbool.h>

#include "manifest/checkpoint.h"
#include "transfer/source.h"

/*
 * The scan of a source into the plan: one batch is read on a worker thread while the
 * one before is merged by the checkpoint's.
 */
struct scan;

struct scan_events {
    void (*issue)(void *ctx, const struct issue *issue);
    void (*grown)(void *ctx); /* a batch is in the plan */
    void (*done)(void *ctx,
                 const struct error *err); /* exactly once; NULL: all planned */
};

struct scan *scan_start(struct source *source, struct checkpoint *checkpoint,
                        const struct scan_events *events, void *ctx);

/* done() follows, with ERROR_CANCELLED unless it is at its end. */
void scan_stop(struct scan *scan);

/* After done(). */
void scan_free(struct scan *scan);

#endif
