#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * The walk and the plan are two streams in one order: a merge of them needs no memory
 * but the place where the last batch ended.
 *
 *     walk   a   c d   f          a: same        b: dropped     c: same
 *     plan   a b c   e f          d: added       e: dropped     f: same or changed
 *
 * Where the plan has no rows behind a batch (the first run) the cursor is at its end at
 * once and the merge is a plain append.
 */
enum { NEXT_BYTES = 256 << 10 };

/* Drop the rows before path (NULL: all there are). */
static void drop_before(struct cursor *c, const char *path)
{
    while (c->row->exists &&
           (path == NULL || strcmp(text_string(&c->row->path), path) < 0)) {
        checkpoint_rows_drop(&c->cp->rows, c->row);
        checkpoint_cursor_advance(c);
    }
}

/* ---- the merge ---- */

static void copy_entry(struct file_row *row, const struct entry *e)
{
    row->type = e->type;
    row->stamp = e->stamp;
    row->mode = e->mode;
    text_clear(&row->target);
    if (e->target != NULL)
        text_add(&row->target, e->target);
}

void checkpoint_add_entry(struct checkpoint *cp, struct file_row *row,
                          const struct entry *e)
{
    row->exists = false;
    text_clear(&row->path);
    text_add(&row->path, e->path);
    text_clear(&row->etag);
    copy_entry(row, e);
    row->state = e->type == ENTRY_FILE ? CHECKPOINT_PLANNED : CHECKPOINT_STORED;
    row->read_at_ns = 0;
    row->has_object = row->has_hash = false;
    row->object_size = row->block_size = 0;
    row->upload = 0;
    if (e->type == ENTRY_FILE) /* an object there will be written over */
        checkpoint_rows_remove_garbage(&cp->rows, e->path, "");
    checkpoint_rows_save(&cp->rows, row);
}

/* What becomes of a file that may not be what was read of it. */
static enum checkpoint_state state_of_doubt(struct checkpoint *cp,
                                            const struct file_row *row)
{
    bool has_digests =
        (row->has_object && row->has_hash) || checkpoint_upload_is_open(&cp->rows, row);

    return has_digests ? CHECKPOINT_RECHECK : CHECKPOINT_PLANNED;
}

static void merge_file(struct checkpoint *cp, struct file_row *row,
                       const struct entry *e)
{
    bool is_same = stamp_is_same(&row->stamp, &e->stamp);
    bool is_in_doubt = !is_same;

    if (row->state == CHECKPOINT_STORED ||
        (row->state == CHECKPOINT_PLANNED && row->upload != 0))
        is_in_doubt = is_in_doubt || file_row_is_racy(&e->stamp, row->read_at_ns);
    if (!is_in_doubt && row->mode == e->mode)
        return;
    if (is_in_doubt && row->state != CHECKPOINT_RECHECK &&
        row->state != CHECKPOINT_FAILED) /* in this run it is not tried again */
        row->state = state_of_doubt(cp, row);
    copy_entry(row, e);
    checkpoint_rows_save(&cp->rows, row);
}

void checkpoint_merge_entry(struct checkpoint *cp, struct file_row *row,
                            const struct entry *e)
{
    const char *target = e->target != NULL ? e->target : "";

    if (row->type != e->type) {
        checkpoint_rows_drop(&cp->rows, row);
        checkpoint_add_entry(cp, row, e);
    } else if (e->type == ENTRY_FILE) {
        merge_file(cp, row, e);
    } else if (!stamp_is_same(&row->stamp, &e->stamp) || row->mode != e->mode ||
               strcmp(text_string(&row->target), target) != 0) {
        copy_entry(row, e);
        checkpoint_rows_save(&cp->rows, row);
    }
}

static int check_order(const struct entry_batch *batch, const char *before,
                       struct error *err)
{
    for (size_t i = 0; i < batch->n_entries; i++) {
        if (strcmp(before, batch->entries[i].path) >= 0)
            return error_set(err, ERROR_INTERNAL, 0, "the walk is out of order at %s",
                             batch->entries[i].path);
        before = batch->entries[i].path;
    }
    return 0;
}

static void note_issues(struct checkpoint *cp, const struct entry_batch *batch)
{
    for (size_t i = 0; i < batch->n_issues; i++) {
        const struct issue *issue = &batch->issues[i];

        if (issue->kind == ISSUE_UNREADABLE || issue->kind == ISSUE_NOT_LISTED)
            checkpoint_rows_set_failure(&cp->rows, issue->path, issue->message, true);
    }
}

void checkpoint_begin_walk(struct checkpoint *cp)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FAILURE_CLEAR_WALK);

    cp->is_walking = true;
    if (cp->rows.totals.files_failed > 0)
        cp->rows.totals.files_failed -= (uint64_t)checkpoint_db_write(&cp->db, s);
}

static void run_plan(struct checkpoint *cp, struct job *job)
{
    const struct entry_batch *batch = job->args.batch;
    struct file_row added = {0};
    struct cursor c;
    struct error err;

    if (check_order(batch, text_string(&cp->merged), &err) != 0) {
        checkpoint_job_fail(job, &err);
        return;
    }
    if (!cp->is_walking)
        checkpoint_begin_walk(cp);
    note_issues(cp, batch);
    checkpoint_cursor_open(&c, cp, text_string(&cp->merged));
    for (size_t i = 0; i < batch->n_entries; i++) {
        const struct entry *e = &batch->entries[i];

        drop_before(&c, e->path);
        if (c.row->exists && strcmp(text_string(&c.row->path), e->path) == 0) {
            checkpoint_merge_entry(cp, c.row, e);
            checkpoint_cursor_advance(&c);
        } else {
            checkpoint_add_entry(cp, &added, e);
        }
    }
    checkpoint_cursor_close(&c);
    file_row_free(&added);
    if (batch->n_entries > 0) {
        text_clear(&cp->merged);
        text_add(&cp->merged, batch->entries[batch->n_entries - 1].path);
    }
}

void checkpoint_plan(struct checkpoint *cp, const struct entry_batch *batch,
                     checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_plan, NULL, NULL);

    job->args.batch = batch;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_plan_end(struct checkpoint *cp, struct job *job)
{
    struct cursor c;

    (void)job;
    if (!cp->is_walking)
        checkpoint_begin_walk(cp); /* of nothing at all */
    checkpoint_cursor_open(&c, cp, text_string(&cp->merged));
    drop_before(&c, NULL);
    checkpoint_cursor_close(&c);
    text_clear(&cp->merged);
    cp->is_walking = false;
}

void checkpoint_plan_end(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_plan_end, NULL, NULL), done, ctx);
}

/* The path of the first failure, in `path`. */
static bool first_failure(struct checkpoint *cp, struct text *path)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FAILURE_LIST);
    bool is_there = checkpoint_db_row(&cp->db, s);

    if (is_there)
        checkpoint_db_text(s, 0, path);
    sqlite3_reset(s);
    return is_there;
}

void checkpoint_retry_failures(struct checkpoint *cp)
{
    struct text path = {0};

    while (first_failure(cp, &path)) {
        checkpoint_rows_load(&cp->rows, text_string(&path), &cp->row);
        if (cp->row.exists && cp->row.state == CHECKPOINT_FAILED) {
            cp->row.state = state_of_doubt(cp, &cp->row);
            checkpoint_rows_save(&cp->rows, &cp->row); /* and the failure is gone */
        } else {
            checkpoint_rows_remove_failure(&cp->rows, text_string(&path), true);
        }
        checkpoint_rows_breathe(&cp->rows);
    }
    text_free(&path);
}

/* ---- what is to be done ---- */

static void add_item(struct checkpoint *cp, struct plan_batch *out)
{
    const struct file_row *row = &cp->row;
    struct plan_item *item = &out->items[out->n_items++];
    const struct entry entry = {
        .path = text_string(&row->path),
        .type = row->type,
        .mode = row->mode,
        .stamp = row->stamp,
    };

    item->has_upload =
        row->state == CHECKPOINT_RECHECK || checkpoint_upload_is_open(&cp->rows, row);
    item->state = row->state;
    if (item->has_upload && file_row_is_racy(&row->stamp, row->read_at_ns))
        item->state = CHECKPOINT_RECHECK; /* the walk has not been here yet */
    entry_batch_add(&out->strings, &entry);
    item->entry = out->strings.entries[out->strings.n_entries - 1];
}

static void run_next(struct checkpoint *cp, struct job *job)
{
    struct plan_batch *out = job->args.next.out;
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FILE_NEXT);
    size_t room = 0, n_bytes = 0;

    plan_batch_free(out);
    checkpoint_db_bind_path(s, 1, job->path);
    while (out->n_items < job->args.next.most && n_bytes < NEXT_BYTES &&
           checkpoint_db_row(&cp->db, s)) {
        checkpoint_rows_take(&cp->rows, s, &cp->row);
        if (!cp->row.exists)
            break;
        if (out->n_items == room) {
            room = room > 0 ? 2 * room : 64;
            out->items = mem_resize(out->items, room, sizeof *out->items);
        }
        add_item(cp, out);
        n_bytes += sizeof *out->items + cp->row.path.size;
    }
    sqlite3_reset(s);
}

void checkpoint_next(struct checkpoint *cp, const char *after, size_t most,
                     struct plan_batch *out, checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_next, after, NULL);

    job->args.next.most = most;
    job->args.next.out = out;
    checkpoint_job_start(cp, job, done, ctx);
}
