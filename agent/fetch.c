/*
 *     LOOKING --no file, or nothing to do--------------------------> ENDED
 *        |                                                            ^
 *        +--to be fetched, or compared--> BLOCKS --one failed---------+
 *                                           |                         |
 *                                           +--all good--> PLACING ---+
 *
 * LOOKING is one trip to a worker, PLACING one that is shared (placing.h).  In BLOCKS the owner starts blocks
 * while its store has room; after a failure none is started, and those under way are
 * waited for.
 */
#include "agent/fetch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

struct fetch {
    struct fetch_options o;
    const struct manifest_line *line;
    struct text key;
    enum { FETCH_LOOKING, FETCH_BLOCKS, FETCH_PLACING, FETCH_ENDED } phase;
    enum landing_found found;
    int fd;
    uint64_t there; /* bytes of earlier runs in fd */
    size_t n_blocks, next_block;
    struct block *blocks; /* under way */
    bool is_cancelled;
    struct error err; /* the first */
    struct work work;
    struct placing_file placing;
};

struct fetch *fetch_new(const struct fetch_options *options,
                        const struct manifest_line *line)
{
    struct fetch *f = mem_new(1, sizeof *f);

    f->o = *options;
    f->line = line;
    f->fd = -1;
    if (line->ref != NULL) {
        text_add(&f->key, line->entry.path);
        return f;
    }
    text_add(&f->key, options->prefix);
    if (line->key != NULL)
        text_add(&f->key, line->key);
    else
        text_add_format(&f->key, "data/%s", line->entry.path);
    return f;
}

void fetch_free(struct fetch *f)
{
    text_free(&f->key);
    free(f);
}

const struct manifest_line *fetch_line(const struct fetch *f)
{
    return f->line;
}

/* ---- the end ---- */

static void close_work(void *ctx)
{
    struct fetch *f = ctx;

    if (f->fd >= 0)
        close(f->fd);
}

static void on_closed(void *ctx)
{
    struct fetch *f = ctx;
    enum fetch_outcome outcome = f->err.kind != ERROR_NONE     ? FETCH_FAILED
                                 : f->found != LANDING_NOTHING ? FETCH_PRESENT
                                                               : FETCH_PLACED;

    f->o.done(f->o.ctx, f, outcome, &f->err);
}

static void end(struct fetch *f)
{
    f->phase = FETCH_ENDED;
    loop_work(f->o.loop, &f->work, close_work, on_closed, f);
}

/* ---- placing ---- */

static void restore_work(void *ctx)
{
    struct fetch *f = ctx;

    landing_restore(&f->line->entry, f->fd, &f->err);
}

static void on_restored(void *ctx)
{
    end(ctx);
}

static void on_placed(void *ctx)
{
    struct fetch *f = ctx;

    f->err = f->placing.part.err;
    end(f);
}

static void place(struct fetch *f)
{
    f->phase = FETCH_PLACING;
    if (f->found == LANDING_LIKE) { /* it is in its place */
        loop_work(f->o.loop, &f->work, restore_work, on_restored, f);
        return;
    }
    f->placing = (struct placing_file){
        .part = {.file = &f->line->entry, .fd = f->fd}, .done = on_placed, .ctx = f};
    placing_add(f->o.placing, &f->placing);
}

/* ---- blocks ---- */

static void end_blocks(struct fetch *f)
{
    if (f->err.kind != ERROR_NONE) {
        end(f);
        return;
    }
    place(f);
}

/* Is there nothing left to start, or to wait for? */
static bool is_over(const struct fetch *f)
{
    return f->blocks == NULL &&
           (f->next_block == f->n_blocks || f->err.kind != ERROR_NONE);
}

static void remove_block(struct fetch *f, struct block *b)
{
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        f->blocks = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    free(b);
}

static void on_block(struct block *b, void *ctx)
{
    struct fetch *f = ctx;

    if (b->err.kind != ERROR_NONE)
        error_keep_first(&f->err, &b->err);
    else if (b->fetches == 0)
        f->o.kept(f->o.ctx, b->size);
    remove_block(f, b);
    if (is_over(f))
        end_blocks(f);
    f->o.ready(f->o.ctx);
}

static void on_moved(void *ctx, uint64_t bytes)
{
    struct fetch *f = ctx;

    f->o.moved(f->o.ctx, bytes);
}

bool fetch_start_block(struct fetch *f)
{
    struct block *b;

    if (f->phase != FETCH_BLOCKS || f->next_block == f->n_blocks ||
        f->err.kind != ERROR_NONE)
        return false;
    b = mem_new(1, sizeof *b);
    b->loop = f->o.loop;
    b->store = f->line->ref != NULL ? f->o.references : f->o.store;
    b->line = f->line;
    b->key = text_string(&f->key);
    b->index = f->next_block++;
    b->fd = f->fd;
    b->is_there = block_offset(f->line, b->index + 1) <= f->there;
    b->is_hole = block_offset(f->line, b->index) >= f->there;
    b->may_fetch = f->found == LANDING_NOTHING;
    b->moved = on_moved;
    b->done = on_block;
    b->ctx = f;
    b->next = f->blocks;
    if (b->next != NULL)
        b->next->prev = b;
    f->blocks = b;
    block_start(b);
    return true;
}

unsigned fetch_n_checking(const struct fetch *f)
{
    unsigned n = 0;

    for (const struct block *b = f->blocks; b != NULL; b = b->next)
        n += b->phase == BLOCK_CHECKING;
    return n;
}

/* ---- looking ---- */

static int open_file(struct fetch *f)
{
    const struct entry *file = &f->line->entry;

    if (landing_look(f->o.landing, file, &f->found, &f->err) != 0)
        return -1;
    if (f->found == LANDING_SAME)
        return 0;
    if (f->found == LANDING_NOTHING)
        return landing_open_part(f->o.landing, file, &f->fd, &f->there, &f->err);
    f->there = file->stamp.size;
    return landing_open_file(f->o.landing, file, &f->fd, &f->err);
}

static void look_work(void *ctx)
{
    struct fetch *f = ctx;

    if (f->line->entry.type == ENTRY_FILE)
        (void)open_file(f);
    else
        (void)landing_make(f->o.landing, &f->line->entry, &f->err);
}

static void fail_cancelled(struct fetch *f)
{
    struct error err;

    error_set(&err, ERROR_CANCELLED, 0, "interrupted");
    error_keep_first(&f->err, &err);
}

static void on_looked(void *ctx)
{
    struct fetch *f = ctx;

    if (f->is_cancelled && f->fd >= 0)
        fail_cancelled(f);
    if (f->err.kind != ERROR_NONE || f->fd < 0) {
        if (f->found == LANDING_SAME)
            f->o.kept(f->o.ctx, f->line->entry.stamp.size);
        end(f);
        return;
    }
    f->phase = FETCH_BLOCKS;
    f->n_blocks = block_count(f->line);
    if (is_over(f))
        end_blocks(f);
    else
        f->o.ready(f->o.ctx);
}

void fetch_start(struct fetch *f)
{
    loop_work(f->o.loop, &f->work, look_work, on_looked, f);
}

/* ---- from outside ---- */

void fetch_cancel(struct fetch *f)
{
    f->is_cancelled = true;
    if (f->phase != FETCH_BLOCKS)
        return; /* seen when it has looked; else it is on its way to the end */
    fail_cancelled(f);
    for (struct block *b = f->blocks; b != NULL; b = b->next)
        block_cancel(b);
    if (is_over(f))
        end_blocks(f);
}
