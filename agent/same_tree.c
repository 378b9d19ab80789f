/*
 * Two sorted streams side by side: for each batch of the manifest a worker takes as
 * many entries from the walk.  The first difference ends it.
 */
#include "agent/same_tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/contents.h"
#include "agent/gauge.h"

struct comparison {
    struct agent *agent;
    const struct walk_options *source;
    const struct datastore_record *record;
    bool skip_unreadable;
    int root; /* of the source, -1: it is one file */
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

/* Published without it, and it may be left out again? */
static bool was_skipped(const struct comparison *c, const char *path)
{
    if (!c->skip_unreadable)
        return false;
    for (size_t i = 0; i < c->record->n_skipped; i++)
        if (strcmp(c->record->skipped[i].path, path) == 0)
            return true;
    return false;
}

/* What a new upload would stumble over; other issues are as they were then. */
static bool has_unreadable(const struct comparison *c)
{
    for (size_t i = 0; i < c->found.n_issues; i++) {
        const struct issue *issue = &c->found.issues[i];
        if ((issue->kind == ISSUE_UNREADABLE || issue->kind == ISSUE_NOT_LISTED) &&
            !was_skipped(c, issue->path))
            return true;
    }
    return false;
}

static bool can_be_read(const struct comparison *c, const char *path)
{
    int fd = walk_open_file(c->root, path);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The next entry of the walk, NULL at its end.  On a worker. */
static const struct entry *next_entry(struct comparison *c)
{
    while (c->next == c->found.n_entries) {
        if (c->is_at_end || walk_next(c->walk, &c->found, &c->is_at_end, &c->err) != 0)
            return NULL;
        c->next = 0;
        c->is_different |= has_unreadable(c);
    }
    return &c->found.entries[c->next++];
}

/* The next that a version should hold: from `line` on (NULL: its end), where what stands
 * before that was left out and still has to be. */
static const struct entry *next_held(struct comparison *c, const struct entry *line)
{
    const struct entry *entry = next_entry(c);

    while (entry != NULL && (line == NULL || strcmp(entry->path, line->path) < 0) &&
           was_skipped(c, entry->path) && !can_be_read(c, entry->path))
        entry = next_entry(c);
    return entry;
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
    c->root = open(c->source->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void compare_work(void *ctx)
{
    struct comparison *c = ctx;

    for (size_t i = 0; i < c->batch->n_lines && !c->is_different; i++) {
        const struct entry *line = &c->batch->lines[i].entry;
        c->is_different |= !is_same(next_held(c, line), line);
    }
}

static void end_work(void *ctx)
{
    struct comparison *c = ctx;

    if (!c->is_different)
        c->is_different |= next_held(c, NULL) != NULL;
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
              const struct walk_options *source, bool skip_unreadable,
              struct error *err)
{
    struct comparison c = {.agent = a,
                           .source = source,
                           .record = &v->record,
                           .skip_unreadable = skip_unreadable,
                           .root = -1};
    int status = 0;

    agent_work(a, open_work, &c);
    if (c.err.kind == ERROR_NONE)
        status = contents_read(a, v, take, &c, err);
    if (status == 0 && c.err.kind == ERROR_NONE)
        agent_work(a, end_work, &c);
    walk_close(c.walk);
    if (c.root >= 0)
        close(c.root);
    entry_batch_free(&c.found);
    if (c.err.kind != ERROR_NONE) {
        *err = c.err;
        return -1;
    }
    if (c.is_different)
        return 0;
    return status == 0 ? 1 : -1;
}
