/*
 *   HEADING --an object of that size, on a local store--> HASHING --> done
 *      |
 *      +--one whose ETag tells--> done
 *      |
 *      +--none, file of several parts--> FINDING open uploads --none--> done
 *                                           |
 *                                           v
 *                            LISTING the parts of each --the best--> done
 *
 * Several uploads of one file are open where a run was killed while its request for one
 * was on the way, and the next run came first.
 */
#include "transfer/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/etag.h"
#include "transfer/layout.h"

enum lookup_phase { PHASE_HEADING, PHASE_HASHING, PHASE_FINDING, PHASE_LISTING };

enum { UPLOADS_MAX = 16 }; /* of one file; the rest is left for the sweep */

struct lookup {
    struct lookup_options o;
    enum lookup_phase phase;
    struct layout layout;
    struct upload_record found; /* the best so far */
    struct error err;
    struct store_op op;
    bool is_cancelled;

    char *upload_ids[UPLOADS_MAX]; /* FINDING, LISTING */
    unsigned n_uploads, next_upload;
    struct upload_record listed; /* LISTING: of one upload */
    bool is_other_cut;           /* its parts are not those we would send */

    struct sink sink; /* HASHING */
    struct digester digester;
    uint64_t n_bytes;
    struct span chunk;
    body_done_fn *chunk_done;
    void *chunk_ctx;
    struct work work;
};

static void on_answer(struct store_op *op, void *ctx);

static void end(struct lookup *l)
{
    bool has_failed = l->err.kind != ERROR_NONE;

    store_end_list(l->o.store, &l->op);
    store_op_clear(&l->op);
    digester_free(&l->digester);
    upload_record_free(&l->listed);
    for (unsigned i = 0; i < l->n_uploads; i++)
        free(l->upload_ids[i]);
    if (has_failed)
        upload_record_free(&l->found);
    l->o.done(l->o.ctx, &l->found, has_failed ? &l->err : NULL);
    free(l);
}

static void ask(struct lookup *l, enum lookup_phase phase, enum store_verb verb)
{
    l->phase = phase;
    l->op.verb = verb;
    l->op.key = l->o.key;
    l->op.done = on_answer;
    l->op.ctx = l;
    store_start(l->o.store, &l->op);
    if (l->is_cancelled)
        store_cancel(&l->op);
}

static void ask_anew(struct lookup *l, enum lookup_phase phase, enum store_verb verb)
{
    store_op_clear(&l->op);
    memset(&l->op, 0, sizeof l->op);
    ask(l, phase, verb);
}

/* ---- a whole object ---- */

static void hash_work(void *ctx)
{
    struct lookup *l = ctx;

    digester_add(&l->digester, l->chunk.data, l->chunk.size);
}

static void on_hashed(void *ctx)
{
    struct lookup *l = ctx;

    l->chunk_done(l->chunk_ctx, NULL);
}

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct lookup *l = (struct lookup *)((char *)sink - offsetof(struct lookup, sink));
    uint64_t left = l->layout.size - l->n_bytes;

    l->chunk = bytes;
    if (l->chunk.size > left)
        l->chunk.size = (size_t)left; /* it is another by now */
    l->n_bytes += l->chunk.size;
    l->chunk_done = done;
    l->chunk_ctx = ctx;
    loop_work(l->o.loop, &l->work, hash_work, on_hashed, l);
}

static void start_hashing(struct lookup *l)
{
    uint64_t n = digest_block_count(l->layout.size, l->layout.block_size);

    l->found.digests = mem_new(n, sizeof *l->found.digests);
    digester_init(&l->digester, l->layout.block_size, l->found.digests);
    store_op_clear(&l->op);
    memset(&l->op, 0, sizeof l->op);
    l->sink.write = sink_write;
    l->op.sink = &l->sink;
    l->op.size = UINT64_MAX;
    ask(l, PHASE_HASHING, STORE_GET);
}

/* The object as the parts that it would be sent in. */
static void take_object(struct lookup *l)
{
    struct upload_record *f = &l->found;

    digester_end(&l->digester);
    f->has_object = true;
    f->object_size = l->layout.size;
    f->part_size = l->layout.part_size;
    f->block_size = l->layout.block_size;
    f->parts = mem_new(l->layout.n_parts, sizeof *f->parts);
    f->n_parts = l->layout.n_parts;
    for (uint32_t i = 0; i < l->layout.n_parts; i++) {
        f->parts[i].number = i + 1;
        f->parts[i].size = layout_part_bytes(&l->layout, i + 1);
        f->parts[i].blocks = &f->digests[layout_part_block(&l->layout, i + 1)];
        f->parts[i].n_blocks = (uint32_t)layout_part_blocks(&l->layout, i + 1);
    }
}

/* Only one whose ETag tells something of the content is of use. */
static bool take_object_etag(struct lookup *l)
{
    struct upload_record *f = &l->found;
    struct etag etag;

    if (!etag_parse(&etag, l->op.answer.etag))
        return false;
    f->has_object = true;
    f->object_size = l->op.answer.size;
    memcpy(f->etag, l->op.answer.etag, sizeof f->etag);
    return true;
}

static void on_head(struct lookup *l)
{
    bool is_there = l->op.err.kind == ERROR_NONE;
    bool is_local = store_limits(l->o.store)->is_local;

    if (!is_there && l->op.err.kind != ERROR_NOT_FOUND) {
        l->err = l->op.err;
        end(l);
        return;
    }
    is_there = is_there && l->op.answer.size == l->o.size;
    if (is_there && is_local)
        start_hashing(l);
    else if (!(is_there && take_object_etag(l)) && l->layout.n_parts > 1)
        ask_anew(l, PHASE_FINDING, STORE_LIST_UPLOADS);
    else
        end(l);
}

static void on_object_read(struct lookup *l)
{
    if (l->op.err.kind == ERROR_CANCELLED)
        l->err = l->op.err;
    else if (l->op.err.kind == ERROR_NONE && l->n_bytes == l->layout.size &&
             l->op.answer.size == l->layout.size)
        take_object(l);
    end(l); /* one that cannot be read back is sent again */
}

/* ---- open uploads ---- */

static void take_upload_ids(struct lookup *l)
{
    for (size_t i = 0; i < l->op.answer.n_items; i++) {
        const struct store_item *item = &l->op.answer.items[i];
        if (strcmp(item->key, l->o.key) == 0 && l->n_uploads < UPLOADS_MAX &&
            strlen(item->upload_id) < sizeof l->listed.upload_id)
            l->upload_ids[l->n_uploads++] = mem_copy_string(item->upload_id);
    }
}

/* List the parts of the next upload, if there is one. */
static void list_next(struct lookup *l)
{
    struct upload_record *r = &l->listed;
    const char *id;

    store_end_list(l->o.store, &l->op);
    if (l->next_upload == l->n_uploads) {
        end(l);
        return;
    }
    id = l->upload_ids[l->next_upload++];
    memset(r, 0, sizeof *r);
    memcpy(r->upload_id, id, strlen(id) + 1);
    r->part_size = l->layout.part_size;
    r->block_size = l->layout.block_size;
    l->is_other_cut = false;
    store_op_clear(&l->op);
    memset(&l->op, 0, sizeof l->op);
    l->op.upload_id = r->upload_id;
    ask(l, PHASE_LISTING, STORE_LIST_PARTS);
}

static void on_uploads(struct lookup *l)
{
    if (l->op.err.kind == ERROR_CANCELLED) {
        l->err = l->op.err;
        end(l);
        return;
    }
    if (l->op.err.kind == ERROR_NONE)
        take_upload_ids(l);
    if (l->op.err.kind == ERROR_NONE && l->op.cursor != NULL)
        ask(l, PHASE_FINDING, STORE_LIST_UPLOADS);
    else
        list_next(l); /* a store that cannot list them has none for us */
}

/* Does the upload cut the file as we would?  One that was begun with other parts would
 * take ours for wrong. */
static bool is_cut_alike(const struct lookup *l, const struct store_item *item)
{
    return item->number >= 1 && item->number <= l->layout.n_parts &&
           item->size == layout_part_bytes(&l->layout, item->number);
}

static void take_part(struct lookup *l, const struct store_item *item)
{
    struct upload_record *r = &l->listed;
    struct part_record *part;

    if (r->parts == NULL)
        r->parts = mem_new(l->layout.n_parts, sizeof *r->parts);
    if (r->n_parts > 0 && r->parts[r->n_parts - 1].number >= item->number)
        return; /* they come in order, each once */
    part = &r->parts[r->n_parts++];
    part->number = item->number;
    part->size = item->size;
    part->crc32c = item->crc32c;
    memcpy(part->etag, item->etag, sizeof part->etag);
}

/* The one with the most parts is the one that went on for longest. */
static void keep_better(struct lookup *l)
{
    struct upload_record worse = l->listed;

    if (l->listed.n_parts > l->found.n_parts) {
        worse = l->found;
        l->found = l->listed;
    }
    upload_record_free(&worse);
    memset(&l->listed, 0, sizeof l->listed);
}

static void on_parts(struct lookup *l)
{
    if (l->op.err.kind == ERROR_CANCELLED) {
        l->err = l->op.err;
        end(l);
        return;
    }
    for (size_t i = 0; l->op.err.kind == ERROR_NONE && i < l->op.answer.n_items; i++) {
        if (is_cut_alike(l, &l->op.answer.items[i]))
            take_part(l, &l->op.answer.items[i]);
        else
            l->is_other_cut = true;
    }
    if (l->op.err.kind == ERROR_NONE && l->op.cursor != NULL) {
        ask(l, PHASE_LISTING, STORE_LIST_PARTS);
        return;
    }
    if (l->op.err.kind != ERROR_NONE || l->is_other_cut)
        upload_record_free(&l->listed); /* it is gone, or nothing is gained by it */
    keep_better(l);
    list_next(l);
}

static void on_answer(struct store_op *op, void *ctx)
{
    struct lookup *l = ctx;

    (void)op;
    switch (l->phase) {
    case PHASE_HEADING:
        on_head(l);
        break;
    case PHASE_HASHING:
        on_object_read(l);
        break;
    case PHASE_FINDING:
        on_uploads(l);
        break;
    case PHASE_LISTING:
        on_parts(l);
        break;
    }
}

struct lookup *lookup_start(const struct lookup_options *options)
{
    const struct layout none = {0};
    struct lookup *l = mem_new(1, sizeof *l);
    struct error ignored;

    l->o = *options;
    /* A file too large for the store fails in its upload, not here. */
    if (layout_of(&l->layout, l->o.size, store_limits(l->o.store), l->o.part_size,
                  &none, &ignored) != 0)
        l->layout.n_parts = 1;
    ask(l, PHASE_HEADING, STORE_HEAD);
    return l;
}

void lookup_cancel(struct lookup *l)
{
    l->is_cancelled = true;
    store_cancel(&l->op);
}
