/*
 *   store --4 MiB--> feed_work (inflate, parse, on a worker) --lines--> batch
 *
 * A piece of a shard is fetched whole before any of it is read: no operation of the
 * store is open while the caller is at work with the lines, which may want the store
 * too.  It is fed in small steps, because some bytes can stand for many lines.  One
 * reader for all shards, because it checks the order across them.
 *
 * What begins later begins in the last shard whose first path is not behind: a shard is
 * one stream of gzip, in which nothing can be skipped.
 */
#include "agent/contents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/memory_body.h"

enum {
    FETCH_BYTES = 4 << 20,
    LOOK_BYTES = 64 << 10, /* nearly always more than a line */
    FEED_BYTES = 64 << 10
};

struct contents {
    struct agent *agent;
    const struct version *version;
    struct manifest_reader *reader;
    char *from;         /* no line before this path; NULL: all */
    bool is_placed;     /* shard is the first that is wanted */
    size_t shard;       /* that is read, or comes next */
    size_t fetch_bytes; /* of the next piece */
    bool is_begun;      /* it is read: sha256 is in use */
    struct sha256 sha256;
    uint64_t offset, size; /* of what comes next in the shard; of all of it */
    struct span piece;     /* fetched, owned */
    size_t n_fed;          /* of the piece */
    struct manifest_line *lines;
    size_t n_lines, lines_room;
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
    if (c->from != NULL && strcmp(line->entry.path, c->from) < 0)
        return 0;
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
    struct span step = {c->piece.data + c->n_fed, c->piece.size - c->n_fed};

    if (step.size > FEED_BYTES)
        step.size = FEED_BYTES;
    c->n_fed += step.size;
    sha256_add(&c->sha256, step.data, step.size);
    manifest_reader_feed(c->reader, step, &c->err);
}

/* ---- shards ---- */

static const struct datastore_shard *shard_of(const struct contents *c)
{
    return &c->version->record.shards[c->shard];
}

static void begin_shard(struct contents *c)
{
    sha256_init(&c->sha256);
    c->is_begun = true;
    c->offset = 0;
    c->size = UINT64_MAX; /* the store will say */
}

static int end_shard(struct contents *c, struct error *err)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];
    struct text hex = {0};
    int status = 0;

    sha256_end(&c->sha256, sha256);
    c->is_begun = false;
    text_add_hex(&hex, sha256, sizeof sha256);
    if (strcmp(text_string(&hex), shard_of(c)->sha256) != 0)
        status = error_set(err, ERROR_CORRUPT, 0,
                           "its SHA-256 is not the one that datastore.json names");
    else
        status = manifest_reader_end(c->reader, err);
    text_free(&hex);
    c->shard++;
    return status;
}

static int fetch(struct contents *c, const char *key, struct error *err)
{
    struct store_op op = {
        .verb = STORE_GET, .key = key, .offset = c->offset, .size = c->fetch_bytes};
    struct memory_sink sink;
    int status;

    free(c->piece.data);
    memory_sink_init(&sink, &c->agent->loop, c->fetch_bytes);
    op.sink = &sink.sink;
    status = agent_do(c->agent, &op, err);
    c->piece = sink.bytes;
    c->n_fed = 0;
    c->fetch_bytes = FETCH_BYTES;
    c->offset += sink.bytes.size;
    c->size = op.answer.size;
    store_op_clear(&op);
    if (status == 0 && c->piece.size == 0 && c->offset < c->size)
        return error_set(err, ERROR_CORRUPT, 0, "it ends early");
    return status;
}

/* Have something to feed.  1: there is, 0: all has been fed, -1: error. */
static int get_piece(struct contents *c, const char *key, struct error *err)
{
    if (c->n_fed < c->piece.size)
        return 1;
    if (!c->is_begun)
        begin_shard(c);
    if (c->offset < c->size && fetch(c, key, err) != 0)
        return -1;
    return c->n_fed < c->piece.size;
}

/* One step.  0, or -1 with *err. */
static int read_some(struct contents *c, struct error *err)
{
    struct text key = {0};
    int status;

    text_add_format(&key, "%s/v%" PRIu64 "/%s", c->version->name, c->version->number,
                    shard_of(c)->key);
    status = get_piece(c, text_string(&key), err);
    if (status == 1) {
        agent_work(c->agent, feed_work, c);
        *err = c->err;
        status = err->kind == ERROR_NONE ? 0 : -1;
    } else if (status == 0) {
        status = end_shard(c, err);
    }
    if (status != 0)
        error_wrap(err, "the manifest %s", text_string(&key));
    text_free(&key);
    return status;
}

/* The next lines there are, or none at the end. */
static int read_lines(struct contents *c, struct error *err)
{
    forget_lines(c);
    while (c->n_lines == 0 && c->shard < c->version->record.n_shards)
        if (read_some(c, err) != 0)
            return -1;
    return 0;
}

/* ---- where to begin ---- */

/* Is the first path of a shard behind the one that is looked for?  1, 0, or -1. */
static int is_behind(const struct contents *c, size_t shard, struct error *err)
{
    struct contents *look = contents_open(c->agent, c->version);
    int status;

    look->shard = shard;
    look->fetch_bytes = LOOK_BYTES;
    status = read_lines(look, err);
    if (status == 0)
        status = look->n_lines == 0 || strcmp(look->lines[0].entry.path, c->from) > 0;
    contents_close(look);
    return status;
}

/* One that is damaged says nothing: to begin before it is right in any case. */
static bool is_unreadable(const struct error *err)
{
    return err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CORRUPT;
}

static int find_shard(struct contents *c, struct error *err)
{
    size_t n_shards = c->version->record.n_shards, behind = n_shards;

    while (behind - c->shard > 1) {
        size_t middle = c->shard + (behind - c->shard) / 2;
        int status = is_behind(c, middle, err);

        if (status < 0 && !is_unreadable(err))
            return -1;
        if (status != 0)
            behind = middle;
        else
            c->shard = middle;
    }
    c->is_placed = true;
    return 0;
}

/* ---- the face ---- */

struct contents *contents_open(struct agent *a, const struct version *v)
{
    struct contents *c = mem_new(1, sizeof *c);

    c->agent = a;
    c->version = v;
    c->is_placed = true;
    c->fetch_bytes = FETCH_BYTES;
    c->reader = manifest_reader_new(on_line, c);
    return c;
}

struct contents *contents_open_from(struct agent *a, const struct version *v,
                                    const char *path)
{
    struct contents *c = contents_open(a, v);

    c->from = mem_copy_string(path);
    c->is_placed = path[0] == '\0';
    return c;
}

int contents_next(struct contents *c, struct contents_batch *batch, struct error *err)
{
    if ((!c->is_placed && find_shard(c, err) != 0) || read_lines(c, err) != 0)
        return -1;
    *batch = (struct contents_batch){c->lines, c->n_lines};
    return c->n_lines > 0;
}

void contents_close(struct contents *c)
{
    if (c->is_begun)
        sha256_free(&c->sha256);
    manifest_reader_free(c->reader);
    forget_lines(c);
    free(c->lines);
    free(c->piece.data);
    free(c->from);
    free(c);
}

struct taking {
    bool is_over;
    struct error err;
};

static void on_taken(void *ctx, const struct error *err)
{
    struct taking *taking = ctx;

    error_keep_first(&taking->err, err);
    taking->is_over = true;
}

int contents_read(struct agent *a, const struct version *v, contents_take_fn *take,
                  void *ctx, struct error *err)
{
    struct contents *c = contents_open(a, v);
    struct contents_batch batch;
    int status;

    while ((status = contents_next(c, &batch, err)) == 1) {
        struct taking taking = {0};
        take(ctx, &batch, on_taken, &taking);
        loop_run_until(&a->loop, &taking.is_over);
        if (taking.err.kind != ERROR_NONE) {
            *err = taking.err;
            status = -1;
            break;
        }
    }
    contents_close(c);
    return status;
}
