/*
 * Two batches take turns:
 *
 *   EMPTY --source_next--> READING --> FULL --checkpoint_plan--> PLANNING --> EMPTY
 *
 * One is read and one is planned at the most, in the order of the walk.
 */
#include "transfer/scan.h"

#include <stdlib.h>

#include "base/mem.h"

enum turn_state { TURN_EMPTY, TURN_READING, TURN_FULL, TURN_PLANNING };

struct turn {
    enum turn_state state;
    struct entry_batch batch;
};

struct scan {
    struct source *source;
    struct checkpoint *checkpoint;
    const struct scan_events *events;
    void *ctx;
    struct turn turns[2];
    unsigned read_next, plan_next; /* which turn is read into, planned from, next */
    struct source_op op;
    enum { SCAN_LISTING, SCAN_LISTED, SCAN_CLOSING, SCAN_OVER } phase;
    struct error err;
};

static void advance(struct scan *s);

static void on_read(struct source_op *op, void *ctx)
{
    struct scan *s = ctx;
    struct turn *turn = &s->turns[s->read_next];

    turn->state = TURN_FULL;
    s->read_next ^= 1;
    error_keep_first(&s->err, &op->err);
    if (op->at_end && s->phase == SCAN_LISTING)
        s->phase = SCAN_LISTED;
    for (size_t i = 0; i < turn->batch.n_issues && s->err.kind == ERROR_NONE; i++)
        s->events->issue(s->ctx, &turn->batch.issues[i]);
    advance(s);
}

static void on_planned(void *ctx, const struct error *err)
{
    struct scan *s = ctx;

    s->turns[s->plan_next].state = TURN_EMPTY;
    s->plan_next ^= 1;
    error_keep_first(&s->err, err);
    if (s->err.kind == ERROR_NONE)
        s->events->grown(s->ctx);
    advance(s);
}

static void on_plan_ended(void *ctx, const struct error *err)
{
    struct scan *s = ctx;

    s->phase = SCAN_OVER;
    error_keep_first(&s->err, err);
    s->events->done(s->ctx, s->err.kind == ERROR_NONE ? NULL : &s->err);
}

static bool is_busy(const struct scan *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(s->turns); i++)
        if (s->turns[i].state == TURN_READING || s->turns[i].state == TURN_PLANNING)
            return true;
    return false;
}

/* It has failed or was stopped: what was listed is not the whole, so the plan must not
 * be closed with it. */
static void give_up(struct scan *s)
{
    if (is_busy(s) || s->phase == SCAN_CLOSING)
        return;
    s->phase = SCAN_OVER;
    s->events->done(s->ctx, &s->err);
}

static void advance(struct scan *s)
{
    struct turn *to_read = &s->turns[s->read_next];
    struct turn *to_plan = &s->turns[s->plan_next];

    if (s->phase == SCAN_OVER)
        return;
    if (s->err.kind != ERROR_NONE) {
        give_up(s);
        return;
    }
    if (to_plan->state == TURN_FULL) {
        to_plan->state = TURN_PLANNING;
        checkpoint_plan(s->checkpoint, &to_plan->batch, on_planned, s);
    }
    if (s->phase == SCAN_LISTING && to_read->state == TURN_EMPTY) {
        to_read->state = TURN_READING;
        source_next(s->source, &s->op, &to_read->batch, on_read, s);
    }
    if (s->phase == SCAN_LISTED && !is_busy(s)) {
        s->phase = SCAN_CLOSING;
        checkpoint_plan_end(s->checkpoint, on_plan_ended, s);
    }
}

struct scan *scan_start(struct source *source, struct checkpoint *checkpoint,
                        const struct scan_events *events, void *ctx)
{
    struct scan *s = mem_new(1, sizeof *s);

    s->source = source;
    s->checkpoint = checkpoint;
    s->events = events;
    s->ctx = ctx;
    advance(s);
    return s;
}

void scan_stop(struct scan *s)
{
    if (s->phase == SCAN_OVER || s->err.kind != ERROR_NONE)
        return;
    /* Something is always under way here; when it ends, advance() sees the error. */
    error_set(&s->err, ERROR_CANCELLED, 0, "cancelled");
}

void scan_free(struct scan *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(s->turns); i++)
        entry_batch_free(&s->turns[i].batch);
    free(s);
}
