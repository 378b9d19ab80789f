#ifndef MANIFEST_CHECKPOINT_IMPL_H
#define MANIFEST_CHECKPOINT_IMPL_H

#include "manifest/checkpoint.h"
#include "manifest/checkpoint_db.h"
#include "manifest/checkpoint_previous.h"
#include "manifest/checkpoint_row.h"
#include "manifest/checkpoint_upload.h"
#include "manifest/stat_cache.h"

/*
 * Private to the checkpoint: its thread and the jobs that the calls of checkpoint.h
 * become. A new call is a run function and a few lines that fill a job.
 */
struct job;
typedef void job_run_fn(struct checkpoint *cp, struct job *job); /* on the thread */

struct job {
    struct job *next;
    job_run_fn *run;
    checkpoint_done_fn *done; /* NULL: a note */
    void *ctx;
    struct deferred answer;
    struct error *err; /* of this job only; NULL: none */

    /* Copies, which go with the job; NULL where it has none. */
    char *path;
    char *text;
    struct digest *blocks;
    struct part_record *parts;

    union {
        const struct entry_batch *batch;
        struct {
            struct plan_batch *out;
            size_t most;
        } next;
        struct upload_record *record;
        struct upload_note upload;
        struct part_record part;
        struct stored_note stored;
        struct {
            struct garbage *out;
            size_t most;
            size_t *n;
        } garbage;
        struct {
            manifest_each_fn *each;
            void *ctx;
            size_t prefix_bytes;
        } export;
        struct {
            void (*each)(void *ctx, const char *path, const char *reason);
            void *ctx;
        } failures;
        struct {
            char **out;
            size_t most;
            size_t *n;
        } strays;
        struct large_query *large;
        struct {
            struct entry entry; /* path and target are the job's */
            struct checkpoint_arrival *out;
        } arrival;
        struct {
            uint64_t *n_lost;
            size_t prefix_bytes;
            uint64_t size;
        } seen;
        struct {
            const struct manifest_line *lines;
            size_t n_lines;
        } lines;
        struct {
            struct previous_answer *out;
            uint64_t size;
        } at;
        struct {
            struct previous_file *out;
            uint64_t size;
            struct digest first;
        } like;
    } args;
};

struct checkpoint_value { /* of checkpoint_get() and checkpoint_set() */
    struct checkpoint_value *next;
    char *name, *value;
};

struct checkpoint {
    struct loop *loop;
    uv_thread_t thread;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct deferred gone;

    /* Guarded by lock. */
    uv_mutex_t lock;
    uv_cond_t wake;
    struct job *first, **last;
    size_t n_queued;
    bool is_closing;
    struct checkpoint_totals totals;
    struct checkpoint_value *values;

    /* The thread's. */
    struct checkpoint_db db;
    struct checkpoint_rows rows;
    struct file_row row; /* of whichever job runs */
    bool is_walking;
    struct text merged;       /* the walk has passed by here; "" at its start */
    struct stat_cache *cache; /* while the previous version is filled in, or NULL */
    bool is_cache_of_version;
};

/* path and text (either may be NULL) are copied. */
struct job *checkpoint_job_new(job_run_fn *run, const char *path, const char *text);
void checkpoint_job_start(struct checkpoint *cp, struct job *job,
                          checkpoint_done_fn *done, void *ctx);
void checkpoint_job_fail(struct job *job, const struct error *err);

/* All files behind a path, in order; one cursor at a time. */
struct cursor {
    struct file_row *row; /* row->exists: the row it stands on, else it is at the end */

    struct checkpoint *cp; /* from here on private */
    struct text after;
    sqlite3_stmt *s;
    unsigned n_rows;   /* since the statement was started */
    uint64_t n_writes; /* of the data base at that time */
};
void checkpoint_cursor_open(struct cursor *c, struct checkpoint *cp, const char *after);
void checkpoint_cursor_advance(struct cursor *c);
void checkpoint_cursor_close(struct cursor *c);

/* ---- checkpoint_plan.c: one entry into the plan ---- */

/* A walk or a reading begins: it will name again what it cannot read. */
void checkpoint_begin_walk(struct checkpoint *cp);

/* row is a new one, or that of the same path. */
void checkpoint_add_entry(struct checkpoint *cp, struct file_row *row,
                          const struct entry *e);
void checkpoint_merge_entry(struct checkpoint *cp, struct file_row *row,
                            const struct entry *e);

/* Plan again what could not be read in an earlier run. */
void checkpoint_retry_failures(struct checkpoint *cp);

#endif
