#include "manifest/checkpoint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

/*
 * The checkpoint's thread: a queue of jobs, run in the order of the calls.
 *
 *   loop: call -> job -> queue        thread: pop -> run -> answer -> loop: done()
 *
 * The first write of a job opens a transaction.  It is committed half a second later,
 * after some thousand writes, by a flush or at the end, whichever comes first, so that
 * an fsync is paid for many notes at once.  All SQL is behind checkpoint_row.c and
 * checkpoint_db.c; an error sticks there, and every job behind it is answered with it
 * unrun.
 *
 * Named values are few and small: they are read once and kept, so that checkpoint_get()
 * need not wait for the thread.
 */

struct job *checkpoint_job_new(job_run_fn *run, const char *path, const char *text)
{
    struct job *job = mem_new(1, sizeof *job);

    job->run = run;
    job->path = path != NULL ? mem_copy_string(path) : NULL;
    job->text = text != NULL ? mem_copy_string(text) : NULL;
    return job;
}

static void job_free(struct job *job)
{
    free(job->path);
    free(job->text);
    free(job->blocks);
    free(job->parts);
    free(job->err);
    free(job);
}

void checkpoint_job_start(struct checkpoint *cp, struct job *job,
                          checkpoint_done_fn *done, void *ctx)
{
    job->done = done;
    job->ctx = ctx;
    uv_mutex_lock(&cp->lock);
    assert(!cp->is_closing);
    *cp->last = job;
    cp->last = &job->next;
    cp->n_queued++;
    uv_cond_signal(&cp->wake);
    uv_mutex_unlock(&cp->lock);
}

void checkpoint_job_fail(struct job *job, const struct error *err)
{
    if (job->err != NULL)
        return;
    job->err = mem_new(1, sizeof *job->err);
    *job->err = *err;
}

static void on_answer(void *ctx)
{
    struct job *job = ctx;

    job->done(job->ctx, job->err);
    job_free(job);
}

/* ---- the thread ---- */

/* Wait for a job, or until the transaction is due: NULL then, and at the end. */
static struct job *take_job(struct checkpoint *cp)
{
    uint64_t age_ms = checkpoint_db_age_ms(&cp->db);
    struct job *job;

    uv_mutex_lock(&cp->lock);
    while (cp->first == NULL && !cp->is_closing) {
        if (!cp->db.in_transaction)
            uv_cond_wait(&cp->wake, &cp->lock);
        else if (age_ms >= CHECKPOINT_COMMIT_MS ||
                 uv_cond_timedwait(&cp->wake, &cp->lock,
                                   (CHECKPOINT_COMMIT_MS - age_ms) * 1000000) != 0)
            break;
        age_ms = checkpoint_db_age_ms(&cp->db);
    }
    job = cp->first;
    if (job != NULL) {
        cp->first = job->next;
        if (cp->first == NULL)
            cp->last = &cp->first;
    }
    uv_mutex_unlock(&cp->lock);
    return job;
}

static void run_job(struct checkpoint *cp, struct job *job)
{
    if (!checkpoint_db_has_failed(&cp->db))
        job->run(cp, job);
    checkpoint_rows_breathe(&cp->rows);
    if (checkpoint_db_has_failed(&cp->db)) {
        checkpoint_db_commit(&cp->db); /* rolls back */
        checkpoint_job_fail(job, &cp->db.failure);
    }
    uv_mutex_lock(&cp->lock);
    cp->n_queued--;
    cp->totals = cp->rows.totals;
    uv_mutex_unlock(&cp->lock);
    if (job->done != NULL)
        loop_post(cp->loop, &job->answer, on_answer, job);
    else
        job_free(job);
}

static bool is_at_end(struct checkpoint *cp)
{
    bool is_at_end;

    uv_mutex_lock(&cp->lock);
    is_at_end = cp->is_closing && cp->first == NULL;
    uv_mutex_unlock(&cp->lock);
    return is_at_end;
}

static void on_gone(void *ctx);

static void run_thread(void *arg)
{
    struct checkpoint *cp = arg;

    while (!is_at_end(cp)) {
        struct job *job = take_job(cp);
        bool had_failed = checkpoint_db_has_failed(&cp->db);

        if (job != NULL)
            run_job(cp, job);
        else
            checkpoint_rows_commit(&cp->rows);
        if (!had_failed && checkpoint_db_has_failed(&cp->db))
            log_line(LOG_ERROR, LOG_CHECKPOINT, "%s", cp->db.failure.text);
    }
    checkpoint_rows_commit(&cp->rows);
    stat_cache_close(cp->cache);
    checkpoint_db_close(&cp->db);
    loop_post(cp->loop, &cp->gone, on_gone, cp);
}

/* ---- open and close ---- */

static void free_values(struct checkpoint_value *value)
{
    while (value != NULL) {
        struct checkpoint_value *next = value->next;

        free(value->name);
        free(value->value);
        free(value);
        value = next;
    }
}

/* What is left when thread and data base are gone. */
static void checkpoint_free(struct checkpoint *cp)
{
    file_row_free(&cp->row);
    checkpoint_rows_free(&cp->rows);
    text_free(&cp->merged);
    free_values(cp->values);
    uv_cond_destroy(&cp->wake);
    uv_mutex_destroy(&cp->lock);
    free(cp);
}

static void on_gone(void *ctx)
{
    struct checkpoint *cp = ctx;
    void (*closed)(void *) = cp->closed;
    void *closed_ctx = cp->closed_ctx;

    uv_thread_join(&cp->thread); /* it is in its last statement */
    checkpoint_free(cp);
    closed(closed_ctx);
}

static void add_value(struct checkpoint *cp, const char *name, const char *value)
{
    struct checkpoint_value *v = cp->values;

    while (v != NULL && strcmp(v->name, name) != 0)
        v = v->next;
    if (v == NULL) {
        v = mem_new(1, sizeof *v);
        v->name = mem_copy_string(name);
        v->next = cp->values;
        cp->values = v;
    }
    free(v->value);
    v->value = mem_copy_string(value);
}

static void load_values(struct checkpoint *cp)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_META_LIST);

    while (checkpoint_db_row(&cp->db, s)) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        const char *value = (const char *)sqlite3_column_text(s, 1);

        if (name != NULL && value != NULL)
            add_value(cp, name, value);
    }
}

static int load(struct checkpoint *cp, struct error *err)
{
    checkpoint_rows_open(&cp->rows, &cp->db);
    load_values(cp);
    checkpoint_retry_failures(cp);
    checkpoint_rows_commit(&cp->rows);
    cp->totals = cp->rows.totals;
    if (!checkpoint_db_has_failed(&cp->db))
        return 0;
    checkpoint_db_commit(&cp->db); /* rolls back */
    *err = cp->db.failure;
    return -1;
}

int checkpoint_open(struct checkpoint **out, struct loop *loop, const char *path,
                    bool *lock_works, struct error *err)
{
    struct checkpoint *cp = mem_new(1, sizeof *cp);

    cp->loop = loop;
    cp->last = &cp->first;
    uv_mutex_init(&cp->lock);
    uv_cond_init(&cp->wake);
    if (checkpoint_db_open(&cp->db, path, lock_works, err) != 0) {
        checkpoint_free(cp);
        return -1;
    }
    if (load(cp, err) == 0) {
        int status = uv_thread_create(&cp->thread, run_thread, cp);

        if (status == 0) {
            *out = cp;
            return 0;
        }
        error_errno(err, -status, "the checkpoint's thread");
    }
    checkpoint_db_close(&cp->db);
    checkpoint_free(cp);
    return -1;
}

void checkpoint_close(struct checkpoint *cp, void (*closed)(void *ctx), void *ctx)
{
    cp->closed = closed;
    cp->closed_ctx = ctx;
    uv_mutex_lock(&cp->lock);
    cp->is_closing = true;
    uv_cond_signal(&cp->wake);
    uv_mutex_unlock(&cp->lock);
}

/* ---- values, totals, flush ---- */

char *checkpoint_get(struct checkpoint *cp, const char *name)
{
    char *copy = NULL;

    uv_mutex_lock(&cp->lock);
    for (struct checkpoint_value *v = cp->values; v != NULL && copy == NULL;
         v = v->next)
        if (strcmp(v->name, name) == 0)
            copy = mem_copy_string(v->value);
    uv_mutex_unlock(&cp->lock);
    return copy;
}

static void run_set(struct checkpoint *cp, struct job *job)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_META_SET);

    sqlite3_bind_text(s, 1, job->path, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, job->text, -1, SQLITE_STATIC);
    checkpoint_db_write(&cp->db, s);
}

void checkpoint_set(struct checkpoint *cp, const char *name, const char *value)
{
    uv_mutex_lock(&cp->lock);
    add_value(cp, name, value);
    uv_mutex_unlock(&cp->lock);
    checkpoint_job_start(cp, checkpoint_job_new(run_set, name, value), NULL, NULL);
}

void checkpoint_totals(struct checkpoint *cp, struct checkpoint_totals *out)
{
    uv_mutex_lock(&cp->lock);
    *out = cp->totals;
    uv_mutex_unlock(&cp->lock);
}

size_t checkpoint_backlog(struct checkpoint *cp)
{
    size_t n;

    uv_mutex_lock(&cp->lock);
    n = cp->n_queued;
    uv_mutex_unlock(&cp->lock);
    return n;
}

static void run_flush(struct checkpoint *cp, struct job *job)
{
    (void)job;
    checkpoint_rows_commit(&cp->rows);
}

void checkpoint_flush(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_flush, NULL, NULL), done, ctx);
}

/* ---- what callers were given ---- */

void upload_record_free(struct upload_record *record)
{
    free(record->parts);
    free(record->digests);
    memset(record, 0, sizeof *record);
}

void plan_batch_free(struct plan_batch *batch)
{
    free(batch->items);
    entry_batch_free(&batch->strings);
    memset(batch, 0, sizeof *batch);
}
