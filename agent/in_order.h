#ifndef AGENT_IN_ORDER_H
#define AGENT_IN_ORDER_H

#include "agent/agent.h"

/*
 * n jobs over the store, several under way at once, each finished in the order of its
 * index: how thousands of small documents are read in bounded memory.  Linear code (see
 * agent.h).
 *
 * A job lives in the slot index % IN_ORDER_SLOTS of whoever asks, from its start until
 * it is finished or dropped.
 */
enum { IN_ORDER_SLOTS = 32 };

struct in_order {
    struct agent *agent;
    size_t n;
    void *ctx;

    /* Begin job index, which calls in_order_done() later, exactly once, from the loop. */
    void (*start)(void *ctx, size_t index);
    void (*cancel)(void *ctx, size_t index); /* a wish */

    /* The job is done, and so are all before it; it may wait and print.  -1 with *err ends
     * the whole. */
    int (*finish)(void *ctx, size_t index, struct error *err);

    /* The same, but nobody wants it any more: free what it holds. */
    void (*drop)(void *ctx, size_t index);

    /* Private. */
    size_t n_started, n_finished;
    bool is_done[IN_ORDER_SLOTS];
};

int in_order_run(struct in_order *o, struct error *err);
void in_order_done(struct in_order *o, size_t index);

#endif
