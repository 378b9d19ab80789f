/*
 * All are started in one turn of the loop, so that they go out side by side; they are
 * awaited one after the other, as the last to end is what counts.  What a signal cancels
 * is awaited all the same: an op is the store's until its done().
 */
#include "agent/question.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECT_MAX = 64 << 20 };

void question_init(struct question *q, enum store_verb verb, char *key)
{
    memset(q, 0, sizeof *q);
    q->key = key;
    q->keys[0] = key;
    q->op.verb = verb;
    q->op.key = key;
    if (verb == STORE_DELETE) {
        q->op.keys = q->keys;
        q->op.n_keys = 1;
    }
}

static void on_answered(struct store_op *op, void *ctx)
{
    struct question *q = ctx;

    (void)op;
    q->is_under_way = false;
    q->is_over = true;
}

static void start(struct agent *a, struct question *q)
{
    if (q->op.verb == STORE_GET) {
        memory_sink_init(&q->sink, &a->loop, OBJECT_MAX);
        q->op.sink = &q->sink.sink;
        q->op.size = UINT64_MAX;
    }
    q->op.done = on_answered;
    q->op.ctx = q;
    q->is_over = false;
    q->is_under_way = true;
    store_start(a->store, &q->op);
}

void question_start(struct agent *a, struct question *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        start(a, &q[i]);
}

struct asked {
    struct question *q;
    size_t n;
};

static void cancel(void *ctx)
{
    struct asked *asked = ctx;

    for (size_t i = 0; i < asked->n; i++)
        if (asked->q[i].is_under_way)
            store_cancel(&asked->q[i].op);
}

void question_wait(struct agent *a, struct question *q, size_t n)
{
    struct asked asked = {q, n};

    if (a->signal != 0)
        cancel(&asked);
    a->on_interrupt = cancel;
    a->interrupt_ctx = &asked;
    for (size_t i = 0; i < n; i++)
        if (q[i].is_under_way)
            loop_run_until(&a->loop, &q[i].is_over);
    a->on_interrupt = NULL;
}

int question_has(const struct question *q, struct error *err)
{
    if (q->op.err.kind == ERROR_NONE)
        return 1;
    *err = q->op.err;
    return err->kind == ERROR_NOT_FOUND ? 0 : -1;
}

void question_free(struct agent *a, struct question *q, size_t n)
{
    struct asked asked = {q, n};

    cancel(&asked);
    question_wait(a, q, n);
    for (size_t i = 0; i < n; i++) {
        store_end_list(a->store, &q[i].op);
        store_op_clear(&q[i].op);
        free(q[i].sink.bytes.data);
        free(q[i].key);
        memset(&q[i], 0, sizeof q[i]);
    }
}
