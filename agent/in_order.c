/* A window of IN_ORDER_SLOTS jobs moves over them all. */
#include "agent/in_order.h"

static bool *flag(struct in_order *o, size_t index)
{
    return &o->is_done[index % IN_ORDER_SLOTS];
}

void in_order_done(struct in_order *o, size_t index)
{
    *flag(o, index) = true;
}

static void start_more(struct in_order *o)
{
    while (o->n_started < o->n && o->n_started - o->n_finished < IN_ORDER_SLOTS) {
        *flag(o, o->n_started) = false;
        o->start(o->ctx, o->n_started++);
    }
}

static void cancel_all(void *ctx)
{
    struct in_order *o = ctx;

    for (size_t i = o->n_finished; i < o->n_started; i++)
        if (!*flag(o, i))
            o->cancel(o->ctx, i);
}

static void drop_rest(struct in_order *o)
{
    cancel_all(o);
    for (; o->n_finished < o->n_started; o->n_finished++) {
        loop_run_until(&o->agent->loop, flag(o, o->n_finished));
        o->drop(o->ctx, o->n_finished);
    }
}

static void wait_for_next(struct in_order *o)
{
    if (o->agent->signal != 0)
        return;
    start_more(o);
    o->agent->on_interrupt = cancel_all;
    o->agent->interrupt_ctx = o;
    loop_run_until(&o->agent->loop, flag(o, o->n_finished));
    o->agent->on_interrupt = NULL;
}

int in_order_run(struct in_order *o, struct error *err)
{
    int status = 0;

    if (o->agent->signal != 0)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    o->n_started = o->n_finished = 0;
    while (status == 0 && o->n_finished < o->n) {
        wait_for_next(o);
        if (o->agent->signal != 0)
            status = error_set(err, ERROR_CANCELLED, 0, "interrupted");
        else
            status = o->finish(o->ctx, o->n_finished++, err);
    }
    drop_rest(o);
    return status;
}
