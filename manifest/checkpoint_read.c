#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * Reading what is noted: one file's upload or object, all of it as manifest lines, the
 * failures; and holding it against a listing of the store.
 *
 * An object of one block has its digest in the file's row, one of more blocks has
 * parts: those of the upload it came by, or a single one for a plain put.
 */

/* ---- one file ---- */

/* The digest of an object of one block, as the only part of it. */
static void add_only_part(const struct file_row *row, struct upload_record *out)
{
    out->digests = mem_new(1, sizeof *out->digests);
    out->digests[0] = row->hash;
    out->parts = mem_new(1, sizeof *out->parts);
    out->n_parts = 1;
    out->parts[0].number = 1;
    out->parts[0].size = row->object_size;
    out->parts[0].blocks = out->digests;
    out->parts[0].n_blocks = 1;
    memcpy(out->parts[0].etag, out->etag, sizeof out->etag);
    out->part_size = row->object_size;
    out->block_size = row->block_size;
}

static void run_read_upload(struct checkpoint *cp, struct job *job)
{
    struct upload_record *out = job->args.record;
    const struct file_row *row = &cp->row;

    checkpoint_rows_load(&cp->rows, job->path, &cp->row);
    if (!row->exists)
        return;
    checkpoint_upload_load(&cp->rows, row, out);
    if (!row->has_object || !row->has_hash)
        return;
    out->has_object = true;
    out->object_size = row->object_size;
    out->object_hash = row->hash;
    if (row->etag.size < sizeof out->etag)
        memcpy(out->etag, text_string(&row->etag), row->etag.size + 1);
    if (row->upload == 0 &&
        (row->block_size == 0 || row->object_size <= row->block_size))
        add_only_part(row, out);
}

void checkpoint_read_upload(struct checkpoint *cp, const char *path,
                            struct upload_record *out, checkpoint_done_fn *done,
                            void *ctx)
{
    struct job *job = checkpoint_job_new(run_read_upload, path, NULL);

    memset(out, 0, sizeof *out);
    job->args.record = out;
    checkpoint_job_start(cp, job, done, ctx);
}

/* ---- all files ---- */

struct export
{
    struct checkpoint *cp;
    const struct job *job;
    struct text key;
    struct upload_record record;
    struct checkpoint_totals found;
    uint64_t n_missing;
};

static int add_blocks(struct export *x, struct manifest_line *line, struct error *err)
{
    const struct file_row *row = &x->cp->row;
    uint64_t n_blocks = digest_block_count(row->stamp.size, row->block_size);
    size_t n = 0;

    upload_record_free(&x->record);
    checkpoint_upload_load(&x->cp->rows, row, &x->record);
    for (size_t i = 0; i < x->record.n_parts; i++)
        n += x->record.parts[i].n_blocks;
    if (n != n_blocks)
        return error_set(err, ERROR_CORRUPT, 0,
                         "%s: %zu of %llu block digests are known",
                         text_string(&row->path), n, (unsigned long long)n_blocks);
    line->block_size = row->block_size;
    line->blocks = x->record.digests; /* the parts' in order: one run */
    line->n_blocks = n;
    return 0;
}

static int export_file(struct export *x, struct manifest_line *line, struct error *err)
{
    const struct file_row *row = &x->cp->row;

    x->found.files++;
    if (row->state != CHECKPOINT_STORED) {
        if (row->state != CHECKPOINT_FAILED)
            x->n_missing++;
        return 0;
    }
    line->has_hash = row->has_hash;
    line->hash = row->hash;
    if (!row->has_hash)
        line->etag = text_string(&row->etag);
    else if (row->block_size > 0 && row->stamp.size > row->block_size &&
             add_blocks(x, line, err) != 0)
        return -1;
    if (entry_key_is_odd(line->entry.path, x->job->args.export.prefix_bytes)) {
        text_clear(&x->key);
        entry_add_key(&x->key, line->entry.path, x->job->args.export.prefix_bytes);
        line->key = text_string(&x->key);
    }
    return x->job->args.export.each(x->job->args.export.ctx, line, err);
}

static int export_row(struct export *x, struct error *err)
{
    const struct file_row *row = &x->cp->row;
    struct manifest_line line = {
        .entry = {
            .path = text_string(&row->path),
            .target = row->type == ENTRY_SYMLINK ? text_string(&row->target) : NULL,
            .type = row->type,
            .mode = row->mode,
            .stamp = row->stamp,
        }};

    if (row->type == ENTRY_FILE)
        return export_file(x, &line, err);
    if (row->type == ENTRY_DIRECTORY) {
        x->found.directories++;
    } else {
        x->found.symlinks++;
        line.has_hash = true;
        line.hash = digest_of_bytes(line.entry.target, row->target.size);
    }
    return x->job->args.export.each(x->job->args.export.ctx, &line, err);
}

/* Nothing may be missing from a version that is published. */
static int check_whole(const struct export *x, struct error *err)
{
    const struct checkpoint_totals *totals = &x->cp->rows.totals;

    if (x->found.files != totals->files ||
        x->found.directories != totals->directories ||
        x->found.symlinks != totals->symlinks)
        return error_set(err, ERROR_CORRUPT, 0,
                         "checkpoint %s is damaged: it has lost rows", x->cp->db.path);
    if (x->n_missing > 0)
        return error_set(err, ERROR_INTERNAL, 0, "%llu files are not in the store yet",
                         (unsigned long long)x->n_missing);
    return 0;
}

static void run_export(struct checkpoint *cp, struct job *job)
{
    struct export x = {.cp = cp, .job = job};
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FILE_SCAN);
    struct error err;
    int status = 0;

    checkpoint_db_bind_path(s, 1, "");
    while (status == 0 && checkpoint_db_row(&cp->db, s)) {
        checkpoint_rows_take(&cp->rows, s, &cp->row);
        if (cp->row.exists)
            status = export_row(&x, &err);
    }
    sqlite3_reset(s);
    if (status == 0 && !checkpoint_db_has_failed(&cp->db))
        status = check_whole(&x, &err);
    if (status != 0)
        checkpoint_job_fail(job, &err);
    upload_record_free(&x.record);
    text_free(&x.key);
}

void checkpoint_export(struct checkpoint *cp, size_t prefix_bytes,
                       manifest_each_fn *each, void *each_ctx, checkpoint_done_fn *done,
                       void *ctx)
{
    struct job *job = checkpoint_job_new(run_export, NULL, NULL);

    job->args.export.each = each;
    job->args.export.ctx = each_ctx;
    job->args.export.prefix_bytes = prefix_bytes;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_large(struct checkpoint *cp, struct job *job)
{
    struct large_query *q = job->args.large;
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FILE_LARGE);

    checkpoint_db_bind_path(s, 1, q->after);
    checkpoint_db_bind_u64(s, 2, q->above);
    while (q->n < q->most && checkpoint_db_row(&cp->db, s)) {
        checkpoint_rows_take(&cp->rows, s, &cp->row);
        if (!cp->row.exists)
            break;
        q->files[q->n].path = mem_copy_string(text_string(&cp->row.path));
        q->files[q->n++].size = cp->row.stamp.size;
    }
    sqlite3_reset(s);
}

void checkpoint_large(struct checkpoint *cp, struct large_query *query,
                      checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_large, NULL, NULL);

    query->n = 0;
    job->args.large = query;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_failures(struct checkpoint *cp, struct job *job)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_FAILURE_LIST);

    while (checkpoint_db_row(&cp->db, s)) {
        const char *reason = (const char *)sqlite3_column_text(s, 1);
        char *path = mem_copy_bytes(sqlite3_column_blob(s, 0),
                                    (size_t)sqlite3_column_bytes(s, 0));

        job->args.failures.each(job->args.failures.ctx, path,
                                reason != NULL ? reason : "");
        free(path);
    }
}

void checkpoint_failures(struct checkpoint *cp,
                         void (*each)(void *ctx, const char *path, const char *reason),
                         void *each_ctx, checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_failures, NULL, NULL);

    job->args.failures.each = each;
    job->args.failures.ctx = each_ctx;
    checkpoint_job_start(cp, job, done, ctx);
}
