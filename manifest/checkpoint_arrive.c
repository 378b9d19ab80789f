#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * Entries in no order: which of them this reading has named stands in a table of its own
 * ("met"), as there is no place in the order up to which it has come.
 *
 *     begin   met is empty
 *     arrive  what is met already stands in the way of what cannot lie beside it
 *     end     rows that are not met go, and so do folders below which something is met
 */

/* ---- what has been met ---- */

static void run_arrive_begin(struct checkpoint *cp, struct job *job)
{
    (void)job;
    checkpoint_begin_walk(cp);
    checkpoint_db_write(&cp->db, checkpoint_db_start(&cp->db, SQL_MET_CLEAR));
}

void checkpoint_arrive_begin(struct checkpoint *cp)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_arrive_begin, NULL, NULL), NULL,
                         NULL);
}

static void add_met(struct checkpoint *cp, const struct entry *e)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_MET_ADD);

    checkpoint_db_bind_path(s, 1, e->path);
    checkpoint_db_bind_u64(s, 2, e->type);
    checkpoint_db_write(&cp->db, s);
}

/* -1: not met. */
static int met_type(struct checkpoint *cp, const char *path, size_t size)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_MET_FIND);
    int type = -1;

    checkpoint_db_bind_bytes(s, 1, path, size);
    if (checkpoint_db_row(&cp->db, s))
        type = (int)checkpoint_db_u64(s, 0);
    sqlite3_reset(s);
    return type;
}

/* All that begins with "path/": '0' is the byte behind '/'. */
static bool has_met_below(struct checkpoint *cp, const char *path)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_MET_BELOW);
    size_t size = strlen(path);
    char *first = mem_copy_bytes(path, size + 1),
         *last = mem_copy_bytes(path, size + 1);
    bool has;

    first[size] = '/';
    last[size] = '/' + 1;
    checkpoint_db_bind_bytes(s, 1, first, size + 1);
    checkpoint_db_bind_bytes(s, 2, last, size + 1);
    has = checkpoint_db_row(&cp->db, s);
    sqlite3_reset(s);
    free(first);
    free(last);
    return has;
}

static bool is_below_file(struct checkpoint *cp, const char *path)
{
    for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/')) {
        int type = met_type(cp, path, (size_t)(p - path));

        if (type >= 0 && type != ENTRY_DIRECTORY)
            return true;
    }
    return false;
}

static bool is_in_the_way(struct checkpoint *cp, const struct entry *e)
{
    return is_below_file(cp, e->path) ||
           (e->type != ENTRY_DIRECTORY && has_met_below(cp, e->path));
}

/* ---- one entry ---- */

static void plan(struct checkpoint *cp, struct entry *e, struct checkpoint_arrival *out)
{
    struct file_row *row = &cp->row;

    out->is_again = met_type(cp, e->path, strlen(e->path)) >= 0;
    checkpoint_rows_load(&cp->rows, e->path, row);
    if (!out->has_size)
        e->stamp.size = row->exists && row->type == e->type ? row->stamp.size : 0;
    if (row->exists)
        checkpoint_merge_entry(cp, row, e);
    else
        checkpoint_add_entry(cp, row, e);
    if (out->is_again &&
        e->type == ENTRY_FILE) { /* whatever it was: this is to be sent */
        checkpoint_upload_forget(&cp->rows, row, false);
        row->state = CHECKPOINT_PLANNED;
        checkpoint_rows_lose_object(&cp->rows, row);
    }
    add_met(cp, e);
    out->state = row->state;
    out->size = row->stamp.size;
    out->has_upload =
        row->state == CHECKPOINT_RECHECK || checkpoint_upload_is_open(&cp->rows, row);
}

static void run_arrive(struct checkpoint *cp, struct job *job)
{
    struct checkpoint_arrival *out = job->args.arrival.out;
    struct entry *e = &job->args.arrival.entry;

    e->path = job->path;
    e->target = job->text;
    out->is_again = out->has_upload = false;
    out->state = CHECKPOINT_PLANNED;
    out->is_blocked = is_in_the_way(cp, e);
    if (!out->is_blocked)
        plan(cp, e, out);
}

void checkpoint_arrive(struct checkpoint *cp, const struct entry *entry,
                       struct checkpoint_arrival *out, checkpoint_done_fn *done,
                       void *ctx)
{
    struct job *job = checkpoint_job_new(run_arrive, entry->path, entry->target);

    job->args.arrival.entry = *entry;
    job->args.arrival.out = out;
    checkpoint_job_start(cp, job, done, ctx);
}

/* ---- the end ---- */

static bool is_gone(struct checkpoint *cp, const struct file_row *row)
{
    const char *path = text_string(&row->path);

    return met_type(cp, path, row->path.size) < 0 ||
           (row->type == ENTRY_DIRECTORY && has_met_below(cp, path));
}

static void run_arrive_end(struct checkpoint *cp, struct job *job)
{
    struct cursor c;

    (void)job;
    checkpoint_cursor_open(&c, cp, "");
    for (; c.row->exists; checkpoint_cursor_advance(&c))
        if (is_gone(cp, c.row))
            checkpoint_rows_drop(&cp->rows, c.row);
    checkpoint_cursor_close(&c);
    cp->is_walking = false;
}

void checkpoint_arrive_end(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_arrive_end, NULL, NULL), done, ctx);
}

static void run_note_refused(struct checkpoint *cp, struct job *job)
{
    checkpoint_rows_set_failure(&cp->rows, job->path, job->text, true);
}

void checkpoint_note_refused(struct checkpoint *cp, const char *path,
                             const char *reason)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_note_refused, path, reason), NULL,
                         NULL);
}
