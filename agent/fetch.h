#ifndef AGENT_FETCH_H
#define AGENT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/block.h"
#include "agent/placing.h"
#include "base/text.h"

/*
 * One entry of a version on its way into DIR: a file, block by block, or a folder or
 * link.  What is there from an earlier run is taken: a file of the same size and time
 * unread, one of the same size and the blocks of a part after their hashes were
 * compared.
 *
 * The owner allocates it with fetch_new() and says when a block may start; it frees it
 * with fetch_free() in or after done(), which runs once, later, on the loop.
 */
struct fetch;

enum fetch_outcome {
    FETCH_PLACED,
    FETCH_PRESENT, /* it was there already */
    FETCH_FAILED
};

struct fetch_options {
    struct loop *loop;
    struct store *store;
    struct store
        *references; /* where objects are that the version refers to; or NULL */
    struct landing *landing;
    struct placing *placing; /* to the same folder */
    const char *prefix;      /* "NAME/vN/" */

    /* From the loop.  ready(): a block may be started, or has ended. */
    void (*ready)(void *ctx);
    void (*moved)(void *ctx, uint64_t bytes); /* fetched and written */
    void (*kept)(void *ctx, uint64_t bytes);  /* they were there */
    void (*done)(void *ctx, struct fetch *f, enum fetch_outcome outcome,
                 const struct error *err);
    void *ctx;
};

/* All of it is lent until done(). */
struct fetch *fetch_new(const struct fetch_options *options,
                        const struct manifest_line *line);
void fetch_free(struct fetch *f);
const struct manifest_line *fetch_line(const struct fetch *f);

void fetch_start(struct fetch *f);

/* Start the next block; false where there is none to be started now. */
bool fetch_start_block(struct fetch *f);

/* Blocks that read what is there: they ask nothing of the store so far. */
unsigned fetch_n_checking(const struct fetch *f);

/* End soon; done() still runs. */
void fetch_cancel(struct fetch *f);

#endif
