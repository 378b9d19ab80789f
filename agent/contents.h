#ifndef AGENT_CONTENTS_H
#define AGENT_CONTENTS_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "manifest/manifest.h"

/*
 * The entries of a published version, read from its manifest as a stream: memory does
 * not grow with their number.  The shards' checksums and their order are verified on
 * the way.
 */
struct contents_batch {
    const struct manifest_line *lines; /* copies: valid until done() */
    size_t n_lines;
};

/*
 * take() gets batch after batch, on the loop, and calls done() when it wants the next
 * (at once, or after operations of its own; no request is under way meanwhile).  *err of done() ends the reading.
 */
typedef void contents_done_fn(void *ctx, const struct error *err);
typedef void contents_take_fn(void *ctx, const struct contents_batch *batch,
                              contents_done_fn *done, void *done_ctx);

/* Linear code (see agent.h).  ERROR_CORRUPT: the manifest is damaged. */
int contents_read(struct agent *a, const struct version *v, contents_take_fn *take,
                  void *ctx, struct error *err);

#endif
