/*
 *     CHECKING --agrees--------------------------> ENDED
 *         |                                         ^ ^
 *         +--differs--> FETCHING --agrees-----------+ |
 *                        |  ^  |                      |
 *                        +--+  +--differs again-------+
 *                     differs, once
 *
 * Reading, writing and hashing are a worker's, chunk by chunk out of the store's own
 * buffer: a block is never held in memory.  Zeros are left out where there is a hole
 * anyway, but for a block's last chunk: so the file's length says which blocks can be
 * there when the next run looks.
 */
#include "agent/block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_BYTES = 128 << 10, FETCHES_MAX = 2 };

size_t block_count(const struct manifest_line *line)
{
    if (line->entry.stamp.size == 0)
        return 0; /* nothing to fetch */
    return line->n_blocks > 1 ? line->n_blocks : 1;
}

uint64_t block_offset(const struct manifest_line *line, size_t index)
{
    uint64_t size = line->entry.stamp.size;

    return index < block_count(line) ? index * line->block_size : size;
}

static const struct digest *expected(const struct block *b)
{
    return b->line->n_blocks > 1 ? &b->line->blocks[b->index] : &b->line->hash;
}

static void end(struct block *b, const struct error *err)
{
    if (err != NULL)
        b->err = *err;
    b->phase = BLOCK_ENDED;
    digester_free(&b->digester);
    store_op_clear(&b->op);
    b->done(b, b->ctx);
}

static void begin_digest(struct block *b)
{
    digester_free(&b->digester);
    digester_init(&b->digester, b->size, &b->digest);
    b->position = 0;
}

static bool agrees(struct block *b)
{
    digester_end(&b->digester);
    return b->position == b->size && digest_is_same(&b->digest, expected(b));
}

/* ---- fetching ---- */

static bool is_zero(struct span bytes)
{
    return bytes.size > 0 && bytes.data[0] == 0 &&
           memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0;
}

static int write_bytes(const struct block *b, struct error *err)
{
    struct span left = b->chunk;
    uint64_t at = b->offset + b->position;

    while (left.size > 0) {
        ssize_t n = pwrite(b->fd, left.data, left.size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "cannot write it");
        left.data += n;
        left.size -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

static void write_work(void *ctx)
{
    struct block *b = ctx;
    bool is_last = b->position + b->chunk.size == b->size;

    if (is_last || !b->is_hole || !is_zero(b->chunk))
        (void)write_bytes(b, &b->work_err);
    digester_add(&b->digester, b->chunk.data, b->chunk.size);
}

static void on_written(void *ctx)
{
    struct block *b = ctx;
    bool is_good = b->work_err.kind == ERROR_NONE;

    b->position += b->chunk.size;
    if (is_good)
        b->moved(b->ctx, b->chunk.size);
    b->chunk_done(b->chunk_ctx, is_good ? NULL : &b->work_err);
}

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct block *b = (struct block *)((char *)sink - offsetof(struct block, sink));

    b->chunk = bytes;
    b->chunk_done = done;
    b->chunk_ctx = ctx;
    loop_work(b->loop, &b->work, write_work, on_written, b);
}

/* Of an object without a hash its ETag is all there is to tell. */
static bool is_right(struct block *b)
{
    if (b->line->has_hash)
        return agrees(b);
    return b->position == b->size && strcmp(b->op.answer.etag, b->line->etag) == 0;
}

static void fetch(struct block *b);

static void on_fetched(struct store_op *op, void *ctx)
{
    struct block *b = ctx;
    struct error err;

    if (op->err.kind != ERROR_NONE) {
        end(b, &op->err);
    } else if (op->answer.size != b->line->entry.stamp.size) {
        error_set(&err, ERROR_CORRUPT, 0,
                  "the object has %" PRIu64 " bytes instead of %" PRIu64,
                  op->answer.size, b->line->entry.stamp.size);
        end(b, &err);
    } else if (is_right(b)) {
        end(b, NULL);
    } else if (b->fetches < FETCHES_MAX && !b->is_cancelled) {
        fetch(b);
    } else {
        error_set(&err, ERROR_CORRUPT, 0,
                  "the bytes from %" PRIu64 " on are not those that were uploaded",
                  b->offset);
        end(b, &err);
    }
}

static void fetch(struct block *b)
{
    b->phase = BLOCK_FETCHING;
    if (b->fetches++ > 0)
        b->is_hole = false; /* the first attempt has left something */
    begin_digest(b);
    b->sink.write = sink_write;
    b->op.verb = STORE_GET;
    b->op.key = b->key;
    b->op.version_id = b->line->version_id;
    b->op.offset = b->offset;
    b->op.size = b->size;
    b->op.sink = &b->sink;
    b->op.done = on_fetched;
    b->op.ctx = b;
    store_start(b->store, &b->op);
}

/* ---- what is there ---- */

static void check_work(void *ctx)
{
    struct block *b = ctx;
    uint8_t *bytes = mem_buffer(READ_BYTES);

    while (b->position < b->size) {
        uint64_t left = b->size - b->position;
        size_t wanted = left < READ_BYTES ? (size_t)left : READ_BYTES;
        ssize_t n = pread(b->fd, bytes, wanted, (off_t)(b->offset + b->position));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error_errno(&b->work_err, errno, "cannot read what is there of it");
        if (n <= 0)
            break;
        digester_add(&b->digester, bytes, (size_t)n);
        b->position += (uint64_t)n;
    }
    free(bytes);
}

static void on_checked(void *ctx)
{
    struct block *b = ctx;
    struct error err;

    if (b->is_cancelled) {
        error_set(&err, ERROR_CANCELLED, 0, "cancelled");
        end(b, &err);
    } else if (b->work_err.kind != ERROR_NONE) {
        end(b, &b->work_err);
    } else if (b->line->has_hash && agrees(b)) {
        end(b, NULL);
    } else if (b->may_fetch) {
        fetch(b);
    } else {
        error_set(&err, ERROR_CONFLICT, 0, "another file is in its place");
        end(b, &err);
    }
}

void block_start(struct block *b)
{
    b->offset = block_offset(b->line, b->index);
    b->size = block_offset(b->line, b->index + 1) - b->offset;
    if (!b->is_there) {
        fetch(b);
        return;
    }
    b->phase = BLOCK_CHECKING;
    begin_digest(b);
    loop_work(b->loop, &b->work, check_work, on_checked, b);
}

void block_cancel(struct block *b)
{
    b->is_cancelled = true;
    if (b->phase == BLOCK_FETCHING)
        store_cancel(&b->op);
}
