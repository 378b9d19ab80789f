#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "transfer/memory_body.h"

struct outcome {
    bool is_done;
    struct error err;
};

static void on_moved(void *ctx, const struct error *err)
{
    struct outcome *outcome = ctx;

    assert_false(outcome->is_done);
    outcome->is_done = true;
    if (err != NULL)
        outcome->err = *err;
}

static void test_body_is_read_over_and_over(void **state)
{
    uint8_t bytes[] = "twelve bytes", into[12];
    struct memory_body b;
    struct loop loop;

    (void)state;
    loop_open(&loop);
    memory_body_init(&b, &loop, (struct span){bytes, 12});
    assert_int_equal(b.body.size, 12);
    assert_ptr_equal(b.body.whole.data, bytes);
    for (int i = 0; i < 3; i++) {
        struct outcome first = {0}, second = {0};

        b.body.rewind(&b.body);
        memset(into, 0, sizeof into);
        b.body.read(&b.body, (struct span){into, 7}, NULL, on_moved, &first);
        assert_false(first.is_done);
        loop_run_until(&loop, &first.is_done);
        b.body.read(&b.body, (struct span){into + 7, 5}, NULL, on_moved, &second);
        loop_run_until(&loop, &second.is_done);
        assert_memory_equal(into, bytes, 12);
    }
    loop_close(&loop);
}

static void test_empty_body_needs_no_reading(void **state)
{
    struct memory_body b;
    struct loop loop;

    (void)state;
    loop_open(&loop);
    memory_body_init(&b, &loop, (struct span){NULL, 0});
    assert_int_equal(b.body.size, 0);
    assert_non_null(b.body.whole.data);
    loop_close(&loop);
}

static void test_sink_collects_up_to_its_limit(void **state)
{
    uint8_t bytes[1000];
    struct memory_sink s;
    struct loop loop;
    struct outcome too_much = {0};

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    loop_open(&loop);
    memory_sink_init(&s, &loop, 10000);
    for (int i = 0; i < 10; i++) {
        struct outcome outcome = {0};

        s.sink.write(&s.sink, (struct span){bytes, sizeof bytes}, on_moved, &outcome);
        assert_false(outcome.is_done);
        loop_run_until(&loop, &outcome.is_done);
        assert_int_equal(outcome.err.kind, ERROR_NONE);
    }
    assert_int_equal(s.bytes.size, 10000);
    assert_int_equal(s.bytes.data[9999], 'x');
    s.sink.write(&s.sink, (struct span){bytes, 1}, on_moved, &too_much);
    loop_run_until(&loop, &too_much.is_done);
    assert_int_equal(too_much.err.kind, ERROR_CORRUPT);
    free(s.bytes.data);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_is_read_over_and_over),
        cmocka_unit_test(test_empty_body_needs_no_reading),
        cmocka_unit_test(test_sink_collects_up_to_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
