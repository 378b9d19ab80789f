#ifndef AGENT_VERIFY_H
#define AGENT_VERIFY_H

#include <stdbool.h>

#include "agent/agent.h"
#include "agent/catalog.h"

/*
 * Every object of a published version against its manifest: present and of the right
 * size, and where no hash is known of the right ETag; with `deep` its bytes are read back
 * and hashed, or held against an ETag that is their MD5.
 */
struct verify_finding {
    const char *path;
    uint64_t size;
    const char
        *status; /* "ok", "missing", "size", "changed", "corrupt", "unreadable" */
    const char *detail; /* for people; "" when ok */
};

struct verify_options {
    struct agent *agent;
    const struct version *version;
    struct store
        *references; /* where objects are that it only refers to; their keys are
                                 the paths.  NULL: there are none */
    bool deep;
    unsigned jobs; /* objects at once */
    void (*found)(void *ctx, const struct verify_finding *finding); /* each entry */
    void *ctx;
};

struct verify_summary {
    uint64_t files, bytes, problems;
};

/* Linear code (see agent.h).  -1 when it could not be done, not when it found
 * something. */
int verify_run(const struct verify_options *options, struct verify_summary *summary,
               struct error *err);

#endif
