/*
 * How long a store is waited for that nobody answers in, or that only refuses.  Over a
 * kind that answers, is away, takes the question and says nothing, or is in trouble, as
 * the test has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/store_impl.h"

enum { OPS = 4 };

/* ---- the kind ---- */

enum mood { ANSWERS, IS_AWAY, IS_SILENT, ANSWERS_TOO_LATE };

struct place {
    enum mood mood;
    const char *refused; /* it is 503 whatever is asked of this key, or of all ("") */
    unsigned n_attempts, n_cancels;
};

struct attempt {
    struct store_op *op;
    struct deferred soon;
    enum error_kind outcome;
};

static void on_attempt_end(void *ctx)
{
    struct attempt *a = ctx;
    struct store_op *op = a->op;
    struct error err;

    error_set(&err, a->outcome, 0, "the line is dead");
    free(a);
    store_attempt_done(op, err.kind != ERROR_NONE ? &err : NULL);
}

static bool is_refused(const struct place *place, const char *key)
{
    return place->refused != NULL &&
           (place->refused[0] == '\0' || strcmp(place->refused, key) == 0);
}

static void attempt(struct store *store, struct store_op *op)
{
    struct place *place = store->impl;
    struct attempt *a = mem_new(1, sizeof *a);

    place->n_attempts++;
    a->op = op;
    a->outcome = place->mood == IS_AWAY       ? ERROR_NETWORK
                 : is_refused(place, op->key) ? ERROR_TRANSIENT
                                              : ERROR_NONE;
    op->attempt = a;
    if (place->mood < IS_SILENT)
        loop_defer(store->loop, &a->soon, on_attempt_end, a);
}

static void cancel(struct store *store, struct store_op *op)
{
    struct place *place = store->impl;
    struct attempt *a = op->attempt;

    place->n_cancels++;
    if (place->mood != ANSWERS_TOO_LATE)
        a->outcome = ERROR_CANCELLED;
    if (place->mood >= IS_SILENT)
        loop_defer(store->loop, &a->soon, on_attempt_end, a);
}

static int open_place(struct store *store, const char *url, struct error *err)
{
    (void)url, (void)err;
    store->place = mem_copy_string("https://there");
    return 0;
}

static void close_place(struct store *store)
{
    (void)store;
}

static const struct store_kind kind = {.scheme = "test://",
                                       .jobs = OPS,
                                       .is_remote = true,
                                       .open = open_place,
                                       .close = close_place,
                                       .attempt = attempt,
                                       .cancel = cancel};

static int64_t soon_again(const struct error *err, unsigned attempts, uint32_t random,
                          unsigned retry_after_s)
{
    (void)err, (void)attempts, (void)random, (void)retry_after_s;
    return 5;
}

/* ---- the fixture ---- */

struct fixture {
    struct loop loop;
    struct budget *budget;
    struct store *store;
    struct place place;
    uv_timer_t timer;
    struct store_op ops[OPS];
    unsigned n_done;
    unsigned n_told_away, n_told_back, n_freed;
    char told[320];
};

static void on_away(void *ctx, const struct error *err)
{
    struct fixture *f = ctx;

    if (err == NULL) {
        f->n_told_back++;
        return;
    }
    f->n_told_away++;
    memcpy(f->told, err->text, sizeof f->told);
}

static void on_freed(void *ctx)
{
    struct fixture *f = ctx;

    f->n_freed++;
}

static void open_store(struct fixture *f, uint64_t first_contact_ms, uint64_t outage_ms)
{
    struct store_options options = {.loop = &f->loop,
                                    .first_contact_ms = first_contact_ms,
                                    .outage_ms = outage_ms,
                                    .away = on_away,
                                    .away_ctx = f};
    struct error err;

    options.budget = f->budget;
    assert_int_equal(store_open_kind(&f->store, &options, &kind, "test://", &err), 0);
    f->store->impl = &f->place;
    f->store->delay_ms = soon_again;
    store_on_room(f->store, on_freed, f);
}

static int begin(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);

    loop_open(&f->loop);
    uv_timer_init(&f->loop.uv, &f->timer);
    f->budget = budget_new(&f->loop, STORE_CHUNK);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    uv_close((uv_handle_t *)&f->timer, NULL);
    store_close(f->store);
    loop_close(&f->loop);
    budget_free(f->budget);
    free(f);
    return 0;
}

static void on_done(struct store_op *op, void *ctx)
{
    struct fixture *f = ctx;

    (void)op;
    f->n_done++;
}

static void start_key(struct fixture *f, unsigned i, const char *key)
{
    f->ops[i] =
        (struct store_op){.verb = STORE_HEAD, .key = key, .done = on_done, .ctx = f};
    store_start(f->store, &f->ops[i]);
}

static void start(struct fixture *f, unsigned i)
{
    start_key(f, i, "k");
}

static void run_until_done(struct fixture *f, unsigned n)
{
    while (f->n_done < n)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static void on_time(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void run_for(struct fixture *f, uint64_t ms)
{
    bool is_over = false;

    f->timer.data = &is_over;
    uv_timer_start(&f->timer, on_time, ms, 0);
    loop_run_until(&f->loop, &is_over);
}

static void expect_given_up(const struct store_op *op, const char *words)
{
    assert_int_equal(op->err.kind, ERROR_NETWORK);
    assert_non_null(strstr(op->err.text, "no answer from https://there within "));
    assert_non_null(strstr(op->err.text, words));
}

/* ---- a store that has never answered ---- */

static void never_there(void **state)
{
    struct fixture *f = *state;
    uint64_t began_ms = loop_now_ms(&f->loop);
    unsigned n_attempts;

    open_store(f, 60, 0);
    f->place.mood = IS_AWAY;
    for (unsigned i = 0; i < OPS - 1; i++)
        start(f, i);
    run_until_done(f, OPS - 1);
    assert_true(loop_now_ms(&f->loop) - began_ms >= 60);
    assert_true(loop_now_ms(&f->loop) - began_ms < 2000);
    for (unsigned i = 0; i < OPS - 1; i++)
        expect_given_up(&f->ops[i], "the line is dead");
    assert_int_equal(f->n_told_away, 1);
    assert_string_equal(f->told, "the line is dead");
    assert_int_equal(f->n_told_back, 0);

    /* Nothing is tried any more. */
    n_attempts = f->place.n_attempts;
    f->place.mood = ANSWERS;
    assert_true(store_room(f->store) > 0);
    start(f, OPS - 1);
    run_until_done(f, OPS);
    expect_given_up(&f->ops[OPS - 1], "the line is dead");
    assert_int_equal(f->place.n_attempts, n_attempts);
    assert_non_null(store_away(f->store));
}

/* The attempts that are under way are not waited for. */
static void silent(void **state)
{
    struct fixture *f = *state;

    open_store(f, 50, 0);
    f->place.mood = IS_SILENT;
    for (unsigned i = 0; i < OPS; i++)
        start(f, i);
    run_for(f, 20);
    assert_int_equal(f->n_done, 0);
    store_cancel(&f->ops[1]);
    run_until_done(f, OPS);
    for (unsigned i = 0; i < OPS; i++)
        if (i == 1)
            assert_int_equal(f->ops[i].err.kind, ERROR_CANCELLED);
        else
            expect_given_up(&f->ops[i], "within 1 s");
    store_cancel(&f->ops[0]); /* too late, and harmless */
}

static void cancelled_when_given_up(void **state)
{
    struct fixture *f = *state;

    open_store(f, 30, 0);
    f->place.mood = IS_SILENT;
    start(f, 0);
    while (store_away(f->store) == NULL)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    store_cancel(&f->ops[0]); /* which the kind hears of only once */
    run_until_done(f, 1);
    assert_int_equal(f->place.n_cancels, 1);
}

/* Given up is given up: others have been told already. */
static void an_answer_that_comes_too_late(void **state)
{
    struct fixture *f = *state;

    open_store(f, 30, 0);
    f->place.mood = ANSWERS_TOO_LATE;
    start(f, 0);
    run_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
    start(f, 1);
    run_until_done(f, 2);
    expect_given_up(&f->ops[1], "within 1 s");
    assert_int_equal(f->place.n_attempts, 1);
}

/* Worth a word before it is worth an end. */
static void silence_is_told(void **state)
{
    struct fixture *f = *state;

    open_store(f, 0, 0);
    f->place.mood = IS_SILENT;
    start(f, 0);
    run_for(f, 2100);
    assert_int_equal(f->n_told_away, 1);
    assert_string_equal(f->told, "no answer yet from https://there");
    store_answered(f->store);
    assert_int_equal(f->n_told_back, 1);
    store_cancel(&f->ops[0]);
    run_until_done(f, 1);
}

/* ---- a store that has answered ---- */

static void an_outage_has_a_limit_of_its_own(void **state)
{
    struct fixture *f = *state;

    open_store(f, 20, 0);
    start(f, 0);
    run_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
    f->place.mood = IS_AWAY;
    start(f, 1);
    run_for(f, 200);
    assert_int_equal(f->n_done, 1);
    assert_string_equal(store_away(f->store)->text, "the line is dead");
    f->place.mood = ANSWERS;
    run_until_done(f, 2);
    assert_int_equal(f->ops[1].err.kind, ERROR_NONE);
    assert_null(store_away(f->store));
    assert_int_equal(f->n_told_away, 1);
    assert_int_equal(f->n_told_back, 1);
}

static void the_limit_begins_anew_with_each_outage(void **state)
{
    struct fixture *f = *state;
    unsigned n_freed;

    open_store(f, 0, 150);
    start(f, 0);
    run_until_done(f, 1);
    for (unsigned i = 1; i < 3; i++) {
        f->place.mood = IS_AWAY;
        start(f, i);
        run_for(f, 100);
        assert_int_equal(f->n_done, i);
        f->place.mood = ANSWERS;
        run_until_done(f, i + 1);
        assert_int_equal(f->ops[i].err.kind, ERROR_NONE);
    }
    f->place.mood = IS_AWAY;
    start(f, 3);
    n_freed = f->n_freed;
    run_until_done(f, 4);
    expect_given_up(&f->ops[3], "the line is dead");
    assert_true(f->n_freed > n_freed);
}

/* Whoever held back what he has, for want of room, hears that it can go and fail. */
static void the_end_is_told_to_who_waits_outside(void **state)
{
    struct fixture *f = *state;
    unsigned n_freed;

    open_store(f, 0, 100);
    start(f, 0);
    run_until_done(f, 1);
    f->place.mood = IS_AWAY;
    start(f, 1);
    run_for(f, 20);
    store_cancel(&f->ops[1]);
    run_until_done(f, 2);
    run_for(f, 20);
    n_freed = f->n_freed;
    run_for(f, 100);
    assert_int_equal(f->store->gate.phase, GATE_GIVEN_UP);
    assert_int_equal(f->n_freed, n_freed + 1);
    assert_true(store_room(f->store) > 0);
}

/* ---- a store that answers, but refuses ---- */

static void refusals_are_borne_for_as_long_as_they_last(void **state)
{
    struct fixture *f = *state;
    uint64_t since_ms;

    open_store(f, 0, 0);
    f->place.refused = "";
    start(f, 0);
    while (f->place.n_attempts < 150)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(f->n_done, 0);
    assert_null(store_away(f->store));
    assert_null(store_refusal(f->store, &since_ms)); /* it has been a second */
    f->store->trouble.successes[STORE_GET]++;        /* of another sort */
    f->place.refused = NULL;
    run_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
}

static void refusals_have_the_limit_of_an_outage(void **state)
{
    struct fixture *f = *state;
    uint64_t began_ms = loop_now_ms(&f->loop);

    open_store(f, 0, 100);
    f->place.refused = "";
    start(f, 0);
    start(f, 1);
    run_until_done(f, 2);
    assert_true(loop_now_ms(&f->loop) - began_ms >= 100);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(f->ops[i].err.kind, ERROR_NETWORK);
        assert_string_equal(f->ops[i].err.text, "the line is dead, for 1 s");
    }
}

/* The fault is its own: it ends after a hundred attempts, and never the store. */
static void one_object_that_is_never_taken(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    open_store(f, 0, 0);
    f->place.refused = "poison";
    start_key(f, 0, "poison");
    for (n = 0; f->ops[0].phase != OP_IDLE; n++) {
        start(f,
              1); /* which is taken, between each two of its attempts and more often */
        while (f->ops[1].phase != OP_IDLE)
            uv_run(&f->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(f->n_done, n + 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_TRANSIENT);
    assert_true(f->ops[0].answer.attempts >= 100);
    assert_true(f->ops[0].answer.attempts < 150);
    assert_null(store_away(f->store));
}

/* One success, and then nothing any more: that is an outage, whoever began to fail
 * before it. */
static void a_success_does_not_make_others_alone_for_ever(void **state)
{
    struct fixture *f = *state;

    open_store(f, 0, 0);
    f->place.refused = "poison";
    start_key(f, 0, "poison");
    while (f->ops[0].phase != OP_PAUSING)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    start(f, 1);
    run_until_done(f, 1);
    f->place.refused = "";
    while (f->place.n_attempts < 300)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(f->n_done, 1);
    f->place.refused = NULL;
    run_until_done(f, 2);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
}

static void who_pauses_leaves_the_place_to_others(void **state)
{
    struct fixture *f = *state;
    unsigned n_freed;

    open_store(f, 0, 0);
    f->place.refused = "poison";
    n_freed = f->n_freed;
    start_key(f, 0, "poison");
    assert_int_equal(store_room(f->store), OPS - 1);
    while (f->ops[0].phase != OP_PAUSING)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(store_room(f->store), OPS);
    assert_int_equal(f->n_freed, n_freed + 1);
    store_cancel(&f->ops[0]);
    run_until_done(f, 1);
    assert_int_equal(store_room(f->store), OPS);
}

static void half_a_minute_of_refusals_is_told(void **state)
{
    struct fixture *f = *state;
    uint64_t began_ms, since_ms;

    open_store(f, 0, 0);
    f->place.refused = "";
    start(f, 0);
    while (f->place.n_attempts < 3)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    began_ms = f->ops[0].failing_since_ms;
    assert_true(began_ms > 0);
    f->ops[0].failing_since_ms -= began_ms > 30000 ? 30000 : began_ms - 1;
    while (store_refusal(f->store, &since_ms) == NULL)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_string_equal(store_refusal(f->store, &since_ms)->text, "the line is dead");
    assert_int_equal(since_ms, f->ops[0].failing_since_ms);
    f->place.refused = NULL;
    run_until_done(f, 1);
    assert_null(store_refusal(f->store, &since_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_there, begin, end),
        cmocka_unit_test_setup_teardown(silent, begin, end),
        cmocka_unit_test_setup_teardown(cancelled_when_given_up, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_that_comes_too_late, begin, end),
        cmocka_unit_test_setup_teardown(silence_is_told, begin, end),
        cmocka_unit_test_setup_teardown(the_end_is_told_to_who_waits_outside, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_outage_has_a_limit_of_its_own, begin, end),
        cmocka_unit_test_setup_teardown(the_limit_begins_anew_with_each_outage, begin,
                                        end),
        cmocka_unit_test_setup_teardown(refusals_are_borne_for_as_long_as_they_last,
                                        begin, end),
        cmocka_unit_test_setup_teardown(refusals_have_the_limit_of_an_outage, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_object_that_is_never_taken, begin, end),
        cmocka_unit_test_setup_teardown(a_success_does_not_make_others_alone_for_ever,
                                        begin, end),
        cmocka_unit_test_setup_teardown(who_pauses_leaves_the_place_to_others, begin,
                                        end),
        cmocka_unit_test_setup_teardown(half_a_minute_of_refusals_is_told, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
