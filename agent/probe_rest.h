#ifndef AGENT_PROBE_REST_H
#define AGENT_PROBE_REST_H

#include "agent/agent.h"

/*
 * What probes and checks that were killed have left below .grid-probe/ of a store, an hour
 * ago and longer: objects and open uploads.  Removed; *n counts them.
 */
int probe_rest_remove(struct agent *a, unsigned *n, struct error *err);

#endif
