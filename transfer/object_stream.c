/*
 * The store brings a chunk (sink_write) and is held until the reader has all of it.
 * What happens is recorded and looked at soon, in on_soon(): reader and chunk are
 * brought together there, and nowhere else.
 */
#include "transfer/object_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct object_stream {
    struct loop *loop;
    struct store_op op;
    struct sink sink;
    char *key;
    uint64_t position, until;

    struct span into;            /* what is left to be filled */
    object_stream_done_fn *done; /* NULL: nobody reads */
    void *ctx;

    struct span chunk;        /* what is left of it */
    body_done_fn *chunk_done; /* NULL: there is none */
    void *chunk_ctx;

    bool is_over, is_stopped, is_closed, is_cancelled;
    bool is_woken;
    struct deferred soon;
};

static void on_soon(void *ctx);

static void wake(struct object_stream *s)
{
    if (s->is_woken)
        return;
    s->is_woken = true;
    loop_defer(s->loop, &s->soon, on_soon, s);
}

/* ---- what happens ---- */

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct object_stream *s =
        (struct object_stream *)((char *)sink - offsetof(struct object_stream, sink));

    s->chunk = bytes;
    s->chunk_done = done;
    s->chunk_ctx = ctx;
    wake(s);
}

static void on_got(struct store_op *op, void *ctx)
{
    struct object_stream *s = ctx;

    (void)op;
    s->is_over = true;
    wake(s);
}

/* ---- what follows ---- */

static void end_read(struct object_stream *s, const struct error *err)
{
    object_stream_done_fn *done = s->done;

    s->done = NULL;
    done(s->ctx, err);
}

static void give_back(struct object_stream *s, const struct error *err)
{
    body_done_fn *done = s->chunk_done;

    s->chunk_done = NULL;
    done(s->chunk_ctx, err);
}

/* Stopped or closed: it ends as soon as the store lets it go. */
static void go(struct object_stream *s)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "cancelled");
    if (s->chunk_done != NULL)
        give_back(s, &cancelled);
    if (!s->is_over && !s->is_cancelled) {
        s->is_cancelled = true;
        store_cancel(&s->op);
    }
    if (s->done != NULL)
        end_read(s, &cancelled);
    if (!s->is_over || !s->is_closed || s->is_woken)
        return;
    store_op_clear(&s->op);
    free(s->key);
    free(s);
}

static void fill(struct object_stream *s)
{
    size_t n = s->into.size < s->chunk.size ? s->into.size : s->chunk.size;

    if (s->done == NULL || s->chunk_done == NULL)
        return;
    memcpy(s->into.data, s->chunk.data, n);
    s->into = (struct span){s->into.data + n, s->into.size - n};
    s->chunk = (struct span){s->chunk.data + n, s->chunk.size - n};
    s->position += n;
    if (s->chunk.size == 0)
        give_back(s, NULL);
}

static void on_soon(void *ctx)
{
    struct object_stream *s = ctx;
    struct error err = s->op.err;

    s->is_woken = false;
    if (s->is_stopped) {
        go(s);
        return;
    }
    fill(s);
    if (s->done == NULL)
        return;
    if (s->into.size == 0) {
        end_read(s, NULL);
    } else if (s->is_over && s->chunk_done == NULL) {
        if (err.kind == ERROR_NONE)
            error_set(&err, ERROR_CORRUPT, 0, "it ends early");
        end_read(s, &err);
    }
}

/* ---- the face ---- */

struct object_stream *object_stream_open(struct loop *loop, struct store *store,
                                         const char *key, uint64_t offset,
                                         uint64_t until)
{
    struct object_stream *s = mem_new(1, sizeof *s);

    s->loop = loop;
    s->key = mem_copy_string(key);
    s->position = offset;
    s->until = until;
    s->sink.write = sink_write;
    s->op = (struct store_op){.verb = STORE_GET,
                              .key = s->key,
                              .offset = offset,
                              .size = until - offset,
                              .sink = &s->sink,
                              .done = on_got,
                              .ctx = s};
    store_start(store, &s->op);
    return s;
}

void object_stream_read(struct object_stream *s, struct span into,
                        object_stream_done_fn *done, void *ctx)
{
    s->into = into;
    s->done = done;
    s->ctx = ctx;
    wake(s);
}

uint64_t object_stream_position(const struct object_stream *s)
{
    return s->position;
}

uint64_t object_stream_until(const struct object_stream *s)
{
    return s->until;
}

const struct store_op *object_stream_answer(const struct object_stream *s)
{
    return &s->op;
}

void object_stream_stop(struct object_stream *s)
{
    s->is_stopped = true;
    wake(s);
}

void object_stream_close(struct object_stream *s)
{
    s->is_closed = true;
    object_stream_stop(s);
}
