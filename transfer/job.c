/*
 *   READING what the previous version has
 *      |   ^
 *      |   +---- the file has changed, or cannot be copied --+
 *      v                                                     |
 *   READING what the checkpoint knows --+                    |
 *      or                               +--> UPLOADING, COPYING --done--> ended
 *   LOOKING at what the store has ------+      or REFERRING
 *
 * Which of these it is shows in `lookup`, `upload`, `copy` and `reference`.
 */
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/copy.h"
#include "transfer/lookup.h"
#include "transfer/reference.h"
#include "transfer/store_impl.h"

/* A file that changes while it is read is read again so often, then given up: by then
 * the walk that has yet to come by would find no better. */
enum { CHANGES_MAX = 3 };

static void end(struct job *j, enum job_end how, const struct error *err)
{
    j->events->ended(j->ctx, j, how, err);
    upload_record_free(&j->known);
    previous_file_free(&j->previous.file);
    text_free(&j->key);
    free(j->path);
    free(j);
}

/* ---- what the upload tells ---- */

static void on_upload_created(void *ctx, const struct upload_note *note)
{
    struct job *j = ctx;

    j->has_upload = true;
    checkpoint_note_upload(j->o->checkpoint, j->path, note);
}

static void on_part_stored(void *ctx, const struct part_record *part)
{
    struct job *j = ctx;

    checkpoint_note_part(j->o->checkpoint, j->path, part);
    j->events->part_stored(j->ctx);
}

static void on_upload_gone(void *ctx)
{
    struct job *j = ctx;

    checkpoint_note_upload_gone(j->o->checkpoint, j->path);
}

static void on_object_lost(void *ctx)
{
    struct job *j = ctx;

    checkpoint_note_lost(j->o->checkpoint, j->path);
}

static void on_found(void *ctx, const struct error *err)
{
    struct job *j = ctx;

    (void)err; /* the checkpoint's: the next note or flush tells it, too */
    upload_found(j->upload, &j->found);
}

static void on_look_for(void *ctx, uint64_t size, const struct digest *first)
{
    struct job *j = ctx;

    checkpoint_previous_like(j->o->checkpoint, size, first, &j->found, on_found, j);
}

static void on_upload_moved(void *ctx)
{
    struct job *j = ctx;

    j->events->ready(j->ctx, j);
}

static void on_upload_done(void *ctx, const struct upload_outcome *outcome);

static const struct upload_events upload_events = {
    on_upload_created, on_part_stored,  on_upload_gone, on_object_lost,
    on_look_for,       on_upload_moved, on_upload_done};

static bool is_untouched(const struct job *j)
{
    const struct previous_file *f = &j->previous.file;

    return f->exists && f->is_settled && stamp_is_same(&f->stamp, &j->stamp);
}

static bool must_refer(const struct job *j)
{
    return j->o->no_copy;
}

/* What is to be compared with the bytes is read. */
static bool must_copy(const struct job *j)
{
    return !j->must_send && !j->must_compare && source_can_copy(j->o->source);
}

static void start_upload(struct job *j)
{
    const struct delta delta = {j->previous.file, j->previous.may_have_moved,
                                is_untouched(j)};
    struct upload_options options = {
        .loop = j->o->loop,
        .store = j->o->store,
        .source = j->o->source,
        .budget = j->o->budget,
        .path = j->path,
        .key = text_string(&j->key),
        .stamp = j->stamp,
        .must_compare = j->must_compare,
        .part_size = j->o->part_size,
        .is_data = true,
        .previous = j->o->previous,
        .events = &upload_events,
        .ctx = j,
    };

    if (must_refer(j))
        j->reference = reference_start(&options);
    else if (must_copy(j))
        j->copy = copy_start(&options, &j->known);
    else
        j->upload = upload_start(&options, &j->known, &delta);
    memset(&j->known, 0, sizeof j->known); /* the upload's now */
    memset(&j->previous, 0, sizeof j->previous);
}

/* ---- what earlier runs know ---- */

static void on_known(void *ctx, const struct error *err)
{
    struct job *j = ctx;

    if (err != NULL)
        end(j, JOB_REFUSED, err);
    else if (j->is_cancelled)
        end(j, JOB_CANCELLED, NULL);
    else
        start_upload(j);
}

/* An upload that was found in the store goes on as one of ours. */
static void on_looked_up(void *ctx, const struct upload_record *found,
                         const struct error *err)
{
    struct job *j = ctx;
    const struct upload_note note = {
        .upload_id = found->upload_id,
        .part_size = found->part_size,
        .block_size = found->block_size,
        .stamp = j->stamp,
        .parts = found->parts,
        .n_parts = found->n_parts,
    };

    j->lookup = NULL;
    j->known = *found;
    j->must_compare = true;
    if (err == NULL && found->upload_id[0] != '\0') {
        j->has_upload = true;
        checkpoint_note_upload(j->o->checkpoint, j->path, &note);
    }
    on_known(j, err);
}

static void look_up(struct job *j)
{
    struct lookup_options options = {
        .loop = j->o->loop,
        .store = j->o->store,
        .key = text_string(&j->key),
        .size = j->stamp.size,
        .part_size = j->o->part_size,
        .done = on_looked_up,
        .ctx = j,
    };

    j->lookup = lookup_start(&options);
}

static void read_known(struct job *j)
{
    if (j->has_upload || j->must_compare)
        checkpoint_read_upload(j->o->checkpoint, j->path, &j->known, on_known, j);
    else if (j->o->must_look && j->n_changes == 0 && !must_refer(j) && !must_copy(j))
        look_up(j);
    else
        start_upload(j);
}

/* ---- what the previous version has ---- */

static void on_previous(void *ctx, const struct error *err)
{
    struct job *j = ctx;

    if (err != NULL || j->is_cancelled)
        on_known(j, err);
    else
        read_known(j);
}

/* What earlier runs, or earlier attempts of this one, know of the file comes first. */
static void begin(struct job *j)
{
    j->upload = NULL;
    j->copy = NULL;
    j->reference = NULL;
    if (j->o->previous != NULL && !must_refer(j) && !must_copy(j))
        checkpoint_previous_at(j->o->checkpoint, j->path, j->stamp.size, &j->previous,
                               on_previous, j);
    else
        read_known(j);
}

/* ---- the end ---- */

/* The file is another than the one we began with: once more, keeping what still fits.
 */
static void begin_anew(struct job *j, const struct upload_outcome *outcome)
{
    j->stamp = outcome->stamp;
    j->must_compare = j->has_upload;
    begin(j);
}

/* Nobody answers there, or takes our keys: that is no file's trouble. */
static bool is_of_whole_source(const struct error *err)
{
    return err->kind == ERROR_NETWORK || err->kind == ERROR_EXPIRED;
}

static void on_source_failed(struct job *j, const struct upload_outcome *outcome)
{
    bool has_changed = outcome->err.kind == ERROR_CHANGED;

    if (has_changed && ++j->n_changes <= CHANGES_MAX)
        begin_anew(j, outcome);
    else if (is_of_whole_source(&outcome->err))
        end(j, JOB_REFUSED, &outcome->err);
    else if (j->is_unconfirmed && !has_changed)
        end(j, JOB_VANISHED, &outcome->err);
    else
        end(j, JOB_UNREADABLE, &outcome->err);
}

/* Parts that were copied have no digests: they are compared by their ETags. */
static void send_instead(struct job *j, const struct error *why)
{
    log_line(LOG_INFO, LOG_UPLOAD, "%s: its bytes are sent: %s", j->path, why->text);
    j->must_send = true;
    j->must_compare = j->has_upload;
    begin(j);
}

static void on_upload_done(void *ctx, const struct upload_outcome *outcome)
{
    struct job *j = ctx;

    if (outcome->err.kind == ERROR_NONE) {
        checkpoint_note_stored(j->o->checkpoint, j->path, &outcome->note);
        j->stamp = outcome->note.stamp;
        j->is_unchanged = outcome->is_unchanged;
        end(j, JOB_STORED, NULL);
    } else if (j->is_cancelled || outcome->err.kind == ERROR_CANCELLED) {
        end(j, JOB_CANCELLED, NULL);
    } else if (outcome->is_refused) {
        send_instead(j, &outcome->err);
    } else if (outcome->source_failed) {
        on_source_failed(j, outcome);
    } else {
        end(j, outcome->err.kind == ERROR_CONFLICT ? JOB_BLOCKED : JOB_REFUSED,
            &outcome->err);
    }
}

/* It takes one request, and little memory. */
static bool is_brief(const struct job *j)
{
    if (must_refer(j))
        return true;
    if (must_copy(j))
        return copy_is_single(j->o->store, j->stamp.size);
    return !j->o->must_look && j->stamp.size <= STORE_CHUNK;
}

struct job *job_start(const struct pipeline_options *options,
                      const struct plan_item *item, bool is_unconfirmed,
                      const struct job_events *events, void *ctx)
{
    struct job *j = mem_new(1, sizeof *j);
    size_t prefix = store_limits(options->store)->key_prefix_bytes;

    j->o = options;
    j->events = events;
    j->ctx = ctx;
    j->path = mem_copy_string(item->entry.path);
    text_add(&j->key, options->prefix);
    entry_add_key(&j->key, j->path, prefix + strlen(options->prefix));
    j->stamp = item->entry.stamp;
    j->is_unconfirmed = is_unconfirmed;
    j->must_compare = item->state == CHECKPOINT_RECHECK;
    j->has_upload = item->has_upload;
    j->is_small = !j->has_upload && !j->must_compare && is_brief(j);
    begin(j);
    return j;
}

bool job_step(struct job *j)
{
    if (j->copy != NULL)
        return copy_step(j->copy);
    return j->upload != NULL && upload_step(j->upload); /* it may begin anew */
}

void job_cancel(struct job *j)
{
    j->is_cancelled = true;
    if (j->upload != NULL)
        upload_cancel(j->upload);
    else if (j->copy != NULL)
        copy_cancel(j->copy);
    else if (j->lookup != NULL)
        lookup_cancel(j->lookup);
}

bool job_is_light(const struct job *j)
{
    return j->upload == NULL ? j->is_small : upload_is_light(j->upload);
}

uint64_t job_bytes(const struct job *j)
{
    uint64_t bytes = 0, size;

    if (j->copy != NULL)
        return copy_progress(j->copy);
    if (j->upload != NULL)
        upload_progress(j->upload, &bytes, &size);
    return bytes;
}
