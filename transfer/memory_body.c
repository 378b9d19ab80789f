/*
 * Copying is done at once, done() later: that is all there is to it.
 */
#include "transfer/memory_body.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static void body_rewind(struct body *body)
{
    struct memory_body *b = (struct memory_body *)body;

    b->position = 0;
}

static void on_body_done(void *ctx)
{
    struct memory_body *b = ctx;

    b->done(b->ctx, NULL);
}

static void body_read(struct body *body, struct span into, body_look_fn *look,
                      body_done_fn *done, void *ctx)
{
    struct memory_body *b = (struct memory_body *)body;

    assert(into.size <= b->bytes.size - b->position);
    if (into.size > 0)
        memcpy(into.data, b->bytes.data + b->position, into.size);
    b->position += into.size;
    if (look != NULL)
        look(ctx);
    b->done = done;
    b->ctx = ctx;
    loop_defer(b->loop, &b->soon, on_body_done, b);
}

void memory_body_init(struct memory_body *b, struct loop *loop, struct span bytes)
{
    static const uint8_t nothing = 0;

    if (bytes.data == NULL)
        bytes.data =
            (uint8_t *)&nothing; /* whole.data says that there is no need to read */
    *b = (struct memory_body){.bytes = bytes, .loop = loop};
    b->body = (struct body){
        .size = bytes.size, .whole = bytes, .rewind = body_rewind, .read = body_read};
}

static void on_sink_done(void *ctx)
{
    struct memory_sink *s = ctx;

    s->done(s->ctx, s->err.kind != ERROR_NONE ? &s->err : NULL);
}

static void collect(struct memory_sink *s, struct span bytes)
{
    size_t size = s->bytes.size + bytes.size;

    if (size > s->room) {
        s->room = size < s->limit / 2 ? 2 * size : s->limit;
        s->bytes.data = mem_resize(s->bytes.data, s->room, 1);
    }
    memcpy(s->bytes.data + s->bytes.size, bytes.data, bytes.size);
    s->bytes.size = size;
}

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct memory_sink *s = (struct memory_sink *)sink;

    if (bytes.size > s->limit - s->bytes.size)
        error_set(&s->err, ERROR_CORRUPT, 0, "longer than the %zu bytes it may have",
                  s->limit);
    else if (bytes.size > 0)
        collect(s, bytes);
    s->done = done;
    s->ctx = ctx;
    loop_defer(s->loop, &s->soon, on_sink_done, s);
}

void memory_sink_init(struct memory_sink *s, struct loop *loop, size_t limit)
{
    *s = (struct memory_sink){.sink.write = sink_write, .limit = limit, .loop = loop};
}
