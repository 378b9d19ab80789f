#ifndef TRANSFER_FEED_H
#define TRANSFER_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/checkpoint.h"

/*
 * The plan's files that are to be uploaded, one after the other in path order, while the
 * plan still grows.  One batch of them is in memory; at its end the next is fetched.  All
 * on the loop.
 */
struct feed {
    /* Private. */
    struct checkpoint *checkpoint;
    checkpoint_done_fn *fed;
    void *ctx;
    enum { FEED_IDLE, FEED_ASKING, FEED_EMPTY } state;
    struct plan_batch batch;
    size_t next;           /* in the batch */
    char *after;           /* path of the last file handed out */
    uint64_t plan_serial;  /* counts the growths of the plan */
    uint64_t asked_serial; /* the plan as it was when we asked */
    bool is_growing;       /* the scan goes on */
    bool asked_in_scan;
};

/* A scan is under way.  fed(): a batch has been fetched, feed_take() may have something;
 * or the error, why not. */
void feed_init(struct feed *f, struct checkpoint *checkpoint, checkpoint_done_fn *fed,
               void *ctx);
void feed_free(struct feed *f); /* not while it is asking */

/* The plan has grown; is_last: it does so no more. */
void feed_on_growth(struct feed *f, bool is_last);

/* The next file, valid until the next call; NULL: none at present, fed() or growth may
 * bring more. */
const struct plan_item *feed_take(struct feed *f);

/* Of the file that was taken: the scan may not have come by it, it may be no more. */
bool feed_is_unconfirmed(const struct feed *f);

/* Begin again with the first file of the plan. Not while it is asking. */
void feed_rewind(struct feed *f);

bool feed_is_asking(const struct feed *f); /* fed() will come */

/* Everything of the finished plan has been handed out. */
bool feed_is_over(const struct feed *f);

#endif
