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
#include "transfer/layout.h"
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

enum part_state {
    PART_TODO,   /* to be sent */
    PART_KNOWN,  /* noted, but to be compared first */
    PART_BUSY,   /* a piece has it */
    PART_STORED, /* the store has it, and it is the file's content */
};

struct part {
    enum part_state state;
    struct store_part stored; /* number, size, ETag: for the completion */
};

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

    struct layout layout;
    struct digest *digests; /* of all blocks, filled by the pieces */
    struct part *parts;     /* [layout.n_parts] */
    uint32_t next_part;     /* no lower number waits for a piece */
    uint32_t n_stored;
    uint64_t bytes_stored;

    char upload_id[STORE_UPLOAD_ID_MAX];
    char etag[STORE_ETAG_MAX];
    struct store_op op; /* create or complete: never two at a time */
    bool op_runs;
    struct store_part *completion;

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

/* A part of an earlier run: what was noted of it is relied on, unless the file may be
 * another by now; one that is known by its ETag alone is compared. */
static void take_up_part(struct upload *u, uint32_t number)
{
    const struct layout *l = &u->layout;
    const struct part_record *record = known_part(&u->known, l, number);
    struct part *part = &u->parts[number - 1];

    if (record == NULL)
        return;
    part->stored.size = record->size;
    part->stored.crc32c = record->crc32c;
    memcpy(part->stored.etag, record->etag, sizeof part->stored.etag);
    if (u->o.must_compare || known_part_by_etag(record)) {
        part->state = PART_KNOWN;
        return;
    }
    part->state = PART_STORED;
    memcpy(&u->digests[layout_part_block(l, number)], record->blocks,
           record->n_blocks * sizeof *record->blocks);
    u->n_stored++;
    u->bytes_stored += record->size;
}

static void take_up_known(struct upload *u)
{
    bool is_object = known_is_object(&u->known, &u->layout);
    bool has_upload = known_has_upload(&u->known, &u->layout);

    if (u->known.record.upload_id[0] != '\0' && !has_upload)
        known_forget(&u->known);
    for (uint32_t number = 1; number <= u->layout.n_parts; number++) {
        if (is_object)
            u->parts[number - 1].state = PART_KNOWN;
        else if (has_upload)
            take_up_part(u, number);
    }
}

/* Cut the file as it is now, and see what of the known parts fits. */
static int cut(struct upload *u)
{
    const struct layout previous = {.part_size = u->known.record.part_size,
                                    .block_size = u->known.record.block_size};

    if (layout_of(&u->layout, u->stamp.size, store_limits(u->o.store), u->o.part_size,
                  &previous, &u->err) != 0)
        return -1;
    free(u->digests);
    free(u->parts);
    u->digests = mem_new(digest_block_count(u->layout.size, u->layout.block_size),
                         sizeof *u->digests);
    u->parts = mem_new(u->layout.n_parts, sizeof *u->parts);
    u->next_part = 1;
    u->n_stored = 0;
    u->bytes_stored = 0;
    for (uint32_t i = 0; i < u->layout.n_parts; i++)
        u->parts[i].stored.number = i + 1;
    take_up_known(u);
    return 0;
}

static bool is_single(const struct upload *u)
{
    return u->layout.n_parts == 1 &&
           u->layout.size <= store_limits(u->o.store)->put_max;
}

static void send_anew(struct upload *u)
{
    if (u->known.record.has_object)
        u->o.events->object_lost(u->o.ctx);
    u->known.record.has_object = false;
    for (uint32_t i = 0; i < u->layout.n_parts; i++)
        u->parts[i].state = PART_TODO;
    u->n_stored = 0;
    u->bytes_stored = 0;
    u->next_part = 1;
    enter(u, is_single(u) ? PHASE_PUTTING : PHASE_CREATING);
}

/* The file is cut: which way does it go? */
static void choose_way(struct upload *u)
{
    if (known_is_object(&u->known, &u->layout)) {
        enter(u, PHASE_COMPARING);
    } else if (known_has_upload(&u->known, &u->layout) && !is_single(u)) {
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
    u->parts[p->number - 1].state = PART_BUSY;
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

static void note_part(struct upload *u, const struct piece *p, const char *etag)
{
    struct part *part = &u->parts[p->number - 1];
    struct part_record record = {
        .number = p->number,
        .size = p->size,
        .crc32c = part->stored.crc32c,
        .blocks = &u->digests[layout_part_block(&u->layout, p->number)],
        .n_blocks = (uint32_t)layout_part_blocks(&u->layout, p->number),
    };

    part->state = PART_STORED;
    part->stored.size = p->size;
    memcpy(part->stored.etag, etag, sizeof part->stored.etag);
    memcpy(record.etag, etag, sizeof record.etag);
    u->n_stored++;
    u->bytes_stored += p->size;
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
    struct part *part = &u->parts[p->number - 1];

    if (p->err.kind == ERROR_NONE) {
        if (p->read_at_ns != 0 && u->is_small)
            u->read_at_ns = p->read_at_ns;
        part->stored.crc32c = p->op.answer.crc32c;
        note_part(u, p, p->op.answer.etag);
        memcpy(u->etag, p->op.answer.etag, sizeof u->etag);
        if (u->upload_id[0] == '\0')
            error_clear(&u->err); /* a cancel that came too late */
    } else {
        part->state = PART_TODO;
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
    return known_agrees(&u->known, &u->layout, p->number, p->digests,
                        p->has_md5 ? p->md5_bytes : NULL);
}

/* An object that differs anywhere is sent anew: no need to compare the rest of it.  Of
 * an open upload only the part is. */
static void on_different(struct upload *u, uint32_t number)
{
    if (u->phase == PHASE_COMPARING)
        u->next_part = u->layout.n_parts + 1;
    else if (number < u->next_part)
        u->next_part = number;
}

static void on_piece_compared(struct piece *p, void *ctx)
{
    struct upload *u = ctx;
    struct part *part = &u->parts[p->number - 1];

    if (p->source_failed) {
        fail_by_source(u, p);
    } else if (p->err.kind != ERROR_NONE || u->phase == PHASE_RESTARTING ||
               !is_as_known(u, p)) {
        part->state = PART_TODO;
        on_different(u, p->number);
    } else {
        char etag[STORE_ETAG_MAX];
        memcpy(etag, part->stored.etag, sizeof etag);
        note_part(u, p, etag);
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
    p->offset = layout_part_offset(&u->layout, number);
    p->size = layout_part_bytes(&u->layout, number);
    p->block_size = u->layout.block_size;
    p->digests = &u->digests[layout_part_block(&u->layout, number)];
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
    p->op.part_size = u->layout.part_size;
    p->done = on_piece_sent;
    piece_add(u, p);
    piece_send(p);
}

static void start_comparing(struct upload *u, uint32_t number)
{
    struct piece *p = piece_for(u, number);

    p->wants_md5 = known_wants_md5(&u->known, &u->layout, number);
    p->done = on_piece_compared;
    u->n_comparing++;
    piece_add(u, p);
    piece_compare(p);
}

bool upload_step(struct upload *u)
{
    if (u->phase != PHASE_COMPARING && u->phase != PHASE_PUTTING &&
        u->phase != PHASE_SENDING)
        return false;
    for (; u->next_part <= u->layout.n_parts; u->next_part++) {
        enum part_state state = u->parts[u->next_part - 1].state;
        if (state == PART_KNOWN && u->n_comparing == COMPARISONS_MAX)
            return false;
        if (state == PART_KNOWN)
            start_comparing(u, u->next_part++);
        else if (state == PART_TODO && u->phase != PHASE_COMPARING)
            start_sending(u, u->next_part++);
        else
            continue;
        return true;
    }
    return false;
}

/* ---- create and complete ---- */

static void note_created(struct upload *u)
{
    const struct upload_note note = {
        .upload_id = u->upload_id,
        .part_size = u->layout.part_size,
        .block_size = u->layout.block_size,
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
    u->op.size = u->layout.size;
    u->op.part_size = u->layout.part_size;
    u->op.done = on_created;
    u->op.ctx = u;
    store_start(u->o.store, &u->op);
}

static void on_completed(struct store_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->op_runs = false;
    free(u->completion);
    u->completion = NULL;
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
    u->completion = mem_new(u->layout.n_parts, sizeof *u->completion);
    for (uint32_t i = 0; i < u->layout.n_parts; i++)
        u->completion[i] = u->parts[i].stored;
    u->n_running++;
    u->op_runs = true;
    memset(&u->op, 0, sizeof u->op);
    u->op.verb = STORE_COMPLETE_UPLOAD;
    u->op.key = u->o.key;
    u->op.upload_id = u->upload_id;
    u->op.parts = u->completion;
    u->op.n_parts = u->layout.n_parts;
    u->op.size = u->layout.size;
    u->op.part_size = u->layout.part_size;
    u->op.done = on_completed;
    u->op.ctx = u;
    store_start(u->o.store, &u->op);
}

/* ---- the upload ---- */

static void fill_note(struct upload *u, struct stored_note *note)
{
    size_t n_blocks = (size_t)digest_block_count(u->layout.size, u->layout.block_size);

    note->stamp = u->stamp;
    note->read_at_ns = u->read_at_ns;
    note->hash = n_blocks == 1 ? u->digests[0] : digest_of_blocks(u->digests, n_blocks);
    note->has_hash = true;
    note->etag = u->etag;
    note->block_size = u->layout.block_size;
    if (n_blocks > 1 && u->upload_id[0] == '\0') {
        note->blocks = u->digests; /* else the noted parts have them */
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
    free(u->digests);
    free(u->parts);
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

static bool all_stored(const struct upload *u)
{
    return u->n_stored == u->layout.n_parts;
}

/* Compared to the end: keep the object, or send the file anew. */
static void after_comparing(struct upload *u)
{
    if (all_stored(u) && known_object_agrees(&u->known, &u->layout)) {
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
        u->next_part > u->layout.n_parts)
        after_comparing(u);
    if (u->phase == PHASE_PUTTING && all_stored(u))
        enter(u, PHASE_ENDING);
    if (u->phase == PHASE_SENDING && all_stored(u))
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
    *bytes = u->bytes_stored;
    for (const struct piece *p = u->pieces; p != NULL; p = p->next)
        *bytes += p->position;
}
