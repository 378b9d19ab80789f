#ifndef AGENT_PLACING_H
#define AGENT_PLACING_H

#include "agent/landing.h"
#include "base/loop.h"

/*
 * Files whose bytes are all written, on the way to their places.  A file appears only
 * after its bytes are on the disk; one sync serves all that wait for it, so that
 * thousands of small files do not cost a sync each.
 */
struct placing_file {
    struct landing_part part; /* file and fd, open until done(); then err */
    void (*done)(void *ctx);  /* exactly once, later, on the loop */
    void *ctx;
    struct placing_file *next; /* private */
};

struct placing {
    struct loop *loop;
    struct landing *landing;

    /* Private. */
    struct placing_file *waiting, *batch;
    struct work work; /* on the batch, unless that is NULL */
};

void placing_init(struct placing *p, struct loop *loop, struct landing *landing);

/* The file is the caller's, and lent until done(). */
void placing_add(struct placing *p, struct placing_file *file);

#endif
