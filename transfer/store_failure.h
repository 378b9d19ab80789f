#ifndef TRANSFER_STORE_FAILURE_H
#define TRANSFER_STORE_FAILURE_H

#include "base/error.h"

/*
 * What follows when an attempt at an operation has failed: it ends, or it pauses and then
 * is queued again, or it waits for somebody to answer.  A request that alone is not
 * answered is no outage: it is retried like one that is refused.
 *
 * Part of store.c.  On the loop.
 */
struct store_op;

/* op's attempt has ended with err, and it has left its slot and its memory. */
void store_failure_take(struct store_op *op, const struct error *err);

/* op is in OP_PAUSING, and is no longer to be tried again when its time is up. */
void store_failure_end_pause(struct store_op *op);

#endif
