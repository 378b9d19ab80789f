/*
 *   RUNNING  scan, feed and jobs side by side
 *      | the plan is complete and all its files are done
 *      v
 *   SWEEPING  what the store holds of files that are no more is deleted
 *      | once more over the plan, if it may have grown behind the feed  --> RUNNING
 *      v
 *   FLUSHING  the checkpoint commits the last notes  --> done
 *
 *   STOPPING  first error or stop: nothing new starts; when all has ended --> FLUSHING
 *
 * The feed hands out the plan's files; a job is one file under way.  Jobs that may have
 * a piece to start wait in the ready queue.  Everything that happens only wakes
 * advance(), which runs once for many news.
 */
#include "transfer/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/feed.h"
#include "transfer/job.h"
#include "transfer/scan.h"
#include "transfer/sweep.h"

enum pipeline_phase {
    PHASE_RUNNING,
    PHASE_SWEEPING,
    PHASE_FLUSHING,
    PHASE_STOPPING,
    PHASE_OVER
};

enum {
    BACKLOG_MAX = 4000,   /* notes that wait for the disk before we pause */
    PASSES_MAX = 3,       /* over the plan, for files whose place was taken */
    OPEN_UPLOADS_MAX = 64 /* files with parts, an open descriptor or a comparison */
};

struct pipeline {
    struct pipeline_options o;
    enum pipeline_phase phase;
    struct error err;
    struct scan *scan;
    bool scan_over;
    struct sweep *sweep;
    struct feed feed;
    bool needs_pass; /* there may be work behind the feed */
    unsigned n_passes;
    struct job *jobs; /* all of them */
    struct job *ready_first, **ready_last;
    unsigned n_jobs, n_preparing, n_large;
    bool is_flushing; /* waiting for the backlog to go down */
    uint64_t n_parts, n_compared;
    struct deferred soon;
    bool is_woken;
};

static void advance(struct pipeline *p);

/* The last call: the pipeline may be freed in it. */
static void deliver(struct pipeline *p)
{
    p->o.events->done(p->o.ctx, p->err.kind == ERROR_NONE ? NULL : &p->err);
}

static void on_woken(void *ctx)
{
    struct pipeline *p = ctx;

    p->is_woken = false;
    if (p->phase == PHASE_OVER)
        deliver(p);
    else
        advance(p);
}

static void wake(struct pipeline *p)
{
    if (p->is_woken || p->phase == PHASE_OVER)
        return;
    p->is_woken = true;
    loop_defer(p->o.loop, &p->soon, on_woken, p);
}

static void on_room(void *ctx)
{
    wake(ctx);
}

static void fail(struct pipeline *p, const struct error *err)
{
    error_keep_first(&p->err, err);
    wake(p);
}

/* ---- the scan ---- */

static void on_issue(void *ctx, const struct issue *issue)
{
    struct pipeline *p = ctx;

    p->o.events->issue(p->o.ctx, issue);
}

static void on_plan_grown(void *ctx)
{
    struct pipeline *p = ctx;

    feed_on_growth(&p->feed, false);
    wake(p);
}

static void on_scan_done(void *ctx, const struct error *err)
{
    struct pipeline *p = ctx;

    p->scan_over = true;
    feed_on_growth(&p->feed, true);
    if (err != NULL)
        fail(p, err);
    else
        p->o.events->scanned(p->o.ctx);
    wake(p);
}

static const struct scan_events scan_events = {on_issue, on_plan_grown, on_scan_done};

/* ---- jobs ---- */

static void make_ready(struct pipeline *p, struct job *j)
{
    if (!j->is_ready) {
        j->is_ready = true;
        j->next_ready = NULL;
        *p->ready_last = j;
        p->ready_last = &j->next_ready;
    }
    wake(p);
}

static struct job *take_ready(struct pipeline *p)
{
    struct job *j = p->ready_first;

    if (j == NULL)
        return NULL;
    p->ready_first = j->next_ready;
    if (p->ready_first == NULL)
        p->ready_last = &p->ready_first;
    j->is_ready = false;
    return j;
}

static void leave_ready(struct pipeline *p, struct job *j)
{
    struct job **link = &p->ready_first;

    if (!j->is_ready)
        return;
    while (*link != j)
        link = &(*link)->next_ready;
    *link = j->next_ready;
    if (*link == NULL)
        p->ready_last = link;
    j->is_ready = false;
}

static void note_prepared(struct pipeline *p, struct job *j)
{
    if (!j->is_preparing)
        return;
    j->is_preparing = false;
    p->n_preparing--;
}

static void remove_job(struct pipeline *p, struct job *j)
{
    note_prepared(p, j);
    leave_ready(p, j);
    p->n_jobs--;
    if (j->is_large)
        p->n_large--;
    *(j->prev == NULL ? &p->jobs : &j->prev->next) = j->next;
    if (j->next != NULL)
        j->next->prev = j->prev;
    wake(p);
}

static void give_up_file(struct pipeline *p, const struct job *j,
                         const struct error *err)
{
    checkpoint_note_failed(p->o.checkpoint, j->path, err->text);
    p->o.events->failed(p->o.ctx, j->path, err);
}

/* What stands in its place may be garbage: then it is gone at the next pass. */
static void on_blocked(struct pipeline *p, const struct job *j, const struct error *err)
{
    if (p->n_passes < PASSES_MAX)
        p->needs_pass = true;
    else
        give_up_file(p, j, err);
}

static void on_refused(struct pipeline *p, const struct job *j, const struct error *err)
{
    struct error wrapped = *err;

    if (err->kind != ERROR_NETWORK) /* an outage is no file's trouble */
        error_wrap(&wrapped, "%s", j->path);
    fail(p, &wrapped);
}

static void on_job_stored(struct pipeline *p, const struct job *j)
{
    p->n_compared += j->is_unchanged;
    p->o.events->stored(p->o.ctx, j->path, j->stamp.size);
}

static void on_job_failed(struct pipeline *p, const struct job *j, enum job_end how,
                          const struct error *err)
{
    if (how == JOB_VANISHED)
        p->needs_pass =
            true; /* when the walk comes by it knows what has become of it */
    else if (how == JOB_UNREADABLE)
        give_up_file(p, j, err);
    else if (how == JOB_BLOCKED)
        on_blocked(p, j, err);
    else if (how == JOB_REFUSED)
        on_refused(p, j, err);
}

static void on_job_ended(void *ctx, struct job *j, enum job_end how,
                         const struct error *err)
{
    struct pipeline *p = ctx;

    if (how == JOB_STORED)
        on_job_stored(p, j);
    else if (p->err.kind == ERROR_NONE) /* else it is but a consequence */
        on_job_failed(p, j, how, err);
    remove_job(p, j);
}

/* It is known by now what it takes. */
static void weigh(struct pipeline *p, struct job *j)
{
    bool is_large = !job_is_light(j);

    if (is_large && !j->is_large)
        p->n_large++;
    if (!is_large && j->is_large)
        p->n_large--;
    j->is_large = is_large;
}

static void on_job_ready(void *ctx, struct job *j)
{
    weigh(ctx, j);
    make_ready(ctx, j);
}

static void on_job_part(void *ctx)
{
    struct pipeline *p = ctx;

    p->n_parts++;
}

static const struct job_events job_events = {on_job_ready, on_job_part, on_job_ended};

static void add_job(struct pipeline *p, const struct plan_item *item)
{
    struct job *j =
        job_start(&p->o, item, feed_is_unconfirmed(&p->feed), &job_events, p);

    j->is_preparing = true;
    p->n_preparing++;
    p->n_jobs++;
    j->is_large = !j->is_small;
    if (j->is_large)
        p->n_large++;
    j->next = p->jobs;
    if (j->next != NULL)
        j->next->prev = j;
    p->jobs = j;
}

/* ---- starting work ---- */

static void on_fed(void *ctx, const struct error *err)
{
    struct pipeline *p = ctx;

    if (err != NULL)
        fail(p, err);
    wake(p);
}

static void on_backlog_flushed(void *ctx, const struct error *err)
{
    struct pipeline *p = ctx;

    p->is_flushing = false;
    if (err != NULL)
        fail(p, err);
    wake(p);
}

/* Wait for the checkpoint when it has fallen behind. */
static bool must_wait(struct pipeline *p)
{
    if (!p->is_flushing && checkpoint_backlog(p->o.checkpoint) > BACKLOG_MAX) {
        p->is_flushing = true;
        checkpoint_flush(p->o.checkpoint, on_backlog_flushed, p);
    }
    return p->is_flushing;
}

static bool start_piece(struct pipeline *p)
{
    struct job *j;

    while ((j = take_ready(p)) != NULL) {
        if (!job_step(j))
            continue; /* nothing at present: it says so when there is */
        note_prepared(p, j);
        make_ready(p, j); /* behind the others: they share the room */
        return true;
    }
    return false;
}

static bool start_job(struct pipeline *p)
{
    const struct plan_item *item;

    if (p->n_large >= OPEN_UPLOADS_MAX || store_room(p->o.store) <= p->n_preparing)
        return false;
    item = feed_take(&p->feed);
    if (item == NULL)
        return false;
    add_job(p, item);
    return true;
}

static void start_work(struct pipeline *p)
{
    while (store_room(p->o.store) > 0 && !must_wait(p))
        if (!start_piece(p) && !start_job(p))
            return;
}

/* ---- the phases ---- */

static void on_flushed(void *ctx, const struct error *err)
{
    struct pipeline *p = ctx;

    error_keep_first(&p->err, err);
    p->phase = PHASE_OVER;
    if (!p->is_woken)
        deliver(p); /* else on_woken() does */
}

static void finish(struct pipeline *p)
{
    p->phase = PHASE_FLUSHING;
    store_on_room(p->o.store, NULL, NULL);
    checkpoint_flush(p->o.checkpoint, on_flushed, p);
}

static void on_swept(void *ctx, const struct error *err)
{
    struct pipeline *p = ctx;

    if (err != NULL)
        fail(p, err); /* it is the sweep's */
    sweep_free(p->sweep);
    p->sweep = NULL;
    wake(p);
}

static void start_sweep(struct pipeline *p)
{
    struct sweep_options options = {
        .store = p->o.store,
        .checkpoint = p->o.checkpoint,
        .prefix = p->o.prefix,
        .done = on_swept,
        .ctx = p,
    };

    p->phase = PHASE_SWEEPING;
    p->sweep = sweep_start(&options);
}

static void after_sweep(struct pipeline *p)
{
    if (!p->needs_pass) {
        finish(p);
        return;
    }
    p->needs_pass = false;
    p->n_passes++;
    feed_rewind(&p->feed);
    p->phase = PHASE_RUNNING;
    wake(p);
}

static void stop_all(struct pipeline *p)
{
    p->phase = PHASE_STOPPING;
    log_line(LOG_INFO, LOG_PIPELINE, "stopping: %s", p->err.text);
    if (!p->scan_over)
        scan_stop(p->scan);
    if (p->sweep != NULL)
        sweep_stop(p->sweep);
    source_stop(p->o.source);
    for (struct job *j = p->jobs; j != NULL; j = j->next)
        job_cancel(j);
}

static bool is_idle(const struct pipeline *p)
{
    return p->n_jobs == 0 && p->scan_over && p->sweep == NULL && !p->is_flushing &&
           !feed_is_asking(&p->feed);
}

/* Do what can be done now.  Calling it once too often is harmless. */
static void advance(struct pipeline *p)
{
    if (p->err.kind != ERROR_NONE && p->phase < PHASE_FLUSHING)
        stop_all(p);
    switch (p->phase) {
    case PHASE_RUNNING:
        start_work(p);
        if (feed_is_over(&p->feed) && is_idle(p))
            start_sweep(p);
        break;
    case PHASE_SWEEPING:
        if (p->sweep == NULL)
            after_sweep(p);
        break;
    case PHASE_STOPPING:
        if (is_idle(p))
            finish(p);
        break;
    case PHASE_FLUSHING:
    case PHASE_OVER:
        break;
    }
}

struct pipeline *pipeline_start(const struct pipeline_options *options)
{
    struct pipeline *p = mem_new(1, sizeof *p);

    p->o = *options;
    p->ready_last = &p->ready_first;
    p->needs_pass = true; /* a resumed plan may grow anywhere */
    feed_init(&p->feed, p->o.checkpoint, on_fed, p);
    store_on_room(p->o.store, on_room, p);
    p->scan = scan_start(p->o.source, p->o.checkpoint, &scan_events, p);
    wake(p);
    return p;
}

void pipeline_stop(struct pipeline *p)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "stopped");
    fail(p, &cancelled);
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    scan_free(p->scan);
    feed_free(&p->feed);
    free(p);
}

void pipeline_progress(const struct pipeline *p, struct pipeline_progress *out)
{
    memset(out, 0, sizeof *out);
    checkpoint_totals(p->o.checkpoint, &out->plan);
    out->scan_done = p->scan_over;
    out->files_in_flight = p->n_jobs;
    out->parts = p->n_parts;
    out->files_compared = p->n_compared;
    for (const struct job *j = p->jobs; j != NULL; j = j->next) {
        out->bytes_in_flight += job_bytes(j);
        if (out->n_files < PIPELINE_FILES_SHOWN && !j->is_small) {
            out->files[out->n_files].path = j->path;
            out->files[out->n_files].bytes = job_bytes(j);
            out->files[out->n_files++].size = j->stamp.size;
        }
    }
}
