/*
 * A page of 4 KiB is one byte value and, at its start, the number it came from; an edit
 * gives some pages another.  An open file is what its path was when it was opened: a
 * path that was made anew has another inode.  A read waits, takes the bytes as they
 * are, waits, and looks at the stamp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dice.h"
#include "memory_source.h"

struct source_file {
    struct memory_file *file;
    struct memory_version old; /* what it was when its path was taken from it */
    uint64_t inode;
};

/* ---- contents ---- */

static uint64_t mix(uint64_t seed, uint64_t page)
{
    uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15u + page * 0xbf58476d1ce4e5b9u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* SplitMix64, Steele et al. 2014 */
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t page_value(const struct memory_version *v, uint64_t page)
{
    unsigned seed = v->seed;

    for (unsigned i = 0; i < v->n_edits; i++)
        if (page >= v->edits[i].from && page < v->edits[i].to)
            seed = v->edits[i].seed;
    return mix(seed, page);
}

void memory_version_bytes(const struct memory_version *v, uint64_t offset,
                          struct span into)
{
    uint8_t page[MEMORY_PAGE];

    while (into.size > 0) {
        uint64_t value = page_value(v, offset / MEMORY_PAGE);
        size_t from = (size_t)(offset % MEMORY_PAGE), n = MEMORY_PAGE - from;

        if (n > into.size)
            n = into.size;
        memset(page, (int)(value & 0xff), sizeof page);
        memcpy(page, &value, sizeof value);
        memcpy(into.data, page + from, n);
        into.data += n;
        into.size -= n;
        offset += n;
    }
}

bool memory_version_is(const struct memory_version *v, const void *bytes, uint64_t size)
{
    uint8_t expected[16 * MEMORY_PAGE];

    if (size != v->stamp.size)
        return false;
    for (uint64_t at = 0; at < size; at += sizeof expected) {
        size_t n = size - at < sizeof expected ? (size_t)(size - at) : sizeof expected;

        memory_version_bytes(v, at, (struct span){expected, n});
        if (memcmp(expected, (const uint8_t *)bytes + at, n) != 0)
            return false;
    }
    return true;
}

/* ---- what happens to files ---- */

void memory_source_wait(struct memory_source *s, int64_t ns)
{
    s->now_ns += ns;
}

static void note_version(struct memory_source *s, struct memory_file *f)
{
    memory_source_wait(s, 1000);
    f->now.stamp.mtime_ns = f->now.stamp.ctime_ns = s->now_ns;
    assert_true(f->n_versions < MEMORY_VERSIONS_MAX);
    f->versions[f->n_versions++] = f->now;
    memory_source_wait(s, 1000);
}

void memory_file_make(struct memory_source *s, struct memory_file *f, uint64_t size)
{
    f->kind = MEMORY_FILE;
    f->now = (struct memory_version){.seed = (unsigned)++s->n_made};
    f->now.stamp.inode = ++s->n_made;
    f->now.stamp.size = size;
    note_version(s, f);
}

void memory_file_edit(struct memory_source *s, struct memory_file *f)
{
    struct memory_version *v = &f->now;
    uint64_t pages = v->stamp.size / MEMORY_PAGE + 1;
    unsigned from = roll((unsigned)pages);

    if (v->n_edits == MEMORY_EDITS_MAX) {
        v->seed = (unsigned)++s->n_made;
        v->n_edits = 0;
    } else {
        v->edits[v->n_edits].from = from;
        v->edits[v->n_edits].to = from + 1 + roll((unsigned)pages) / 4;
        v->edits[v->n_edits++].seed = (unsigned)++s->n_made;
    }
    note_version(s, f);
}

void memory_file_resize(struct memory_source *s, struct memory_file *f, uint64_t size)
{
    f->now.stamp.size = size;
    note_version(s, f);
}

void memory_file_restore(struct memory_source *s, struct memory_file *f)
{
    uint64_t inode = f->now.stamp.inode;

    f->now = f->versions[roll(f->n_versions)];
    f->now.stamp.inode = inode;
    note_version(s, f);
}

void memory_file_move(struct memory_source *s, struct memory_file *from,
                      struct memory_file *to)
{
    int64_t mtime_ns = from->now.stamp.mtime_ns;

    to->kind = MEMORY_FILE;
    to->is_unreadable = from->is_unreadable;
    to->now = from->now;
    note_version(s, to);
    to->now.stamp.mtime_ns = mtime_ns;
    to->versions[to->n_versions - 1] = to->now;
    memory_file_become(s, from, MEMORY_GONE);
}

void memory_file_become(struct memory_source *s, struct memory_file *f, int kind)
{
    f->kind = kind;
    f->now = (struct memory_version){0};
    f->now.stamp.inode = ++s->n_made;
    memory_source_wait(s, 1000);
    f->now.stamp.mtime_ns = f->now.stamp.ctime_ns = s->now_ns;
}

void memory_source_watch(struct memory_source *s)
{
    for (size_t i = 0; i < s->n_files; i++)
        s->files[i].n_reads = 0;
}

/* ---- operations: each waits some turns, then goes on ---- */

struct wait {
    struct deferred soon;
    struct loop *loop;
    struct source_op *op;
    void (*then)(struct source_op *op);
    unsigned hops;
};

static void on_hop(void *ctx)
{
    struct wait *w = ctx;
    struct source_op *op = w->op;
    void (*then)(struct source_op *) = w->then;

    if (w->hops-- > 0) {
        loop_defer(w->loop, &w->soon, on_hop, w);
        return;
    }
    free(w);
    then(op);
}

static struct memory_source *source_of(const struct source_op *op)
{
    return (struct memory_source *)op->source;
}

static void after_hops(struct source_op *op, void (*then)(struct source_op *))
{
    struct wait *w = mem_new(1, sizeof *w);

    w->loop = op->source->loop;
    w->op = op;
    w->then = then;
    w->hops = roll(4);
    loop_defer(w->loop, &w->soon, on_hop, w);
}

static void begin(struct source_op *op, void (*then)(struct source_op *))
{
    source_of(op)->n_under_way++;
    memory_source_wait(source_of(op), 1000);
    after_hops(op, then);
}

static void finish(struct source_op *op)
{
    source_of(op)->n_under_way--;
    op->done(op, op->ctx);
}

struct memory_file *memory_source_find(struct memory_source *s, const char *path)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].path, path) == 0)
            return &s->files[i];
    return NULL;
}

/* Open: what the path is now, or why not. */
static struct memory_file *open_path(struct source_op *op)
{
    struct memory_file *f = memory_source_find(source_of(op), op->path);

    op->read_at_ns = source_of(op)->now_ns;
    if (f == NULL || f->kind == MEMORY_GONE)
        error_set(&op->err, ERROR_NOT_FOUND, 0, "vanished");
    else if (f->is_unreadable)
        error_set(&op->err, ERROR_IO, 0, "permission denied");
    else if (f->kind != MEMORY_FILE)
        error_set(&op->err, ERROR_NOT_FOUND, 0, "is not a regular file any more");
    if (f != NULL)
        op->stamp = f->now.stamp;
    return op->err.kind == ERROR_NONE ? f : NULL;
}

static void open_now(struct source_op *op)
{
    struct memory_file *f = open_path(op);

    if (f != NULL) {
        op->file = mem_new(1, sizeof *op->file);
        op->file->file = f;
        op->file->inode = f->now.stamp.inode;
        source_of(op)->n_open++;
    }
    finish(op);
}

static void memory_open_file(struct source *s, struct source_op *op)
{
    (void)s;
    begin(op, open_now);
}

/* What an open file is now: of one that lost its path, its ctime tells. */
static struct memory_version *version_of(struct source_op *op)
{
    struct source_file *h = op->file;

    if (h->file->kind == MEMORY_FILE && h->file->now.stamp.inode == h->inode)
        return &h->file->now;
    if (h->old.stamp.inode == 0) {
        for (unsigned i = 0; i < h->file->n_versions; i++)
            if (h->file->versions[i].stamp.inode == h->inode)
                h->old = h->file->versions[i];
        h->old.stamp.ctime_ns = source_of(op)->now_ns;
    }
    return &h->old;
}

static int fill(struct source_op *op, struct memory_file *f,
                const struct memory_version *v)
{
    struct span into = op->read.into;

    f->n_reads++;
    f->last_read_ns = source_of(op)->now_ns;
    if (f->n_reads == 1)
        f->first_read_ns = f->last_read_ns;
    if (op->read.offset + into.size > v->stamp.size) {
        op->stamp = v->stamp;
        return error_set(&op->err, ERROR_CHANGED, 0, "became shorter");
    }
    memory_version_bytes(v, op->read.offset, into);
    source_of(op)->n_bytes_read += into.size;
    if (op->read.digester != NULL)
        digester_add(op->read.digester, into.data, into.size);
    if (op->read.md5 != NULL)
        md5_add(op->read.md5, into.data, into.size);
    return 0;
}

static void check_same(struct source_op *op, const struct stamp *stamp)
{
    op->stamp = *stamp;
    if (!stamp_is_same(stamp, &op->read.expected))
        error_set(&op->err, ERROR_CHANGED, 0, "changed while it was read");
}

static void let_look(struct source_op *op)
{
    if (op->err.kind == ERROR_NONE && op->read.look != NULL)
        op->read.look(op->read.look_ctx);
}

static void look(struct source_op *op)
{
    check_same(op, &version_of(op)->stamp);
    let_look(op);
    finish(op);
}

static void read_now(struct source_op *op)
{
    if (op->file->file->is_unreadable) {
        error_set(&op->err, ERROR_IO, 0, "input/output error");
        finish(op);
    } else if (fill(op, op->file->file, version_of(op)) == 0) {
        after_hops(op, look);
    } else {
        finish(op);
    }
}

static void memory_read(struct source *s, struct source_op *op)
{
    (void)s;
    assert_non_null(op->file);
    begin(op, read_now);
}

static void look_whole(struct source_op *op)
{
    struct memory_file *f = memory_source_find(source_of(op), op->path);

    check_same(op, &f->now.stamp); /* another inode, if it is another file */
    let_look(op);
    finish(op);
}

static void read_whole_now(struct source_op *op)
{
    struct memory_file *f = open_path(op);

    assert_int_equal(op->read.into.size, op->read.expected.size);
    if (f == NULL) {
        finish(op);
        return;
    }
    check_same(op, &f->now.stamp);
    if (op->err.kind == ERROR_NONE && fill(op, f, &f->now) == 0)
        after_hops(op, look_whole);
    else
        finish(op);
}

static void memory_read_whole(struct source *s, struct source_op *op)
{
    (void)s;
    begin(op, read_whole_now);
}

static void memory_close_file(struct source *s, struct source_file *file)
{
    ((struct memory_source *)s)->n_open--;
    free(file);
}

/* ---- the listing ---- */

static enum entry_type type_of(const struct memory_file *f)
{
    return f->kind == MEMORY_FILE     ? ENTRY_FILE
           : f->kind == MEMORY_FOLDER ? ENTRY_DIRECTORY
                                      : ENTRY_SYMLINK;
}

static void list(struct memory_source *s, struct entry_batch *batch)
{
    size_t n = 1 + roll((unsigned)s->batch);

    for (; s->next < s->n_files && batch->n_entries < n; s->next++) {
        const struct memory_file *f = &s->files[s->next];
        const struct entry e = {.path = f->path,
                                .target = f->kind == MEMORY_LINK ? "target" : NULL,
                                .type = type_of(f),
                                .mode = 0644,
                                .stamp = f->now.stamp};

        if (f->kind == MEMORY_FIFO)
            entry_batch_add_issue(batch, ISSUE_SPECIAL, f->path, "is a pipe");
        else if (f->kind != MEMORY_GONE)
            entry_batch_add(batch, &e);
    }
}

static void next_now(struct source_op *op)
{
    struct memory_source *s = source_of(op);

    entry_batch_clear(op->batch);
    list(s, op->batch);
    if (s->list_failure != ERROR_NONE && s->next >= s->n_files / 2)
        error_set(&op->err, s->list_failure, 0, "cannot list");
    op->at_end = s->next == s->n_files;
    finish(op);
}

static void memory_next(struct source *s, struct source_op *op)
{
    (void)s;
    begin(op, next_now);
}

static int memory_rewind(struct source *s, struct error *err)
{
    (void)err;
    ((struct memory_source *)s)->next = 0;
    return 0;
}

static void memory_close(struct source *s)
{
    (void)s;
}

static uint64_t memory_links_outside(const struct source *s)
{
    (void)s;
    return 0;
}

static const struct source_kind memory_kind = {
    .close = memory_close,
    .rewind = memory_rewind,
    .next = memory_next,
    .open_file = memory_open_file,
    .read = memory_read,
    .read_whole = memory_read_whole,
    .close_file = memory_close_file,
    .links_outside = memory_links_outside,
};

void memory_source_init(struct memory_source *s, struct loop *loop)
{
    s->source.kind = &memory_kind;
    s->source.loop = loop;
    s->now_ns = 1000000000000000000; /* in 2001 */
    s->batch = 5;
}

struct memory_file *memory_source_add(struct memory_source *s, const char *path)
{
    struct memory_file *f;

    assert_true(s->n_files == 0 || strcmp(s->files[s->n_files - 1].path, path) < 0);
    s->files = mem_resize(s->files, s->n_files + 1, sizeof *s->files);
    f = &s->files[s->n_files++];
    memset(f, 0, sizeof *f);
    f->path = mem_copy_string(path);
    return f;
}

void memory_source_free(struct memory_source *s)
{
    assert_int_equal(s->n_open, 0);
    assert_int_equal(s->n_under_way, 0);
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i].path);
    free(s->files);
}
