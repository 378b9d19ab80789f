/*
 * Stories of jobs that end in any order: they are finished in theirs, no more of them
 * live at once than there are slots, and none is forgotten, whatever ends the whole.
 */
#include "agent/in_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dice.h"

enum { STORIES = 300, JOBS_MAX = 200, NEVER = JOBS_MAX + 1 };

struct story;

struct job {
    struct story *story;
    size_t index;
    unsigned left; /* turns of the loop until it is done */
    bool is_live, is_cancelled;
    struct deferred soon;
};

struct story {
    struct agent agent;
    struct in_order order;
    struct job jobs[JOBS_MAX];
    size_t n_started, n_finished, n_dropped, n_live;
    size_t fails_at, interrupted_at;
};

static void on_turn(void *ctx)
{
    struct job *j = ctx;

    if (j->left > 0 && !j->is_cancelled) {
        j->left--;
        loop_defer(&j->story->agent.loop, &j->soon, on_turn, j);
        return;
    }
    in_order_done(&j->story->order, j->index);
}

static void start(void *ctx, size_t index)
{
    struct story *s = ctx;
    struct job *j = &s->jobs[index];

    assert_int_equal(index, s->n_started++);
    assert_true(++s->n_live <= IN_ORDER_SLOTS);
    *j = (struct job){
        .story = s, .index = index, .left = (unsigned)roll(60), .is_live = true};
    loop_defer(&s->agent.loop, &j->soon, on_turn, j);
}

static void cancel(void *ctx, size_t index)
{
    struct story *s = ctx;

    s->jobs[index].is_cancelled = true;
}

static void leave(struct story *s, size_t index)
{
    assert_true(s->jobs[index].is_live);
    s->jobs[index].is_live = false;
    s->n_live--;
}

static void interrupt(struct story *s)
{
    s->agent.signal = 2;
    if (s->agent.on_interrupt != NULL)
        s->agent.on_interrupt(s->agent.interrupt_ctx);
}

static int finish(void *ctx, size_t index, struct error *err)
{
    struct story *s = ctx;

    assert_int_equal(index, s->n_finished++);
    leave(s, index);
    if (index == s->interrupted_at)
        interrupt(s);
    if (index == s->fails_at)
        return error_set(err, ERROR_CORRUPT, 0, "as it was told to");
    return 0;
}

static void drop(void *ctx, size_t index)
{
    struct story *s = ctx;

    s->n_dropped++;
    leave(s, index);
}

static void tell(unsigned seed)
{
    static struct story s; /* large */
    struct error err;
    size_t n = roll(JOBS_MAX);
    int status;

    (void)seed;
    memset(&s, 0, sizeof s);
    loop_open(&s.agent.loop);
    s.fails_at = roll(3) == 0 ? roll(JOBS_MAX) : NEVER;
    s.interrupted_at = roll(4) == 0 ? roll(JOBS_MAX) : NEVER;
    s.order = (struct in_order){.agent = &s.agent,
                                .n = n,
                                .ctx = &s,
                                .start = start,
                                .cancel = cancel,
                                .finish = finish,
                                .drop = drop};
    status = in_order_run(&s.order, &err);
    assert_int_equal(s.n_live, 0);
    assert_int_equal(s.n_started, s.n_finished + s.n_dropped);
    if (s.fails_at < n && s.fails_at <= s.interrupted_at) {
        assert_int_equal(status, -1);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        assert_int_equal(s.n_finished, s.fails_at + 1);
    } else if (s.interrupted_at + 1 < n) {
        assert_int_equal(status, -1);
        assert_int_equal(err.kind, ERROR_CANCELLED);
        assert_int_equal(s.n_finished, s.interrupted_at + 1);
    } else {
        assert_int_equal(status, 0);
        assert_int_equal(s.n_finished, n);
        assert_int_equal(s.n_dropped, 0);
    }
    loop_close(&s.agent.loop);
}

static void test_stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stories)};

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
