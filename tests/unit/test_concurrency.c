/* The limit against models of stores, an hour in a moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transfer/concurrency.h"

/*
 * A store that answers `best` requests at once in latency_ms; more than that queue up.
 * Requests end evenly spread.
 */
static uint64_t drive(struct concurrency *c, unsigned best, unsigned latency_ms,
                      uint64_t from_ms, uint64_t to_ms, unsigned offered)
{
    double done = 0;

    for (uint64_t now = from_ms; now < to_ms; now++) {
        unsigned in_use = c->limit < offered ? c->limit : offered;
        unsigned served = in_use < best ? in_use : best;

        done += (double)served / latency_ms;
        while (done >= 1) {
            concurrency_on_done(c, 1000, in_use, now);
            done -= 1;
        }
    }
    return to_ms;
}

static void test_fixed_stays(void **state)
{
    struct concurrency c;

    (void)state;
    concurrency_init_fixed(&c, 5);
    drive(&c, 1000, 20, 0, 10000, 1000);
    concurrency_on_throttled(&c, 10000);
    assert_int_equal(c.limit, 5);
    concurrency_init_fixed(&c, 0);
    assert_int_equal(c.limit, 1);
}

static void test_finds_what_the_store_can_do(void **state)
{
    static const unsigned bests[] = {4, 30, 200, 700};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct concurrency c;
        uint64_t now;

        concurrency_init(&c, 1, 1024, 0);
        assert_int_equal(c.limit, 8);
        now = drive(&c, bests[i], 50, 0, 4000, 100000);
        assert_true(c.limit >= bests[i] * 3 / 4); /* within seconds */
        for (int hour = 0; hour < 60; hour++) {
            now = drive(&c, bests[i], 50, now, now + 60000, 100000);
            assert_true(c.limit >= bests[i] / 2);
            assert_true(c.limit <= bests[i] * 3 + 8);
        }
    }
}

/* How much is on its way while the limit still grows is lost time on a long path. */
static void test_starts_in_few_round_trips(void **state)
{
    static const unsigned latencies_ms[] = {50, 100, 500};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = 0, latency_ms = latencies_ms[i];
        struct concurrency c;
        uint64_t now = 0;

        concurrency_init(&c, 1, 1024, 0);
        while (c.limit < 1024 && n < 100) {
            now = drive(&c, 4096, latency_ms, now, now + latency_ms, 100000);
            n++;
        }
        assert_in_range(n, 4, 5); /* 8, 32, 128, 512, all */
    }
}

/* A start that takes its time must not look like a store of which all is to be gained. */
static void test_the_first_window_begins_when_it_is_full(void **state)
{
    struct concurrency c;
    uint64_t now = 0;

    (void)state;
    concurrency_init(&c, 1, 1024, 0);
    for (; now < 1000; now += 100) { /* one question after the other */
        concurrency_on_start(&c, 1, now);
        concurrency_on_done(&c, 0, 1, now + 99);
    }
    for (unsigned i = 1; i <= 8; i++)
        concurrency_on_start(&c, i, now);
    now = drive(&c, 8, 1, now, now + 45, 100000);
    assert_int_equal(c.limit, 32);
    drive(&c, 8, 1, now, now + 1000, 100000);
    assert_in_range(c.limit, 8, 20);
}

/* Where there is nothing to be gained it ends at what was enough. */
static void test_a_step_for_nothing_is_taken_back(void **state)
{
    struct concurrency c;

    (void)state;
    concurrency_init(&c, 1, 1024, 0);
    drive(&c, 8, 50, 0, 1000, 100000);
    assert_in_range(c.limit, 8, 20);
    concurrency_init(&c, 1, 1024, 0);
    drive(&c, 40, 50, 0, 1000, 100000);
    assert_in_range(c.limit, 32, 80);
}

static void test_is_not_raised_where_nobody_reaches_it(void **state)
{
    struct concurrency c;

    (void)state;
    concurrency_init(&c, 1, 1024, 0);
    drive(&c, 1000, 20, 0, 60000, 3);
    assert_int_equal(c.limit, 8);
}

static void test_throttling_halves_once_a_second_and_recovers(void **state)
{
    struct concurrency c;
    uint64_t now;
    unsigned before;

    (void)state;
    concurrency_init(&c, 1, 64, 0);
    now = drive(&c, 1000, 20, 0, 20000, 100000);
    assert_int_equal(c.limit, 64);
    for (int i = 0; i < 64; i++)
        concurrency_on_throttled(&c, now + 1);
    assert_int_equal(c.limit, 32);
    concurrency_on_throttled(&c, now + 1500);
    assert_int_equal(c.limit, 16);
    before = c.limit;
    now = drive(&c, 1000, 20, now + 1500, now + 3000, 100000);
    assert_true(c.limit > before && c.limit < 32); /* not by doubling */
    drive(&c, 1000, 20, now, now + 60000, 100000);
    assert_int_equal(c.limit, 64);
    for (uint64_t i = 0; i < 100; i++)
        concurrency_on_throttled(&c, now + 100000 + i * 1000);
    assert_int_equal(c.limit, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_stays),
        cmocka_unit_test(test_finds_what_the_store_can_do),
        cmocka_unit_test(test_starts_in_few_round_trips),
        cmocka_unit_test(test_the_first_window_begins_when_it_is_full),
        cmocka_unit_test(test_a_step_for_nothing_is_taken_back),
        cmocka_unit_test(test_is_not_raised_where_nobody_reaches_it),
        cmocka_unit_test(test_throttling_halves_once_a_second_and_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
