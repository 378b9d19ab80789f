/*
 * A plan made and every file of it noted as stored, flushed at the end: what a session
 * of many small files asks of its data base.  It has a thread of its own, so the CPU
 * time is the whole process's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/micro/bench.h"
#include "manifest/checkpoint.h"

enum { BATCH = 1000, BACKLOG_MAX = 4000 /* where a pipeline pauses */ };

struct bench {
    struct loop loop;
    struct checkpoint *checkpoint;
    bool is_done;
};

static void on_done(void *ctx, const struct error *err)
{
    struct bench *b = ctx;

    bench_check(err == NULL ? 0 : -1, err);
    b->is_done = true;
}

static void on_closed(void *ctx)
{
    struct bench *b = ctx;

    b->is_done = true;
}

static void await(struct bench *b)
{
    loop_run_until(&b->loop, &b->is_done);
    b->is_done = false;
}

static struct stamp stamp_of(unsigned i)
{
    return (struct stamp){.size = 16384,
                          .mtime_ns = 1795305600000000000,
                          .ctime_ns = 1795305600000000000,
                          .inode = i + 1};
}

static void write_path(char path[40], unsigned i)
{
    snprintf(path, 40, "train/%03u/%06u.jpg", i / 1000, i);
}

static void plan(struct bench *b)
{
    char path[40];

    for (unsigned i = 0; i < BENCH_ENTRIES; i += BATCH) {
        struct entry_batch batch = {0};

        for (unsigned j = i; j < i + BATCH; j++) {
            const struct entry e = {.path = path, .mode = 0644, .stamp = stamp_of(j)};
            write_path(path, j);
            entry_batch_add(&batch, &e);
        }
        checkpoint_plan(b->checkpoint, &batch, on_done, b);
        await(b);
        entry_batch_free(&batch);
    }
    checkpoint_plan_end(b->checkpoint, on_done, b);
    await(b);
}

static void note(struct bench *b)
{
    char path[40];

    for (unsigned i = 0; i < BENCH_ENTRIES; i++) {
        const struct stored_note stored = {.stamp = stamp_of(i),
                                           .read_at_ns = 1795305700000000000,
                                           .hash = {.bytes = {1, 2, 3}},
                                           .has_hash = true,
                                           .etag = "9b2cf535f27731c974343645a3985328",
                                           .block_size = DIGEST_BLOCK};
        write_path(path, i);
        checkpoint_note_stored(b->checkpoint, path, &stored);
        if (checkpoint_backlog(b->checkpoint) > BACKLOG_MAX) {
            checkpoint_flush(b->checkpoint, on_done, b);
            await(b);
        }
    }
    checkpoint_flush(b->checkpoint, on_done, b);
    await(b);
}

static void measure(struct bench *b, const char *name, void (*work)(struct bench *b))
{
    double cpu = bench_process_s(), wall = bench_wall_s();
    char title[80];

    work(b);
    snprintf(title, sizeof title, "checkpoint, %s", name);
    bench_print(title, BENCH_ENTRIES / (bench_process_s() - cpu), "entries per CPU s");
    snprintf(title, sizeof title, "checkpoint, %s, on the clock", name);
    bench_print(title, BENCH_ENTRIES / (bench_wall_s() - wall), "entries per s");
}

void bench_checkpoint(const char *folder)
{
    struct bench b = {0};
    struct error err = {0};
    char path[160];
    bool lock_works;

    snprintf(path, sizeof path, "%s/session.db", folder);
    if (loop_open(&b.loop) != 0)
        abort();
    bench_check(checkpoint_open(&b.checkpoint, &b.loop, path, &lock_works, &err), &err);
    measure(&b, "planning", plan);
    measure(&b, "notes", note);
    checkpoint_close(b.checkpoint, on_closed, &b);
    await(&b);
    loop_close(&b.loop);
}
