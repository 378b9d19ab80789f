/*
 * Two sorted streams side by side: for each batch of the manifest a worker takes as
 * many entries from the walk.  The first difference ends it.
 */
#include "agent/same_tree.h"

#include <string.h>

#include "agent/contents.h"
#include "agent/gauge.h"

struct comparison {
    struct agent *agent;
    const struct walk_options *source;
    struct walk *walk;
    struct entry_batch found;
    size_t next;
    bool is_at_end, is_different;
    const struct contents_batch *batch; /* NULL: the manifest has ended */
    struct work work;
    contents_done_fn *done;
    void *done_ctx;
    struct error err;
};

/* What a new upload would stumble over; other issues are as they were then. */
static bool has_unreadable(const struct entry_batch *found)
{
    for (size_t i = 0; i < found->n_issues; i++)
        if (found->issues[i].kind == ISSUE_UNREADABLE ||
            found->issues[i].kind == ISSUE_NOT_LISTED)
            return true;
    return false;
}

/* The next entry of the walk, NULL at its end.  On a worker. */
static const struct entry *next_entry(struct comparison *c)
{
    while (c->next == c->found.n_entries) {
        if (c->is_at_end || walk_next(c->walk, &c->found, &c->is_at_end, &c->err) != 0)
            return NULL;
        c->next = 0;
        c->is_different |= has_unreadable(&c->found);
    }
    return &c->found.entries[c->next++];
}

static bool is_same(const struct entry *a, const struct entry *b)
{
    if (a == NULL || strcmp(a->path, b->path) != 0 || a->type != b->type)
        return false;
    if (a->type == ENTRY_SYMLINK)
        return strcmp(a->target, b->target) == 0;
    return a->type == ENTRY_DIRECTORY ||
           (a->stamp.size == b->stamp.size && a->stamp.mtime_ns == b->stamp.mtime_ns &&
            a->mode == b->mode);
}

static void open_work(void *ctx)
{
    struct comparison *c = ctx;

    walk_open(&c->walk, c->source, &c->err);
}

static void compare_work(void *ctx)
{
    struct comparison *c = ctx;

    for (size_t i = 0; i < c->batch->n_lines && !c->is_different; i++)
        c->is_different |= !is_same(next_entry(c), &c->batch->lines[i].entry);
}

static void end_work(void *ctx)
{
    struct comparison *c = ctx;

    if (!c->is_different)
        c->is_different |= next_entry(c) != NULL;
}

static void on_compared(void *ctx)
{
    struct comparison *c = ctx;
    struct error enough = {0};

    gauge_add_files(c->agent->gauge, c->batch->n_lines);
    if (c->is_different)
        error_set(&enough, ERROR_CHANGED, 0, "different"); /* no need to read on */
    c->done(c->done_ctx, c->is_different ? &enough : NULL);
}

static void take(void *ctx, const struct contents_batch *batch, contents_done_fn *done,
                 void *done_ctx)
{
    struct comparison *c = ctx;

    c->batch = batch;
    c->done = done;
    c->done_ctx = done_ctx;
    loop_work(&c->agent->loop, &c->work, compare_work, on_compared, c);
}

int same_tree(struct agent *a, const struct version *v,
              const struct walk_options *source, struct error *err)
{
    struct comparison c = {.agent = a, .source = source};
    int status = 0;

    agent_work(a, open_work, &c);
    if (c.err.kind == ERROR_NONE)
        status = contents_read(a, v, take, &c, err);
    if (status == 0 && c.err.kind == ERROR_NONE)
        agent_work(a, end_work, &c);
    walk_close(c.walk);
    entry_batch_free(&c.found);
    if (c.err.kind != ERROR_NONE) {
        *err = c.err;
        return -1;
    }
    if (c.is_different)
        return 0;
    return status == 0 ? 1 : -1;
}
