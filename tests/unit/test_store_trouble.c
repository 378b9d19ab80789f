/*
 * How long a store is borne that answers, but refuses for now.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wait_kit.h"

static void refusals_are_borne_for_as_long_as_they_last(void **state)
{
    struct wait_kit *f = *state;
    uint64_t since_ms;

    wait_open(f, 0, 0);
    f->place.refused = "";
    wait_start(f, 0);
    while (f->place.n_attempts < 150)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(f->n_done, 0);
    assert_null(store_away(f->store));
    assert_null(store_refusal(f->store, &since_ms)); /* it has been a second */
    f->store->trouble.success_ms[STORE_GET] =
        loop_now_ms(&f->loop); /* of another sort */
    f->place.refused = NULL;
    wait_until_done(f, 1);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
}

static void refusals_have_the_limit_of_an_outage(void **state)
{
    struct wait_kit *f = *state;
    uint64_t began_ms = loop_now_ms(&f->loop);

    wait_open(f, 0, 100);
    f->place.refused = "";
    wait_start(f, 0);
    wait_start(f, 1);
    wait_until_done(f, 2);
    assert_true(loop_now_ms(&f->loop) - began_ms >= 100);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(f->ops[i].err.kind, ERROR_NETWORK);
        assert_string_equal(f->ops[i].err.text, "the line is dead, for 1 s");
    }
}

/* The fault is its own: it ends after a hundred attempts, and never the store. */
static void one_object_that_is_never_taken(void **state)
{
    struct wait_kit *f = *state;
    unsigned n;

    wait_open(f, 0, 0);
    f->place.refused = "poison";
    wait_start_key(f, 0, "poison");
    for (n = 0; f->ops[0].phase != OP_IDLE; n++) {
        wait_start(
            f, 1); /* which is taken, between each two of its attempts and more often */
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
    struct wait_kit *f = *state;

    wait_open(f, 0, 0);
    f->place.refused = "poison";
    wait_start_key(f, 0, "poison");
    while (f->ops[0].phase != OP_PAUSING)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    wait_start(f, 1);
    wait_until_done(f, 1);
    f->place.refused = "";
    while (f->place.n_attempts < 300)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(f->n_done, 1);
    f->place.refused = NULL;
    wait_until_done(f, 2);
    assert_int_equal(f->ops[0].err.kind, ERROR_NONE);
}

static void who_pauses_leaves_the_place_to_others(void **state)
{
    struct wait_kit *f = *state;
    unsigned n_freed;

    wait_open(f, 0, 0);
    f->place.refused = "poison";
    n_freed = f->n_freed;
    wait_start_key(f, 0, "poison");
    assert_int_equal(store_room(f->store), OPS - 1);
    while (f->ops[0].phase != OP_PAUSING)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(store_room(f->store), OPS);
    assert_int_equal(f->n_freed, n_freed + 1);
    store_cancel(&f->ops[0]);
    wait_until_done(f, 1);
    assert_int_equal(store_room(f->store), OPS);
}

static void half_a_minute_of_refusals_is_told(void **state)
{
    struct wait_kit *f = *state;
    uint64_t began_ms, since_ms;

    wait_open(f, 0, 0);
    f->place.refused = "";
    wait_start(f, 0);
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
    wait_until_done(f, 1);
    assert_null(store_refusal(f->store, &since_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refusals_are_borne_for_as_long_as_they_last,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(refusals_have_the_limit_of_an_outage,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(one_object_that_is_never_taken, wait_begin,
                                        wait_end),
        cmocka_unit_test_setup_teardown(a_success_does_not_make_others_alone_for_ever,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(who_pauses_leaves_the_place_to_others,
                                        wait_begin, wait_end),
        cmocka_unit_test_setup_teardown(half_a_minute_of_refusals_is_told, wait_begin,
                                        wait_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
