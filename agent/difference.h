#ifndef AGENT_DIFFERENCE_H
#define AGENT_DIFFERENCE_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "manifest/manifest.h"

/*
 * What differs between two published versions, by their manifests alone: paths, types,
 * sizes, hashes, modes, and the targets of links.  A time of modification is no
 * difference by itself, since the bytes are the same; it decides only where one of two
 * files of one size has no hash that could be compared.
 */
enum {
    DIFFERENCE_TYPE = 1, /* then nothing else is compared */
    DIFFERENCE_SIZE = 2,
    DIFFERENCE_HASH = 4,
    DIFFERENCE_MODE = 8,
    DIFFERENCE_TARGET = 16
};

struct difference {
    enum { DIFFERENCE_ADDED, DIFFERENCE_REMOVED, DIFFERENCE_CHANGED } kind;
    const struct manifest_line *line; /* as it is, or was before it was removed */
    const struct manifest_line *old;  /* changed: as it was; else NULL */
    unsigned what;                    /* changed: of DIFFERENCE_...; else 0 */
};

/* Valid during the call. */
typedef void difference_fn(void *ctx, const struct difference *d);

/* each() for every path that differs, in the order of paths.  Memory does not grow with
 * their number.  Linear code (see agent.h). */
int difference_each(struct agent *a, const struct version *before,
                    const struct version *after, difference_fn *each, void *ctx,
                    struct error *err);

#endif
