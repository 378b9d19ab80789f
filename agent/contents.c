/*
 *   store --a range--> feed_work (inflate, parse, on a worker) --lines--> take()
 *     ^                                                                     |
 *     +------------------------------ the next range ---------------------- +
 *
 * No request is held open while take() is at work, which may be for hours: where the
 * store bears one request at a time, those of take() are that one.
 *
 * One reader for all shards, because it checks the order across them.
 */
#include "agent/contents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { RANGE_BYTES = 256 << 10 }; /* packed; of up to some 10,000 lines */

struct contents {
    struct agent *agent;
    contents_take_fn *take;
    void *ctx;
    struct manifest_reader *reader;
    struct sha256 sha256;
    struct manifest_line *lines;
    size_t n_lines, lines_room;
    struct contents_batch batch; /* what take() has */
    bool is_taken;
    uint64_t offset; /* in the shard */
    struct sink sink;
    struct span chunk;
    body_done_fn *chunk_done;
    void *chunk_ctx;
    struct work work;
    struct error err;
};

static char *copy_or_null(const char *string)
{
    return string == NULL ? NULL : mem_copy_string(string);
}

static void line_copy(struct manifest_line *to, const struct manifest_line *from)
{
    *to = *from;
    to->entry.path = mem_copy_string(from->entry.path);
    to->entry.target = copy_or_null(from->entry.target);
    to->key = copy_or_null(from->key);
    to->etag = copy_or_null(from->etag);
    to->ref = copy_or_null(from->ref);
    to->version_id = copy_or_null(from->version_id);
    if (from->blocks != NULL) {
        struct digest *blocks = mem_new(from->n_blocks, sizeof *blocks);
        memcpy(blocks, from->blocks, from->n_blocks * sizeof *blocks);
        to->blocks = blocks;
    }
}

static void line_free(struct manifest_line *line)
{
    free((char *)line->entry.path);
    free((char *)line->entry.target);
    free((char *)line->key);
    free((char *)line->etag);
    free((char *)line->ref);
    free((char *)line->version_id);
    free((struct digest *)line->blocks);
}

static void forget_lines(struct contents *c)
{
    for (size_t i = 0; i < c->n_lines; i++)
        line_free(&c->lines[i]);
    c->n_lines = 0;
}

static int on_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct contents *c = ctx;

    (void)err;
    if (c->n_lines == c->lines_room) {
        c->lines_room = c->lines_room > 0 ? 2 * c->lines_room : 256;
        c->lines = mem_resize(c->lines, c->lines_room, sizeof *c->lines);
    }
    line_copy(&c->lines[c->n_lines++], line);
    return 0;
}

static void feed_work(void *ctx)
{
    struct contents *c = ctx;

    sha256_add(&c->sha256, c->chunk.data, c->chunk.size);
    manifest_reader_feed(c->reader, c->chunk, &c->err);
}

static void on_fed(void *ctx)
{
    struct contents *c = ctx;

    c->offset += c->chunk.size;
    c->chunk_done(c->chunk_ctx, c->err.kind == ERROR_NONE ? NULL : &c->err);
}

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct contents *c =
        (struct contents *)((char *)sink - offsetof(struct contents, sink));

    c->chunk = bytes;
    c->chunk_done = done;
    c->chunk_ctx = ctx;
    loop_work(&c->agent->loop, &c->work, feed_work, on_fed, c);
}

static int check_shard(struct contents *c, const struct datastore_shard *shard,
                       struct error *err)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];
    struct text hex = {0};
    int status = 0;

    sha256_end(&c->sha256, sha256);
    text_add_hex(&hex, sha256, sizeof sha256);
    if (strcmp(text_string(&hex), shard->sha256) != 0)
        status = error_set(err, ERROR_CORRUPT, 0,
                           "its SHA-256 is not the one that datastore.json names");
    else
        status = manifest_reader_end(c->reader, err);
    text_free(&hex);
    return status;
}

static void on_taken(void *ctx, const struct error *err)
{
    struct contents *c = ctx;

    error_keep_first(&c->err, err);
    c->is_taken = true;
}

static int give_lines(struct contents *c, struct error *err)
{
    c->batch = (struct contents_batch){c->lines, c->n_lines};
    c->is_taken = false;
    c->take(c->ctx, &c->batch, on_taken, c);
    loop_run_until(&c->agent->loop, &c->is_taken);
    forget_lines(c);
    if (c->err.kind == ERROR_NONE)
        return 0;
    *err = c->err;
    return -1;
}

static int read_ranges(struct contents *c, const char *key, struct error *err)
{
    struct store_op op = {.verb = STORE_GET, .key = key, .size = RANGE_BYTES};
    int status;

    op.sink = &c->sink;
    c->offset = 0;
    do {
        op.offset = c->offset;
        status = agent_do(c->agent, &op, err);
        if (status == 0)
            status = give_lines(c, err);
    } while (status == 0 && c->offset > op.offset && c->offset < op.answer.size);
    store_op_clear(&op);
    return status;
}

static int read_shard(struct contents *c, const char *key,
                      const struct datastore_shard *shard, struct error *err)
{
    sha256_init(&c->sha256);
    if (read_ranges(c, key, err) == 0)
        return check_shard(c, shard, err);
    sha256_free(&c->sha256);
    return -1;
}

int contents_read(struct agent *a, const struct version *v, contents_take_fn *take,
                  void *ctx, struct error *err)
{
    struct contents c = {.agent = a, .take = take, .ctx = ctx};
    struct text key = {0};
    int status = 0;

    c.sink.write = sink_write;
    c.reader = manifest_reader_new(on_line, &c);
    for (size_t i = 0; i < v->record.n_shards && status == 0; i++) {
        text_clear(&key);
        text_add_format(&key, "%s/v%" PRIu64 "/%s", v->name, v->number,
                        v->record.shards[i].key);
        status = read_shard(&c, text_string(&key), &v->record.shards[i], err);
        if (status != 0)
            error_wrap(err, "the manifest %s", text_string(&key));
    }
    manifest_reader_free(c.reader);
    forget_lines(&c);
    free(c.lines);
    text_free(&key);
    return status;
}
