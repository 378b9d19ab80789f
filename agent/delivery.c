/*
 *   [reconcile] -> pipeline -> [reconcile, delete strays] -> done, or once more
 *
 * Where another run, or a power loss, came between, the notes are compared with the
 * store before they are relied upon, and what is missing is sent once more.  Where
 * notes were lost, or a file could not be read, the store may hold objects that no
 * entry has: they go.
 */
#include "agent/delivery.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agent/reconcile.h"
#include "base/log.h"
#include "transfer/pipeline.h"
#include "transfer/source.h"

enum { ROUNDS_MAX = 3 };

static const char must_look[] = "look", must_reconcile[] = "reconcile";

/* ---- marks ---- */

static bool has_mark(struct checkpoint *cp, const char *name)
{
    char *mark = checkpoint_get(cp, name);
    bool has = mark != NULL;

    free(mark);
    return has;
}

void delivery_must_look(struct checkpoint *cp)
{
    checkpoint_set(cp, must_look, "1");
}

void delivery_must_reconcile(struct checkpoint *cp)
{
    checkpoint_set(cp, must_reconcile, "1");
}

/* ---- what the pipeline tells ---- */

static void warn(struct delivery *d, const char *kind, const char *path,
                 const char *message)
{
    d->options->events->warn(d->options->ctx, kind, path, message);
}

static void on_issue(void *ctx, const struct issue *issue)
{
    struct delivery *d = ctx;

    if (issue_is_failure(issue->kind))
        d->n_failed++;
    warn(d, issue_kind_name(issue->kind), issue->path, issue->message);
}

static void on_stored(void *ctx, const char *path, uint64_t size)
{
    (void)ctx;
    log_line(LOG_DEBUG, LOG_SESSION, "stored %s (%" PRIu64 " bytes)", path, size);
}

static void on_failed(void *ctx, const char *path, const struct error *err)
{
    struct delivery *d = ctx;

    d->n_failed++;
    d->options->events->failed(d->options->ctx, path, err);
}

static void on_scanned(void *ctx)
{
    struct delivery *d = ctx;
    struct text message = {0};
    uint64_t outside = d->source == NULL ? 0 : source_links_outside(d->source);

    if (outside == 0)
        return;
    text_add_format(&message,
                    "%" PRIu64 " symbolic link%s to places outside the source: the "
                    "content was taken",
                    outside, outside == 1 ? " leads" : "s lead");
    warn(d, "links_outside", NULL, text_string(&message));
    text_free(&message);
}

static void on_done(void *ctx, const struct error *err)
{
    struct delivery *d = ctx;

    d->is_over = true;
    error_clear(&d->err);
    error_keep_first(&d->err, err);
}

static const struct pipeline_events pipeline_events = {on_issue, on_stored, on_failed,
                                                       on_scanned, on_done};

/* ---- one way over the source ---- */

static int check_interrupt(const struct delivery *d, struct error *err)
{
    if (d->options->agent->signal == 0)
        return 0;
    return error_set(err, ERROR_CANCELLED, 0, "interrupted");
}

static void ask_pipeline(const void *asked, struct pipeline_progress *out)
{
    pipeline_progress(asked, out);
}

static void await_pipeline(struct delivery *d)
{
    const struct delivery_options *o = d->options;
    const struct pipeline_options options = {
        .loop = &o->agent->loop,
        .source = d->source,
        .store = o->agent->store,
        .budget = o->agent->budget,
        .checkpoint = o->checkpoint,
        .prefix = o->prefix,
        .previous = o->previous,
        .part_size = o->part_size,
        .no_copy = o->no_copy,
        .must_look = has_mark(o->checkpoint, must_look),
        .events = &pipeline_events,
        .ctx = d,
    };

    d->is_over = false;
    d->pipeline = pipeline_start(&options);
    report_set_asked(o->report, ask_pipeline, d->pipeline);
    loop_run_until(&o->agent->loop, &d->is_over);
    report_set_asked(o->report, NULL, NULL);
    pipeline_free(d->pipeline);
    d->pipeline = NULL;
}

static void ask_unpack(const void *asked, struct pipeline_progress *out)
{
    unpack_progress(asked, out);
}

static void await_unpack(struct delivery *d)
{
    const struct delivery_options *o = d->options;
    const struct unpack_options options = {
        .loop = &o->agent->loop,
        .source = *o->archive,
        .store = o->agent->store,
        .budget = o->agent->budget,
        .checkpoint = o->checkpoint,
        .prefix = o->prefix,
        .part_size = o->part_size,
        .must_look = has_mark(o->checkpoint, must_look),
        .events = &pipeline_events,
        .ctx = d,
    };

    d->is_over = false;
    d->unpack = unpack_start(&options);
    report_set_asked(o->report, ask_unpack, d->unpack);
    loop_run_until(&o->agent->loop, &d->is_over);
    report_set_asked(o->report, NULL, NULL);
    unpack_free(d->unpack);
    d->unpack = NULL;
}

static int run_source(struct delivery *d, struct error *err)
{
    if (source_open(&d->source, d->options->agent, d->options->source, err) != 0)
        return -1;
    await_pipeline(d);
    source_close(d->source);
    d->source = NULL;
    return 0;
}

static int run_pipeline(struct delivery *d, struct error *err)
{
    struct checkpoint_totals totals;

    d->n_failed = 0;
    if (check_interrupt(d, err) != 0)
        return -1;
    if (d->options->archive != NULL)
        await_unpack(d);
    else if (run_source(d, err) != 0)
        return -1;
    checkpoint_totals(d->options->checkpoint, &totals);
    d->n_failed = totals.files_failed;
    if (d->err.kind == ERROR_NONE)
        return check_interrupt(d, err);
    *err = d->err;
    return -1;
}

void delivery_stop(struct delivery *d)
{
    if (d->pipeline != NULL && !d->is_over)
        pipeline_stop(d->pipeline);
    if (d->unpack != NULL && !d->is_over)
        unpack_stop(d->unpack);
}

/* ---- all of it ---- */

/* Ours was the older record, another run may have thought it dead, and now finds that it
 * is not: it must have noticed before what lies there is looked at. */
static int await_other_run(struct delivery *d, struct error *err)
{
    uint64_t now_ms = loop_boot_ms();

    if (d->look_from_ms <= now_ms)
        return 0;
    warn(d, "not_alone", NULL,
         "for minutes nobody could see that this run is alive; in case another "
         "has begun in its place, publishing waits a minute");
    return agent_pause(d->options->agent, d->look_from_ms - now_ms, err);
}

/* Else what nobody seems to have any more may be wanted by the run that does. */
static bool will_be_published(const struct delivery *d)
{
    return d->n_failed == 0 || d->options->skip_unreadable;
}

/* What stays where it is is not in the store. */
static bool is_doubtful(const struct delivery *d)
{
    if (d->options->no_copy)
        return false;
    return d->n_failed > 0 || has_mark(d->options->checkpoint, must_reconcile) ||
           has_mark(d->options->checkpoint, must_look);
}

int delivery_run(struct delivery *d, const struct delivery_options *options,
                 struct error *err)
{
    const struct reconcile_options reconcile = {options->agent, options->checkpoint,
                                                options->prefix};
    uint64_t n_lost = 0;

    d->options = options;
    if (has_mark(options->checkpoint, must_reconcile) && !options->no_copy &&
        reconcile_objects(&reconcile, &n_lost, err) != 0)
        return -1;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        if (run_pipeline(d, err) != 0 || await_other_run(d, err) != 0)
            return -1;
        if (!is_doubtful(d))
            return 0;
        if (reconcile_objects(&reconcile, &n_lost, err) != 0)
            return -1;
        if (will_be_published(d) && reconcile_strays(&reconcile, err) != 0)
            return -1;
        if (n_lost == 0)
            return 0;
    }
    return error_set(err, ERROR_CORRUPT, 0,
                     "the store loses objects: %" PRIu64
                     " that it had acknowledged are "
                     "not there",
                     n_lost);
}
