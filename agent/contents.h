#ifndef AGENT_CONTENTS_H
#define AGENT_CONTENTS_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "manifest/manifest.h"

/*
 * The entries of a published version, read from its manifest in their order, in memory
 * that does not grow with their number.  The shards' checksums and their order are
 * verified on the way.
 */
struct contents_batch {
    const struct manifest_line *lines; /* valid until the next batch is asked for */
    size_t n_lines;
};

/*
 * Batch after batch, for linear code (see agent.h).  1: *batch has some lines; 0: that
 * was all; -1: error, and there will be no more (ERROR_CORRUPT: the manifest is
 * damaged).  The version must outlive it.
 */
struct contents;
struct contents *contents_open(struct agent *a, const struct version *v);
int contents_next(struct contents *c, struct contents_batch *batch, struct error *err);
void contents_close(struct contents *c);

/* The same, but only those from this path on, which is copied: of the shards that lie
 * before it no more is read than the beginnings of a few (binary search). */
struct contents *contents_open_from(struct agent *a, const struct version *v,
                                    const char *path);

/*
 * All of them: take() gets batch after batch, on the loop, and calls done() when it wants the next
 * (at once, or after operations of its own).  *err of done() ends the reading.
 */
typedef void contents_done_fn(void *ctx, const struct error *err);
typedef void contents_take_fn(void *ctx, const struct contents_batch *batch,
                              contents_done_fn *done, void *done_ctx);

int contents_read(struct agent *a, const struct version *v, contents_take_fn *take,
                  void *ctx, struct error *err);

#endif
