/*
 * Each verb has the time of its last success: an operation whose last failure came after
 * that fares no worse than all of its kind.
 */
#include "transfer/store_trouble.h"

#include "transfer/store_impl.h"

enum {
    TOLD_AFTER_MS = 30 * 1000, /* that much is usual with a store under load */
    ALONE_MAX = 100            /* a quarter of an hour: 90 pauses of 10 s on average */
};

_Static_assert((int)STORE_VERBS == (int)STORE_CREATE_BUCKET + 1, "one for each verb");

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Since when nothing of its kind has succeeded. */
static uint64_t since_ms(const struct store *store, const struct store_op *op)
{
    return later(op->failing_since_ms, store->trouble.success_ms[op->verb]);
}

/* NULL: it is over, or will be said again. */
static void tell(struct store *store, const struct error *err)
{
    store->trouble.is_told = err != NULL;
    if (store->options.away != NULL)
        store->options.away(store->options.away_ctx, err);
}

static void note(struct store *store, const struct store_op *op,
                 const struct error *err)
{
    struct store_trouble *t = &store->trouble;
    uint64_t began_ms = since_ms(store, op);

    if (loop_now_ms(store->loop) - began_ms < TOLD_AFTER_MS)
        return;
    if (t->since_ms == 0 || began_ms < t->since_ms)
        t->since_ms = began_ms;
    t->verb = op->verb;
    t->err = *err;
    if (!t->is_told)
        tell(store, err);
}

static void begin(struct store_op *op, uint64_t now_ms)
{
    op->failing_since_ms = op->failed_ms = now_ms > 0 ? now_ms : 1;
    op->failures_alone = 0;
}

/* Others of its kind have succeeded since it failed last. */
static enum store_verdict judge_alone(const struct store *store, struct store_op *op,
                                      const struct error *err)
{
    uint64_t limit_ms = store->options.outage_ms;

    if (err->kind == ERROR_TRANSIENT && ++op->failures_alone >= ALONE_MAX)
        return VERDICT_END;
    if (limit_ms > 0 && op->failed_ms - op->failing_since_ms >= limit_ms)
        return VERDICT_GIVE_UP;
    return VERDICT_RETRY;
}

enum store_verdict store_trouble_on_failure(struct store *store, struct store_op *op,
                                            const struct error *err)
{
    uint64_t now_ms = loop_now_ms(store->loop);
    bool is_alone;

    if (op->failing_since_ms == 0)
        begin(op, now_ms);
    is_alone = store->trouble.success_ms[op->verb] > op->failed_ms;
    op->failed_ms = now_ms;
    if (is_alone)
        return judge_alone(store, op, err);
    note(store, op, err);
    return store_trouble_left_ms(store, op) == 0 ? VERDICT_GIVE_UP : VERDICT_RETRY;
}

void store_trouble_on_success(struct store *store, const struct store_op *op)
{
    store->trouble.success_ms[op->verb] = loop_now_ms(store->loop);
}

void store_trouble_on_end(struct store *store, const struct store_op *op)
{
    if (store->trouble.verb != (int)op->verb)
        return;
    store->trouble.since_ms = 0; /* others that go on say so again */
    if (store->trouble.is_told)
        tell(store, NULL);
}

uint64_t store_trouble_left_ms(const struct store *store, const struct store_op *op)
{
    uint64_t limit_ms = store->options.outage_ms;
    uint64_t past_ms = loop_now_ms(store->loop) - since_ms(store, op);

    if (limit_ms == 0)
        return UINT64_MAX;
    return past_ms < limit_ms ? limit_ms - past_ms : 0;
}

const struct error *store_refusal(const struct store *store, uint64_t *since_ms)
{
    *since_ms = store->trouble.since_ms;
    return store->trouble.since_ms != 0 ? &store->trouble.err : NULL;
}
