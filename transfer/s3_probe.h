#ifndef TRANSFER_S3_PROBE_H
#define TRANSFER_S3_PROBE_H

#include "transfer/s3.h"

/*
 * Finding out about an S3 store before it is used.
 *
 * The greeting is one listing of at most one key: it shows that S3 is spoken there and
 * that we are known, in which region the bucket is, and what time it is there.  Probing
 * (before the first write) also finds out which digests the store really verifies, by
 * sending it wrong ones, and whether a put can be made conditional (ARCHITECTURE, "How
 * a part gets its integrity").  It writes only below .grid-probe/ and cleans up.
 */

struct s3_probe_events {
    /* s3->readiness has grown, and the probe goes on. */
    void (*moved)(void *ctx);

    /* Later, exactly once; err NULL: s3->readiness is at least `to`. */
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

void s3_probe_start(struct s3 *s3, enum s3_readiness to,
                    const struct s3_probe_events *events);

/* Nobody waits for it any more: done() follows as soon as it has cleaned up; at once,
 * and without cleaning up, where the store is closing. */
void s3_probe_cancel(struct s3_probe *probe);

#endif
