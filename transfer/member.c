/*
 *     READING --all read--> SENDING --all parts stored--> COMPLETING --> ENDING --> done
 *        |                     |                              |            ^
 *        +--- first error, cancel, or: to be read again -----+-------------+
 *
 * One part at a time is read, in a parcel of its own:
 *
 *     lease --> filled and hashed --+--as known--> dropped
 *                                   +--single----> put
 *                                   +------------> waits for the upload's id --> sent
 *
 * How to read this file: as upload.c.  Every on_...() records what has happened and calls
 * advance(), which decides about the phase.  Nothing is freed before n_running is zero.
 */
#include "transfer/member.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/known.h"
#include "transfer/memory_body.h"
#include "transfer/part_table.h"

enum { PARTS_AT_FIRST = 16 /* of a file of unknown size, once it has more than one */ };

/* An archive's entry cannot change within a tick of its clock: its validator tells. */
static const int64_t MEMBER_READ_AT_NS = INT64_MAX;

/* A part of the file in memory. */
struct parcel {
    struct member *member;
    struct parcel *next;
    uint32_t number;
    struct lease lease; /* holds nothing for an empty file */
    size_t size;
    struct memory_body body;
    struct store_op op;
};

enum member_phase {
    PHASE_READING,    /* parts are read, compared and sent */
    PHASE_SENDING,    /* all are read */
    PHASE_COMPLETING, /* the store puts them together */
    PHASE_ENDING      /* done, failed or cancelled: waiting for what is under way */
};

struct member {
    struct member_options o;
    struct known known;
    enum member_phase phase;
    struct error err; /* the first one */
    bool source_failed, must_read_again, is_unchanged;

    struct part_table parts;
    bool is_whole_known; /* the parts are those of the whole file */
    bool is_object;      /* it is compared with the object that the store has */
    uint32_t n_read;     /* parts */
    uint64_t bytes_read;

    struct parcel *filling; /* NULL: no part is being read */
    struct archive_read read;
    struct digester digester;
    struct md5 md5;

    struct parcel *waiting; /* for the upload's id */
    struct parcel *sending;
    char *upload_id; /* "": none is open */
    char etag[STORE_ETAG_MAX];
    struct store_op op; /* create or complete */
    bool op_runs;
    unsigned n_running; /* parcels that are filled or sent, and the op */
    struct deferred soon;
};

static void advance(struct member *m);

static void fail(struct member *m, const struct error *err, bool by_source)
{
    if (m->err.kind != ERROR_NONE || m->must_read_again)
        return;
    m->err = *err;
    m->source_failed = by_source;
}

static void ask_again(struct member *m, const char *why)
{
    log_line(LOG_INFO, LOG_UPLOAD, "%s: %s: it is to be read again", m->o.path, why);
    if (m->err.kind == ERROR_NONE)
        m->must_read_again = true;
}

static bool is_ending(const struct member *m)
{
    return m->err.kind != ERROR_NONE || m->must_read_again || m->phase == PHASE_ENDING;
}

static void set_upload_id(struct member *m, const char *id)
{
    free(m->upload_id);
    m->upload_id = mem_copy_string(id);
}

/* ---- cutting ---- */

/* Of unknown size: in whole parts, and one more than are known of it. */
static int cut_open(struct member *m, struct layout *previous)
{
    const struct store_limits *limits = store_limits(m->o.store);
    struct layout one;

    if (layout_of(&one, 1, limits, m->o.part_size, previous, &m->err) != 0)
        return -1;
    return part_table_cut(&m->parts, one.part_size * (m->known.record.n_parts + 1),
                          limits, one.part_size, &one, &m->err);
}

/* What of the known fits the file as it is cut now? */
static void take_up(struct member *m)
{
    const struct layout *l = &m->parts.layout;

    m->is_object = m->is_whole_known && known_is_object(&m->known, l);
    if (known_has_upload(&m->known, l) && l->n_parts > 1) {
        set_upload_id(m, m->known.record.upload_id);
    } else if (!m->is_object) {
        if (m->known.record.has_object)
            m->o.events->object_lost(m->o.ctx);
        known_forget(&m->known);
        return;
    }
    part_table_take_up(&m->parts, &m->known, true);
}

static int cut(struct member *m)
{
    struct layout previous = {.part_size = m->known.record.part_size,
                              .block_size = m->known.record.block_size};
    int status = m->o.has_size ? part_table_cut(&m->parts, m->o.stamp.size,
                                                store_limits(m->o.store),
                                                m->o.part_size, &previous, &m->err)
                               : cut_open(m, &previous);

    if (status != 0)
        return -1;
    m->is_whole_known = m->o.has_size;
    take_up(m);
    return 0;
}

static bool is_single(const struct member *m)
{
    return m->is_whole_known && m->parts.layout.n_parts == 1 &&
           m->parts.layout.size <= store_limits(m->o.store)->put_max;
}

static bool is_known(const struct member *m, uint32_t number)
{
    return part_table_state(&m->parts, number) == PART_KNOWN;
}

/* ---- parcels ---- */

static void parcel_free(struct parcel *p)
{
    budget_give(&p->lease);
    store_op_clear(&p->op);
    free(p);
}

static void drop_sent(struct member *m, struct parcel *p)
{
    struct parcel **link = &m->sending;

    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    m->n_running--;
    parcel_free(p);
}

static void note_part(struct member *m, struct part_record record)
{
    if (m->upload_id[0] != '\0')
        m->o.events->part_stored(m->o.ctx, &record);
}

static bool is_gone(const struct member *m, const struct store_op *op)
{
    return m->upload_id[0] != '\0' &&
           (op->err.kind == ERROR_NOT_FOUND ||
            (op->verb == STORE_COMPLETE_UPLOAD && op->err.kind == ERROR_CORRUPT));
}

/* The store has forgotten the upload, and what was sent of it cannot be had back. */
static void on_gone(struct member *m)
{
    if (is_ending(m))
        return;
    m->o.events->upload_gone(m->o.ctx);
    ask_again(m, "the store has forgotten the upload");
}

static void on_sent(struct store_op *op, void *ctx)
{
    struct parcel *p = ctx;
    struct member *m = p->member;

    if (op->err.kind == ERROR_NONE) {
        note_part(m, part_table_sent(&m->parts, p->number, op->answer.etag,
                                     op->answer.crc32c));
        memcpy(m->etag, op->answer.etag, sizeof m->etag);
        if (m->upload_id[0] == '\0')
            error_clear(&m->err); /* a cancel that came too late */
    } else if (is_gone(m, op)) {
        on_gone(m);
    } else {
        fail(m, &op->err, false);
    }
    drop_sent(m, p);
    advance(m);
}

static void send_parcel(struct member *m, struct parcel *p)
{
    p->next = m->sending;
    m->sending = p;
    m->n_running++;
    memory_body_init(&p->body, m->o.loop, (struct span){p->lease.bytes.data, p->size});
    p->op.verb = m->upload_id[0] == '\0' ? STORE_PUT : STORE_UPLOAD_PART;
    p->op.key = m->o.key;
    p->op.is_data = true;
    p->op.body = &p->body.body;
    p->op.upload_id = m->upload_id;
    p->op.part.number = p->number;
    p->op.offset = layout_part_offset(&m->parts.layout, p->number);
    p->op.part_size = m->parts.layout.part_size;
    p->op.done = on_sent;
    p->op.ctx = p;
    store_start(m->o.store, &p->op);
}

/* ---- create and complete ---- */

static void note_created(struct member *m)
{
    struct upload_note note = {
        .upload_id = m->upload_id,
        .part_size = m->parts.layout.part_size,
        .block_size = m->parts.layout.block_size,
        .stamp = m->o.stamp,
        .read_at_ns = MEMBER_READ_AT_NS,
    };

    m->o.events->created(m->o.ctx, &note);
}

static void start_op(struct member *m, enum store_verb verb,
                     void (*done)(struct store_op *op, void *ctx))
{
    m->n_running++;
    m->op_runs = true;
    memset(&m->op, 0, sizeof m->op);
    m->op.verb = verb;
    m->op.key = m->o.key;
    m->op.size = m->parts.layout.size;
    m->op.part_size = m->parts.layout.part_size;
    m->op.done = done;
    m->op.ctx = m;
    if (verb == STORE_COMPLETE_UPLOAD) {
        m->op.upload_id = m->upload_id;
        m->op.parts = m->parts.stored;
        m->op.n_parts = m->parts.layout.n_parts;
    }
    store_start(m->o.store, &m->op);
}

static void end_op(struct member *m)
{
    m->n_running--;
    m->op_runs = false;
    store_op_clear(&m->op);
}

static void on_created(struct store_op *op, void *ctx)
{
    struct member *m = ctx;
    struct parcel *p = m->waiting;

    if (op->err.kind == ERROR_NONE) {
        set_upload_id(m, op->answer.upload_id);
        note_created(m);
    } else {
        fail(m, &op->err, false);
    }
    end_op(m);
    if (!is_ending(m)) {
        m->waiting = NULL;
        send_parcel(m, p);
    }
    advance(m);
}

static void on_completed(struct store_op *op, void *ctx)
{
    struct member *m = ctx;

    if (op->err.kind == ERROR_NONE) {
        error_clear(&m->err); /* a cancel that came too late */
        memcpy(m->etag, op->answer.etag, sizeof m->etag);
        m->phase = PHASE_ENDING;
    } else if (is_gone(m, op)) {
        on_gone(m);
    } else {
        fail(m, &op->err, false);
    }
    end_op(m);
    advance(m);
}

/* ---- a part that has been read ---- */

static void send_or_wait(struct member *m, struct parcel *p)
{
    if (m->upload_id[0] != '\0' || is_single(m)) {
        send_parcel(m, p);
        return;
    }
    m->waiting = p;
    start_op(m, STORE_CREATE_UPLOAD, on_created);
}

/* The object is another: all is to be sent.  What was compared before is gone. */
static void on_different(struct member *m, struct parcel *p)
{
    if (m->is_object) {
        m->is_object = false;
        m->o.events->object_lost(m->o.ctx);
        known_forget(&m->known);
        part_table_reset(&m->parts);
        part_table_begin(&m->parts, p->number);
    }
    if (p->number == 1 || m->upload_id[0] != '\0') {
        send_or_wait(m, p);
        return;
    }
    ask_again(m, "it differs from what is stored of it");
    parcel_free(p);
}

static void judge(struct member *m, struct parcel *p, bool was_known)
{
    const struct digest *digests =
        &m->parts.digests[layout_part_block(&m->parts.layout, p->number)];
    uint8_t md5[DIGEST_MD5_BYTES];
    bool has_md5 = m->read.md5 != NULL && md5_end(&m->md5, md5);

    m->read.md5 = NULL;
    part_table_begin(&m->parts, p->number);
    if (!was_known) {
        send_or_wait(m, p);
    } else if (known_agrees(&m->known, &m->parts.layout, p->number, digests,
                            has_md5 ? md5 : NULL)) {
        note_part(m, part_table_confirmed(&m->parts, p->number));
        parcel_free(p);
    } else {
        on_different(m, p);
    }
}

/* ---- reading ---- */

static int say_other_size(struct member *m)
{
    struct error err;

    if (!m->o.is_size_sure) {
        m->o.events->object_lost(m->o.ctx);
        ask_again(m, "it is of another size than what is stored of it");
        return -1;
    }
    error_set(&err, ERROR_CORRUPT, 0,
              "the archive does not hold as many bytes of it as it says it does");
    fail(m, &err, true);
    return -1;
}

static int grow(struct member *m)
{
    const struct layout *l = &m->parts.layout;
    uint32_t most = store_limits(m->o.store)->parts_max;
    uint32_t wanted = l->n_parts < PARTS_AT_FIRST ? PARTS_AT_FIRST : 2 * l->n_parts;
    struct error err;

    if (l->n_parts < most && l->size / l->block_size < DIGEST_BLOCKS_MAX) {
        part_table_grow(&m->parts, wanted < most ? wanted : most);
        return 0;
    }
    error_set(&err, ERROR_IO, 0,
              "the archive does not say how large it is, and it is larger than %" PRIu64
              " bytes",
              l->size);
    fail(m, &err, true);
    return -1;
}

/* Is the part as long as it should be?  Now it may show how long the file is. */
static int check_size(struct member *m, const struct parcel *p)
{
    const struct layout *l = &m->parts.layout;

    if (m->is_whole_known) {
        bool fits = p->size == layout_part_bytes(l, p->number) &&
                    m->read.at_end == (p->number == l->n_parts);

        return fits ? 0 : say_other_size(m);
    }
    if (m->read.at_end) {
        m->o.stamp.size = m->bytes_read;
        part_table_end(&m->parts, m->bytes_read);
        m->is_whole_known = true;
    } else if (p->number == l->n_parts) {
        return grow(m);
    }
    return 0;
}

static void on_filled(void *ctx, const struct error *err)
{
    struct member *m = ctx;
    struct parcel *p = m->filling;
    bool was_known = is_known(m, p->number);

    m->filling = NULL;
    m->n_running--;
    m->n_read++;
    digester_end(&m->digester);
    digester_free(&m->digester);
    p->size = m->read.n;
    m->bytes_read += p->size;
    if (err != NULL)
        fail(m, err, true);
    if (is_ending(m) || check_size(m, p) != 0) {
        parcel_free(p);
        advance(m);
        return;
    }
    if (p->size > 0)
        budget_shrink(&p->lease, p->size);
    if (m->read.at_end)
        m->phase = PHASE_SENDING;
    judge(m, p, was_known);
    if (m->read.at_end && !is_ending(m))
        m->o.events->has_read(m->o.ctx);
    advance(m);
}

static void fill(struct member *m)
{
    struct parcel *p = m->filling;
    const struct layout *l = &m->parts.layout;

    m->read = (struct archive_read){.into = p->lease.bytes, .digester = &m->digester};
    digester_init(&m->digester, l->block_size,
                  &m->parts.digests[layout_part_block(l, p->number)]);
    if (is_known(m, p->number) && known_wants_md5(&m->known, l, p->number)) {
        m->read.md5 = &m->md5;
        md5_init(&m->md5);
    }
    archive_reader_read(m->o.reader, &m->read, on_filled, m);
}

static void drop_filling(struct member *m)
{
    parcel_free(m->filling);
    m->filling = NULL;
    m->n_running--;
}

static void on_leased(struct lease *lease, void *ctx)
{
    struct member *m = ctx;

    (void)lease;
    if (!is_ending(m)) {
        fill(m);
        return;
    }
    drop_filling(m);
    advance(m);
}

static int check_memory(struct member *m, uint64_t size)
{
    struct error err;

    if (size <= budget_limit(m->o.budget))
        return 0;
    error_set(&err, ERROR_USAGE, 0,
              "of an archive a part of %" PRIu64 " MiB has to be held in memory: give "
              "--max-memory %" PRIu64 "M",
              size >> 20, (2 * size >> 20) + 1);
    fail(m, &err, false);
    return -1;
}

bool member_step(struct member *m)
{
    struct parcel *p;
    uint64_t size;

    if (m->phase != PHASE_READING || m->filling != NULL || m->waiting != NULL ||
        is_ending(m) || m->parts.digests == NULL)
        return false;
    size = layout_part_bytes(&m->parts.layout, m->n_read + 1);
    if (check_memory(m, size) != 0) {
        advance(m);
        return false;
    }
    p = mem_new(1, sizeof *p);
    p->member = m;
    p->number = m->n_read + 1;
    m->filling = p;
    m->n_running++;
    if (size == 0)
        fill(m);
    else
        budget_take(m->o.budget, &p->lease, (size_t)size, on_leased, m);
    return true;
}

/* ---- the member ---- */

static void fill_note(struct member *m, struct stored_note *note)
{
    const struct layout *l = &m->parts.layout;
    size_t n_blocks = (size_t)digest_block_count(l->size, l->block_size);

    note->stamp = m->o.stamp;
    note->read_at_ns = MEMBER_READ_AT_NS;
    note->hash = n_blocks == 1 ? m->parts.digests[0]
                               : digest_of_blocks(m->parts.digests, n_blocks);
    note->has_hash = true;
    note->etag = m->etag;
    note->block_size = l->block_size;
    if (n_blocks > 1 && m->upload_id[0] == '\0') {
        note->blocks = m->parts.digests; /* else the noted parts have them */
        note->n_blocks = n_blocks;
    }
}

static void on_end(void *ctx)
{
    struct member *m = ctx;
    struct member_outcome outcome = {
        .err = m->err,
        .source_failed = m->source_failed,
        .must_read_again = m->must_read_again,
        .is_unchanged = m->is_unchanged,
    };

    if (m->err.kind == ERROR_NONE && !m->must_read_again)
        fill_note(m, &outcome.note);
    if (m->waiting != NULL)
        parcel_free(m->waiting);
    m->o.events->done(m->o.ctx, &outcome);
    md5_free(&m->md5);
    free(m->upload_id);
    known_free(&m->known);
    part_table_free(&m->parts);
    free(m);
}

/* Compared to the end. */
static void keep_object(struct member *m)
{
    if (known_object_agrees(&m->known, &m->parts.layout)) {
        memcpy(m->etag, m->known.record.etag, sizeof m->etag);
        m->is_unchanged = true;
    } else {
        m->o.events->object_lost(m->o.ctx);
        ask_again(m, "it differs from what is stored of it");
    }
    m->phase = PHASE_ENDING;
}

static void cancel_running(struct member *m)
{
    for (struct parcel *p = m->sending; p != NULL; p = p->next)
        store_cancel(&p->op);
    if (m->op_runs)
        store_cancel(&m->op);
    if (m->filling != NULL && budget_withdraw(&m->filling->lease))
        drop_filling(m);
}

static void advance(struct member *m)
{
    if (m->phase == PHASE_SENDING && !is_ending(m) &&
        part_table_all_stored(&m->parts)) {
        if (m->is_object)
            keep_object(m);
        else if (m->upload_id[0] == '\0')
            m->phase = PHASE_ENDING;
        else
            m->phase = PHASE_COMPLETING;
    }
    if (m->phase == PHASE_COMPLETING && !m->op_runs && !is_ending(m))
        start_op(m, STORE_COMPLETE_UPLOAD, on_completed);
    if (!is_ending(m)) {
        m->o.events->moved(m->o.ctx);
        return;
    }
    m->phase = PHASE_ENDING;
    cancel_running(m);
    if (m->n_running == 0)
        loop_defer(m->o.loop, &m->soon, on_end, m);
}

static void on_started(void *ctx)
{
    struct member *m = ctx;

    m->n_running--;
    if (m->err.kind == ERROR_NONE)
        cut(m);
    advance(m);
}

struct member *member_start(const struct member_options *options,
                            const struct upload_record *known)
{
    struct member *m = mem_new(1, sizeof *m);

    m->o = *options;
    m->upload_id = mem_copy_string("");
    known_init(&m->known, known, store_limits(options->store)->is_local);
    m->n_running = 1; /* on_started */
    loop_defer(m->o.loop, &m->soon, on_started, m);
    return m;
}

void member_cancel(struct member *m)
{
    if (is_ending(m))
        return;
    error_set(&m->err, ERROR_CANCELLED, 0, "cancelled");
    if (m->n_running > 0)
        cancel_running(m);
    if (m->n_running == 0)
        advance(m);
}

uint64_t member_bytes(const struct member *m)
{
    uint64_t bytes = m->parts.bytes_stored;

    for (const struct parcel *p = m->sending; p != NULL; p = p->next)
        bytes += p->size;
    return bytes;
}
