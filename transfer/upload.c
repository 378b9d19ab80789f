/*
 * The upload of one file.
 *
 *   OPENING --> COMPARING --> (all equal) ------------------------------+
 *     |  |          | differs                                           |
 *     |  |          v                                                   v
 *     |  +------> PUTTING --------------------------------------> ENDING --> done
 *     |                                                             ^
 *     +--> CREATING --> SENDING --all parts stored--> COMPLETING ---+
 *             ^            |                              |         |
 *             +-- RESTARTING <--- the upload is gone -----+         |
 *                                                                   |
 *          every phase --- first error, or cancel ------------------+
 *
 * A small file starts in PUTTING: it is opened, read and closed by the read of its one
 * piece. An empty one is opened: of it nothing is read that would tell that it is still
 * empty. COMPARING is for an object that the store has whole; an open upload's parts
 * are compared one by one in SENDING.
 *
 * How to read this file: every on_...() records what has happened and calls advance().
 * advance() decides about the phase, upload_step() starts pieces, enter() alone changes
 * the phase.  Nothing is freed before the number of pieces under way has come down to
 * zero.
 */
#include "transfer/upload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/known.h"
#include "transfer/part_table.h"
#include "transfer/piece.h"
#include "transfer/store_impl.h"

enum upload_phase {
    PHASE_OPENING,    /* the source file is opened and looked at */
    PHASE_COMPARING,  /* is the stored object still the file's content? */
    PHASE_PUTTING,    /* sent as one object */
    PHASE_CREATING,   /* asking the store for an upload id */
    PHASE_SENDING,    /* parts are compared, read and stored */
    PHASE_RESTARTING, /* the store has forgotten the upload: draining, then anew */
    PHASE_COMPLETING, /* all parts are stored, the store puts them together */
    PHASE_ENDING      /* done, failed or cancelled: waiting for what is under way */
};

/* The store sweeps an upload that is old: once is bad luck, thrice is a broken store.
 */
enum { RESTARTS_MAX = 2 };

/* Comparisons take no room of the store: without a limit of their own all parts of a
 * file would be under way at once.  As many as there are worker threads. */
enum { COMPARISONS_MAX = 4 };

struct upload {
    struct upload_options o;
    struct known known; /* of earlier runs */
    enum upload_phase phase;
    struct error err; /* the first one; the rest are its consequences */
    bool source_failed;
    bool is_small; /* read whole by its one piece */
    bool is_unchanged;

    struct source_op open_op;
    struct source_file *file;
    struct stamp stamp;
    int64_t read_at_ns; /* the earliest reading that this object is made of */

    struct part_table parts;

    char upload_id[STORE_UPLOAD_ID_MAX];
    char etag[STORE_ETAG_MAX];
    struct store_op op; /* create or complete: never two at a time */
    bool op_runs;

    struct piece *pieces; /* under way */
    unsigned n_running;   /* pieces, the open and the op */
    unsigned n_comparing; /* of the pieces */
    unsigned n_restarts;
    struct deferred soon;
};

static void advance(struct upload *u);

static const char *phase_name(enum upload_phase phase)
{
    static const char *const names[] = {
        [PHASE_OPENING] = "opening",       [PHASE_COMPARING] = "comparing",
        [PHASE_PUTTING] = "putting",       [PHASE_CREATING] = "creating",
        [PHASE_SENDING] = "sending",       [PHASE_RESTARTING] = "restarting",
        [PHASE_COMPLETING] = "completing", [PHASE_ENDING] = "ending",
    };

    return names[phase];
}

static void enter(struct upload *u, enum upload_phase phase)
{
    log_line(LOG_DEBUG, LOG_UPLOAD, "%s: %s -> %s", u->o.path, phase_name(u->phase),
             phase_name(phase));
    u->phase = phase;
}

static void fail(struct upload *u, const struct error *err, bool by_source)
{
    if (u->err.kind != ERROR_NONE)
        return;
    u->err = *err;
    u->source_failed = by_source;
}

/* The first piece that met the file as it is now knows more than those it ends. */
static void fail_by_source(struct upload *u, const struct piece *p)
{
    if (u->err.kind == ERROR_NONE)
        u->stamp = p->stamp;
    fail(u, &p->err, true);
}

/* ---- cutting the file ---- */

/* Cut the file as it is now, and see what of the known parts fits. */
static int cut(struct upload *u)
{
    const struct layout previous = {.part_size = u->known.record.part_size,
                                    .block_size = u->known.record.block_size};

    if (part_table_cut(&u->parts, u->stamp.size, store_limits(u->o.store),
                       u->o.part_size, &previous, &u->err) != 0)
        return -1;
    part_table_take_up(&u->parts, &u->known, u->o.must_compare);
    return 0;
}

static bool is_single(const struct upload *u)
{
    return u->parts.layout.n_parts == 1 &&
           u->parts.layout.size <= store_limits(u->o.store)->put_max;
}

static void send_anew(struct upload *u)
{
    if (u->known.record.has_object)
        u->o.events->object_lost(u->o.ctx);
    u->known.record.has_object = false;
    part_table_reset(&u->parts);
    enter(u, is_single(u) ? PHASE_PUTTING : PHASE_CREATING);
}

/* The file is cut: which way does it go? */
static void choose_way(struct upload *u)
{
    if (known_is_object(&u->known, &u->parts.layout)) {
        enter(u, PHASE_COMPARING);
    } else if (known_has_upload(&u->known, &u->parts.layout) && !is_single(u)) {
        memcpy(u->upload_id, u->known.record.upload_id, sizeof u->upload_id);
        enter(u, PHASE_SENDING);
    } else {
        send_anew(u);
    }
}

/* ---- opening ---- */

static void on_opened(struct source_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->file = op->file;
    if (op->err.kind != ERROR_NONE) {
        fail(u, &op->err, true);
    } else if (u->err.kind == ERROR_NONE) {
        if (!stamp_is_same(&op->stamp, &u->stamp)) {
            u->o.must_compare = true;
            u->stamp = op->stamp;
        }
        u->read_at_ns = op->read_at_ns;
        if (cut(u) == 0)
            choose_way(u);
        else
            u->source_failed = true;
    }
    advance(u);
}

/* ---- pieces ---- */

static void piece_add(struct upload *u, struct piece *p)
{
    p->next = u->pieces;
    u->pieces = p;
    u->n_running++;
    part_table_begin(&u->parts, p->number);
}

static void piece_drop(struct upload *u, struct piece *p)
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

/* Does the store no longer know the upload id? */
static bool is_upload_gone(const struct upload *u, const struct store_op *op)
{
    return u->upload_id[0] != '\0' && op->err.kind == ERROR_NOT_FOUND &&
           !op->body_failed;
}

/* A store that has lost parts which it acknowledged (a power cut) says so at the end.
 */
static bool is_upload_broken(const struct store_op *op)
{
    return op->err.kind == ERROR_CORRUPT;
}

static void on_upload_gone(struct upload *u, const struct error *err)
{
    if (u->phase == PHASE_RESTARTING)
        return;
    if (u->err.kind != ERROR_NONE || u->n_restarts++ >= RESTARTS_MAX) {
        fail(u, err, false);
        return;
    }
    log_line(LOG_WARNING, LOG_UPLOAD, "%s: the store has forgotten the upload",
             u->o.path);
    enter(u, PHASE_RESTARTING);
    for (struct piece *p = u->pieces; p != NULL; p = p->next)
        piece_cancel(p);
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
        else if (is_upload_gone(u, &p->op))
            on_upload_gone(u, &p->err);
        else if (u->phase != PHASE_RESTARTING)
            fail(u, &p->err, false);
    }
    piece_drop(u, p);
    advance(u);
}

/* Compared: does it agree with what is known? */
static bool is_as_known(struct upload *u, const struct piece *p)
{
    return known_agrees(&u->known, &u->parts.layout, p->number, p->digests,
                        p->has_md5 ? p->md5_bytes : NULL);
}

/* An object that differs anywhere is sent anew: no need to compare the rest of it.  Of
 * an open upload only the part is. */
static void on_different(struct upload *u, uint32_t number)
{
    part_table_give_back(&u->parts, number);
    if (u->phase == PHASE_COMPARING)
        part_table_pass_over(&u->parts);
}

static void on_piece_compared(struct piece *p, void *ctx)
{
    struct upload *u = ctx;

    if (p->source_failed) {
        fail_by_source(u, p);
    } else if (p->err.kind != ERROR_NONE || u->phase == PHASE_RESTARTING ||
               !is_as_known(u, p)) {
        on_different(u, p->number);
    } else {
        note_part(u, part_table_confirmed(&u->parts, p->number));
    }
    u->n_comparing--;
    piece_drop(u, p);
    advance(u);
}

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

static void start_sending(struct upload *u, uint32_t number)
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
    piece_add(u, p);
    piece_send(p);
}

static void start_comparing(struct upload *u, uint32_t number)
{
    struct piece *p = piece_for(u, number);

    p->wants_md5 = known_wants_md5(&u->known, &u->parts.layout, number);
    p->done = on_piece_compared;
    u->n_comparing++;
    piece_add(u, p);
    piece_compare(p);
}

bool upload_step(struct upload *u)
{
    bool may_send = u->phase == PHASE_PUTTING || u->phase == PHASE_SENDING;
    uint32_t number;

    if (!may_send && u->phase != PHASE_COMPARING)
        return false;
    number = part_table_next(&u->parts, may_send);
    if (number == 0)
        return false;
    if (!part_table_must_compare(&u->parts, number))
        start_sending(u, number);
    else if (u->n_comparing < COMPARISONS_MAX)
        start_comparing(u, number);
    else
        return false;
    return true;
}

/* ---- create and complete ---- */

static void note_created(struct upload *u)
{
    const struct upload_note note = {
        .upload_id = u->upload_id,
        .part_size = u->parts.layout.part_size,
        .block_size = u->parts.layout.block_size,
        .stamp = u->stamp,
        .read_at_ns = u->read_at_ns,
    };

    u->o.events->created(u->o.ctx, &note);
}

static void on_created(struct store_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->op_runs = false;
    if (op->err.kind == ERROR_NONE) {
        memcpy(u->upload_id, op->answer.upload_id, sizeof u->upload_id);
        note_created(u);
        if (u->err.kind == ERROR_NONE)
            enter(u, PHASE_SENDING);
    } else {
        fail(u, &op->err, false);
    }
    store_op_clear(op);
    advance(u);
}

static void start_create(struct upload *u)
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

static void on_completed(struct store_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->op_runs = false;
    if (op->err.kind == ERROR_NONE) {
        error_clear(&u->err); /* a cancel that came too late */
        memcpy(u->etag, op->answer.etag, sizeof u->etag);
        if (u->phase != PHASE_ENDING)
            enter(u, PHASE_ENDING);
    } else if (is_upload_gone(u, op) || is_upload_broken(op)) {
        on_upload_gone(u, &op->err);
    } else {
        fail(u, &op->err, false);
    }
    store_op_clear(op);
    advance(u);
}

static void start_complete(struct upload *u)
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

/* ---- the upload ---- */

static void fill_note(struct upload *u, struct stored_note *note)
{
    size_t n_blocks =
        (size_t)digest_block_count(u->parts.layout.size, u->parts.layout.block_size);

    note->stamp = u->stamp;
    note->read_at_ns = u->read_at_ns;
    note->hash = n_blocks == 1 ? u->parts.digests[0]
                               : digest_of_blocks(u->parts.digests, n_blocks);
    note->has_hash = true;
    note->etag = u->etag;
    note->block_size = u->parts.layout.block_size;
    if (n_blocks > 1 && u->upload_id[0] == '\0') {
        note->blocks = u->parts.digests; /* else the noted parts have them */
        note->n_blocks = n_blocks;
    }
}

static void on_end(void *ctx)
{
    struct upload *u = ctx;
    struct upload_outcome outcome = {
        .err = u->err,
        .source_failed = u->source_failed,
        .stamp = u->stamp,
        .is_unchanged = u->is_unchanged,
    };

    if (u->err.kind == ERROR_NONE)
        fill_note(u, &outcome.note);
    source_close_file(u->o.source, u->file);
    u->o.events->done(u->o.ctx, &outcome);
    known_free(&u->known);
    part_table_free(&u->parts);
    free(u);
}

/* The store has forgotten the upload; nothing runs any more: begin anew. */
static void restart(struct upload *u)
{
    u->o.events->upload_gone(u->o.ctx);
    u->upload_id[0] = '\0';
    known_forget(&u->known);
    send_anew(u);
}

/* Compared to the end: keep the object, or send the file anew. */
static void after_comparing(struct upload *u)
{
    if (part_table_all_stored(&u->parts) &&
        known_object_agrees(&u->known, &u->parts.layout)) {
        memcpy(u->etag, u->known.record.etag, sizeof u->etag);
        u->is_unchanged = true;
        enter(u, PHASE_ENDING);
        return;
    }
    known_forget(&u->known);
    send_anew(u);
}

static void change_phase(struct upload *u)
{
    if (u->err.kind != ERROR_NONE && u->phase != PHASE_ENDING)
        enter(u, PHASE_ENDING);
    if (u->phase == PHASE_RESTARTING && u->n_running == 0)
        restart(u);
    if (u->phase == PHASE_COMPARING && u->n_running == 0 &&
        part_table_all_begun(&u->parts))
        after_comparing(u);
    if (u->phase == PHASE_PUTTING && part_table_all_stored(&u->parts))
        enter(u, PHASE_ENDING);
    if (u->phase == PHASE_SENDING && part_table_all_stored(&u->parts))
        enter(u, PHASE_COMPLETING);
}

static void cancel_running(struct upload *u)
{
    for (struct piece *p = u->pieces; p != NULL; p = p->next)
        piece_cancel(p);
    if (u->op_runs)
        store_cancel(&u->op);
}

/* Do what can be done now.  Calling it once too often is harmless. */
static void advance(struct upload *u)
{
    change_phase(u);
    switch (u->phase) {
    case PHASE_CREATING:
        if (u->n_running == 0)
            start_create(u);
        break;
    case PHASE_COMPLETING:
        if (u->n_running == 0)
            start_complete(u);
        break;
    case PHASE_ENDING:
        if (u->n_running == 0)
            loop_defer(u->o.loop, &u->soon, on_end, u);
        else
            cancel_running(u);
        return; /* the next news is done() */
    default:
        break;
    }
    u->o.events->moved(u->o.ctx);
}

static void on_started(void *ctx)
{
    struct upload *u = ctx;

    if (u->err.kind == ERROR_NONE && u->is_small) {
        if (cut(u) == 0)
            send_anew(u);
        else
            u->source_failed = true;
    } else if (u->err.kind == ERROR_NONE) {
        source_open_file(u->o.source, &u->open_op, u->o.path, on_opened, u);
        return; /* counted as running already */
    }
    u->n_running--;
    advance(u);
}

struct upload *upload_start(const struct upload_options *options,
                            const struct upload_record *known)
{
    struct upload *u = mem_new(1, sizeof *u);

    u->o = *options;
    known_init(&u->known, known, store_limits(options->store)->is_local);
    u->stamp = options->stamp;
    u->is_small = options->stamp.size > 0 && options->stamp.size <= STORE_CHUNK &&
                  !known->has_object && known->upload_id[0] == '\0';
    u->n_running = 1; /* on_started */
    loop_defer(u->o.loop, &u->soon, on_started, u);
    return u;
}

void upload_cancel(struct upload *u)
{
    if (u->err.kind != ERROR_NONE || u->phase == PHASE_ENDING)
        return; /* it is ending already */
    error_set(&u->err, ERROR_CANCELLED, 0, "cancelled");
    cancel_running(u);
    if (u->n_running == 0)
        advance(u);
}

void upload_progress(const struct upload *u, uint64_t *bytes, uint64_t *size)
{
    *size = u->stamp.size;
    *bytes = u->parts.bytes_stored;
    for (const struct piece *p = u->pieces; p != NULL; p = p->next)
        *bytes += p->position;
}
