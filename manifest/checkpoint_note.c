#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * Notes: each loads its file's row, changes it and saves it.  The walk may have gone on
 * meanwhile: an entry may have been dropped (what the store got is garbage then), or
 * planned with a later stamp than the one that was sent (it is to be looked at again).
 *
 *                 note_upload                 note_stored
 *     PLANNED  ----------------->  PLANNED  --------------->  STORED
 *        ^                       with parts                    |  |
 *        |        changed, racy     |                          |  | changed, racy
 *        |                          v     note_stored          |  v  (plan)
 *        |                       RECHECK  <---------------------- RECHECK
 *        +------------------------------------------------------+
 *                   note_lost, note_upload_gone
 */

/* Load the file of a note: false where it is none any more. */
static bool load_file(struct checkpoint *cp, const char *path)
{
    checkpoint_rows_load(&cp->rows, path, &cp->row);
    return cp->row.exists && cp->row.type == ENTRY_FILE;
}

/*
 * The file was sent, or is being sent, with this stamp.  The plan's is older: then this
 * is the news.  Or it is newer, the walk having come by in between: then it stays, and
 * false is returned.  Whatever changes a file sets its ctime to the present; of another
 * file under the same name (a link that leads elsewhere now) the last look counts.  Of
 * what was copied unread the stamp is an earlier plan's: nobody has looked.
 */
static bool adopt_stamp(struct file_row *row, const struct stamp *stamp, bool is_unread)
{
    if (is_unread)
        return stamp_is_same(&row->stamp, stamp);
    if (row->stamp.inode == stamp->inode && row->stamp.ctime_ns > stamp->ctime_ns)
        return false;
    row->stamp = *stamp;
    return true;
}

static struct digest *copy_blocks(const struct digest *blocks, size_t n)
{
    struct digest *copy;

    if (blocks == NULL || n == 0)
        return NULL;
    copy = mem_buffer(n * sizeof *copy);
    memcpy(copy, blocks, n * sizeof *copy);
    return copy;
}

/* Found in the store: they have no blocks. */
static struct part_record *copy_parts(const struct part_record *parts, size_t n)
{
    struct part_record *copy;

    if (n == 0)
        return NULL;
    copy = mem_buffer(n * sizeof *copy);
    memcpy(copy, parts, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i].blocks = NULL;
        copy[i].n_blocks = 0;
    }
    return copy;
}

static void start_note(struct checkpoint *cp, struct job *job)
{
    checkpoint_job_start(cp, job, NULL, NULL);
}

/* ---- uploads ---- */

static void run_note_upload(struct checkpoint *cp, struct job *job)
{
    const struct upload_note *note = &job->args.upload;
    struct file_row *row = &cp->row;

    if (!load_file(cp, job->path)) {
        checkpoint_rows_add_garbage(&cp->rows, job->path, job->text);
        return;
    }
    checkpoint_upload_forget(&cp->rows, row, false);
    checkpoint_rows_remove_garbage(&cp->rows, job->path, job->text);
    checkpoint_upload_add(&cp->rows, row, job->text, note->part_size, note->block_size);
    row->state = adopt_stamp(row, &note->stamp, note->is_unread) ? CHECKPOINT_PLANNED
                                                                 : CHECKPOINT_RECHECK;
    row->read_at_ns = note->read_at_ns;
    row->has_hash = false; /* an older object's: it may be replaced any time now */
    for (size_t i = 0; i < note->n_parts; i++)
        checkpoint_upload_set_part(&cp->rows, row, &note->parts[i]);
    checkpoint_rows_save(&cp->rows, row);
}

void checkpoint_note_upload(struct checkpoint *cp, const char *path,
                            const struct upload_note *note)
{
    struct job *job = checkpoint_job_new(run_note_upload, path, note->upload_id);

    job->args.upload = *note;
    job->args.upload.parts = job->parts = copy_parts(note->parts, note->n_parts);
    start_note(cp, job);
}

static void run_note_part(struct checkpoint *cp, struct job *job)
{
    if (load_file(cp, job->path) && checkpoint_upload_is_open(&cp->rows, &cp->row))
        checkpoint_upload_set_part(&cp->rows, &cp->row, &job->args.part);
}

void checkpoint_note_part(struct checkpoint *cp, const char *path,
                          const struct part_record *part)
{
    struct job *job = checkpoint_job_new(run_note_part, path, NULL);

    job->args.part = *part;
    job->args.part.blocks = job->blocks = copy_blocks(part->blocks, part->n_blocks);
    start_note(cp, job);
}

static void run_note_upload_gone(struct checkpoint *cp, struct job *job)
{
    struct file_row *row = &cp->row;

    if (!load_file(cp, job->path) || !checkpoint_upload_is_open(&cp->rows, row))
        return;
    checkpoint_upload_forget(&cp->rows, row, true);
    if (row->state != CHECKPOINT_FAILED)
        row->state = CHECKPOINT_PLANNED;
    checkpoint_rows_save(&cp->rows, row);
}

void checkpoint_note_upload_gone(struct checkpoint *cp, const char *path)
{
    start_note(cp, checkpoint_job_new(run_note_upload_gone, path, NULL));
}

/* ---- whole files ---- */

/* The digests of the object's blocks: the noted parts hold them, or the note does. */
static void keep_blocks(struct checkpoint *cp, const struct stored_note *note,
                        const char *etag)
{
    struct file_row *row = &cp->row;
    struct part_record whole = {.number = 1, .size = note->stamp.size};

    if (note->blocks == NULL && note->block_size > 0 &&
        note->stamp.size > note->block_size) {
        checkpoint_upload_complete(&cp->rows, row);
        return;
    }
    checkpoint_upload_forget(&cp->rows, row, false);
    if (note->n_blocks <= 1)
        return;
    checkpoint_upload_add(&cp->rows, row, "", note->stamp.size, note->block_size);
    if (strlen(etag) < sizeof whole.etag)
        memcpy(whole.etag, etag, strlen(etag) + 1);
    whole.blocks = note->blocks;
    whole.n_blocks = (uint32_t)note->n_blocks;
    checkpoint_upload_set_part(&cp->rows, row, &whole);
}

static void run_note_stored(struct checkpoint *cp, struct job *job)
{
    const struct stored_note *note = &job->args.stored;
    struct file_row *row = &cp->row;

    if (!load_file(cp, job->path)) {
        checkpoint_rows_add_garbage(&cp->rows, job->path, "");
        return;
    }
    keep_blocks(cp, note, job->text);
    row->has_object = true;
    row->object_size = note->stamp.size;
    row->block_size = note->block_size;
    row->has_hash = note->has_hash;
    row->hash = note->hash;
    row->read_at_ns = note->read_at_ns;
    text_clear(&row->etag);
    text_add(&row->etag, job->text);
    if (adopt_stamp(row, &note->stamp, note->is_unread))
        row->state = CHECKPOINT_STORED;
    else
        row->state = row->has_hash ? CHECKPOINT_RECHECK : CHECKPOINT_PLANNED;
    checkpoint_rows_save(&cp->rows, row);
}

void checkpoint_note_stored(struct checkpoint *cp, const char *path,
                            const struct stored_note *note)
{
    struct job *job =
        checkpoint_job_new(run_note_stored, path, note->etag != NULL ? note->etag : "");

    job->args.stored = *note;
    job->args.stored.etag = NULL; /* job->text has it */
    job->args.stored.blocks = job->blocks = copy_blocks(note->blocks, note->n_blocks);
    start_note(cp, job);
}

static void run_note_failed(struct checkpoint *cp, struct job *job)
{
    if (!load_file(cp, job->path))
        return; /* it has gone meanwhile: nothing is missing */
    checkpoint_rows_set_failure(&cp->rows, job->path, job->text, false);
    cp->row.state = CHECKPOINT_FAILED;
    checkpoint_rows_save(&cp->rows, &cp->row);
}

void checkpoint_note_failed(struct checkpoint *cp, const char *path, const char *reason)
{
    start_note(cp, checkpoint_job_new(run_note_failed, path, reason));
}

static void run_note_lost(struct checkpoint *cp, struct job *job)
{
    if (load_file(cp, job->path))
        checkpoint_rows_lose_object(&cp->rows, &cp->row);
}

void checkpoint_note_lost(struct checkpoint *cp, const char *path)
{
    start_note(cp, checkpoint_job_new(run_note_lost, path, NULL));
}

/* ---- garbage ---- */

static void run_garbage(struct checkpoint *cp, struct job *job)
{
    struct garbage *out = job->args.garbage.out;
    size_t n = 0;
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_GARBAGE_LIST);

    checkpoint_db_bind_u64(s, 1, job->args.garbage.most);
    while (checkpoint_db_row(&cp->db, s)) {
        const char *upload_id = (const char *)sqlite3_column_text(s, 1);

        out[n].upload_id = mem_copy_string(upload_id != NULL ? upload_id : "");
        out[n].path = mem_copy_bytes(sqlite3_column_blob(s, 0),
                                     (size_t)sqlite3_column_bytes(s, 0));
        n++;
    }
    if (n == 0 && job->args.garbage.most > 0)
        cp->rows.has_garbage = false;
    if (!checkpoint_db_has_failed(&cp->db)) {
        *job->args.garbage.n = n;
        return;
    }
    while (n-- > 0) {
        free(out[n].path);
        free(out[n].upload_id);
    }
}

void checkpoint_garbage(struct checkpoint *cp, struct garbage *out, size_t most,
                        size_t *n, checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_garbage, NULL, NULL);

    *n = 0;
    job->args.garbage.out = out;
    job->args.garbage.most = most;
    job->args.garbage.n = n;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_note_garbage_gone(struct checkpoint *cp, struct job *job)
{
    checkpoint_rows_remove_garbage(&cp->rows, job->path, job->text);
    /* The entry came back while its object was being deleted: whatever was put there in
     * between may be gone as well. */
    if (job->text[0] == '\0' && load_file(cp, job->path) && cp->row.has_object)
        checkpoint_rows_lose_object(&cp->rows, &cp->row);
}

void checkpoint_note_garbage_gone(struct checkpoint *cp, const char *path,
                                  const char *upload_id)
{
    start_note(cp, checkpoint_job_new(run_note_garbage_gone, path, upload_id));
}
