#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "transfer/budget.h"

struct fixture {
    struct loop loop;
    struct budget *budget;
    char order[32]; /* the names of the leases, as they were granted */
    size_t n;
};

struct named {
    struct lease lease;
    struct fixture *fixture;
    char name;
};

static void on_granted(struct lease *lease, void *ctx)
{
    struct named *named = ctx;

    assert_ptr_equal(lease, &named->lease);
    assert_non_null(lease->bytes.data);
    memset(lease->bytes.data, 1, lease->bytes.size);
    named->fixture->order[named->fixture->n++] = named->name;
}

static void take(struct fixture *f, struct named *named, char name, size_t size)
{
    *named = (struct named){.fixture = f, .name = name};
    budget_take(f->budget, &named->lease, size, on_granted, named);
}

static void run(struct fixture *f)
{
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
}

static int begin(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    loop_open(&f.loop);
    f.budget = budget_new(&f.loop, 100);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(budget_in_use(f->budget), 0);
    budget_free(f->budget);
    loop_close(&f->loop);
    return 0;
}

static void test_grants_later_and_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    struct named a, b;

    assert_int_equal(budget_limit(f->budget), 100);
    take(f, &a, 'a', 60);
    take(f, &b, 'b', 60);
    assert_int_equal(f->n, 0);
    run(f);
    assert_string_equal(f->order, "a");
    assert_int_equal(budget_in_use(f->budget), 60);
    budget_give(&a.lease);
    run(f);
    assert_string_equal(f->order, "ab");
    budget_give(&b.lease);
    budget_give(&b.lease); /* harmless */
}

static void test_large_one_is_not_starved(void **state)
{
    struct fixture *f = *state;
    struct named a, large, small;

    take(f, &a, 'a', 10);
    take(f, &large, 'L', 100);
    take(f, &small, 's', 10);
    run(f);
    assert_string_equal(f->order, "a");
    budget_give(&a.lease);
    run(f);
    assert_string_equal(f->order, "aL");
    budget_give(&large.lease);
    run(f);
    assert_string_equal(f->order, "aLs");
    budget_give(&small.lease);
}

static void test_withdrawn_lease_lets_the_others_pass(void **state)
{
    struct fixture *f = *state;
    struct named a, large, small;

    take(f, &a, 'a', 10);
    take(f, &large, 'L', 100);
    take(f, &small, 's', 10);
    assert_true(budget_withdraw(&large.lease));
    assert_false(budget_withdraw(&a.lease)); /* its grant is on its way */
    run(f);
    assert_string_equal(f->order, "as");
    assert_false(budget_withdraw(&a.lease));
    budget_give(&a.lease);
    budget_give(&small.lease);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grants_later_and_up_to_the_limit, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_large_one_is_not_starved, begin, end),
        cmocka_unit_test_setup_teardown(test_withdrawn_lease_lets_the_others_pass,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
