/*
 * Threads that carry out calls: each once, none held up by another, and none left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "base/loop.h"

/* ---- calls that meet ---- */

struct meeting {
    uv_barrier_t barrier;
    uv_sem_t over;
    struct workers_call calls[WORKERS_MAX];
};

static void on_meet(void *ctx)
{
    struct meeting *m = ctx;

    uv_barrier_wait(&m->barrier); /* until as many are here at once */
    uv_sem_post(&m->over);
}

/* Each waits for all others: with a thread less, or one not woken, it would never end. */
static void as_many_at_once_as_there_are_threads(void **state)
{
    struct workers w;
    struct meeting m;

    (void)state;
    workers_open(&w);
    uv_barrier_init(&m.barrier, WORKERS_MAX);
    uv_sem_init(&m.over, 0);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < WORKERS_MAX; i++) {
            m.calls[i] = (struct workers_call){.call = on_meet, .ctx = &m};
            workers_do(&w, &m.calls[i]);
        }
        for (int i = 0; i < WORKERS_MAX; i++)
            uv_sem_wait(&m.over);
    }
    workers_close(&w);
    assert_int_equal(w.n_threads, WORKERS_MAX);
    uv_barrier_destroy(&m.barrier);
    uv_sem_destroy(&m.over);
}

/* ---- many short calls, from a loop ---- */

enum { CALLS = 20000, AT_ONCE = 40 };

struct crowd;
struct one {
    struct crowd *crowd;
    struct work work;
    unsigned worked;
};

struct crowd {
    struct loop loop;
    struct one all[AT_ONCE];
    atomic_uint n_worked;
    unsigned n_started, n_done;
    bool is_over;
};

static void on_work(void *ctx)
{
    struct one *one = ctx;

    one->worked++;
    atomic_fetch_add(&one->crowd->n_worked, 1);
}

static void on_done(void *ctx);

static void start(struct one *one)
{
    one->worked = 0;
    one->crowd->n_started++;
    loop_work(&one->crowd->loop, &one->work, on_work, on_done, one);
}

static void on_done(void *ctx)
{
    struct one *one = ctx;
    struct crowd *c = one->crowd;

    assert_int_equal(one->worked, 1);
    c->n_done++;
    if (c->n_started < CALLS)
        start(one);
    c->is_over = c->n_done == CALLS;
}

static void each_once(void **state)
{
    struct crowd *c = calloc(1, sizeof *c);

    (void)state;
    assert_int_equal(loop_open(&c->loop), 0);
    for (int i = 0; i < AT_ONCE; i++) {
        c->all[i].crowd = c;
        start(&c->all[i]);
    }
    loop_run_until(&c->loop, &c->is_over);
    assert_int_equal(c->n_worked, CALLS);
    assert_int_equal(c->loop.n_working, 0);
    loop_close(&c->loop);
    free(c);
}

/* Closing waits for what nobody waits for. */
static void closing_waits(void **state)
{
    struct crowd *c = calloc(1, sizeof *c);

    (void)state;
    assert_int_equal(loop_open(&c->loop), 0);
    c->n_started = CALLS;
    for (int i = 0; i < AT_ONCE; i++) {
        c->all[i].crowd = c;
        start(&c->all[i]);
    }
    loop_close(&c->loop);
    assert_int_equal(c->n_worked, AT_ONCE);
    assert_int_equal(c->n_done, AT_ONCE);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_at_once_as_there_are_threads),
        cmocka_unit_test(each_once),
        cmocka_unit_test(closing_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
