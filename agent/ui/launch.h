#ifndef AGENT_UI_LAUNCH_H
#define AGENT_UI_LAUNCH_H

#include "agent/ui/child.h"
#include "agent/ui/server.h"

/*
 * A session is begun, in a session of the system's own: it goes on when this program
 * ends.  The answer to the request is what it says (lines of JSON) until it is known
 * whether it runs: "session", or "error" and "stopped".  From then on its status file
 * tells (session_watch.h).
 */
struct launch_options {
    struct children *children;
    const char *const *arguments;
    const char *variable; /* "NAME=value" more in its environment, or NULL */

    /* The end of the run: its exit code, and the last error it told ("": none). */
    void (*ended)(void *ctx, int code, const char *error);
    void *ctx;
};

void launch_start(struct exchange *x, const struct launch_options *options);

#endif
