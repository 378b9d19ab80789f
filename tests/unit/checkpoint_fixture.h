#ifndef TESTS_CHECKPOINT_FIXTURE_H
#define TESTS_CHECKPOINT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "manifest/checkpoint.h"

/* A checkpoint in a folder of its own, with calls that wait for their answer. */
struct fixture {
    struct loop loop;
    struct checkpoint *cp;
    char dir[64], path[96];
    bool is_done;
    struct error err; /* of the last answer */
    bool lock_works;
};

static inline void on_done(void *ctx, const struct error *err)
{
    struct fixture *f = ctx;

    f->is_done = true;
    error_clear(&f->err);
    if (err != NULL)
        f->err = *err;
}

static inline void on_closed(void *ctx)
{
    struct fixture *f = ctx;

    f->is_done = true;
}

/* The kind of error of the call just made. */
static inline enum error_kind answer(struct fixture *f)
{
    loop_run_until(&f->loop, &f->is_done);
    f->is_done = false;
    return f->err.kind;
}

static inline enum error_kind open_again(struct fixture *f)
{
    error_clear(&f->err);
    return checkpoint_open(&f->cp, &f->loop, f->path, &f->lock_works, &f->err) == 0
               ? ERROR_NONE
               : f->err.kind;
}

static inline void close_it(struct fixture *f)
{
    checkpoint_close(f->cp, on_closed, f);
    loop_run_until(&f->loop, &f->is_done);
    f->is_done = false;
    f->cp = NULL;
}

static inline void reopen(struct fixture *f)
{
    close_it(f);
    assert_int_equal(open_again(f), ERROR_NONE);
}

static inline enum error_kind flush(struct fixture *f)
{
    checkpoint_flush(f->cp, on_done, f);
    return answer(f);
}

static inline void remove_files(struct fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
    char name[128];

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", f->path, suffixes[i]);
        unlink(name);
    }
}

static inline void setup_closed(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_checkpoint.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/session.db", f->dir);
    assert_int_equal(loop_open(&f->loop), 0);
}

static inline void setup(struct fixture *f)
{
    setup_closed(f);
    assert_int_equal(open_again(f), ERROR_NONE);
}

static inline void teardown(struct fixture *f)
{
    if (f->cp != NULL)
        close_it(f);
    loop_close(&f->loop);
    remove_files(f);
    assert_int_equal(rmdir(f->dir), 0); /* nothing else is left lying about */
}

/* ---- entries: a file of long ago, unless changed ---- */

enum { LONG_AGO_S = 1000000, READ_AT_S = 2000000 };
static const int64_t second_ns = 1000000000;

static inline struct stamp stamp_of(uint64_t size, int64_t changed_s)
{
    return (struct stamp){.size = size,
                          .mtime_ns = changed_s * second_ns,
                          .ctime_ns = changed_s * second_ns,
                          .inode = 7};
}

static inline void add_file(struct entry_batch *batch, const char *path, uint64_t size,
                            int64_t changed_s)
{
    const struct entry e = {
        .path = path, .mode = 0644, .stamp = stamp_of(size, changed_s)};

    entry_batch_add(batch, &e);
}

/* Merge a whole walk of one batch, which is freed. */
static inline void walk(struct fixture *f, struct entry_batch *batch)
{
    checkpoint_plan(f->cp, batch, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    checkpoint_plan_end(f->cp, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    entry_batch_free(batch);
}

/* A walk that meets this one file. */
static inline void walk_file(struct fixture *f, const char *path, uint64_t size,
                             int64_t changed_s)
{
    struct entry_batch batch = {0};

    add_file(&batch, path, size, changed_s);
    walk(f, &batch);
}

static inline struct digest digest_like(unsigned value)
{
    struct digest d = {{0}};

    memcpy(d.bytes, &value, sizeof value);
    return d;
}

static inline void store(struct fixture *f, const char *path, struct stamp stamp,
                         int64_t read_at_s, unsigned hash)
{
    const struct stored_note note = {.stamp = stamp,
                                     .read_at_ns = read_at_s * second_ns,
                                     .hash = digest_like(hash),
                                     .has_hash = true,
                                     .etag = "etag",
                                     .block_size = DIGEST_BLOCK};

    checkpoint_note_stored(f->cp, path, &note);
}

/* "a:planned b:recheck+" - what is to be done; + where there is an upload to look at.
 */
static inline const char *to_do(struct fixture *f)
{
    static char spelt[4096];
    struct plan_batch batch = {0};
    size_t n = 0;

    checkpoint_next(f->cp, "", 1000, &batch, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    spelt[0] = '\0';
    for (size_t i = 0; i < batch.n_items; i++)
        n += (size_t)snprintf(spelt + n, sizeof spelt - n, "%s%s:%s%s",
                              i > 0 ? " " : "", batch.items[i].entry.path,
                              batch.items[i].state == CHECKPOINT_RECHECK ? "recheck"
                                                                         : "planned",
                              batch.items[i].has_upload ? "+" : "");
    plan_batch_free(&batch);
    return spelt;
}

#endif
