/*
 * The upload of one file.
 *
 *   OPENING --> COMPARING --> (all equal) ------------------------------+
 *     |  |          | differs                                           |
 *     |  |          v                                                   |
 *     |  +-> what the previous version has: upload_delta.c              |
 *     |         |        |                                              v
 *     |         |     PUTTING, COPYING -------------------------> ENDING --> done
 *     |         v                                                   ^
 *     |    CREATING --> SENDING --all parts stored--> COMPLETING ---+
 *     |       ^           ^|                              |         |
 *     |       |  goes on  ||                              |         |
 *     +-------------------+|                              |         |
 *             +-- RESTARTING <--- the upload is gone -----+         |
 *                                                                   |
 *          every phase --- first error, or cancel ------------------+
 *
 * A small file starts in PUTTING: it is opened, read and closed by the read of its one
 * piece. An empty one is opened: of it nothing is read that would tell that it is still
 * empty. COMPARING is for an object that the store has whole; an open upload's parts
 * are compared one by one in SENDING.
 *
 * How to read this file: every on_...(), here and in upload_pieces.c, records what has
 * happened and calls upload_advance().  That decides about the phase, upload_step()
 * starts pieces, enter() alone changes the phase.  Nothing is freed before the number of
 * what is under way has come down to zero.
 */
#include "transfer/upload_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/store_impl.h"

/* The store sweeps an upload that is old: once is bad luck, thrice is a broken store.
 */
enum { RESTARTS_MAX = 2 };

/* Comparisons take no room of the store: without a limit of their own all parts of a
 * file would be under way at once. */
enum { COMPARISONS_MAX = 4 };

/* Copies are fastest with some hundred MB a request, and tried again as a whole. */
enum { COPIED_PART = 512 << 20 };

static const char *phase_name(enum upload_phase phase)
{
    static const char *const names[] = {
        [PHASE_OPENING] = "opening",       [PHASE_COMPARING] = "comparing",
        [PHASE_SEARCHING] = "searching",   [PHASE_MATCHING] = "matching",
        [PHASE_COPYING] = "copying",       [PHASE_PUTTING] = "putting",
        [PHASE_CREATING] = "creating",     [PHASE_SENDING] = "sending",
        [PHASE_RESTARTING] = "restarting", [PHASE_COMPLETING] = "completing",
        [PHASE_ENDING] = "ending",
    };

    return names[phase];
}

void upload_enter(struct upload *u, enum upload_phase phase)
{
    log_line(LOG_DEBUG, LOG_UPLOAD, "%s: %s -> %s", u->o.path, phase_name(u->phase),
             phase_name(phase));
    u->phase = phase;
}

void upload_fail(struct upload *u, const struct error *err, bool by_source)
{
    if (u->err.kind != ERROR_NONE)
        return;
    u->err = *err;
    u->source_failed = by_source;
}

/* ---- cutting the file ---- */

/* Of what is only copied larger parts cost nothing. */
static uint64_t wish_of(const struct upload *u)
{
    bool is_copied = u->delta.is_untouched && u->stamp.size > 4 * (uint64_t)COPIED_PART;

    return is_copied && u->o.part_size < COPIED_PART ? COPIED_PART : u->o.part_size;
}

/* Cut the file as it is now, and see what of the known parts fits. */
static int cut(struct upload *u)
{
    struct layout previous = {.part_size = u->known.record.part_size,
                              .block_size = u->known.record.block_size};

    if (previous.part_size == 0 && u->delta.file.exists)
        previous.block_size = u->delta.file.block_size;
    if (part_table_cut(&u->parts, u->stamp.size, store_limits(u->o.store), wish_of(u),
                       &previous, &u->err) != 0)
        return -1;
    part_table_take_up(&u->parts, &u->known, u->o.must_compare);
    return 0;
}

bool upload_is_single(const struct upload *u)
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
    upload_delta_begin(u);
}

/* The file is cut: which way does it go? */
static void choose_way(struct upload *u)
{
    if (known_is_object(&u->known, &u->parts.layout)) {
        upload_enter(u, PHASE_COMPARING);
    } else if (known_has_upload(&u->known, &u->parts.layout) && !upload_is_single(u)) {
        upload_set_id(u, u->known.record.upload_id);
        upload_delta_begin(u);
    } else {
        send_anew(u);
    }
}

/* ---- opening ---- */

/* It is open for the first time. */
static void begin_with(struct upload *u, const struct stamp *stamp)
{
    if (!stamp_is_same(stamp, &u->stamp)) {
        u->o.must_compare = true;
        u->stamp = *stamp;
    }
    if (cut(u) == 0)
        choose_way(u);
    else
        u->source_failed = true;
}

/* It was to be copied unread, which the store has refused. */
static void go_on_with(struct upload *u, const struct stamp *stamp)
{
    struct error err;

    if (!stamp_is_same(stamp, &u->stamp)) {
        u->stamp = *stamp;
        error_set(&err, ERROR_CHANGED, 0, "changed since it was looked at");
        upload_fail(u, &err, true);
    } else if (u->upload_id[0] != '\0') {
        upload_enter(u, PHASE_SENDING);
    } else {
        upload_enter(u, upload_is_single(u) ? PHASE_PUTTING : PHASE_CREATING);
    }
}

static void on_opened(struct source_op *op, void *ctx)
{
    struct upload *u = ctx;

    u->n_running--;
    u->file = op->file;
    if (op->err.kind != ERROR_NONE) {
        upload_fail(u, &op->err, true);
    } else if (u->err.kind == ERROR_NONE && u->phase == PHASE_OPENING) {
        u->read_at_ns = op->read_at_ns;
        if (u->parts.states == NULL)
            begin_with(u, &op->stamp);
        else
            go_on_with(u, &op->stamp);
    }
    upload_advance(u);
}

void upload_open_file(struct upload *u)
{
    if (u->phase != PHASE_OPENING)
        upload_enter(u, PHASE_OPENING);
    u->n_running++;
    source_open_file(u->o.source, &u->open_op, u->o.path, on_opened, u);
}

/* ---- the upload is gone ---- */

bool upload_is_gone(const struct upload *u, const struct store_op *op)
{
    return u->upload_id[0] != '\0' && op->err.kind == ERROR_NOT_FOUND &&
           !op->body_failed && !op->copy_refused;
}

void upload_on_gone(struct upload *u, const struct error *err)
{
    if (u->phase == PHASE_RESTARTING)
        return;
    if (u->err.kind != ERROR_NONE || u->n_restarts++ >= RESTARTS_MAX) {
        upload_fail(u, err, false);
        return;
    }
    log_line(LOG_WARNING, LOG_UPLOAD, "%s: the store has forgotten the upload",
             u->o.path);
    upload_enter(u, PHASE_RESTARTING);
    upload_pieces_cancel(u);
}

/* ---- starting pieces ---- */

static bool may_send(const struct upload *u)
{
    return u->phase == PHASE_PUTTING || u->phase == PHASE_SENDING;
}

static bool may_compare(const struct upload *u)
{
    return may_send(u) || u->phase == PHASE_COMPARING || u->phase == PHASE_SEARCHING ||
           u->phase == PHASE_MATCHING;
}

static bool start_copy(struct upload *u)
{
    if (u->n_running > 0)
        return false;
    upload_pieces_copy_whole(u);
    return true;
}

bool upload_step(struct upload *u)
{
    uint32_t number;

    if (u->phase == PHASE_COPYING)
        return start_copy(u);
    number = may_compare(u) ? part_table_next(&u->parts, may_send(u)) : 0;
    if (number == 0)
        return false;
    switch (part_table_state(&u->parts, number)) {
    case PART_MISSING:
        upload_pieces_send(u, number);
        return true;
    case PART_MATCHED:
        upload_pieces_copy(u, number);
        return true;
    default:
        if (u->n_comparing == COMPARISONS_MAX)
            return false;
        upload_pieces_compare(u, number);
        return true;
    }
}

/* ---- the upload ---- */

static void fill_note(struct upload *u, struct stored_note *note)
{
    size_t n_blocks =
        (size_t)digest_block_count(u->parts.layout.size, u->parts.layout.block_size);

    note->stamp = u->stamp;
    note->read_at_ns = u->read_at_ns;
    note->is_unread = u->delta.is_untouched;
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
    delta_forget(&u->delta);
    text_free(&u->from);
    part_table_free(&u->parts);
    free(u->upload_id);
    free(u);
}

/* The store has forgotten the upload; nothing runs any more: begin anew. */
static void restart(struct upload *u)
{
    u->o.events->upload_gone(u->o.ctx);
    upload_set_id(u, "");
    known_forget(&u->known);
    if (u->file != NULL || u->is_small || u->delta.is_untouched) {
        send_anew(u);
        return;
    }
    part_table_reset(&u->parts);
    upload_open_file(u);
}

/* Compared to the end: keep the object, or send the file anew. */
static void after_comparing(struct upload *u)
{
    if (part_table_all_stored(&u->parts) &&
        known_object_agrees(&u->known, &u->parts.layout)) {
        memcpy(u->etag, u->known.record.etag, sizeof u->etag);
        u->is_unchanged = true;
        upload_enter(u, PHASE_ENDING);
        return;
    }
    known_forget(&u->known);
    send_anew(u);
}

static void change_phase(struct upload *u)
{
    if (u->err.kind != ERROR_NONE && u->phase != PHASE_ENDING)
        upload_enter(u, PHASE_ENDING);
    if (u->phase == PHASE_RESTARTING && u->n_running == 0)
        restart(u);
    if (u->phase == PHASE_COMPARING && u->n_running == 0 &&
        part_table_all_begun(&u->parts))
        after_comparing(u);
    if (u->phase == PHASE_MATCHING && part_table_all_matched(&u->parts))
        upload_delta_on_matched(u);
    if (u->phase == PHASE_PUTTING && part_table_all_stored(&u->parts))
        upload_enter(u, PHASE_ENDING);
    if (u->phase == PHASE_SENDING && part_table_all_stored(&u->parts))
        upload_enter(u, PHASE_COMPLETING);
}

static void cancel_running(struct upload *u)
{
    upload_pieces_cancel(u);
    if (u->op_runs)
        store_cancel(&u->op);
}

void upload_advance(struct upload *u)
{
    change_phase(u);
    switch (u->phase) {
    case PHASE_CREATING:
        if (u->n_running == 0)
            upload_create(u);
        break;
    case PHASE_COMPLETING:
        if (u->n_running == 0)
            upload_complete(u);
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

    u->n_running--;
    if (u->err.kind == ERROR_NONE && (u->is_small || u->delta.is_untouched)) {
        if (cut(u) == 0)
            choose_way(u);
        else
            u->source_failed = true;
    } else if (u->err.kind == ERROR_NONE) {
        upload_open_file(u);
        return;
    }
    upload_advance(u);
}

struct upload *upload_start(const struct upload_options *options,
                            const struct upload_record *known,
                            const struct delta *delta)
{
    struct upload *u = mem_new(1, sizeof *u);

    u->o = *options;
    u->upload_id = mem_copy_string("");
    known_init(&u->known, known, store_limits(options->store)->is_local);
    if (delta != NULL)
        u->delta = *delta;
    u->stamp = options->stamp;
    u->delta.is_untouched = upload_delta_is_unread(u);
    u->is_small = options->stamp.size > 0 && options->stamp.size <= STORE_CHUNK &&
                  !known->has_object && known->upload_id[0] == '\0';
    u->n_running = 1; /* on_started */
    loop_defer(u->o.loop, &u->soon, on_started, u);
    return u;
}

bool upload_is_light(const struct upload *u)
{
    return u->file == NULL && (u->phase == PHASE_COPYING || u->phase == PHASE_PUTTING ||
                               u->phase == PHASE_ENDING);
}

void upload_cancel(struct upload *u)
{
    if (u->err.kind != ERROR_NONE || u->phase == PHASE_ENDING)
        return; /* it is ending already */
    error_set(&u->err, ERROR_CANCELLED, 0, "cancelled");
    cancel_running(u);
    if (u->n_running == 0)
        upload_advance(u);
}

void upload_progress(const struct upload *u, uint64_t *bytes, uint64_t *size)
{
    *size = u->stamp.size;
    *bytes = u->parts.bytes_stored + upload_pieces_bytes(u);
}
