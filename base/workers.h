#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <stdbool.h>

#include <uv.h>

/*
 * Threads that carry out calls, in the order in which they were handed over.  Part of
 * loop.h, which is how they are used.
 *
 * libuv has such a pool; it wakes a thread for each call, which for calls as short as
 * the reading of a small file costs more than the call.
 */
enum {
    WORKERS_MAX = 16
}; /* so that a slow disk or NFS server is kept busy; a thread
                              costs a stack of which little is resident */

struct workers_call {
    void (*call)(void *ctx);
    void *ctx;
    struct workers_call *next;
};

struct workers {
    uv_mutex_t lock; /* guards the rest */
    uv_cond_t wanted;
    struct workers_call *first, **last;
    uv_thread_t threads[WORKERS_MAX];
    unsigned n_threads, n_idle;
    bool is_waking; /* one was woken and has not come to the queue yet */
    bool is_closing;
};

void workers_open(struct workers *w);

/* Nothing may be waiting or under way. */
void workers_close(struct workers *w);

/* Call call->call(call->ctx) on a thread; *call is not touched any more once that has
 * begun. */
void workers_do(struct workers *w, struct workers_call *call);

#endif
