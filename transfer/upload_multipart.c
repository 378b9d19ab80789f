/*
 * The requests about a multipart upload as a whole: it is created, and completed.
 */
#include "transfer/upload_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void upload_set_id(struct upload *u, const char *id)
{
    free(u->upload_id);
    u->upload_id = mem_copy_string(id);
}

/* ---- create ---- */

static void note_created(struct upload *u)
{
    const struct upload_note note = {
        .upload_id = u->upload_id,
        .part_size = u->parts.layout.part_size,
        .block_size = u->parts.layout.block_size,
        .stamp = u->stamp,
        .read_at_ns = u->read_at_ns,
        .is_unread = u->delta.is_untouched,
    };

    u->o.events->created(u->o.ctx, &note);
}

static void on_created(struct store_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->op_runs = false;
    if (op->err.kind == ERROR_NONE) {
        upload_set_id(u, op->answer.upload_id);
        note_created(u);
        if (u->err.kind == ERROR_NONE)
            upload_enter(u, PHASE_SENDING);
    } else {
        upload_fail(u, &op->err, false);
    }
    store_op_clear(op);
    upload_advance(u);
}

void upload_create(struct upload *u)
{
    u->n_running++;
    u->op_runs = true;
    memset(&u->op, 0, sizeof u->op);
    u->op.verb = STORE_CREATE_UPLOAD;
    u->op.key = u->o.key;
    u->op.size = u->parts.layout.size;
    u->op.part_size = u->parts.layout.part_size;
    u->op.done = on_created;
    u->op.ctx = u;
    store_start(u->o.store, &u->op);
}

/* ---- complete ---- */

/* A store that has lost parts which it acknowledged (a power cut) says so at the end.
 */
static bool is_upload_broken(const struct store_op *op)
{
    return op->err.kind == ERROR_CORRUPT;
}

static void on_completed(struct store_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->op_runs = false;
    if (op->err.kind == ERROR_NONE) {
        error_clear(&u->err); /* a cancel that came too late */
        memcpy(u->etag, op->answer.etag, sizeof u->etag);
        if (u->phase != PHASE_ENDING)
            upload_enter(u, PHASE_ENDING);
    } else if (upload_is_gone(u, op) || is_upload_broken(op)) {
        upload_on_gone(u, &op->err);
    } else {
        upload_fail(u, &op->err, false);
    }
    store_op_clear(op);
    upload_advance(u);
}

void upload_complete(struct upload *u)
{
    u->n_running++;
    u->op_runs = true;
    memset(&u->op, 0, sizeof u->op);
    u->op.verb = STORE_COMPLETE_UPLOAD;
    u->op.key = u->o.key;
    u->op.upload_id = u->upload_id;
    u->op.parts = u->parts.stored;
    u->op.n_parts = u->parts.layout.n_parts;
    u->op.size = u->parts.layout.size;
    u->op.part_size = u->parts.layout.part_size;
    u->op.done = on_completed;
    u->op.ctx = u;
    store_start(u->o.store, &u->op);
}
