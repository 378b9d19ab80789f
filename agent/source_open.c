/*
 * A local tree is opened on a worker: that reads its root.  Walking waits for each batch
 * by running the loop; a signal meanwhile stops what it waits for.
 */
#include "agent/source_open.h"

struct opening {
    struct source **out;
    struct agent *agent;
    const struct walk_options *options;
    struct error err;
};

/* It reads the root folder, and the list of --files-from. */
static void open_work(void *ctx)
{
    struct opening *o = ctx;

    source_open_tree(o->out, &o->agent->loop, o->options, &o->err);
}

int source_open(struct source **out, struct agent *a, const struct source_open *options,
                struct error *err)
{
    struct opening opening = {.out = out, .agent = a, .options = &options->walk};

    switch (options->kind) {
    case PLACE_LOCAL:
        agent_work(a, open_work, &opening);
        break;
    case PLACE_S3:
        *out = source_open_s3(&a->loop, &options->s3);
        break;
    case PLACE_BROWSER:
        source_open_socket(out, &a->loop, options->socket, options->socket_events,
                           options->socket_ctx, &opening.err);
        break;
    case PLACE_HTTP:
        error_set(&opening.err, ERROR_INTERNAL, 0, "no such source");
        break;
    }
    *err = opening.err;
    return err->kind == ERROR_NONE ? 0 : -1;
}

/* ---- entry by entry ---- */

struct asking {
    struct source_walk *walk;
    bool is_over;
};

static void on_batch(struct source_op *op, void *ctx)
{
    struct asking *asking = ctx;

    asking->walk->is_at_end = op->at_end;
    asking->is_over = true;
}

static void stop(void *ctx)
{
    source_stop(ctx);
}

static int next_batch(struct source_walk *w, struct error *err)
{
    struct asking asking = {.walk = w};
    struct source_op op = {0};

    if (w->agent->signal != 0)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    w->agent->on_interrupt = stop;
    w->agent->interrupt_ctx = w->source;
    source_next(w->source, &op, &w->batch, on_batch, &asking);
    loop_run_until(&w->agent->loop, &asking.is_over);
    w->agent->on_interrupt = NULL;
    w->next = 0;
    if (op.err.kind != ERROR_NONE) {
        *err = op.err;
        return -1;
    }
    for (size_t i = 0; i < w->batch.n_issues && w->issue != NULL; i++)
        w->issue(w->ctx, &w->batch.issues[i]);
    return 0;
}

const struct entry *source_walk_next(struct source_walk *w, struct error *err)
{
    while (w->next == w->batch.n_entries)
        if (w->is_at_end || next_batch(w, err) != 0)
            return NULL;
    return &w->batch.entries[w->next++];
}

void source_walk_end(struct source_walk *w)
{
    source_close(w->source);
    entry_batch_free(&w->batch);
    w->source = NULL;
}
