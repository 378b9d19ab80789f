#ifndef AGENT_RECONCILE_H
#define AGENT_RECONCILE_H

#include "agent/agent.h"
#include "manifest/checkpoint.h"

/*
 * The checkpoint held against a listing of the store, where notes may be ahead of the
 * truth (a power cut, another run in between) or behind it (they were lost).  Both wait.
 */
struct reconcile_options {
    struct agent *agent;
    struct checkpoint *checkpoint;
    const char *prefix; /* of every key: "NAME/v1/" */
};

/* What was noted as stored and is not there is planned anew: *n_lost of it. */
int reconcile_objects(const struct reconcile_options *options, uint64_t *n_lost,
                      struct error *err);

/* Delete what that listing had and no entry has. */
int reconcile_strays(const struct reconcile_options *options, struct error *err);

#endif
