/*
 * Each verb has a count of its successes.  An operation notes it when its first attempt
 * fails, with the time: where the count has not moved since, nobody fares better.
 */
#include "transfer/store_trouble.h"

#include "transfer/store_impl.h"

enum {
    TOLD_AFTER_MS = 30 * 1000, /* that much is usual with a store under load */
    ATTEMPTS_MAX = 100         /* a quarter of an hour: 90 pauses of 10 s on average */
};

_Static_assert((int)STORE_VERBS == (int)STORE_CREATE_BUCKET + 1, "one for each verb");

static bool is_alone(const struct store *store, const struct store_op *op)
{
    return store->trouble.successes[op->verb] != op->successes_before;
}

static void note(struct store *store, const struct store_op *op,
                 const struct error *err)
{
    struct store_trouble *t = &store->trouble;

    if (loop_now_ms(store->loop) - op->failing_since_ms < TOLD_AFTER_MS)
        return;
    if (t->since_ms == 0 || op->failing_since_ms < t->since_ms)
        t->since_ms = op->failing_since_ms;
    t->verb = op->verb;
    t->err = *err;
}

enum store_verdict store_trouble_on_failure(struct store *store, struct store_op *op,
                                            const struct error *err)
{
    uint64_t now_ms = loop_now_ms(store->loop);

    if (op->failing_since_ms == 0) {
        op->failing_since_ms = now_ms > 0 ? now_ms : 1;
        op->successes_before = store->trouble.successes[op->verb];
    }
    if (is_alone(store, op))
        return op->failures >= ATTEMPTS_MAX ? VERDICT_END : VERDICT_RETRY;
    note(store, op, err);
    return store_trouble_left_ms(store, op) == 0 ? VERDICT_GIVE_UP : VERDICT_RETRY;
}

void store_trouble_on_success(struct store *store, const struct store_op *op)
{
    store->trouble.successes[op->verb]++;
}

void store_trouble_on_end(struct store *store, const struct store_op *op)
{
    if (store->trouble.verb == (int)op->verb)
        store->trouble.since_ms = 0; /* others that go on say so again */
}

uint64_t store_trouble_left_ms(const struct store *store, const struct store_op *op)
{
    uint64_t limit_ms = store->options.outage_ms;
    uint64_t past_ms = loop_now_ms(store->loop) - op->failing_since_ms;

    if (limit_ms == 0 || is_alone(store, op))
        return UINT64_MAX;
    return past_ms < limit_ms ? limit_ms - past_ms : 0;
}

const struct error *store_refusal(const struct store *store, uint64_t *since_ms)
{
    *since_ms = store->trouble.since_ms;
    return store->trouble.since_ms != 0 ? &store->trouble.err : NULL;
}
