/*
 * A merge of two sorted streams: the smaller path stands on one side alone.
 */
#include "agent/difference.h"

#include <string.h>

#include "agent/contents.h"
#include "agent/gauge.h"

struct side {
    struct contents *contents;
    struct contents_batch batch;
    size_t next;
    const struct manifest_line *line; /* the next; NULL at the end */
};

static int peek(struct side *s, struct error *err)
{
    int status = 1;

    if (s->next == s->batch.n_lines) {
        s->next = 0;
        status = contents_next(s->contents, &s->batch, err);
    }
    s->line = status == 1 ? &s->batch.lines[s->next] : NULL;
    return status < 0 ? -1 : 0;
}

/* Of two files of one size.  Hashes of blocks of different sizes cannot be compared. */
static bool has_other_bytes(const struct manifest_line *a,
                            const struct manifest_line *b)
{
    bool is_cut_alike =
        a->n_blocks == b->n_blocks &&
        (a->blocks == NULL || b->blocks == NULL || a->block_size == b->block_size);

    if (a->has_hash && b->has_hash && is_cut_alike)
        return memcmp(a->hash.bytes, b->hash.bytes, sizeof a->hash.bytes) != 0;
    if (a->etag != NULL && b->etag != NULL && strcmp(a->etag, b->etag) == 0)
        return false;
    return a->entry.stamp.mtime_ns != b->entry.stamp.mtime_ns;
}

static unsigned compare(const struct manifest_line *a, const struct manifest_line *b)
{
    unsigned what = 0;

    if (a->entry.type != b->entry.type)
        return DIFFERENCE_TYPE;
    if (a->entry.type == ENTRY_SYMLINK)
        return strcmp(a->entry.target, b->entry.target) != 0 ? DIFFERENCE_TARGET : 0;
    if (a->entry.type == ENTRY_DIRECTORY)
        return 0;
    if (a->entry.stamp.size != b->entry.stamp.size)
        what |= DIFFERENCE_SIZE | DIFFERENCE_HASH;
    else if (has_other_bytes(a, b))
        what |= DIFFERENCE_HASH;
    if (a->entry.mode != b->entry.mode)
        what |= DIFFERENCE_MODE;
    return what;
}

/* The path that comes first, on one side or on both.  Is it a difference? */
static bool take_one(struct side *before, struct side *after, struct difference *d)
{
    const struct manifest_line *b = before->line, *a = after->line;
    int order = b == NULL ? 1 : a == NULL ? -1 : strcmp(b->entry.path, a->entry.path);

    if (order <= 0)
        before->next++;
    if (order >= 0)
        after->next++;
    if (order < 0)
        *d = (struct difference){.kind = DIFFERENCE_REMOVED, .line = b};
    else if (order > 0)
        *d = (struct difference){.kind = DIFFERENCE_ADDED, .line = a};
    else
        *d = (struct difference){DIFFERENCE_CHANGED, a, b, compare(b, a)};
    return order != 0 || d->what != 0;
}

int difference_each(struct agent *a, const struct version *before,
                    const struct version *after, difference_fn *each, void *ctx,
                    struct error *err)
{
    struct side b = {.contents = contents_open(a, before)};
    struct side f = {.contents = contents_open(a, after)};
    struct difference d;
    int status;

    while ((status = peek(&b, err)) == 0 && (status = peek(&f, err)) == 0 &&
           (b.line != NULL || f.line != NULL)) {
        if (take_one(&b, &f, &d))
            each(ctx, &d);
        gauge_add_files(a->gauge, 1);
    }
    contents_close(b.contents);
    contents_close(f.contents);
    return status;
}
