#ifndef AGENT_VERSION_SCAN_H
#define AGENT_VERSION_SCAN_H

#include "agent/version.h"

/*
 * Many versions, several read at once, told in order: thousands cost a few round trips
 * for each thirty.  Linear code over the store (see agent.h).
 */
struct version_ref {
    const char *name; /* lent */
    uint64_t number;
};

/* All numbers of these names, ascending within each, whatever became of them; the caller
 * frees the array. */
int version_scan_numbers(struct agent *a, const char *const *names, size_t n_names,
                         struct version_ref **refs, size_t *n, struct error *err);

/* each() may wait and print.  What v holds is freed behind it, unless each() has taken it
 * and left zeros.  failed: why this version could not be read, NULL where it could; the
 * others are told all the same.  -1 with *err ends it. */
typedef int version_scan_fn(void *ctx, struct version *v, const struct error *failed,
                            struct error *err);
int version_scan_run(struct agent *a, const struct version_ref *refs, size_t n,
                     version_scan_fn *each, void *ctx, struct error *err);

#endif
