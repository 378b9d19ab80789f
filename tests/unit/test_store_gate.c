/*
 * How long a store is waited for that nobody answers in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wait_kit.h"

static void expect_given_up(const struct store_op *op, const char *words)
{
    assert_int_equal(op->err.kind, ERROR_NETWORK);
    assert_non_null(strstr(op->err.text, "no answer from https://there within "));
    assert_non_null(strstr(op->err.text, words));
}

/* ---- a store that has never answered ---- */

static void never_there(void **state)
{
    struct wait_kit *f = *state;
    uint64_t began_ms = loop_now_ms(&f->loop);
    unsigned n_attempts;

    wait_open(f, 60, 0);
    f->place.mood = IS_AWAY;
    for (unsigned i = 0; i < OPS - 1; i++)
        wait_start(f, i);
    wait_until_done(f, OPS - 1);
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
    wait_start(f, OPS - 1);
    wait_until_done(f, OPS);
    expect_given_up(&f->ops[OPS - 1], "the line is dead");
    assert_int_equal(f->place.n_attempts, n_attempts);
    assert_non_null(store_away(f->store));
}

/* The attempts that are under way are not waited for. */
static void silent(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 50, 0);
    f->place.mood = IS_SILENT;
    for (unsigned i = 0; i < OPS; i++)
        wait_start(f, i);
    wait_for(f, 20);
    assert_int_equal(f->n_done, 0);
    store_cancel(&f->ops[1]);
    wait_until_done(f, OPS);
    for (unsigned i = 0; i < OPS; i++)
        if (i == 1)
            assert_int_equal(f->ops[i].err.kind, ERROR_CANCELLED);
        else
            expect_given_up(&f->ops[i], "within 1 s");
    store_cancel(&f->ops[0]); /* too late, and harmless */
}

static void cancelled_when_given_up(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 30, 0);
    f->place.mood = IS_SILENT;
    wait_start(f, 0);
    while (store_away(f->store) == NULL)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    store_cancel(&f->ops[0]); /* which the kind hears of only once */
    wait_until_done(f, 1);
    assert_int_equal(f->place.n_cancels, 1);
}

/* Given up is given up: others have been told already. */
static void an_answer_that_comes_too_late(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 30, 0);
    f->place.mood = ANSWERS_TOO_LATE;
    wait_start(f, 0);
    wait_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
    wait_start(f, 1);
    wait_until_done(f, 2);
    expect_given_up(&f->ops[1], "within 1 s");
    assert_int_equal(f->place.n_attempts, 1);
}

/* Worth a word before it is worth an end. */
static void silence_is_told(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 0, 0);
    f->place.mood = IS_SILENT;
    wait_start(f, 0);
    wait_for(f, 2100);
    assert_int_equal(f->n_told_away, 1);
    assert_string_equal(f->told, "no answer yet from https://there");
    store_answered(f->store);
    assert_int_equal(f->n_told_back, 1);
    store_cancel(&f->ops[0]);
    wait_until_done(f, 1);
}

/* ---- a store that has answered ---- */

static void an_outage_has_a_limit_of_its_own(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 20, 0);
    wait_start(f, 0);
    wait_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
    f->place.mood = IS_AWAY;
    wait_start(f, 1);
    wait_for(f, 200);
    assert_int_equal(f->n_done, 1);
    assert_string_equal(store_away(f->store)->text, "the line is dead");
    f->place.mood = ANSWERS;
    wait_until_done(f, 2);
    assert_int_equal(f->ops[1].err.kind, ERROR_NONE);
    assert_null(store_away(f->store));
    assert_int_equal(f->n_told_away, 1);
    assert_int_equal(f->n_told_back, 1);
}

static void the_limit_begins_anew_with_each_outage(void **state)
{
    struct wait_kit *f = *state;
    unsigned n_freed;

    wait_open(f, 0, 150);
    wait_start(f, 0);
    wait_until_done(f, 1);
    for (unsigned i = 1; i < 3; i++) {
        f->place.mood = IS_AWAY;
        wait_start(f, i);
        wait_for(f, 100);
        assert_int_equal(f->n_done, i);
        f->place.mood = ANSWERS;
        wait_until_done(f, i + 1);
        assert_int_equal(f->ops[i].err.kind, ERROR_NONE);
    }
    f->place.mood = IS_AWAY;
    wait_start(f, 3);
    n_freed = f->n_freed;
    wait_until_done(f, 4);
    expect_given_up(&f->ops[3], "the line is dead");
    assert_true(f->n_freed > n_freed);
}

/* Whoever held back what he has, for want of room, hears that it can go and fail. */
static void the_end_is_told_to_who_waits_outside(void **state)
{
    struct wait_kit *f = *state;
    unsigned n_freed;

    wait_open(f, 0, 100);
    wait_start(f, 0);
    wait_until_done(f, 1);
    f->place.mood = IS_AWAY;
    wait_start(f, 1);
    wait_for(f, 20);
    store_cancel(&f->ops[1]);
    wait_until_done(f, 2);
    wait_for(f, 20);
    n_freed = f->n_freed;
    wait_for(f, 100);
    assert_int_equal(f->store->gate.phase, GATE_GIVEN_UP);
    assert_int_equal(f->n_freed, n_freed + 1);
    assert_true(store_room(f->store) > 0);
}

/* ---- one request that is never answered, while others are ---- */

/* Others, one after another, until the one has ended. */
static void others_until_idle(struct wait_kit *f, const struct store_op *op)
{
    while (op->phase != OP_IDLE) {
        wait_start(f, 1);
        while (f->ops[1].phase != OP_IDLE)
            uv_run(&f->loop.uv, UV_RUN_ONCE);
    }
}

/* The fault is its own: it ends after a hundred attempts, and never the store. */
static void one_that_never_comes_through(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 0, 0);
    f->place.cut_off = "poison";
    wait_start_key(f, 0, "poison");
    others_until_idle(f, &f->ops[0]);
    assert_int_equal(f->ops[0].err.kind, ERROR_TRANSIENT);
    assert_string_equal(f->ops[0].err.text,
                        "others are answered, but not this request: the line is dead");
    assert_true(f->ops[0].answer.attempts >= 100);
    assert_true(f->ops[0].answer.attempts < 150);
    assert_null(store_away(f->store));
}

/* That others come through does not make its wait begin anew. */
static void its_wait_has_the_limit_of_an_outage(void **state)
{
    struct wait_kit *f = *state;
    uint64_t began_ms = loop_now_ms(&f->loop);

    wait_open(f, 0, 100);
    f->place.cut_off = "poison";
    wait_start_key(f, 0, "poison");
    while (f->ops[0].phase != OP_IDLE) {
        wait_start(f, 1); /* as a heartbeat: seldom, and it is what opens the gate */
        while (f->ops[1].phase != OP_IDLE)
            uv_run(&f->loop.uv, UV_RUN_ONCE);
        wait_for(f, 20);
    }
    assert_true(loop_now_ms(&f->loop) - began_ms >= 100);
    assert_int_equal(f->ops[0].err.kind, ERROR_NETWORK);
    assert_int_equal(f->store->gate.phase, GATE_GIVEN_UP);
}

/* With one place only it does not keep it. */
static void it_leaves_the_place_to_others(void **state)
{
    struct wait_kit *f = *state;

    wait_open(f, 0, 0);
    f->store->concurrency.limit = 1;
    f->place.cut_off = "poison";
    wait_start_key(f, 0, "poison");
    wait_start(f, 1);
    wait_start(f, 2);
    wait_until_done(f, 2);
    assert_int_equal(f->ops[1].err.kind, ERROR_NONE);
    assert_int_equal(f->ops[2].err.kind, ERROR_NONE);
    f->place.cut_off = NULL;
    wait_until_done(f, 3);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_there, wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(silent, wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(cancelled_when_given_up, wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(an_answer_that_comes_too_late, wait_begin,
                                        wait_end),
        cmocka_unit_test_setup_teardown(silence_is_told, wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(the_end_is_told_to_who_waits_outside,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(an_outage_has_a_limit_of_its_own, wait_begin,
                                        wait_end),
        cmocka_unit_test_setup_teardown(the_limit_begins_anew_with_each_outage,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(one_that_never_comes_through, wait_begin,
                                        wait_end),
        cmocka_unit_test_setup_teardown(its_wait_has_the_limit_of_an_outage, wait_begin,
                                        wait_end),
        cmocka_unit_test_setup_teardown(it_leaves_the_place_to_others, wait_begin,
                                        wait_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
