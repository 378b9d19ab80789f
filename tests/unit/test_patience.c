/*
 * For how long a server may be silent: what it is used to decides, within bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transfer/patience.h"

static void nothing_is_known_at_first(void **state)
{
    struct patience p = {0};

    (void)state;
    assert_int_equal(patience_ms(&p), PATIENCE_LEAST_MS);
}

static void a_fast_server_is_given_the_least(void **state)
{
    struct patience p = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        patience_on_answer(&p, (uint64_t)(i % 3));
    assert_int_equal(patience_ms(&p), PATIENCE_LEAST_MS);
}

/* Answers that take 100 to 140 s, which the first limit would cut off. */
static void a_slow_server_is_given_what_it_needs(void **state)
{
    struct patience p = {0};
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        random = (random * 1664525 + 1013904223) % 4294967296u; /* Numerical Recipes */
        patience_on_answer(&p, 100 * 1000 + (random >> 8) % 40000);
        assert_true(patience_ms(&p) > 140 * 1000);
        assert_true(patience_ms(&p) < 600 * 1000);
    }
}

/* One that has never answered in time is waited for longer each time. */
static void silence_doubles_it(void **state)
{
    struct patience p = {0};
    uint64_t allowed_ms = patience_ms(&p);

    (void)state;
    for (int i = 0; i < 3; i++) {
        patience_on_silence(&p, allowed_ms);
        assert_int_equal(patience_ms(&p), 2 * allowed_ms);
        allowed_ms *= 2;
    }
    for (int i = 0; i < 10; i++)
        patience_on_silence(&p, patience_ms(&p));
    assert_int_equal(patience_ms(&p), PATIENCE_MOST_MS);
    patience_on_answer(&p, 10);
    assert_int_equal(patience_ms(&p), PATIENCE_LEAST_MS);
}

/* All requests of one outage fall silent together. */
static void a_herd_counts_once(void **state)
{
    struct patience p = {0};

    (void)state;
    for (int i = 0; i < 64; i++)
        patience_on_silence(&p, PATIENCE_LEAST_MS);
    assert_int_equal(patience_ms(&p), 2 * PATIENCE_LEAST_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(a_fast_server_is_given_the_least),
        cmocka_unit_test(a_slow_server_is_given_what_it_needs),
        cmocka_unit_test(silence_doubles_it),
        cmocka_unit_test(a_herd_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
