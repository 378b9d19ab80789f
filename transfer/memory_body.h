#ifndef TRANSFER_MEMORY_BODY_H
#define TRANSFER_MEMORY_BODY_H

#include "base/loop.h"
#include "transfer/store.h"

/*
 * Bytes in memory as the body of a store_op, and a sink that collects bytes there. Both
 * live inside whoever sends or receives and must stay until the op's done().
 */
struct memory_body {
    struct body body; /* op.body points here */

    /* Private. */
    struct span bytes;
    size_t position;
    struct loop *loop;
    struct deferred soon;
    body_done_fn *done;
    void *ctx;
};

/* The bytes are lent.  No bytes at all: {NULL, 0}. */
void memory_body_init(struct memory_body *b, struct loop *loop, struct span bytes);

struct memory_sink {
    struct sink sink;  /* op.sink points here */
    struct span bytes; /* what has come; data is the caller's to free(), after an error
                          too; NULL where nothing came */

    /* Private. */
    size_t limit;
    size_t room;
    struct loop *loop;
    struct deferred soon;
    body_done_fn *done;
    void *ctx;
    struct error err;
};

/* More than limit bytes: ERROR_CORRUPT. */
void memory_sink_init(struct memory_sink *s, struct loop *loop, size_t limit);

#endif
