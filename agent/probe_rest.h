#ifndef AGENT_PROBE_REST_H
#define AGENT_PROBE_REST_H

#include "agent/question.h"

/*
 * What probes and checks that were killed have left below .grid-probe/ of a store, an hour
 * ago and longer: objects and open uploads.  Removed; *n counts them.
 */
int probe_rest_remove(struct agent *a, unsigned *n, struct error *err);

/* The same in two steps: other things may be asked between them.  Zeroed at first. */
struct probe_rest {
    struct question q[2];
    size_t n;
};
void probe_rest_ask(struct agent *a, struct probe_rest *rest);
int probe_rest_remove_found(struct agent *a, struct probe_rest *rest, unsigned *n,
                            struct error *err);

#endif
