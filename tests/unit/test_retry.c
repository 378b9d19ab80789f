#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transfer/retry.h"

static struct error of_kind(enum error_kind kind)
{
    struct error err;

    error_set(&err, kind, 0, "x");
    return err;
}

static void test_only_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    for (enum error_kind kind = ERROR_CANCELLED; kind <= ERROR_INTERNAL; kind++) {
        struct error err = of_kind(kind);
        bool again = retry_delay_ms(&err, 1, 7, 0) != RETRY_GIVE_UP;

        assert_int_equal(again, kind == ERROR_NETWORK || kind == ERROR_TRANSIENT ||
                                    kind == ERROR_THROTTLED || kind == ERROR_EXPIRED);
    }
}

/* The first look is at once: the keys are read again. */
static void test_expired_is_looked_at_like_an_outage(void **state)
{
    struct error expired = of_kind(ERROR_EXPIRED), network = of_kind(ERROR_NETWORK);

    (void)state;
    assert_int_equal(retry_delay_ms(&expired, 1, 1, 0), 0);
    for (unsigned attempt = 1; attempt < 10; attempt++)
        assert_int_equal(retry_delay_ms(&expired, attempt + 1, 1, 0),
                         retry_delay_ms(&network, attempt, 1, 0));
}

/* That is for who counts the time. */
static void test_no_number_of_attempts_is_too_many(void **state)
{
    struct error transient = of_kind(ERROR_TRANSIENT);
    struct error throttled = of_kind(ERROR_THROTTLED);

    (void)state;
    assert_true(retry_delay_ms(&transient, 1000000, 1, 0) >= 0);
    assert_true(retry_delay_ms(&throttled, 1000000, 1, 0) >= 0);
}

static void test_jitter_fills_a_doubling_range(void **state)
{
    struct error err = of_kind(ERROR_THROTTLED);
    int64_t ceiling = 100;

    (void)state;
    for (unsigned attempt = 1; attempt < 40; attempt++) {
        int64_t least = INT64_MAX, most = 0;

        for (uint32_t i = 0; i < 20000; i++) {
            int64_t delay = retry_delay_ms(&err, attempt, i * 2654435761u, 0);

            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
        }
        assert_true(least <= ceiling / 20);
        assert_true(most <= ceiling && most >= ceiling - ceiling / 20);
        ceiling = ceiling * 2 < 20000 ? ceiling * 2 : 20000;
    }
}

static void test_server_is_obeyed_within_reason(void **state)
{
    struct error err = of_kind(ERROR_THROTTLED);

    (void)state;
    assert_int_equal(retry_delay_ms(&err, 1, 0, 30), 30000);
    assert_int_equal(retry_delay_ms(&err, 1, 0, 86400), 300000);
}

static void test_outage_is_probed_from_1_to_10_s(void **state)
{
    struct error err = of_kind(ERROR_NETWORK);
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 10000, 10000};

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(retry_delay_ms(&err, i + 1, i, 0), expected[i]);
    assert_int_equal(retry_delay_ms(&err, UINT32_MAX, 0, 0), 10000);
}

static void test_bucket_runs_dry_and_fills_slowly(void **state)
{
    struct retry_bucket bucket = {0};
    unsigned n = 0;

    (void)state;
    while (retry_bucket_take(&bucket))
        n++;
    assert_int_equal(n, RETRY_BUCKET_TOKENS);
    for (int i = 0; i < 9; i++)
        retry_bucket_on_success(&bucket);
    assert_false(retry_bucket_take(&bucket));
    retry_bucket_on_success(&bucket);
    assert_true(retry_bucket_take(&bucket));
    for (int i = 0; i < 100000; i++)
        retry_bucket_on_success(&bucket);
    assert_int_equal(bucket.spent_tenths, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_may_pass_is_tried_again),
        cmocka_unit_test(test_expired_is_looked_at_like_an_outage),
        cmocka_unit_test(test_no_number_of_attempts_is_too_many),
        cmocka_unit_test(test_jitter_fills_a_doubling_range),
        cmocka_unit_test(test_server_is_obeyed_within_reason),
        cmocka_unit_test(test_outage_is_probed_from_1_to_10_s),
        cmocka_unit_test(test_bucket_runs_dry_and_fills_slowly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
