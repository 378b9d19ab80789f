/*
 *   WHOLE --copied, ETag as planned--------------------------------------> ENDING
 *     |      +--another ETag--> LOOKING --it is still as planned-----------> |
 *     |                            +----else: it has changed --------------> |
 *     +--refused--> LOOKING --> changed, vanished, or to be sent ----------> |
 *                                                                            |
 *   OPENING --> CREATING --> PARTS --all--> [LOOKING] --> COMPLETING ------> |
 *                  ^           |                              |              v
 *                  +-- RESTARTING <----- the upload is gone --+            done
 *
 * The ETag of the plan is but a hash (source_s3.h).  A copy in one go mostly has the
 * ETag of what was copied: where that is the one of the plan, nothing more is to be
 * asked.  Else the source is looked at afterwards: what it was before and is after, it
 * was in between.  Parts are pinned to the ETag that OPENING has found.
 *
 * As in upload.c: what happens is recorded, then copy_advance() decides.
 */
#include "transfer/copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/layout.h"
#include "transfer/source_s3.h"

static const uint64_t whole_max = (uint64_t)256 << 20; /* more is faster in parts */
static const uint64_t part_wish = (uint64_t)128 << 20;
enum { RESTARTS_MAX = 2 };

enum copy_phase {
    PHASE_WHOLE,      /* one request copies it */
    PHASE_OPENING,    /* the source is looked at */
    PHASE_CREATING,   /* asking the store for an upload id */
    PHASE_PARTS,      /* each part is a range */
    PHASE_RESTARTING, /* the store has forgotten the upload: draining, then anew */
    PHASE_LOOKING,    /* is the source still what it was? */
    PHASE_COMPLETING,
    PHASE_ENDING
};

struct part_copy {
    struct copy *copy;
    struct part_copy *next;
    struct store_op op;
};

struct copy {
    struct upload_options o;
    struct upload_record known;
    enum copy_phase phase;
    struct error err;
    bool source_failed, is_refused;
    struct stamp stamp;
    int64_t read_at_ns;

    struct source_op look_op;
    struct store_from from;
    struct text from_key;
    char source_etag[STORE_ETAG_MAX]; /* "": not looked at yet */
    bool is_pinned;                   /* all that was copied */
    struct error refusal;             /* why we look */

    struct layout layout;
    struct store_part *parts; /* number 0: not stored yet */
    uint32_t next, n_stored;
    uint64_t bytes_stored;

    char *upload_id; /* "": none is open */
    char etag[STORE_ETAG_MAX];
    struct store_op op;
    bool op_runs, is_begun; /* is_begun: the one request of WHOLE has been started */
    struct part_copy *pieces;
    unsigned n_running, n_restarts;
    struct deferred soon;
};

static void copy_advance(struct copy *c);

bool copy_is_single(const struct store *store, uint64_t size)
{
    return size <= whole_max && size <= store_limits(store)->copy_max;
}

/* Of all parts: the user's wish counts where it is larger. */
static uint64_t wish(const struct copy *c)
{
    uint64_t most = store_limits(c->o.store)->copy_max;
    uint64_t size = part_wish < most ? part_wish : most;

    return c->o.part_size > size ? c->o.part_size : size;
}

static void fail(struct copy *c, const struct error *err, bool by_source)
{
    if (c->err.kind != ERROR_NONE)
        return;
    c->err = *err;
    c->source_failed = by_source;
}

static void set_upload_id(struct copy *c, const char *id)
{
    free(c->upload_id);
    c->upload_id = mem_copy_string(id);
}

/* ---- looking at the source ---- */

static void on_looked(struct source_op *op, void *ctx);

static void look(struct copy *c, enum copy_phase phase)
{
    c->phase = phase;
    c->n_running++;
    source_open_file(c->o.source, &c->look_op, c->o.path, on_looked, c);
}

static void take_up(struct copy *c)
{
    for (size_t i = 0; i < c->known.n_parts; i++) {
        const struct part_record *known = &c->known.parts[i];
        struct store_part *part;

        if (known->number > c->layout.n_parts ||
            known->size != layout_part_bytes(&c->layout, known->number))
            continue;
        part = &c->parts[known->number - 1];
        *part = (struct store_part){
            .number = known->number, .size = known->size, .crc32c = known->crc32c};
        memcpy(part->etag, known->etag, sizeof part->etag);
        c->n_stored++;
        c->bytes_stored += part->size;
    }
}

static void cut(struct copy *c)
{
    const struct layout previous = {.part_size = c->known.part_size,
                                    .block_size = c->known.block_size};

    if (layout_of(&c->layout, c->stamp.size, store_limits(c->o.store), wish(c),
                  &previous, &c->err) != 0) {
        c->source_failed = true;
        return;
    }
    c->parts = mem_new(c->layout.n_parts, sizeof *c->parts);
    if (c->known.upload_id[0] == '\0' || c->known.part_size != c->layout.part_size) {
        c->phase = PHASE_CREATING;
        return;
    }
    set_upload_id(c, c->known.upload_id);
    take_up(c);
    c->phase = PHASE_PARTS;
}

static void on_opened(struct copy *c)
{
    if (!stamp_is_same(&c->look_op.stamp, &c->stamp)) {
        c->stamp = c->look_op.stamp;
        upload_record_free(&c->known); /* of another */
        memset(&c->known, 0, sizeof c->known);
    }
    memcpy(c->source_etag, c->look_op.etag, sizeof c->source_etag);
    c->from.etag = c->source_etag;
    c->from.size = c->stamp.size;
    cut(c);
}

/* Afterwards: was it what was copied? */
static void on_looked_again(struct copy *c)
{
    struct error err;

    if (!stamp_is_same(&c->look_op.stamp, &c->stamp)) {
        c->stamp = c->look_op.stamp;
        error_set(&err, ERROR_CHANGED, 0, "changed while it was copied");
        fail(c, &err, true);
    } else if (c->refusal.kind != ERROR_NONE) {
        c->is_refused = true;
        fail(c, &c->refusal, false);
    } else {
        c->is_pinned = true;
        c->phase = c->upload_id[0] != '\0' ? PHASE_COMPLETING : PHASE_ENDING;
    }
}

static void on_looked(struct source_op *op, void *ctx)
{
    struct copy *c = ctx;

    c->n_running--;
    if (op->err.kind != ERROR_NONE) {
        fail(c, &op->err, true);
    } else if (c->err.kind == ERROR_NONE) {
        if (c->read_at_ns == 0)
            c->read_at_ns = op->read_at_ns;
        if (c->phase == PHASE_OPENING)
            on_opened(c);
        else
            on_looked_again(c);
    }
    source_close_file(c->o.source, op->file);
    copy_advance(c);
}

/* ---- what the store says ---- */

static bool is_gone(const struct copy *c, const struct store_op *op)
{
    return c->upload_id[0] != '\0' &&
           ((op->err.kind == ERROR_NOT_FOUND && !op->copy_refused) ||
            (op->verb == STORE_COMPLETE_UPLOAD && op->err.kind == ERROR_CORRUPT));
}

static void cancel_pieces(struct copy *c)
{
    for (struct part_copy *p = c->pieces; p != NULL; p = p->next)
        store_cancel(&p->op);
}

static void on_gone(struct copy *c, const struct error *err)
{
    if (c->phase == PHASE_RESTARTING)
        return;
    if (c->err.kind != ERROR_NONE || c->n_restarts++ >= RESTARTS_MAX) {
        fail(c, err, false);
        return;
    }
    log_line(LOG_WARNING, LOG_UPLOAD, "%s: the store has forgotten the upload",
             c->o.path);
    c->phase = PHASE_RESTARTING;
    cancel_pieces(c);
}

static void restart(struct copy *c)
{
    c->o.events->upload_gone(c->o.ctx);
    set_upload_id(c, "");
    memset(c->parts, 0, c->layout.n_parts * sizeof *c->parts);
    c->next = c->n_stored = 0;
    c->bytes_stored = 0;
    c->phase = PHASE_CREATING;
}

/* It has changed, is gone, or must be sent: a look at it tells which. */
static void on_refused(struct copy *c, const struct store_op *op)
{
    if (c->refusal.kind == ERROR_NONE)
        c->refusal = op->err;
    if (op->err.kind == ERROR_AUTH)
        source_refuse_copies(c->o.source);
    cancel_pieces(c);
}

static void on_failed(struct copy *c, const struct store_op *op)
{
    if (op->copy_refused)
        on_refused(c, op);
    else if (is_gone(c, op))
        on_gone(c, &op->err);
    else if (c->phase != PHASE_RESTARTING && c->refusal.kind == ERROR_NONE)
        fail(c, &op->err, false);
}

static void start_op(struct copy *c, void (*done)(struct store_op *op, void *ctx))
{
    c->n_running++;
    c->op_runs = true;
    c->op.key = c->o.key;
    c->op.done = done;
    c->op.ctx = c;
    store_start(c->o.store, &c->op);
}

static void end_op(struct copy *c)
{
    c->n_running--;
    c->op_runs = false;
    store_op_clear(&c->op);
}

/* ---- in one go ---- */

static void on_whole(struct store_op *op, void *ctx)
{
    struct copy *c = ctx;

    if (op->err.kind == ERROR_NONE) {
        error_clear(&c->err); /* a cancel that came too late */
        source_has_copied(c->o.source);
        memcpy(c->etag, op->answer.etag, sizeof c->etag);
        c->is_pinned = source_s3_etag_hash(c->etag) == c->stamp.inode;
        c->bytes_stored = c->stamp.size;
    } else {
        on_failed(c, op);
    }
    end_op(c);
    copy_advance(c);
}

static void start_whole(struct copy *c)
{
    c->is_begun = true;
    c->read_at_ns = c->stamp.mtime_ns + SOURCE_S3_LONG_AGO_NS;
    c->from.size = c->stamp.size;
    c->op =
        (struct store_op){.verb = STORE_COPY, .from = c->from, .is_data = c->o.is_data};
    start_op(c, on_whole);
}

/* ---- in parts ---- */

static void note_created(struct copy *c)
{
    const struct upload_note note = {
        .upload_id = c->upload_id,
        .part_size = c->layout.part_size,
        .block_size = c->layout.block_size,
        .stamp = c->stamp,
        .read_at_ns = c->read_at_ns,
    };

    c->o.events->created(c->o.ctx, &note);
}

static void on_created(struct store_op *op, void *ctx)
{
    struct copy *c = ctx;

    if (op->err.kind == ERROR_NONE) {
        set_upload_id(c, op->answer.upload_id);
        note_created(c);
        if (c->err.kind == ERROR_NONE)
            c->phase = PHASE_PARTS;
    } else {
        fail(c, &op->err, false);
    }
    end_op(c);
    copy_advance(c);
}

static void start_create(struct copy *c)
{
    c->op = (struct store_op){.verb = STORE_CREATE_UPLOAD,
                              .size = c->layout.size,
                              .part_size = c->layout.part_size};
    start_op(c, on_created);
}

static void note_part(struct copy *c, const struct store_op *op)
{
    struct store_part *part = &c->parts[op->part.number - 1];
    struct part_record record = {
        .number = op->part.number, .size = op->part.size, .crc32c = op->answer.crc32c};

    *part = op->part;
    part->crc32c = op->answer.crc32c;
    memcpy(part->etag, op->answer.etag, sizeof part->etag);
    memcpy(record.etag, op->answer.etag, sizeof record.etag);
    c->n_stored++;
    c->bytes_stored += part->size;
    c->is_pinned = c->is_pinned && op->answer.is_pinned;
    c->o.events->part_stored(c->o.ctx, &record);
}

static void drop(struct copy *c, struct part_copy *p)
{
    struct part_copy **link = &c->pieces;

    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    c->n_running--;
    store_op_clear(&p->op);
    free(p);
}

static void on_part(struct store_op *op, void *ctx)
{
    struct part_copy *p = ctx;
    struct copy *c = p->copy;

    if (op->err.kind == ERROR_NONE && c->phase != PHASE_RESTARTING) {
        source_has_copied(c->o.source);
        note_part(c, op);
    } else if (op->err.kind != ERROR_NONE) {
        on_failed(c, op);
    }
    drop(c, p);
    copy_advance(c);
}

static bool start_part(struct copy *c)
{
    struct part_copy *p;
    uint32_t number;

    while (c->next < c->layout.n_parts && c->parts[c->next].number != 0)
        c->next++;
    if (c->next == c->layout.n_parts)
        return false;
    number = ++c->next;
    p = mem_new(1, sizeof *p);
    p->copy = c;
    p->op = (struct store_op){
        .verb = STORE_COPY_PART,
        .key = c->o.key,
        .upload_id = c->upload_id,
        .from = c->from,
        .part = {.number = number, .size = layout_part_bytes(&c->layout, number)},
        .offset = layout_part_offset(&c->layout, number),
        .part_size = c->layout.part_size,
        .is_data = c->o.is_data,
        .done = on_part,
        .ctx = p};
    p->op.from.offset = p->op.offset;
    p->next = c->pieces;
    c->pieces = p;
    c->n_running++;
    store_start(c->o.store, &p->op);
    return true;
}

static void on_completed(struct store_op *op, void *ctx)
{
    struct copy *c = ctx;

    if (op->err.kind == ERROR_NONE) {
        error_clear(&c->err);
        memcpy(c->etag, op->answer.etag, sizeof c->etag);
        c->phase = PHASE_ENDING;
    } else {
        on_failed(c, op);
    }
    end_op(c);
    copy_advance(c);
}

static void start_complete(struct copy *c)
{
    c->op = (struct store_op){.verb = STORE_COMPLETE_UPLOAD,
                              .upload_id = c->upload_id,
                              .parts = c->parts,
                              .n_parts = c->layout.n_parts,
                              .size = c->layout.size,
                              .part_size = c->layout.part_size};
    start_op(c, on_completed);
}

/* ---- the copy ---- */

static void on_end(void *ctx)
{
    struct copy *c = ctx;
    struct upload_outcome outcome = {
        .err = c->err,
        .source_failed = c->source_failed,
        .is_refused = c->is_refused,
        .stamp = c->stamp,
        .note = {.stamp = c->stamp,
                 .read_at_ns = c->read_at_ns,
                 .etag = c->etag,
                 .block_size = c->layout.block_size},
    };

    c->o.events->done(c->o.ctx, &outcome);
    upload_record_free(&c->known);
    text_free(&c->from_key);
    free(c->upload_id);
    free(c->parts);
    free(c);
}

static bool has_all_parts(const struct copy *c)
{
    return c->phase == PHASE_PARTS && c->n_stored == c->layout.n_parts;
}

/* All bytes are copied: were they of the object that is meant? */
static void after_copying(struct copy *c)
{
    if (!c->is_pinned)
        look(c, PHASE_LOOKING);
    else
        c->phase = c->phase == PHASE_PARTS ? PHASE_COMPLETING : PHASE_ENDING;
}

/* Nothing runs. */
static void change_phase(struct copy *c)
{
    bool is_whole = c->phase == PHASE_WHOLE && c->is_begun;

    if (c->err.kind != ERROR_NONE)
        c->phase = PHASE_ENDING;
    else if (c->refusal.kind != ERROR_NONE)
        look(c, PHASE_LOOKING);
    else if (c->phase == PHASE_RESTARTING)
        restart(c);
    else if (is_whole || has_all_parts(c))
        after_copying(c);
}

static void copy_advance(struct copy *c)
{
    if (c->n_running == 0)
        change_phase(c);
    else if (c->err.kind != ERROR_NONE) {
        cancel_pieces(c);
        if (c->op_runs)
            store_cancel(&c->op);
    }
    if (c->n_running == 0 && c->phase == PHASE_CREATING)
        start_create(c);
    if (c->n_running == 0 && c->phase == PHASE_COMPLETING)
        start_complete(c);
    if (c->n_running == 0 && c->phase == PHASE_ENDING)
        loop_defer(c->o.loop, &c->soon, on_end, c); /* the next news is done() */
    else
        c->o.events->moved(c->o.ctx);
}

bool copy_step(struct copy *c)
{
    if (c->err.kind != ERROR_NONE || c->refusal.kind != ERROR_NONE)
        return false;
    if (c->phase == PHASE_WHOLE && !c->is_begun && c->n_running == 0) {
        start_whole(c);
        return true;
    }
    return c->phase == PHASE_PARTS && start_part(c);
}

static void on_started(void *ctx)
{
    struct copy *c = ctx;

    c->n_running--;
    if (c->err.kind == ERROR_NONE && c->phase == PHASE_OPENING)
        look(c, PHASE_OPENING);
    copy_advance(c);
}

struct copy *copy_start(const struct upload_options *options,
                        const struct upload_record *known)
{
    struct copy *c = mem_new(1, sizeof *c);
    bool is_single = copy_is_single(options->store, options->stamp.size) &&
                     known->upload_id[0] == '\0';

    c->o = *options;
    c->upload_id = mem_copy_string("");
    c->known = *known;
    c->stamp = options->stamp;
    c->phase = is_single ? PHASE_WHOLE : PHASE_OPENING;
    c->is_pinned = !is_single;
    if (!source_from(c->o.source, c->o.path, &c->from, &c->from_key)) {
        c->is_refused = true;
        error_set(&c->err, ERROR_UNUSABLE, 0, "cannot be copied inside the store");
    }
    c->n_running = 1; /* on_started */
    loop_defer(c->o.loop, &c->soon, on_started, c);
    return c;
}

void copy_cancel(struct copy *c)
{
    if (c->err.kind != ERROR_NONE || c->phase == PHASE_ENDING)
        return;
    error_set(&c->err, ERROR_CANCELLED, 0, "cancelled");
    cancel_pieces(c);
    if (c->op_runs)
        store_cancel(&c->op);
    if (c->n_running == 0)
        copy_advance(c);
}

uint64_t copy_progress(const struct copy *c)
{
    return c->bytes_stored;
}
