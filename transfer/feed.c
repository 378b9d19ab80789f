/*
 *   IDLE --the batch is used up--> ASKING --rows--> IDLE
 *    ^                                +---none--> EMPTY
 *    +----------- the plan has grown since -------+
 *
 * Nothing is asked for that could only be empty: EMPTY lasts until the plan grows.
 */
#include "transfer/feed.h"

#include <stdlib.h>

#include "base/mem.h"

enum { FEED_BATCH = 256 }; /* rows asked for at once */

void feed_init(struct feed *f, struct checkpoint *checkpoint, checkpoint_done_fn *fed,
               void *ctx)
{
    *f = (struct feed){
        .checkpoint = checkpoint,
        .fed = fed,
        .ctx = ctx,
        .is_growing = true,
    };
    feed_rewind(f);
}

void feed_free(struct feed *f)
{
    plan_batch_free(&f->batch);
    free(f->after);
}

void feed_on_growth(struct feed *f, bool is_last)
{
    f->plan_serial++;
    if (is_last)
        f->is_growing = false;
}

static void on_batch(void *ctx, const struct error *err)
{
    struct feed *f = ctx;

    f->next = 0;
    f->state = f->batch.n_items > 0 ? FEED_IDLE : FEED_EMPTY;
    f->fed(f->ctx, err);
}

/* Have the next batch fetched, if the plan may have one. */
static void ask(struct feed *f)
{
    if (f->state == FEED_EMPTY && f->asked_serial != f->plan_serial)
        f->state = FEED_IDLE;
    if (f->state != FEED_IDLE)
        return;
    f->state = FEED_ASKING;
    f->asked_serial = f->plan_serial;
    f->asked_in_scan = f->is_growing;
    plan_batch_free(&f->batch);
    checkpoint_next(f->checkpoint, f->after, FEED_BATCH, &f->batch, on_batch, f);
}

const struct plan_item *feed_take(struct feed *f)
{
    const struct plan_item *item;

    if (f->state == FEED_ASKING)
        return NULL;
    if (f->next == f->batch.n_items) {
        ask(f);
        return NULL;
    }
    item = &f->batch.items[f->next++];
    free(f->after);
    f->after = mem_copy_string(item->entry.path);
    return item;
}

bool feed_is_unconfirmed(const struct feed *f)
{
    return f->asked_in_scan;
}

void feed_rewind(struct feed *f)
{
    free(f->after);
    f->after = mem_copy_string("");
    f->state = FEED_IDLE;
    plan_batch_free(&f->batch);
    f->next = 0;
}

bool feed_is_asking(const struct feed *f)
{
    return f->state == FEED_ASKING;
}

bool feed_is_over(const struct feed *f)
{
    return !f->is_growing && f->state == FEED_EMPTY &&
           f->asked_serial == f->plan_serial;
}
