#ifndef AGENT_UI_ERRAND_H
#define AGENT_UI_ERRAND_H

#include <stdint.h>

#include "agent/ui/server.h"

/*
 * A short piece of work on a worker thread, whose outcome answers a request: a folder
 * read, a word to a running session.  The outcome is JSON, or a text, or an error.
 */
struct errand {
    /* The question; both are copied, and may be NULL. */
    const char *subject;
    uint64_t number;

    /* The answer. */
    struct text out; /* "": {} */
    struct error err;
};

typedef int errand_fn(struct errand *e); /* 0, or -1 with e->err */

void errand_start(struct loop *loop, struct exchange *x, const struct errand *question,
                  errand_fn *run, const char *type);

#endif
