/*
 * The pieces of an upload that are under way: each is begun in the table of parts, and
 * what it ends with is recorded there, or as the upload's failure.  Then the phases look
 * at what has come of it: upload_advance().
 */
#include "transfer/upload_impl.h"

#include <string.h>

#include "base/mem.h"

static void add(struct upload *u, struct piece *p)
{
    p->next = u->pieces;
    u->pieces = p;
    u->n_running++;
    part_table_begin(&u->parts, p->number);
}

static void drop(struct upload *u, struct piece *p)
{
    struct piece **link = &u->pieces;

    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    u->n_running--;
    piece_free(p);
}

/* An object that is put in one go has no parts to note. */
static void note_part(struct upload *u, struct part_record record)
{
    if (u->upload_id[0] != '\0')
        u->o.events->part_stored(u->o.ctx, &record);
}

/* ---- sent ---- */

/* The first piece that met the file as it is now knows more than those it ends. */
static void fail_by_source(struct upload *u, const struct piece *p)
{
    if (u->err.kind == ERROR_NONE)
        u->stamp = p->stamp;
    upload_fail(u, &p->err, true);
}

static void on_piece_sent(struct piece *p, void *ctx)
{
    struct upload *u = ctx;

    if (p->err.kind == ERROR_NONE) {
        if (p->read_at_ns != 0 && u->is_small)
            u->read_at_ns = p->read_at_ns;
        note_part(u, part_table_sent(&u->parts, p->number, p->op.answer.etag,
                                     p->op.answer.crc32c));
        memcpy(u->etag, p->op.answer.etag, sizeof u->etag);
        if (u->upload_id[0] == '\0')
            error_clear(&u->err); /* a cancel that came too late */
    } else {
        part_table_give_back(&u->parts, p->number);
        if (p->source_failed)
            fail_by_source(u, p);
        else if (upload_is_gone(u, &p->op))
            upload_on_gone(u, &p->err);
        else if (u->phase != PHASE_RESTARTING)
            upload_fail(u, &p->err, false);
    }
    drop(u, p);
    upload_advance(u);
}

/* ---- copied ---- */

static void on_copied(struct upload *u, const struct piece *p)
{
    note_part(u, part_table_sent(&u->parts, p->number, p->op.answer.etag,
                                 p->op.answer.crc32c));
    if (p->op.verb != STORE_COPY)
        return;
    memcpy(u->etag, p->op.answer.etag, sizeof u->etag);
    error_clear(&u->err); /* a cancel that came too late */
    if (u->phase != PHASE_ENDING)
        upload_enter(u, PHASE_ENDING);
}

static void on_piece_copied(struct piece *p, void *ctx)
{
    struct upload *u = ctx;

    if (p->err.kind == ERROR_NONE) {
        on_copied(u, p);
    } else {
        part_table_give_back(&u->parts, p->number);
        if (p->op.copy_refused)
            upload_delta_refused(u, &p->err);
        else if (upload_is_gone(u, &p->op))
            upload_on_gone(u, &p->err);
        else if (u->phase != PHASE_RESTARTING)
            upload_fail(u, &p->err, false);
    }
    drop(u, p);
    upload_advance(u);
}

/* ---- compared ---- */

/* Does it agree with what is known? */
static bool is_as_known(struct upload *u, const struct piece *p)
{
    return known_agrees(&u->known, &u->parts.layout, p->number, p->digests,
                        p->has_md5 ? p->md5_bytes : NULL);
}

/* It is not what an earlier run has sent.  An object that differs anywhere is sent anew:
 * no need to compare the rest of it.  Of an open upload only the part is. */
static void on_different(struct upload *u, uint32_t number)
{
    if (u->phase == PHASE_COMPARING) {
        part_table_give_back(&u->parts, number);
        part_table_pass_over(&u->parts);
    } else {
        upload_delta_on_read(u, number);
    }
}

static void on_read(struct upload *u, const struct piece *p)
{
    if (p->read_at_ns != 0 && u->is_small)
        u->read_at_ns = p->read_at_ns;
    if (p->is_known && is_as_known(u, p))
        note_part(u, part_table_confirmed(&u->parts, p->number));
    else
        on_different(u, p->number);
}

static void on_piece_compared(struct piece *p, void *ctx)
{
    struct upload *u = ctx;

    if (p->source_failed)
        fail_by_source(u, p);
    else if (p->err.kind != ERROR_NONE || u->phase == PHASE_RESTARTING)
        part_table_give_back(&u->parts, p->number);
    else
        on_read(u, p);
    u->n_comparing--;
    drop(u, p);
    upload_advance(u);
}

/* ---- starting and cancelling ---- */

static struct piece *piece_for(struct upload *u, uint32_t number)
{
    struct piece *p = mem_new(1, sizeof *p);

    p->loop = u->o.loop;
    p->store = u->o.store;
    p->source = u->o.source;
    p->budget = u->o.budget;
    p->path = u->o.path;
    p->file = u->file;
    p->stamp = u->stamp;
    p->number = number;
    p->offset = layout_part_offset(&u->parts.layout, number);
    p->size = layout_part_bytes(&u->parts.layout, number);
    p->block_size = u->parts.layout.block_size;
    p->digests = &u->parts.digests[layout_part_block(&u->parts.layout, number)];
    p->ctx = u;
    return p;
}

void upload_pieces_send(struct upload *u, uint32_t number)
{
    struct piece *p = piece_for(u, number);

    p->op.verb = u->upload_id[0] == '\0' ? STORE_PUT : STORE_UPLOAD_PART;
    p->op.key = u->o.key;
    p->op.is_data = u->o.is_data;
    p->op.upload_id = u->upload_id;
    p->op.part.number = number;
    p->op.offset = p->offset;
    p->op.part_size = u->parts.layout.part_size;
    p->done = on_piece_sent;
    add(u, p);
    piece_send(p);
}

void upload_pieces_compare(struct upload *u, uint32_t number)
{
    struct piece *p = piece_for(u, number);

    p->is_known = part_table_state(&u->parts, number) == PART_KNOWN;
    p->wants_md5 = p->is_known && known_wants_md5(&u->known, &u->parts.layout, number);
    p->done = on_piece_compared;
    u->n_comparing++;
    add(u, p);
    piece_compare(p);
}

/* What it is copied from, but for the offset. */
static struct store_from from_previous(const struct upload *u)
{
    return (struct store_from){
        .key = text_string(&u->from),
        .etag = u->delta.file.etag[0] != '\0' ? u->delta.file.etag : NULL,
        .size = u->delta.file.size,
    };
}

void upload_pieces_copy(struct upload *u, uint32_t number)
{
    struct piece *p = piece_for(u, number);

    p->op.verb = STORE_COPY_PART;
    p->op.key = u->o.key;
    p->op.is_data = u->o.is_data;
    p->op.upload_id = u->upload_id;
    p->op.part.number = number;
    p->op.part.size = p->size;
    p->op.offset = p->offset;
    p->op.part_size = u->parts.layout.part_size;
    p->op.from = from_previous(u);
    delta_find(&u->delta, &u->parts.layout, number, p->digests, &p->op.from.offset);
    p->done = on_piece_copied;
    add(u, p);
    piece_copy(p);
}

void upload_pieces_copy_whole(struct upload *u)
{
    struct piece *p = piece_for(u, 1);

    p->op.verb = STORE_COPY;
    p->op.key = u->o.key;
    p->op.is_data = u->o.is_data;
    p->op.from = from_previous(u);
    p->done = on_piece_copied;
    add(u, p);
    piece_copy(p);
}

void upload_pieces_cancel(struct upload *u)
{
    for (struct piece *p = u->pieces; p != NULL; p = p->next)
        piece_cancel(p);
}

uint64_t upload_pieces_bytes(const struct upload *u)
{
    uint64_t bytes = 0;

    for (const struct piece *p = u->pieces; p != NULL; p = p->next)
        bytes += p->position;
    return bytes;
}
