#include "base/loop.h"

#include <assert.h>
#include <time.h>

/* Calls deferred from within the loop wait in `first`, those from other threads in
 * `posted_first` until the async handle has woken the loop. */

static void run_batch(struct deferred *batch)
{
    while (batch != NULL) {
        struct deferred *next = batch->next; /* the call may free or reuse batch */
        batch->call(batch->ctx);
        batch = next;
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    struct deferred *batch = loop->first;

    /* What these calls defer in their turn waits for the next round: sockets first. */
    loop->first = NULL;
    loop->last = &loop->first;
    run_batch(batch);
    if (loop->first == NULL)
        uv_idle_stop(idle);
}

static void on_async(uv_async_t *async)
{
    struct loop *loop = async->data;
    struct deferred *batch;

    uv_mutex_lock(&loop->posted_lock);
    batch = loop->posted_first;
    loop->posted_first = NULL;
    loop->posted_last = &loop->posted_first;
    uv_mutex_unlock(&loop->posted_lock);
    run_batch(batch);
}

int loop_open(struct loop *loop)
{
    int status = uv_loop_init(&loop->uv);

    if (status != 0)
        return status;
    status = uv_async_init(&loop->uv, &loop->async, on_async);
    if (status != 0)
        return status;
    uv_idle_init(&loop->uv, &loop->idle);
    uv_mutex_init(&loop->posted_lock);
    loop->async.data = loop;
    loop->idle.data = loop;
    loop->first = NULL;
    loop->last = &loop->first;
    loop->posted_first = NULL;
    loop->posted_last = &loop->posted_first;
    loop->n_working = 0;
    workers_open(&loop->workers);
    return 0;
}

void loop_close(struct loop *loop)
{
    int status;

    while (loop->n_working > 0)
        uv_run(&loop->uv, UV_RUN_ONCE);
    workers_close(&loop->workers);
    assert(loop->first == NULL && loop->posted_first == NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_mutex_destroy(&loop->posted_lock);
    status = uv_loop_close(&loop->uv);
    assert(status == 0);
    (void)status;
}

void loop_defer(struct loop *loop, struct deferred *d, void (*call)(void *), void *ctx)
{
    d->call = call;
    d->ctx = ctx;
    d->next = NULL;
    *loop->last = d;
    loop->last = &d->next;
    uv_idle_start(&loop->idle, on_idle);
}

void loop_post(struct loop *loop, struct deferred *d, void (*call)(void *), void *ctx)
{
    bool is_first;

    d->call = call;
    d->ctx = ctx;
    d->next = NULL;
    uv_mutex_lock(&loop->posted_lock);
    is_first = loop->posted_first == NULL;
    *loop->posted_last = d;
    loop->posted_last = &d->next;
    uv_mutex_unlock(&loop->posted_lock);
    if (is_first) /* else the loop is on its way already */
        uv_async_send(&loop->async);
}

static void on_over(void *ctx)
{
    struct work *w = ctx;

    w->loop->n_working--;
    w->done(w->ctx); /* may free w */
}

static void on_work(void *ctx)
{
    struct work *w = ctx;

    w->work(w->ctx);
    loop_post(w->loop, &w->over, on_over, w);
}

void loop_work(struct loop *loop, struct work *w, void (*work)(void *),
               void (*done)(void *), void *ctx)
{
    w->loop = loop;
    w->work = work;
    w->done = done;
    w->ctx = ctx;
    w->call.call = on_work;
    w->call.ctx = w;
    loop->n_working++;
    workers_do(&loop->workers, &w->call);
}

void loop_run_until(struct loop *loop, const bool *flag)
{
    while (!*flag)
        uv_run(&loop->uv, UV_RUN_ONCE);
}

uint64_t loop_now_ms(struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t loop_boot_ms(void)
{
    struct timespec now;

#ifdef CLOCK_BOOTTIME
    if (clock_gettime(CLOCK_BOOTTIME, &now) == 0)
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#endif
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
