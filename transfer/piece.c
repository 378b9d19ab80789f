/*
 * Sending: the store asks for chunk after chunk (on_body_read), each is a read of the
 * source on a worker thread that hashes what it reads.  A retry rewinds, and hashes
 * anew.
 *
 * Comparing: a lease of one chunk, then the same reads, one after another, until the
 * end.
 *
 * Copying: one operation of the store; nothing is read.
 */
#include "transfer/piece.h"

#include <stdlib.h>

#include "transfer/store_impl.h"

static struct piece *piece_of_body(struct body *body)
{
    return (struct piece *)((char *)body - offsetof(struct piece, body));
}

static void end_digests(struct piece *p)
{
    digester_end(&p->digester);
    if (p->wants_md5)
        p->has_md5 = md5_end(&p->md5, p->md5_bytes);
}

static void restart_digests(struct piece *p)
{
    digester_free(&p->digester);
    digester_init(&p->digester, p->block_size, p->digests);
    md5_free(&p->md5);
    if (p->wants_md5)
        md5_init(&p->md5);
    p->position = 0;
    if (p->size == 0)
        end_digests(p); /* nothing will be read */
}

static void start_read(struct piece *p, struct span into, body_look_fn *look,
                       source_done_fn *done)
{
    struct source_read read = {
        .offset = p->offset + p->position,
        .until = p->offset + p->size,
        .into = into,
        .expected = p->stamp,
        .digester = &p->digester,
        .md5 = p->wants_md5 ? &p->md5 : NULL,
        .look = look,
        .look_ctx = p->body_ctx,
    };

    p->chunk = into.size;
    p->read.source = p->source;
    if (p->file != NULL)
        source_read(&p->read, p->file, &read, done, p);
    else
        source_read_whole(p->source, &p->read, p->path, &read, done, p);
}

/* Record what a read has brought. */
static void after_read(struct piece *p)
{
    if (p->read.err.kind != ERROR_NONE) {
        p->source_failed = true;
        if (p->read.err.kind == ERROR_CHANGED)
            p->stamp = p->read.stamp;
        return;
    }
    p->read_at_ns = p->read.read_at_ns;
    p->position += p->chunk;
    if (p->position == p->size)
        end_digests(p);
}

/* ---- sending ---- */

static void body_rewind(struct body *body)
{
    restart_digests(piece_of_body(body));
}

static void body_rest(struct body *body)
{
    struct piece *p = piece_of_body(body);

    source_rest(p->source, p->file, p->offset + p->size);
}

static void on_body_read(struct source_op *op, void *ctx)
{
    struct piece *p = ctx;

    after_read(p);
    p->body_done(p->body_ctx, op->err.kind == ERROR_NONE ? NULL : &op->err);
}

static void body_read(struct body *body, struct span into, body_look_fn *look,
                      body_done_fn *done, void *ctx)
{
    struct piece *p = piece_of_body(body);

    p->body_done = done;
    p->body_ctx = ctx;
    start_read(p, into, look, on_body_read);
}

static void on_sent(struct store_op *op, void *ctx)
{
    struct piece *p = ctx;

    p->err = op->err;
    p->source_failed = op->err.kind != ERROR_NONE && op->body_failed;
    p->done(p, p->ctx);
}

void piece_send(struct piece *p)
{
    p->body = (struct body){
        .size = p->size, .rewind = body_rewind, .rest = body_rest, .read = body_read};
    restart_digests(p);
    p->op.body = &p->body;
    p->op.done = on_sent;
    p->op.ctx = p;
    store_start(p->store, &p->op);
}

/* ---- copying ---- */

void piece_copy(struct piece *p)
{
    p->op.done = on_sent;
    p->op.ctx = p;
    store_start(p->store, &p->op);
}

/* ---- comparing ---- */

static void end_comparing(void *ctx)
{
    struct piece *p = ctx;

    budget_give(&p->lease);
    if (p->is_cancelled && p->err.kind == ERROR_NONE)
        error_set(&p->err, ERROR_CANCELLED, 0, "cancelled");
    p->done(p, p->ctx);
}

static void on_compared(struct source_op *op, void *ctx);

static void compare_more(struct piece *p)
{
    uint64_t left = p->size - p->position;
    struct span into = p->lease.bytes;

    if (left == 0 || p->is_cancelled || p->err.kind != ERROR_NONE) {
        end_comparing(p);
        return;
    }
    if (left < into.size)
        into.size = (size_t)left;
    start_read(p, into, NULL, on_compared);
}

static void on_compared(struct source_op *op, void *ctx)
{
    struct piece *p = ctx;

    after_read(p);
    p->err = op->err;
    compare_more(p);
}

static void on_lease(struct lease *lease, void *ctx)
{
    (void)lease;
    compare_more(ctx);
}

void piece_compare(struct piece *p)
{
    p->is_comparing = true;
    restart_digests(p);
    if (p->size == 0) {
        loop_defer(p->loop, &p->soon, end_comparing, p);
        return;
    }
    budget_take(p->budget, &p->lease,
                p->size < STORE_CHUNK ? (size_t)p->size : STORE_CHUNK, on_lease, p);
}

/* ---- both ---- */

void piece_cancel(struct piece *p)
{
    if (p->is_cancelled)
        return;
    p->is_cancelled = true;
    if (!p->is_comparing)
        store_cancel(&p->op);
    else if (p->size > 0 && budget_withdraw(&p->lease))
        loop_defer(p->loop, &p->soon, end_comparing, p);
}

void piece_free(struct piece *p)
{
    source_rest(p->source, p->file, p->offset + p->size);
    digester_free(&p->digester);
    md5_free(&p->md5);
    store_op_clear(&p->op);
    free(p);
}
