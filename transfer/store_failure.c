/*
 *                  +-- final, cancelled, given up ---------------> end
 *     a failure ---+-- nobody is there ---> QUEUED, at the end
 *                  +-- may pass ----> PAUSING --its time is up---> QUEUED, at the head
 *
 * How long a store that only refuses is borne: store_trouble.c.  While nobody answers
 * nothing is admitted but one at a time: store_gate.c.
 */
#include "transfer/store_failure.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/store_impl.h"

static uint32_t next_random(struct store *store)
{
    uint32_t r = store->random;

    r ^= r << 13; /* xorshift32, Marsaglia 2003 */
    r ^= r >> 17;
    r ^= r << 5;
    return store->random = r;
}

/* ---- pauses ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void store_failure_end_pause(struct store_op *op)
{
    uv_close((uv_handle_t *)op->pause, on_timer_closed);
    op->pause = NULL;
    op->store->counts.waiting--;
    op->store->pausing--;
}

static void on_pause_over(uv_timer_t *timer)
{
    struct store_op *op = timer->data;

    store_failure_end_pause(op);
    store_requeue(op);
    store_advance(op->store);
}

static void pause_op(struct store_op *op, int64_t delay_ms)
{
    op->phase = OP_PAUSING;
    op->store->counts.waiting++;
    op->store->pausing++;
    op->pause = mem_new(1, sizeof *op->pause);
    uv_timer_init(&op->store->loop->uv, op->pause);
    op->pause->data = op;
    uv_timer_start(op->pause, on_pause_over, (uint64_t)delay_ms, 0);
}

/* A failure worth another attempt: wait, or give up. */
static void retry_later(struct store_op *op, const struct error *err)
{
    struct store *store = op->store;
    bool is_throttled = err->kind == ERROR_THROTTLED;
    unsigned attempt;
    int64_t delay_ms;
    uint64_t left_ms;

    if (op->verb == STORE_GET && op->moved > 0) { /* it comes forward */
        op->failures = 0;
        op->failing_since_ms = op->away_since_ms = 0;
    }
    attempt = is_throttled ? ++op->throttled : ++op->failures;
    switch (store_trouble_on_failure(store, op, err)) {
    case VERDICT_END:
        store_end_op(op, err);
        return;
    case VERDICT_GIVE_UP:
        store_gate_give_up(store, err);
        store_end_op(op, &store->gate.reason);
        return;
    case VERDICT_RETRY:
        break;
    }
    if (!retry_bucket_take(&store->retries) && attempt < RETRY_SLOW_ATTEMPT)
        attempt = RETRY_SLOW_ATTEMPT;
    delay_ms = store->delay_ms(err, attempt, next_random(store), op->retry_after_s);
    if (delay_ms == RETRY_GIVE_UP) {
        store_end_op(op, err);
        return;
    }
    left_ms = store_trouble_left_ms(store, op);
    if ((uint64_t)delay_ms > left_ms)
        delay_ms = (int64_t)left_ms;
    log_line(LOG_DEBUG, LOG_STORE, "%s: attempt %u: %s; next in %lld ms",
             op->key != NULL ? op->key : "-", op->answer.attempts, err->text,
             (long long)delay_ms);
    pause_op(op, delay_ms);
}

/* ---- nobody answers ---- */

/* Nobody has answered it, nor did the last time, while others were answered: it is this
 * request that does not come through, and no outage. */
static bool is_alone_away(const struct store_op *op, const struct error *err)
{
    return err->kind == ERROR_NETWORK && op->away_since_ms != 0 &&
           op->n_answers != op->store->gate.n_answers;
}

/* Others have opened the gate again and again meanwhile: the limit is its own, too. */
static bool is_away_for_too_long(const struct store_op *op, uint64_t now_ms)
{
    uint64_t limit_ms = op->store->options.outage_ms;

    return limit_ms > 0 && op->away_since_ms != 0 &&
           now_ms - op->away_since_ms >= limit_ms;
}

static void note_away(struct store_op *op, uint64_t now_ms)
{
    if (op->away_since_ms == 0)
        op->away_since_ms = now_ms > 0 ? now_ms : 1;
    op->n_answers = op->store->gate.n_answers;
}

static void retry_alone(struct store_op *op, const struct error *err)
{
    struct error own = *err;

    own.kind = ERROR_TRANSIENT;
    error_wrap(&own, "others are answered, but not this request");
    store_gate_forget(op->store, op);
    retry_later(op, &own);
}

static void on_nobody(struct store_op *op, const struct error *err)
{
    struct store *store = op->store;
    uint64_t now_ms = loop_now_ms(store->loop);
    bool is_alone = is_alone_away(op, err);

    if (err->kind == ERROR_NETWORK)
        note_away(op, now_ms);
    else
        op->away_since_ms = 0; /* that its keys have run out is an answer */
    if (!is_alone)
        store_gate_on_away(store, op, err);
    if (op->is_once) {
        store_end_op(op, err);
    } else if (is_away_for_too_long(op, now_ms)) {
        store_gate_give_up(store, err);
        store_end_op(op, &store->gate.reason);
    } else if (is_alone) {
        retry_alone(op, err);
    } else {
        op->failing_since_ms = 0; /* an outage is another matter */
        store_requeue_last(op);
    }
}

/* Nothing was wrong with it but that the store was given up. */
static bool is_cut(const struct store_op *op, const struct error *err)
{
    return op->store->gate.phase == GATE_GIVEN_UP && !op->is_cancelled &&
           !op->body_failed &&
           (err->kind == ERROR_CANCELLED || error_is_retryable(err) ||
            store_gate_concerns(op->store, err));
}

void store_failure_take(struct store_op *op, const struct error *err)
{
    struct store *store = op->store;

    if (op->body != NULL && op->body->rest != NULL)
        op->body->rest(op->body);
    if (is_cut(op, err)) {
        store_end_op(op, &store->gate.reason);
    } else if (op->body_failed || err->kind == ERROR_CANCELLED) {
        store_gate_forget(store, op);
        store_end_op(op, err);
    } else if (op->is_cancelled &&
               (error_is_retryable(err) || store_gate_concerns(store, err))) {
        store_gate_forget(store, op);
        store_end_cancelled(op);
    } else if (store_gate_concerns(store, err)) {
        on_nobody(op, err);
    } else {
        op->away_since_ms = 0;
        store_gate_on_answer(store);
        if (err->kind == ERROR_THROTTLED)
            concurrency_on_throttled(&store->concurrency, loop_now_ms(store->loop));
        if (error_is_retryable(err) && !op->is_once)
            retry_later(op, err);
        else
            store_end_op(op, err);
    }
}
