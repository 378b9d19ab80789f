/*
 * One thread is woken at a time: it takes the first call, and wakes the next thread
 * where more are waiting.  So a slow call holds up no other, while of many short ones a
 * thread that is awake already does most.  Threads are made when all others are busy.
 */
#include "base/workers.h"

#include <assert.h>
#include <stdlib.h>

static void run(void *ctx);

/* True: somebody is to be woken, once the lock is free. */
static bool summon(struct workers *w)
{
    if (w->first == NULL || w->is_waking)
        return false;
    if (w->n_idle > 0) {
        w->is_waking = true;
        return true;
    }
    if (w->n_threads < WORKERS_MAX &&
        uv_thread_create(&w->threads[w->n_threads], run, w) == 0) {
        w->n_threads++;
        w->is_waking = true; /* it comes by itself */
    } else if (w->n_threads == 0) {
        abort(); /* as without memory */
    }
    return false;
}

/* The lock is held. */
static struct workers_call *take(struct workers *w)
{
    struct workers_call *call = w->first;

    w->first = call->next;
    if (w->first == NULL)
        w->last = &w->first;
    return call;
}

static void run(void *ctx)
{
    struct workers *w = ctx;

    uv_mutex_lock(&w->lock);
    w->is_waking = false;
    for (;;) {
        struct workers_call *call;
        bool is_more;

        while (w->first == NULL && !w->is_closing) {
            w->n_idle++;
            uv_cond_wait(&w->wanted, &w->lock);
            w->n_idle--;
            w->is_waking = false;
        }
        if (w->first == NULL)
            break;
        call = take(w);
        is_more = summon(w);
        uv_mutex_unlock(&w->lock);
        if (is_more)
            uv_cond_signal(&w->wanted);
        call->call(call->ctx);
        uv_mutex_lock(&w->lock);
    }
    uv_mutex_unlock(&w->lock);
}

void workers_open(struct workers *w)
{
    *w = (struct workers){0};
    w->last = &w->first;
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->wanted);
}

void workers_close(struct workers *w)
{
    uv_mutex_lock(&w->lock);
    assert(w->first == NULL);
    w->is_closing = true;
    uv_cond_broadcast(&w->wanted);
    uv_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++)
        uv_thread_join(&w->threads[i]);
    uv_cond_destroy(&w->wanted);
    uv_mutex_destroy(&w->lock);
}

void workers_do(struct workers *w, struct workers_call *call)
{
    bool is_wanted;

    call->next = NULL;
    uv_mutex_lock(&w->lock);
    *w->last = call;
    w->last = &call->next;
    is_wanted = summon(w);
    uv_mutex_unlock(&w->lock);
    if (is_wanted)
        uv_cond_signal(&w->wanted);
}
