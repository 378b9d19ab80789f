#ifndef AGENT_UI_RELAY_H
#define AGENT_UI_RELAY_H

#include <stdbool.h>

#include "agent/ui/child.h"
#include "agent/ui/server.h"

/*
 * What a command prints, as the answer to a request: lines of JSON as they come (other
 * lines as {"event":"text","text":...}), now and then an empty line as a sign of life,
 * and last of all {"event":"exit","code":0,"errors":"..."}.
 */
struct relay_options {
    struct children *children;
    const char *const *arguments; /* NULL ends them */
    const char *input;            /* for its stdin, or NULL */
    bool is_action; /* it changes something: it goes on when the page is closed */
    void (*ended)(void *ctx, int code); /* also then; NULL: nobody wants to know */
    void *ctx;
};

void relay_start(struct exchange *x, const struct relay_options *options);

#endif
