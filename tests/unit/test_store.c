/*
 * The face of the stores over a kind that answers late, out of order and badly.  Each
 * seed is one story of operations that are started, cancelled and started again at
 * random; one that fails can be run alone: test_store SEED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "transfer/memory_body.h"
#include "transfer/store_impl.h"

enum { OPS = 40, STORIES = 1000, CHUNKS = 3 };

static unsigned rng;
static unsigned roll(unsigned n)
{
    rng = rng * 1103515245u + 12345u;
    return (rng >> 16) % n;
}

/* ---- the fake kind ---- */

/* What the store of one story is like, and what was seen of it. */
struct fake {
    unsigned bad_percent;
    enum error_kind always; /* so every attempt fails, if not ERROR_NONE */
    bool is_away;           /* with ERROR_NETWORK */
    unsigned under_way, most_under_way, n_attempts;
    unsigned n_body_failures;
};

struct fake_attempt {
    struct store_op *op;
    struct deferred soon;
    unsigned hops;
    bool is_cancelled;
    struct error outcome;
};

static void fake_end(struct fake_attempt *a)
{
    struct store_op *op = a->op;
    struct fake *fake = op->store->impl;
    struct error err = a->outcome;

    if (a->is_cancelled && roll(2) == 0) {
        error_set(&err, ERROR_CANCELLED, 0, "cancelled");
        fake->n_body_failures -= op->body_failed; /* it has not come to that */
        op->body_failed = false;
    }
    if (err.kind == ERROR_NONE && op->body != NULL)
        store_sent(op, (size_t)op->body->size);
    fake->under_way--;
    op->attempt = NULL;
    free(a);
    store_attempt_done(op, err.kind != ERROR_NONE ? &err : NULL);
}

static void on_hop(void *ctx)
{
    struct fake_attempt *a = ctx;

    if (a->hops-- > 0)
        loop_defer(a->op->store->loop, &a->soon, on_hop, a);
    else
        fake_end(a);
}

static void draw_outcome(struct fake_attempt *a, struct fake *fake)
{
    static const enum error_kind kinds[] = {ERROR_TRANSIENT, ERROR_TRANSIENT,
                                            ERROR_THROTTLED, ERROR_NETWORK,
                                            ERROR_NOT_FOUND};

    if (fake->is_away)
        error_set(&a->outcome, ERROR_NETWORK, 0, "nobody there");
    else if (fake->always != ERROR_NONE)
        error_set(&a->outcome, fake->always, 0, "as ever");
    else if (roll(100) < fake->bad_percent)
        error_set(&a->outcome, kinds[roll(ARRAY_SIZE(kinds))], 0, "bad luck");
    if (a->outcome.kind == ERROR_NOT_FOUND && roll(3) == 0) {
        a->op->body_failed = true;
        fake->n_body_failures++;
        a->outcome.kind = ERROR_TRANSIENT; /* of the body: final all the same */
    }
}

static void fake_attempt(struct store *store, struct store_op *op)
{
    struct fake *fake = store->impl;
    struct fake_attempt *a = mem_new(1, sizeof *a);

    assert_null(op->attempt);
    assert_int_equal(op->phase, OP_ATTEMPTING);
    /* Memory for the verbs that move payload through it, and for no other. */
    if (op->body != NULL && op->body->whole.data == NULL && op->body->size > 0)
        assert_true(op->buffer.bytes.size > 0 &&
                    op->buffer.bytes.size <= op->body->size);
    else if (op->verb == STORE_GET && op->size > 0)
        assert_true(op->buffer.bytes.size > 0 && op->buffer.bytes.size <= op->size);
    else
        assert_null(op->buffer.bytes.data);
    if (store->counts.away_since_ms != 0)
        assert_int_equal(store->gate.phase, GATE_PROBING);
    a->op = op;
    a->hops = roll(8);
    op->attempt = a;
    draw_outcome(a, fake);
    fake->n_attempts++;
    if (++fake->under_way > fake->most_under_way)
        fake->most_under_way = fake->under_way;
    loop_defer(store->loop, &a->soon, on_hop, a);
}

static void fake_cancel(struct store *store, struct store_op *op)
{
    struct fake_attempt *a = op->attempt;

    (void)store;
    assert_false(a->is_cancelled);
    a->is_cancelled = true;
    a->hops = roll(2);
}

static int fake_open(struct store *store, const char *url, struct error *err)
{
    static struct fake *const none = NULL;

    (void)url, (void)err;
    store->impl = none;
    return 0;
}

static void fake_close(struct store *store)
{
    (void)store;
}

static const struct store_kind fake_kind = {.scheme = "fake://",
                                            .jobs = 0,
                                            .jobs_max = 64,
                                            .is_remote = true,
                                            .open = fake_open,
                                            .close = fake_close,
                                            .attempt = fake_attempt,
                                            .cancel = fake_cancel};

static int64_t brief_delay(const struct error *err, unsigned attempt, uint32_t random,
                           unsigned retry_after_s)
{
    int64_t delay_ms = retry_delay_ms(err, attempt, random, retry_after_s);

    return delay_ms > 1 ? delay_ms % 2 : delay_ms;
}

/* ---- a story ---- */

struct slot {
    struct story *story;
    struct store_op op;
    struct body body;
    bool is_running, is_starting, is_cancelled;
    unsigned order; /* of starting */
};

struct story {
    struct loop loop;
    struct budget *budget;
    struct store *store;
    struct fake fake;
    struct slot slots[OPS];
    unsigned n_started, n_done, n_room, n_body_failed, to_start;
    unsigned n_last_turns;
    bool is_over;
    struct deferred soon;
};

static void body_rewind(struct body *body)
{
    (void)body;
}

static void on_done(struct store_op *op, void *ctx)
{
    struct slot *slot = ctx;
    struct story *s = slot->story;

    assert_true(slot->is_running);
    assert_false(slot->is_starting);
    assert_null(op->buffer.bytes.data);
    if (op->err.kind == ERROR_CANCELLED)
        assert_true(slot->is_cancelled);
    if (op->err.kind == ERROR_TRANSIENT && !op->body_failed)
        assert_true(op->answer.attempts >= 10);
    assert_true(op->err.kind != ERROR_THROTTLED);
    if (op->err.kind == ERROR_NETWORK)
        assert_int_equal(op->store->gate.phase, GATE_GIVEN_UP);
    s->n_body_failed += op->body_failed; /* the first failure is the last attempt */
    slot->is_running = false;
    s->n_done++;
}

static void start_one(struct story *s, struct slot *slot)
{
    static const enum store_verb verbs[] = {STORE_PUT, STORE_UPLOAD_PART, STORE_GET,
                                            STORE_HEAD, STORE_SYNC};
    static uint8_t here[10];
    struct store_op *op = &slot->op;

    *op = (struct store_op){.verb = verbs[roll(ARRAY_SIZE(verbs))], .key = "k"};
    op->done = on_done;
    op->ctx = slot;
    if (op->verb == STORE_PUT || op->verb == STORE_UPLOAD_PART) {
        slot->body =
            (struct body){.size = roll(3) * STORE_CHUNK / 2, .rewind = body_rewind};
        if (roll(4) == 0)
            slot->body.whole = (struct span){here, slot->body.size = sizeof here};
        op->body = &slot->body;
    }
    op->size = roll(2) * UINT64_MAX;
    slot->is_running = slot->is_starting = true;
    slot->is_cancelled = false;
    slot->order = s->n_started++;
    store_start(s->store, op);
    slot->is_starting = false;
}

static void check(const struct story *s)
{
    struct store_counts counts;
    unsigned n_held = 0, n_waiting = 0, n_pausing = 0;

    store_counts(s->store, &counts);
    for (size_t i = 0; i < OPS; i++) {
        const struct store_op *op = &s->slots[i].op;

        n_held += op->phase == OP_LEASING || op->phase == OP_ATTEMPTING;
        n_waiting += op->phase == OP_QUEUED || op->phase == OP_PAUSING;
        n_pausing += op->phase == OP_PAUSING;
        if (op->phase != OP_LEASING && op->phase != OP_ATTEMPTING)
            assert_null(op->buffer.bytes.data);
    }
    assert_int_equal(counts.under_way, n_held);
    assert_int_equal(counts.waiting, n_waiting);
    assert_true(budget_in_use(s->budget) <= budget_limit(s->budget));
    if (n_waiting > 0 && n_held == 0 && counts.away_since_ms == 0)
        for (size_t i = 0; i < OPS; i++) /* nobody sits in the queue for nothing */
            assert_int_not_equal(s->slots[i].op.phase, OP_QUEUED);
    if (store_room(s->store) > 0) {
        unsigned limit = s->store->concurrency.limit;

        assert_true(n_held + n_waiting - n_pausing < limit && n_pausing <= limit);
    }
}

/* One turn of the story: starts and cancels. */
static void on_turn(void *ctx)
{
    struct story *s = ctx;

    if (roll(10) == 0)
        s->fake.is_away = s->to_start > 0 && !s->fake.is_away;
    for (unsigned n = roll(4); n > 0; n--) {
        struct slot *slot = &s->slots[roll(OPS)];

        if (!slot->is_running && s->to_start > 0) {
            s->to_start--;
            start_one(s, slot);
        } else if (slot->is_running && s->to_start > 0 && roll(4) == 0) {
            slot->is_cancelled = true;
            store_cancel(&slot->op);
            assert_true(slot->is_running); /* never from inside the call */
        }
    }
    check(s);
    if (s->to_start == 0) {
        s->fake.is_away = false;
        assert_true(++s->n_last_turns < 1000000); /* nobody is forgotten */
    }
    if (s->to_start > 0 || s->n_done < s->n_started)
        loop_defer(&s->loop, &s->soon, on_turn, s);
    else
        s->is_over = true;
}

static void on_freed(void *ctx)
{
    struct story *s = ctx;

    s->n_room++;
}

static void tell(unsigned seed)
{
    struct story *s = mem_new(1, sizeof *s);
    struct error err;
    struct store_options options = {.loop = &s->loop, .jobs = 0};
    struct store_counts counts;

    rng = seed;
    assert_int_equal(loop_open(&s->loop), 0);
    s->budget = budget_new(&s->loop, CHUNKS * STORE_CHUNK + roll(STORE_CHUNK));
    options.budget = s->budget;
    options.jobs = roll(3) == 0 ? 1 + roll(10) : 0;
    if (roll(4) == 0)
        options.first_contact_ms = options.outage_ms = 1 + roll(4);
    assert_int_equal(store_open_kind(&s->store, &options, &fake_kind, "fake://", &err),
                     0);
    s->store->delay_ms = brief_delay;
    s->store->impl = &s->fake;
    s->store->random = seed | 1;
    store_on_room(s->store, on_freed, s);
    s->fake.bad_percent = roll(3) == 0 ? 0 : roll(60);
    s->to_start = 20 + roll(100);
    for (size_t i = 0; i < OPS; i++)
        s->slots[i].story = s;
    loop_defer(&s->loop, &s->soon, on_turn, s);
    loop_run_until(&s->loop, &s->is_over);

    assert_int_equal(s->n_done, s->n_started);
    assert_true(s->n_room >= s->n_done);
    assert_int_equal(s->n_body_failed, s->fake.n_body_failures);
    assert_int_equal(budget_in_use(s->budget), 0);
    if (options.jobs > 0)
        assert_true(s->fake.most_under_way <= options.jobs);
    store_counts(s->store, &counts);
    assert_int_equal(counts.requests, s->fake.n_attempts);
    store_close(s->store);
    loop_close(&s->loop);
    budget_free(s->budget);
    free(s);
}

static unsigned first_seed = 1, n_stories = STORIES;

static void test_stories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_stories; i++) {
        printf("\rseed %u ", first_seed + i); /* where it stopped, if it does */
        fflush(stdout);
        tell(first_seed + i);
    }
    printf("\n");
}

/* ---- single facts ---- */

struct one {
    struct loop loop;
    struct budget *budget;
    struct store *store;
    struct fake fake;
    unsigned n_done;
    bool is_done;
    char order[64];
};

static int one_begin(void **state)
{
    struct one *o = mem_new(1, sizeof *o);
    struct store_options options = {.loop = &o->loop, .jobs = 1};
    struct error err;

    rng = 1;
    loop_open(&o->loop);
    options.budget = o->budget = budget_new(&o->loop, STORE_CHUNK);
    store_open_kind(&o->store, &options, &fake_kind, "fake://", &err);
    o->store->impl = &o->fake;
    *state = o;
    return 0;
}

static int one_end(void **state)
{
    struct one *o = *state;

    if (o->store != NULL)
        store_close(o->store);
    loop_close(&o->loop);
    budget_free(o->budget);
    free(o);
    return 0;
}

static void on_one_done(struct store_op *op, void *ctx)
{
    struct one *o = ctx;

    o->order[o->n_done++] = op->key[0];
    o->is_done = true;
}

static struct store_op one_op(struct one *o, const char *key)
{
    return (struct store_op){
        .verb = STORE_HEAD, .key = key, .done = on_one_done, .ctx = o};
}

static void test_first_come_first_served(void **state)
{
    struct one *o = *state;
    struct store_op ops[5];
    static const char *const keys[] = {"a", "b", "c", "d", "e"};

    for (size_t i = 0; i < 5; i++) {
        ops[i] = one_op(o, keys[i]);
        store_start(o->store, &ops[i]);
        assert_int_equal(store_room(o->store), 0);
    }
    while (o->n_done < 5)
        uv_run(&o->loop.uv, UV_RUN_ONCE);
    assert_string_equal(o->order, "abcde");
    assert_int_equal(store_room(o->store), 1);
}

/* An outage is looked at by one request, however many wait, and costs none of them. */
static void test_one_request_probes_an_outage(void **state)
{
    struct one *o = *state;
    struct store_op ops[5];
    struct store_counts counts;

    o->store->delay_ms = brief_delay;
    concurrency_init_fixed(&o->store->concurrency, 5);
    o->fake.is_away = true;
    for (size_t i = 0; i < 5; i++) {
        ops[i] = one_op(o, "a");
        store_start(o->store, &ops[i]);
    }
    while (o->fake.n_attempts < 5 + 30) {
        uv_run(&o->loop.uv, UV_RUN_ONCE);
        store_counts(o->store, &counts);
        if (o->fake.n_attempts > 15) /* the first five have ended */
            assert_true(counts.under_way <= 1);
    }
    assert_true(counts.away_since_ms > 0);
    assert_int_equal(store_room(o->store), 0);
    o->fake.is_away = false;
    while (o->n_done < 5)
        uv_run(&o->loop.uv, UV_RUN_ONCE);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ops[i].err.kind, ERROR_NONE);
    store_counts(o->store, &counts);
    assert_int_equal(counts.away_since_ms, 0);
}

static void test_cancel_of_a_pausing_op_does_not_wait(void **state)
{
    struct one *o = *state;
    struct store_op op = one_op(o, "a");
    uint64_t started = uv_hrtime();

    o->fake.is_away = false;
    o->fake.bad_percent = 100;
    o->store->random = 12345; /* the delays that follow are real */
    do {
        store_start(o->store, &op);
        o->is_done = false;
        while (op.phase != OP_PAUSING && !o->is_done)
            uv_run(&o->loop.uv, UV_RUN_ONCE);
    } while (op.phase != OP_PAUSING);
    store_cancel(&op);
    loop_run_until(&o->loop, &o->is_done);
    assert_int_equal(op.err.kind, ERROR_CANCELLED);
    assert_true(uv_hrtime() - started < (uint64_t)5e9);
}

static unsigned asked_attempt;
static int64_t note_attempt(const struct error *err, unsigned attempt, uint32_t random,
                            unsigned retry_after_s)
{
    (void)err, (void)random, (void)retry_after_s;
    asked_attempt = attempt;
    return RETRY_GIVE_UP;
}

/* Which attempt a failure counts as that is the operation's first. */
static unsigned first_failure(struct one *o, enum error_kind kind)
{
    struct store_op op = one_op(o, "a");

    o->fake.always = kind;
    o->is_done = false;
    o->n_done = 0;
    store_start(o->store, &op);
    loop_run_until(&o->loop, &o->is_done);
    assert_int_equal(op.err.kind, kind);
    return asked_attempt;
}

/* Where many have failed the next waits long at once. */
static void test_all_share_what_may_be_spent_on_retries(void **state)
{
    struct one *o = *state;

    o->store->delay_ms = note_attempt;
    o->store->retries.spent_tenths = 10 * (RETRY_BUCKET_TOKENS - 2);
    assert_int_equal(first_failure(o, ERROR_TRANSIENT), 1);
    assert_int_equal(first_failure(o, ERROR_THROTTLED), 1);
    assert_int_equal(first_failure(o, ERROR_TRANSIENT), RETRY_SLOW_ATTEMPT);
    assert_int_equal(first_failure(o, ERROR_THROTTLED), RETRY_SLOW_ATTEMPT);
    for (int i = 0; i < 10; i++)
        first_failure(o, ERROR_NONE);
    assert_int_equal(first_failure(o, ERROR_TRANSIENT), 1);
    assert_int_equal(first_failure(o, ERROR_TRANSIENT), RETRY_SLOW_ATTEMPT);
}

static void on_done_close(struct store_op *op, void *ctx)
{
    struct one *o = ctx;

    (void)op;
    store_close(o->store);
    o->store = NULL;
    o->is_done = true;
}

static void test_done_may_close_the_store(void **state)
{
    struct one *o = *state;
    struct store_op op = one_op(o, "a");

    op.done = on_done_close;
    store_on_room(o->store, NULL, NULL);
    store_start(o->store, &op);
    loop_run_until(&o->loop, &o->is_done);
    assert_int_equal(op.err.kind, ERROR_NONE);
}

static void test_url_that_is_none(void **state)
{
    struct one *o = *state;
    struct store_options options = {.loop = &o->loop, .budget = o->budget};
    struct store *store;
    struct error err;

    assert_int_equal(store_open(&store, &options, "ftp://x/y", &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "file:///"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test_setup_teardown(test_first_come_first_served, one_begin,
                                        one_end),
        cmocka_unit_test_setup_teardown(test_one_request_probes_an_outage, one_begin,
                                        one_end),
        cmocka_unit_test_setup_teardown(test_cancel_of_a_pausing_op_does_not_wait,
                                        one_begin, one_end),
        cmocka_unit_test_setup_teardown(test_all_share_what_may_be_spent_on_retries,
                                        one_begin, one_end),
        cmocka_unit_test_setup_teardown(test_done_may_close_the_store, one_begin,
                                        one_end),
        cmocka_unit_test_setup_teardown(test_url_that_is_none, one_begin, one_end),
    };
    uint64_t seed;

    if (argc > 1 && text_parse_u64(argv[1], &seed) == 0) {
        first_seed = (unsigned)seed;
        n_stories = 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
