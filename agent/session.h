#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include "agent/config.h"
#include "agent/options.h"
#include "agent/paths.h"

/*
 * One upload of one version, from the reservation of its number to the publication:
 * `grid datastore create` and `resume`.  Linear code over the pipeline (see agent.h);
 * what has to happen at any moment (signals, the beat, progress, `stop`) are callbacks
 * of the loop.
 */
struct session_request {
    const struct options *options;
    const struct paths *paths;
    const struct cluster *cluster;
    const char *source; /* as the user gave it */
    const char *name;   /* NULL: derived from the source */
    bool is_resume; /* there must be a session to go on with, whatever its options */
};

/* Returns the program's exit code; everything has been said on the console. */
int session_run(const struct session_request *request);

#endif
