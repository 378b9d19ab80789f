#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * A listing of the store, held against the plan.  The listing is collected in a table
 * of its own, in the same file: a folder for temporary files may be memory, and small.
 * Keys below data/ sort as the paths do, so that looking them up in the plan's order
 * runs through the table once.
 */
static void run_seen_begin(struct checkpoint *cp, struct job *job)
{
    (void)job;
    checkpoint_db_write(&cp->db, checkpoint_db_start(&cp->db, SQL_SEEN_CLEAR));
}

void checkpoint_seen_begin(struct checkpoint *cp)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_seen_begin, NULL, NULL), NULL,
                         NULL);
}

static void run_seen(struct checkpoint *cp, struct job *job)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_SEEN_ADD);

    checkpoint_db_bind_path(s, 1, job->path);
    checkpoint_db_bind_u64(s, 2, job->args.seen.size);
    sqlite3_bind_text(s, 3, job->text, -1, SQLITE_STATIC);
    checkpoint_db_write(&cp->db, s);
}

void checkpoint_seen(struct checkpoint *cp, const char *key, uint64_t size,
                     const char *etag)
{
    struct job *job = checkpoint_job_new(run_seen, key, etag != NULL ? etag : "");

    job->args.seen.size = size;
    checkpoint_job_start(cp, job, NULL, NULL);
}

/* Does the store have the object that the row says it has? */
static bool is_seen(struct checkpoint *cp, const struct file_row *row,
                    size_t prefix_bytes)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_SEEN_FIND);
    struct text key = {0};
    bool is_same = false;

    entry_add_key(&key, text_string(&row->path), prefix_bytes);
    checkpoint_db_bind_path(s, 1, text_string(&key));
    if (checkpoint_db_row(&cp->db, s)) {
        const char *etag = (const char *)sqlite3_column_text(s, 1);

        is_same = (uint64_t)sqlite3_column_int64(s, 0) == row->object_size &&
                  (etag == NULL || etag[0] == '\0' || row->etag.size == 0 ||
                   strcmp(etag, text_string(&row->etag)) == 0);
    }
    sqlite3_reset(s);
    text_free(&key);
    return is_same;
}

static bool is_relied_on(const struct file_row *row)
{
    return row->type == ENTRY_FILE && row->has_object &&
           (row->state == CHECKPOINT_STORED ||
            (row->state == CHECKPOINT_RECHECK && row->has_hash));
}

/* What is left at the end belongs to no entry. */
static void strike_off(struct checkpoint *cp, const char *path, size_t prefix_bytes)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_SEEN_REMOVE);
    struct text key = {0};

    entry_add_key(&key, path, prefix_bytes);
    checkpoint_db_bind_path(s, 1, text_string(&key));
    checkpoint_db_write(&cp->db, s);
    text_free(&key);
}

static void run_seen_end(struct checkpoint *cp, struct job *job)
{
    struct cursor c;

    checkpoint_cursor_open(&c, cp, "");
    for (; c.row->exists; checkpoint_cursor_advance(&c)) {
        if (is_relied_on(c.row) && !is_seen(cp, c.row, job->args.seen.prefix_bytes)) {
            checkpoint_rows_lose_object(&cp->rows, c.row);
            ++*job->args.seen.n_lost;
        }
        if (c.row->type == ENTRY_FILE && c.row->state != CHECKPOINT_FAILED)
            strike_off(cp, text_string(&c.row->path), job->args.seen.prefix_bytes);
    }
    checkpoint_cursor_close(&c);
}

void checkpoint_seen_end(struct checkpoint *cp, size_t prefix_bytes, uint64_t *n_lost,
                         checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_seen_end, NULL, NULL);

    *n_lost = 0;
    job->args.seen.n_lost = n_lost;
    job->args.seen.prefix_bytes = prefix_bytes;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_strays(struct checkpoint *cp, struct job *job)
{
    char **out = job->args.strays.out;
    size_t n = 0;
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_SEEN_LIST);

    checkpoint_db_bind_u64(s, 1, job->args.strays.most);
    while (checkpoint_db_row(&cp->db, s))
        out[n++] = mem_copy_bytes(sqlite3_column_blob(s, 0),
                                  (size_t)sqlite3_column_bytes(s, 0));
    sqlite3_reset(s);
    for (size_t i = 0; i < n; i++) {
        s = checkpoint_db_start(&cp->db, SQL_SEEN_REMOVE);
        checkpoint_db_bind_path(s, 1, out[i]);
        checkpoint_db_write(&cp->db, s);
    }
    *job->args.strays.n = n;
}

void checkpoint_strays(struct checkpoint *cp, char **out, size_t most, size_t *n,
                       checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_strays, NULL, NULL);

    *n = 0;
    job->args.strays.out = out;
    job->args.strays.most = most;
    job->args.strays.n = n;
    checkpoint_job_start(cp, job, done, ctx);
}
