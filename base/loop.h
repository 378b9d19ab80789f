#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>

#include <uv.h>

#include "base/workers.h"

/*
 * A libuv loop, with the two things libuv lacks: a way to call a function "soon, but
 * not now", and calls on worker threads and from other threads that are one line long.
 * Everything that a loop owns is touched only by its thread.
 */
struct loop {
    uv_loop_t uv;

    /* Private. */
    uv_idle_t idle;
    struct deferred *first;
    struct deferred **last;
    uv_async_t async;
    uv_mutex_t posted_lock;
    struct deferred *posted_first; /* guarded by posted_lock */
    struct deferred **posted_last;
    struct workers workers;
    unsigned n_working; /* calls of loop_work() that are not done */
};

/* A call that is waiting for its turn.  Lives inside the object that asked for it. */
struct deferred {
    void (*call)(void *ctx);
    void *ctx;
    struct deferred *next;
};

/*
 * work(ctx) on a worker thread, then done(ctx) on the loop, exactly once.  Lives inside
 * the object that asked for it, which work() may use as its own until done() runs.
 */
struct work {
    struct loop *loop;
    struct workers_call call;
    struct deferred over;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

/* Returns 0 or a libuv error code. */
int loop_open(struct loop *loop);

/* Close the loop.  Every other handle must have been closed before, or be closing.
 * Waits for what is still at work. */
void loop_close(struct loop *loop);

/* Call call(ctx) from the loop, after the present callback has returned. */
void loop_defer(struct loop *loop, struct deferred *d, void (*call)(void *), void *ctx);

/* The same from any thread; d must not be in use. */
void loop_post(struct loop *loop, struct deferred *d, void (*call)(void *), void *ctx);

void loop_work(struct loop *loop, struct work *w, void (*work)(void *),
               void (*done)(void *), void *ctx);

/*
 * Run the loop until *flag is true.  For linear code at the top of the program only:
 * never from inside a callback.
 */
void loop_run_until(struct loop *loop, const bool *flag);

/* The same of a clock that goes on while the machine sleeps; from any thread. */
uint64_t loop_boot_ms(void);

/* Milliseconds of a clock that only moves forward. */
uint64_t loop_now_ms(struct loop *loop);

#endif
