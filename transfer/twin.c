/*
 * One copy, pinned to the origin's ETag; what is noted of the twin is what was noted of
 * the origin.
 */
#include "transfer/twin.h"

#include <string.h>

void twin_note(struct stored_note *out, const struct upload_record *origin,
               const struct stamp *stamp, const char *etag)
{
    uint64_t n_blocks = 0;

    for (size_t i = 0; i < origin->n_parts; i++)
        n_blocks += origin->parts[i].n_blocks;
    *out = (struct stored_note){
        .stamp = *stamp,
        .read_at_ns = INT64_MAX, /* an archive's entry does not change */
        .hash = origin->object_hash,
        .has_hash = true,
        .etag = etag,
        .block_size = origin->block_size,
    };
    if (n_blocks > 1) {
        out->blocks = origin->digests;
        out->n_blocks = (size_t)n_blocks;
    }
}

bool twin_is_same(const struct upload_record *known, const struct upload_record *origin)
{
    return known->has_object && known->upload_id[0] == '\0' &&
           known->object_size == origin->object_size &&
           digest_is_same(&known->object_hash, &origin->object_hash);
}

static void on_copied(struct store_op *op, void *ctx)
{
    struct twin *t = ctx;

    if (op->err.kind == ERROR_NONE)
        t->note.etag = op->answer.etag;
    t->done(t->ctx, op->err.kind == ERROR_NONE ? NULL : &op->err);
}

void twin_start(struct twin *t)
{
    twin_note(&t->note, t->origin, &t->stamp, "");
    memset(&t->op, 0, sizeof t->op);
    t->op.verb = STORE_COPY;
    t->op.key = t->key;
    t->op.from.key = t->origin_key;
    t->op.from.size = t->origin->object_size;
    t->op.from.etag = t->origin->etag[0] != '\0' ? t->origin->etag : NULL;
    t->op.done = on_copied;
    t->op.ctx = t;
    store_start(t->store, &t->op);
}

void twin_cancel(struct twin *t)
{
    store_cancel(&t->op);
}
