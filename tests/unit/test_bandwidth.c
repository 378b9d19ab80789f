/*
 * The limit is kept over ten seconds, whatever is asked for and however late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dice.h"
#include "transfer/bandwidth.h"

enum { STORIES = 500, SECONDS = 10 };

static void test_no_limit(void **state)
{
    struct bandwidth b;

    (void)state;
    bandwidth_init(&b, 0, 5);
    assert_int_equal(bandwidth_take(&b, 123456789, 5), 123456789);
}

/* Somebody who always wants more, and wakes up a little late. */
static void tell(unsigned seed)
{
    uint64_t rate = 2000 + (uint64_t)roll(1000) * roll(1000) * (1 + roll(100));
    uint64_t now_ms = roll(1000000), start_ms = now_ms, sent = 0;
    size_t most = 1 + roll(256 << 10);
    struct bandwidth b;

    (void)seed;
    bandwidth_init(&b, rate, now_ms);
    while (now_ms - start_ms < SECONDS * 1000) {
        size_t n = bandwidth_take(&b, most, now_ms);

        assert_true(n <= most);
        sent += n;
        if (n == 0)
            now_ms += bandwidth_wait_ms(&b) + roll(3);
    }
    assert_true((double)sent <= 1.05 * (double)rate * SECONDS);
    if (rate <
        UINT64_C(500) * (256 << 10)) /* else a wake-up a millisecond is too few */
        assert_true((double)sent >= 0.95 * (double)rate * SECONDS);
}

static void test_ten_seconds(void **state)
{
    (void)state;
    dice_tell(tell);
}

/* An idle minute is not made up for. */
static void test_no_burst(void **state)
{
    struct bandwidth b;

    (void)state;
    bandwidth_init(&b, 1000000, 0);
    assert_int_equal(bandwidth_take(&b, 1 << 30, 60000), 50000);
    assert_int_equal(bandwidth_take(&b, 1 << 30, 60000), 0);
    assert_in_range(bandwidth_wait_ms(&b), 10, 11);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_ten_seconds),
        cmocka_unit_test(test_no_burst),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
