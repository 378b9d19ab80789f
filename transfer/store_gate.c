/*
 *     OPEN --network--> SHUT --time is up--> ONE --admitted--> PROBING --answer--> OPEN
 *                        ^                    ^                   |
 *                        +------ network -----|-------------------+
 *                                             +---- cancelled ----+
 *
 *     all, when nobody has answered for as long as the options allow --> GIVEN_UP
 *
 * One timer is set for whatever comes first: the next look, the word that we still wait
 * for a first answer, or the end of our patience.  The end does not wait for the
 * attempt that is under way, which may take minutes against a host that is silent.
 */
#include "transfer/store_gate.h"

#include "base/log.h"
#include "base/text.h"
#include "transfer/store_impl.h"

enum { NOTICE_MS = 2000 }; /* a first answer that takes longer is worth a word */

static void on_time(uv_timer_t *timer);

/* ---- time ---- */

/* When the store is given up; 0: never. */
static uint64_t limit_at(const struct store *store)
{
    const struct store_gate *g = &store->gate;
    const struct store_options *o = &store->options;
    uint64_t since = g->has_answered ? store->counts.away_since_ms : g->tried_since_ms;
    uint64_t limit_ms = g->has_answered ? o->outage_ms : o->first_contact_ms;

    if (g->reason.kind == ERROR_EXPIRED)
        limit_ms = o->expired_ms;
    return since > 0 && limit_ms > 0 ? since + limit_ms : 0;
}

static uint64_t notice_at(const struct store *store)
{
    const struct store_gate *g = &store->gate;

    return g->has_answered || g->is_told || g->tried_since_ms == 0
               ? 0
               : g->tried_since_ms + NOTICE_MS;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void set_timer(struct store *store)
{
    struct store_gate *g = &store->gate;
    uint64_t now_ms = loop_now_ms(store->loop), at_ms = 0;

    if (store->kind->is_remote && g->phase != GATE_GIVEN_UP)
        at_ms = sooner(limit_at(store), notice_at(store));
    if (g->phase == GATE_SHUT)
        at_ms = sooner(at_ms, store->counts.next_try_ms);
    if (at_ms == 0)
        uv_timer_stop(&g->timer);
    else
        uv_timer_start(&g->timer, on_time, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* ---- telling ---- */

static void tell(struct store *store, const struct error *err)
{
    store->gate.is_told = err != NULL;
    if (store->options.away != NULL)
        store->options.away(store->options.away_ctx, err);
}

static void tell_silence(struct store *store)
{
    struct error err;

    error_set(&err, ERROR_NETWORK, 0, "no answer yet from %s", store->place);
    tell(store, &err);
}

static void tell_answer(struct store *store)
{
    if (store->gate.is_told)
        tell(store, NULL);
}

/* ---- giving up ---- */

static void set_reason(struct store *store)
{
    struct store_gate *g = &store->gate;
    uint64_t limit_ms =
        g->has_answered ? store->options.outage_ms : store->options.first_contact_ms;
    struct text limit = {0};

    if (g->reason.kind == ERROR_EXPIRED)
        limit_ms = store->options.expired_ms;
    text_add_duration(&limit, (limit_ms + 999) / 1000);
    if (g->reason.kind == ERROR_EXPIRED)
        error_wrap(&g->reason, "no new keys for %s within %s", store->place,
                   text_string(&limit));
    else if (g->reason.kind == ERROR_NONE)
        error_set(&g->reason, ERROR_NETWORK, 0, "no answer from %s within %s",
                  store->place, text_string(&limit));
    else
        error_wrap(&g->reason, "no answer from %s within %s", store->place,
                   text_string(&limit));
    text_free(&limit);
}

static void give_up(struct store *store)
{
    log_line(LOG_ERROR, LOG_STORE, "given up: %s", store->gate.reason.text);
    store->gate.phase = GATE_GIVEN_UP;
    store->gate.probe = NULL;
    store->counts.next_try_ms = 0;
    uv_timer_stop(&store->gate.timer);
    store_cut(store);
    store_advance(store);
    if (store->freed != NULL)
        store->freed(store->freed_ctx); /* who asks now is told at once */
}

static void look_again(struct store *store)
{
    store->gate.phase = GATE_ONE;
    store->counts.next_try_ms = 0;
    set_timer(store);
    store_advance(store);
    if (store->gate.phase == GATE_ONE && store->freed != NULL)
        store->freed(store->freed_ctx); /* nobody waits: whoever comes next may look */
}

static void on_time(uv_timer_t *timer)
{
    struct store *store = timer->data;
    uint64_t now_ms = loop_now_ms(store->loop);
    uint64_t limit_ms = limit_at(store), notice_ms = notice_at(store);

    if (store->kind->is_remote && limit_ms > 0 && now_ms >= limit_ms) {
        set_reason(store);
        give_up(store);
        return;
    }
    if (store->kind->is_remote && notice_ms > 0 && now_ms >= notice_ms)
        tell_silence(store);
    if (store->gate.phase == GATE_SHUT && now_ms >= store->counts.next_try_ms)
        look_again(store);
    else
        set_timer(store);
}

/* ---- what happens ---- */

void store_gate_init(struct store *store)
{
    uv_timer_init(&store->loop->uv, &store->gate.timer);
    store->gate.timer.data = store;
}

bool store_gate_admits(struct store *store, struct store_op *op)
{
    struct store_gate *g = &store->gate;

    if (g->phase != GATE_ONE)
        return g->phase == GATE_OPEN;
    g->phase = GATE_PROBING;
    g->probe = op;
    return true;
}

bool store_gate_lets(const struct store *store, const struct store_op *op)
{
    return store->gate.phase == GATE_OPEN || store->gate.probe == op;
}

void store_gate_on_attempt(struct store *store)
{
    struct store_gate *g = &store->gate;
    uint64_t now_ms = loop_now_ms(store->loop);

    if (g->has_answered || g->tried_since_ms != 0)
        return;
    g->tried_since_ms = now_ms > 0 ? now_ms : 1;
    set_timer(store);
}

static void shut(struct store *store, const struct error *err)
{
    struct store_gate *g = &store->gate;
    uint64_t now_ms = loop_now_ms(store->loop);
    bool is_new = g->phase == GATE_OPEN || g->reason.kind != err->kind;
    int64_t delay_ms;

    if (is_new)
        g->probes_failed = 0;
    delay_ms = store->delay_ms(err, ++g->probes_failed, 0, 0);
    g->phase = GATE_SHUT;
    g->probe = NULL;
    g->reason = *err;
    store->counts.next_try_ms = now_ms + (uint64_t)delay_ms;
    if (is_new) {
        store->counts.away_since_ms = now_ms > 0 ? now_ms : 1;
        log_line(LOG_WARNING, LOG_STORE, "%s: %s",
                 err->kind == ERROR_EXPIRED ? "the keys have run out"
                                            : "nobody answers",
                 err->text);
        tell(store, err);
    }
    set_timer(store);
}

void store_gate_give_up(struct store *store, const struct error *err)
{
    struct text limit = {0};

    text_add_duration(&limit, (store->options.outage_ms + 999) / 1000);
    error_set(&store->gate.reason, ERROR_NETWORK, err->code, "%s, for %s", err->text,
              text_string(&limit));
    text_free(&limit);
    give_up(store);
}

bool store_gate_concerns(const struct store *store, const struct error *err)
{
    return err->kind == ERROR_NETWORK ||
           (err->kind == ERROR_EXPIRED && store->gate.has_succeeded &&
            store->options.expired_ms > 0);
}

void store_gate_on_away(struct store *store, const struct store_op *op,
                        const struct error *err)
{
    if (store->gate.phase == GATE_OPEN || store->gate.probe == op)
        shut(store, err);
}

void store_gate_on_answer(struct store *store)
{
    struct store_gate *g = &store->gate;

    g->has_answered = true;
    g->n_answers++;
    if (g->phase == GATE_GIVEN_UP)
        return;
    if (g->phase != GATE_OPEN)
        log_line(LOG_INFO, LOG_STORE, "answers come again");
    g->phase = GATE_OPEN;
    g->probe = NULL;
    g->probes_failed = 0;
    error_clear(&g->reason);
    store->counts.away_since_ms = store->counts.next_try_ms = 0;
    tell_answer(store);
    set_timer(store);
}

/* The probe of an outage still has to come through. */
void store_answered(struct store *store)
{
    struct store_gate *g = &store->gate;

    if (g->has_answered)
        return;
    g->has_answered = true;
    if (g->phase == GATE_OPEN)
        tell_answer(store);
    set_timer(store);
}

void store_gate_forget(struct store *store, const struct store_op *op)
{
    if (store->gate.phase == GATE_PROBING && store->gate.probe == op) {
        store->gate.phase = GATE_ONE;
        store->gate.probe = NULL;
    }
}

const struct error *store_away(const struct store *store)
{
    return store->gate.phase == GATE_OPEN ? NULL : &store->gate.reason;
}
