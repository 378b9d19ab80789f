/*
 *     added --> what earlier runs know of it --> a member that is read and sent --> noted
 *                                           \--> a twin that is copied ----------/
 *
 * Everything that the store confirms goes to the checkpoint.
 */
#include "transfer/unpack_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/store_impl.h"

/* ---- members ---- */

void unpack_file_drop(struct unpack *u, struct arrival *a)
{
    if (u->current == a)
        unpack_step_over(u);
    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        u->arrivals = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    u->n_arrivals--;
    upload_record_free(&a->known);
    upload_record_free(&a->origin);
    store_op_clear(&a->twin.op);
    text_free(&a->origin_key);
    text_free(&a->path);
    text_free(&a->key);
    free(a);
    unpack_wake(u);
}

static void on_created(void *ctx, const struct upload_note *note)
{
    struct arrival *a = ctx;

    checkpoint_note_upload(a->unpack->o.checkpoint, text_string(&a->path), note);
}

static void on_part_stored(void *ctx, const struct part_record *part)
{
    struct arrival *a = ctx;

    a->unpack->n_parts++;
    checkpoint_note_part(a->unpack->o.checkpoint, text_string(&a->path), part);
}

static void on_upload_gone(void *ctx)
{
    struct arrival *a = ctx;

    checkpoint_note_upload_gone(a->unpack->o.checkpoint, text_string(&a->path));
}

static void on_object_lost(void *ctx)
{
    struct arrival *a = ctx;

    checkpoint_note_lost(a->unpack->o.checkpoint, text_string(&a->path));
}

static void on_moved(void *ctx)
{
    struct arrival *a = ctx;

    unpack_wake(a->unpack);
}

static void on_has_read(void *ctx)
{
    struct arrival *a = ctx;

    unpack_step_over(a->unpack);
    unpack_wake(a->unpack);
}

static void give_up(struct unpack *u, const struct arrival *a, const struct error *err)
{
    checkpoint_note_failed(u->o.checkpoint, text_string(&a->path), err->text);
    u->o.events->failed(u->o.ctx, text_string(&a->path), err);
}

static void on_stored(struct unpack *u, const struct arrival *a,
                      const struct member_outcome *outcome)
{
    checkpoint_note_stored(u->o.checkpoint, text_string(&a->path), &outcome->note);
    u->n_compared += outcome->is_unchanged;
    if (!a->has_size)
        unpack_note_size(u, outcome->note.stamp.size);
    u->o.events->stored(u->o.ctx, text_string(&a->path), outcome->note.stamp.size);
}

static void on_member_failed(struct unpack *u, const struct arrival *a,
                             const struct member_outcome *outcome)
{
    struct error err = outcome->err;

    bool is_blocked = !outcome->source_failed && err.kind == ERROR_CONFLICT;

    if (is_blocked && u->n_readings < UNPACK_READINGS_MAX) {
        u->must_read_again = true; /* what stands in its place may be garbage */
    } else if (is_blocked || (outcome->source_failed && err.kind == ERROR_IO)) {
        give_up(u, a, &err);
    } else if (outcome->source_failed) {
        unpack_fail_by_archive(u, &err, text_string(&a->path));
    } else {
        if (err.kind != ERROR_NETWORK) /* an outage is no file's trouble */
            error_wrap(&err, "%s", text_string(&a->path));
        unpack_fail(u, &err);
    }
}

static void on_member_done(void *ctx, const struct member_outcome *outcome)
{
    struct arrival *a = ctx;
    struct unpack *u = a->unpack;

    if (outcome->must_read_again)
        u->must_read_again = true;
    else if (outcome->err.kind == ERROR_NONE)
        on_stored(u, a, outcome);
    else if (u->err.kind == ERROR_NONE) /* else it is but a consequence */
        on_member_failed(u, a, outcome);
    unpack_file_drop(u, a);
}

static const struct member_events member_events = {
    on_created, on_part_stored, on_upload_gone, on_object_lost,
    on_moved,   on_has_read,    on_member_done};

static void start_member(struct unpack *u)
{
    struct arrival *a = u->current;
    struct member_options options = {
        .loop = u->o.loop,
        .store = u->o.store,
        .budget = u->o.budget,
        .reader = u->reader,
        .path = text_string(&a->path),
        .key = text_string(&a->key),
        .stamp = a->stamp,
        .has_size = a->has_size,
        .is_size_sure = a->is_size_sure,
        .part_size = u->o.part_size,
        .events = &member_events,
        .ctx = a,
    };

    a->member = member_start(&options, &a->known);
    memset(&a->known, 0, sizeof a->known); /* the member's now */
    u->step = STEP_MEMBER;
}

/* ---- hard links ---- */

static void add_key(const struct unpack *u, struct text *key, const char *path)
{
    size_t prefix = store_limits(u->o.store)->key_prefix_bytes + strlen(u->o.prefix);

    text_add(key, u->o.prefix);
    entry_add_key(key, path, prefix);
}

static void note_twin(struct unpack *u, struct arrival *a,
                      const struct stored_note *note)
{
    checkpoint_note_stored(u->o.checkpoint, text_string(&a->path), note);
    u->o.events->stored(u->o.ctx, text_string(&a->path), note->stamp.size);
    unpack_file_drop(u, a);
}

static void on_twin_done(void *ctx, const struct error *err)
{
    struct arrival *a = ctx;
    struct unpack *u = a->unpack;
    struct member_outcome outcome = {0};

    if (err == NULL) {
        note_twin(u, a, &a->twin.note);
        return;
    }
    outcome.err = *err;
    if (u->err.kind == ERROR_NONE && a->twin.op.copy_refused)
        give_up(u, a, err);
    else if (u->err.kind == ERROR_NONE)
        on_member_failed(u, a, &outcome);
    unpack_file_drop(u, a);
}

static void start_twin(struct unpack *u)
{
    struct arrival *a = u->current;
    struct stored_note note;
    struct error err;

    unpack_step_over(u);
    if (twin_is_same(&a->known, &a->origin)) {
        twin_note(&note, &a->origin, &a->stamp, a->known.etag);
        u->n_compared++;
        note_twin(u, a, &note);
    } else if (a->stamp.size > store_limits(u->o.store)->copy_max) {
        error_set(&err, ERROR_IO, 0,
                  "a hard link to %.200s, which is too large for the store to copy",
                  text_string(&u->origin));
        give_up(u, a, &err);
        unpack_file_drop(u, a);
    } else {
        checkpoint_note_lost(u->o.checkpoint, text_string(&a->path));
        a->twin = (struct twin){
            .store = u->o.store,
            .origin_key = text_string(&a->origin_key),
            .key = text_string(&a->key),
            .origin = &a->origin,
            .stamp = a->stamp,
            .done = on_twin_done,
            .ctx = a,
        };
        twin_start(&a->twin);
    }
}

/* ---- what earlier runs know of a file ---- */

void unpack_file_add(struct unpack *u)
{
    struct arrival *a = mem_new(1, sizeof *a);
    bool is_stored = u->planned.state != CHECKPOINT_PLANNED && u->planned.size > 0;

    a->unpack = u;
    text_add(&a->path, text_string(&u->path));
    add_key(u, &a->key, text_string(&u->path));
    a->is_twin = u->is_hard_link;
    if (a->is_twin) {
        add_key(u, &a->origin_key, text_string(&u->origin));
        a->origin = u->origin_record;
        memset(&u->origin_record, 0, sizeof u->origin_record);
    }
    a->is_size_sure = u->planned.has_size;
    a->has_size = a->is_size_sure || is_stored;
    a->stamp = u->entry.stamp;
    a->stamp.size = a->has_size ? u->planned.size : 0;
    a->next = u->arrivals;
    if (a->next != NULL)
        a->next->prev = a;
    u->arrivals = a;
    u->n_arrivals++;
    u->current = a;
}

static void on_known(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    u->step = STEP_START;
    if (err != NULL)
        unpack_fail(u, err);
    unpack_wake(u);
}

/* An upload that was found in the store goes on as one of ours. */
static void on_looked_up(void *ctx, const struct upload_record *found,
                         const struct error *err)
{
    struct unpack *u = ctx;
    struct arrival *a = u->current;
    const struct upload_note note = {
        .upload_id = found->upload_id,
        .part_size = found->part_size,
        .block_size = found->block_size,
        .stamp = a->stamp,
        .parts = found->parts,
        .n_parts = found->n_parts,
    };

    u->lookup = NULL;
    a->known = *found;
    if (err == NULL && found->upload_id[0] != '\0')
        checkpoint_note_upload(u->o.checkpoint, text_string(&a->path), &note);
    on_known(u, err);
}

static void look_up(struct unpack *u)
{
    struct lookup_options options = {
        .loop = u->o.loop,
        .store = u->o.store,
        .key = text_string(&u->current->key),
        .size = u->current->stamp.size,
        .part_size = u->o.part_size,
        .done = on_looked_up,
        .ctx = u,
    };

    u->is_busy = true;
    u->lookup = lookup_start(&options);
}

void unpack_file_learn(struct unpack *u)
{
    struct arrival *a = u->current;

    if (u->planned.state != CHECKPOINT_PLANNED || u->planned.has_upload) {
        u->is_busy = true;
        checkpoint_read_upload(u->o.checkpoint, text_string(&a->path), &a->known,
                               on_known, u);
    } else if (u->o.must_look && a->has_size && !a->is_twin && u->n_readings == 1 &&
               !u->planned.is_again) {
        look_up(u);
    } else {
        u->step = STEP_START;
        unpack_wake(u);
    }
}

/* What is known is here: send it. */
void unpack_file_start(struct unpack *u)
{
    if (u->current->is_twin)
        start_twin(u);
    else
        start_member(u);
}

/* One of the same name is still being sent: it must not come behind this one. */
bool unpack_file_is_under_way(const struct unpack *u, const char *path)
{
    for (const struct arrival *a = u->arrivals; a != NULL; a = a->next)
        if (strcmp(text_string(&a->path), path) == 0)
            return true;
    return false;
}
