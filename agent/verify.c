/*
 * For each batch of the manifest so many checks run side by side; the next batch is
 * asked for when the last of them has ended.  A check is one HEAD, or one GET whose
 * sink hashes on a worker thread.
 */
#include "agent/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/contents.h"
#include "agent/gauge.h"
#include "base/mem.h"
#include "transfer/etag.h"

struct verification {
    const struct verify_options *o;
    struct verify_summary *summary;
    struct text prefix; /* "NAME/vN/" */
    const struct contents_batch *batch;
    size_t next;
    unsigned n_running;
    contents_done_fn *done;
    void *done_ctx;
    struct error err; /* the store cannot be asked at all */
};

struct check {
    struct verification *v;
    const struct manifest_line *line;
    struct text key;
    struct store_op op;
    struct sink sink;
    struct digester digester;
    struct digest *digests;
    struct md5 md5;
    uint8_t md5_bytes[DIGEST_MD5_BYTES];
    bool wants_md5, has_md5; /* the ETag is one */
    uint64_t n_bytes;
    struct span chunk;
    body_done_fn *chunk_done;
    void *chunk_ctx;
    struct work work;
};

static void advance(struct verification *v);

/* ---- one check ---- */

static void report(struct check *c, const char *status, const char *detail)
{
    struct verification *v = c->v;
    struct verify_finding finding = {c->line->entry.path, c->line->entry.stamp.size,
                                     status, detail};

    v->summary->files++;
    v->summary->bytes += finding.size;
    v->summary->problems += strcmp(status, "ok") != 0;
    gauge_add_files(v->o->agent->gauge, 1);
    v->o->found(v->o->ctx, &finding);
}

static bool is_damaged(struct check *c)
{
    const struct manifest_line *line = c->line;
    size_t n = c->digester.n_done;
    struct digest hash;

    if (!line->has_hash)
        return false;
    hash = n == 1 ? c->digests[0] : digest_of_blocks(c->digests, n);
    return !digest_is_same(&hash, &line->hash);
}

/* The store says that it is another object than the manifest's. */
static bool is_another(const struct check *c)
{
    const char *etag = c->op.answer.etag;

    return !c->line->has_hash && etag[0] != '\0' && strcmp(etag, c->line->etag) != 0;
}

static bool has_wrong_md5(const struct check *c)
{
    struct etag etag;

    return c->has_md5 && !c->op.answer.is_opaque_etag &&
           etag_parse(&etag, c->line->etag) &&
           memcmp(etag.md5, c->md5_bytes, sizeof etag.md5) != 0;
}

static void judge(struct check *c)
{
    const struct manifest_line *line = c->line;
    char detail[96];

    if (c->op.err.kind == ERROR_NOT_FOUND) {
        report(c, "missing", "the object is not there");
    } else if (c->op.err.kind != ERROR_NONE) {
        report(c, "unreadable", c->op.err.text);
    } else if (c->op.answer.size != line->entry.stamp.size) {
        snprintf(detail, sizeof detail, "%" PRIu64 " bytes instead of %" PRIu64,
                 c->op.answer.size, line->entry.stamp.size);
        report(c, "size", detail);
    } else if (is_another(c)) {
        report(c, "changed",
               c->line->ref != NULL ? "it was replaced since the datastore was made"
                                    : "its ETag is not the one that it had when it "
                                      "was stored");
    } else if (c->v->o->deep && (is_damaged(c) || has_wrong_md5(c))) {
        report(c, "corrupt", "the bytes are not those that were uploaded");
    } else {
        report(c, "ok", "");
    }
}

static void check_free(struct check *c)
{
    digester_free(&c->digester);
    md5_free(&c->md5);
    free(c->digests);
    text_free(&c->key);
    store_op_clear(&c->op);
    free(c);
}

static void on_checked(struct store_op *op, void *ctx)
{
    struct check *c = ctx;
    struct verification *v = c->v;

    if (op->err.kind == ERROR_CANCELLED || op->err.kind == ERROR_AUTH ||
        op->err.kind == ERROR_NETWORK)
        error_keep_first(&v->err, &op->err);
    if (op->err.kind == ERROR_NONE && v->o->deep)
        digester_end(&c->digester);
    if (op->err.kind == ERROR_NONE && c->wants_md5)
        c->has_md5 = md5_end(&c->md5, c->md5_bytes);
    judge(c);
    check_free(c);
    v->n_running--;
    advance(v);
}

static void hash_work(void *ctx)
{
    struct check *c = ctx;

    digester_add(&c->digester, c->chunk.data, c->chunk.size);
    if (c->wants_md5)
        md5_add(&c->md5, c->chunk.data, c->chunk.size);
}

static void on_hashed(void *ctx)
{
    struct check *c = ctx;

    c->chunk_done(c->chunk_ctx, NULL);
}

/* An object that has grown must not write past its digests: size tells in the end. */
static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct check *c = (struct check *)((char *)sink - offsetof(struct check, sink));
    uint64_t left = c->line->entry.stamp.size - c->n_bytes;

    c->chunk = bytes;
    if (c->chunk.size > left)
        c->chunk.size = (size_t)left;
    c->n_bytes += c->chunk.size;
    gauge_add_bytes(c->v->o->agent->gauge, c->chunk.size);
    c->chunk_done = done;
    c->chunk_ctx = ctx;
    loop_work(&c->v->o->agent->loop, &c->work, hash_work, on_hashed, c);
}

static void start_hashing(struct check *c)
{
    uint64_t size = c->line->entry.stamp.size;
    uint64_t block =
        c->line->block_size > 0 ? c->line->block_size : digest_block_size(size, 0);
    struct etag etag;

    c->digests = mem_new(digest_block_count(size, block), sizeof *c->digests);
    digester_init(&c->digester, block, c->digests);
    c->wants_md5 =
        !c->line->has_hash && etag_parse(&etag, c->line->etag) && etag.n_parts == 0;
    if (c->wants_md5)
        md5_init(&c->md5);
    c->sink.write = sink_write;
    c->op.verb = STORE_GET;
    c->op.size = UINT64_MAX;
    c->op.sink = &c->sink;
}

static void set_key(struct check *c)
{
    const struct manifest_line *line = c->line;

    if (line->ref != NULL) {
        text_add(&c->key, line->entry.path);
        c->op.version_id = line->version_id;
        return;
    }
    text_add(&c->key, text_string(&c->v->prefix));
    if (line->key != NULL)
        text_add(&c->key, line->key);
    else
        text_add_format(&c->key, "data/%s", line->entry.path);
}

static void check_start(struct verification *v, const struct manifest_line *line)
{
    struct check *c = mem_new(1, sizeof *c);

    c->v = v;
    c->line = line;
    set_key(c);
    c->op.verb = STORE_HEAD;
    c->op.key = text_string(&c->key);
    c->op.done = on_checked;
    c->op.ctx = c;
    if (v->o->deep)
        start_hashing(c);
    v->n_running++;
    store_start(line->ref != NULL ? v->o->references : v->o->agent->store, &c->op);
}

/* ---- the batches ---- */

static void advance(struct verification *v)
{
    contents_done_fn *done = v->done;

    if (v->o->agent->signal != 0 && v->err.kind == ERROR_NONE)
        error_set(&v->err, ERROR_CANCELLED, 0, "interrupted");
    while (v->n_running < v->o->jobs && v->next < v->batch->n_lines &&
           v->err.kind == ERROR_NONE) {
        const struct manifest_line *line = &v->batch->lines[v->next++];
        if (line->entry.type == ENTRY_FILE &&
            (line->ref == NULL || v->o->references != NULL))
            check_start(v, line);
    }
    if (v->n_running > 0 || done == NULL)
        return;
    v->done = NULL;
    done(v->done_ctx, v->err.kind == ERROR_NONE ? NULL : &v->err);
}

static void take(void *ctx, const struct contents_batch *batch, contents_done_fn *done,
                 void *done_ctx)
{
    struct verification *v = ctx;

    v->batch = batch;
    v->next = 0;
    v->done = done;
    v->done_ctx = done_ctx;
    advance(v);
}

int verify_run(const struct verify_options *options, struct verify_summary *summary,
               struct error *err)
{
    struct verification v = {.o = options, .summary = summary};
    int status;

    memset(summary, 0, sizeof *summary);
    text_add_format(&v.prefix, "%s/v%" PRIu64 "/", options->version->name,
                    options->version->number);
    status = contents_read(options->agent, options->version, take, &v, err);
    text_free(&v.prefix);
    return status;
}
