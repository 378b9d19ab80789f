/*
 * Two sorted streams side by side, the manifest's and the source's.  The first difference
 * ends it.
 */
#include "agent/same_tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/contents.h"
#include "agent/gauge.h"

struct comparison {
    struct agent *agent;
    const struct source_open *source;
    const struct datastore_record *record;
    bool skip_unreadable;
    struct source_walk walk;
    bool is_different;
    int root;           /* of a local source, -1: it is one file */
    const char *looked; /* is this path readable? */
    bool is_readable;
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
static void on_issue(void *ctx, const struct issue *issue)
{
    struct comparison *c = ctx;

    if ((issue->kind == ISSUE_UNREADABLE || issue->kind == ISSUE_NOT_LISTED) &&
        !was_skipped(c, issue->path))
        c->is_different = true;
}

static void open_root_work(void *ctx)
{
    struct comparison *c = ctx;

    c->root = open(c->source->walk.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void look_work(void *ctx)
{
    struct comparison *c = ctx;
    int fd = walk_open_file(c->root, c->looked);

    c->is_readable = fd >= 0;
    if (fd >= 0)
        close(fd);
}

static bool can_be_read(struct comparison *c, const char *path)
{
    if (c->source->kind != PLACE_LOCAL)
        return false;
    c->looked = path;
    agent_work(c->agent, look_work, c);
    return c->is_readable;
}

/* The next entry of the source, NULL at its end. */
static const struct entry *next_entry(struct comparison *c)
{
    return source_walk_next(&c->walk, &c->err);
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

static bool is_version(struct comparison *c, const struct version *v, struct error *err)
{
    struct contents *contents = contents_open(c->agent, v);
    struct contents_batch batch;
    int status = 1;

    while (!c->is_different && (status = contents_next(contents, &batch, err)) == 1) {
        for (size_t i = 0; i < batch.n_lines && !c->is_different; i++) {
            const struct entry *line = &batch.lines[i].entry;
            c->is_different |= !is_same(next_held(c, line), line);
        }
        gauge_add_files(c->agent->gauge, batch.n_lines);
    }
    contents_close(contents);
    if (status == 0 && !c->is_different)
        c->is_different |= next_held(c, NULL) != NULL;
    return status >= 0;
}

int same_tree(struct agent *a, const struct version *v,
              const struct source_open *source, bool skip_unreadable, struct error *err)
{
    struct comparison c = {.agent = a,
                           .source = source,
                           .record = &v->record,
                           .skip_unreadable = skip_unreadable,
                           .walk = {.agent = a, .issue = on_issue, .ctx = &c},
                           .root = -1};
    bool is_read;

    if (source_open(&c.walk.source, a, source, err) != 0)
        return -1;
    if (source->kind == PLACE_LOCAL)
        agent_work(a, open_root_work, &c);
    is_read = is_version(&c, v, err);
    source_walk_end(&c.walk);
    if (c.root >= 0)
        close(c.root);
    if (c.err.kind != ERROR_NONE) {
        *err = c.err;
        return -1;
    }
    return !is_read ? -1 : c.is_different ? 0 : 1;
}
