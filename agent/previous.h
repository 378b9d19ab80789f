#ifndef AGENT_PREVIOUS_H
#define AGENT_PREVIOUS_H

#include "agent/agent.h"
#include "base/text.h"
#include "manifest/checkpoint_previous.h"

/*
 * The previous version of a datastore, read into the checkpoint of the session that makes
 * the next one: from it is copied what has not changed.  It is the newest that is
 * published below that one; read once in a session, in memory that does not grow with it.
 */
struct previous_options {
    struct agent *agent;
    struct checkpoint *checkpoint;
    const char *name;
    uint64_t number;   /* of the version that is made */
    const char *cache; /* the file of the stat cache; it need not be there */

    /* It cannot be read, so everything is sent: err says why. */
    void (*unreadable)(void *ctx, const struct error *err);
    void *ctx;
};

/* prefix: of the keys of the previous version, "NAME/v1/"; "" where there is none that
 * could be copied from.  Linear code (see agent.h). */
int previous_prepare(const struct previous_options *options, struct text *prefix,
                     struct error *err);

#endif
