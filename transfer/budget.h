#ifndef TRANSFER_BUDGET_H
#define TRANSFER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "base/span.h"

/*
 * How much memory payload bytes may take at once.
 *
 * Whoever wants to hold file data first takes a lease.  Leases are granted strictly in
 * the order they were asked for, so that a large one is never starved by small ones.
 * To keep this free of deadlock, nobody asks for a lease while holding another.
 *
 * Only payload counts.  Structures whose number is bounded by a constant do not.
 */
struct budget;

/* One holder's share.  Lives inside the holder; zeroed means "holds nothing". */
struct lease {
    struct span bytes; /* valid between granted() and budget_give(); not zeroed */

    /* Private. */
    struct budget *budget;
    void (*granted)(struct lease *lease, void *ctx);
    void *ctx;
    size_t size;
    struct lease *prev, *next; /* place in the queue, while waiting */
    struct deferred soon;
    enum { LEASE_NONE, LEASE_WAITING, LEASE_GRANTED, LEASE_HELD } state;
};

struct budget *budget_new(struct loop *loop, size_t limit_bytes);

/* Nothing may be held or waiting any more. */
void budget_free(struct budget *budget);

/*
 * Ask for size bytes, at most the limit.  granted() runs exactly once, later, from the
 * loop, when lease->bytes is ready to use; not after budget_withdraw().
 */
void budget_take(struct budget *budget, struct lease *lease, size_t size,
                 void (*granted)(struct lease *lease, void *ctx), void *ctx);

/* No longer wanted: true if granted() will not run.  False where it is on its way (or
 * has run): then it does run, and the holder gives the bytes back there. */
bool budget_withdraw(struct lease *lease);

/* Give the bytes back.  Harmless on a lease that holds nothing; not allowed on one that
 * waits. */
void budget_give(struct lease *lease);

/* Less was needed: keep the first size bytes, which may move. */
void budget_shrink(struct lease *lease, size_t size);

size_t budget_limit(const struct budget *budget);
size_t budget_in_use(const struct budget *budget);

#endif
