/*
 * Stories of one file on its way down: a store that fails, an object that is damaged
 * or its bytes on their way, cancels at any moment, a part that is damaged between two
 * runs.  The file appears
 * whole or not at all, and no block that was there is fetched again.
 */
#include "agent/fetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dice.h"
#include "memory_store.h"
#include "remove_tree.h"

enum { STORIES = 300, RUNS_MAX = 60, SIZE_MAX_BYTES = 3000 };

static const char key[] = "NAME/v1/data/a/file";

struct world {
    char top[64];
    struct loop loop;
    struct budget *budget;
    struct memory_store store;
    struct store_limits limits;
    struct landing landing;
    struct placing placing;
    uint8_t bytes[SIZE_MAX_BYTES];
    struct digest digests[SIZE_MAX_BYTES];
    struct manifest_line line;
    bool is_damaged; /* the object */
    bool flips;      /* bytes are damaged on their way */

    struct fetch *fetch;
    bool is_cancelled, is_done;
    enum fetch_outcome outcome;
    struct error err;
    uint64_t moved, kept;
};

/* ---- the world ---- */

static void make_line(struct world *w)
{
    struct digester digester;
    struct manifest_line *line = &w->line;
    uint64_t size = roll(SIZE_MAX_BYTES), block = 50 + roll(1000);

    for (size_t i = 0; i < size; i++)
        w->bytes[i] = roll(4) > 0 && i > 100 ? 0 : (uint8_t)roll(256);
    if (roll(4) == 0)
        memset(w->bytes, 0, size);
    digester_init(&digester, block, w->digests);
    digester_add(&digester, w->bytes, size);
    digester_end(&digester);
    *line = (struct manifest_line){
        .entry = {.path = "a/file",
                  .type = ENTRY_FILE,
                  .mode = 0604,
                  .stamp = {.size = size, .mtime_ns = 1000000007}},
        .has_hash = true,
        .hash = digest_of_blocks(w->digests, digester.n_done)};
    if (digester.n_done > 1) {
        line->blocks = w->digests;
        line->n_blocks = digester.n_done;
        line->block_size = block;
    }
    digester_free(&digester);
}

static void open_world(struct world *w)
{
    struct store_options options = {.loop = &w->loop, .jobs = 1 + roll(4)};

    memset(w, 0, sizeof *w);
    loop_open(&w->loop);
    options.budget = w->budget = budget_new(&w->loop, 64 + roll(400));
    w->limits = (struct store_limits){.put_max = UINT64_MAX,
                                      .part_min = 1,
                                      .part_max = UINT64_MAX / 2,
                                      .parts_max = MEMORY_PARTS_MAX};
    w->store.bad_percent = roll(2) * roll(30);
    w->flips = roll(2) == 0;
    w->store.flip_percent = w->flips ? 1 + roll(20) : 0;
    memory_store_open(&w->store, &options, &w->limits);
    snprintf(w->top, sizeof w->top, "/tmp/test_fetch.XXXXXX");
    assert_non_null(mkdtemp(w->top));
    make_line(w);
    memory_store_put(&w->store, key, w->bytes, w->line.entry.stamp.size);
}

static void close_world(struct world *w)
{
    memory_store_close(&w->store);
    memory_store_free(&w->store);
    loop_close(&w->loop);
    budget_free(w->budget);
    remove_tree(w->top);
}

/* ---- what lies there ---- */

static int open_part(struct world *w)
{
    struct dirent *entry;
    DIR *parts = fdopendir(dup(w->landing.parts));
    int fd = -1;

    rewinddir(parts);
    while ((entry = readdir(parts)) != NULL)
        if (entry->d_name[0] != '.')
            fd = openat(w->landing.parts, entry->d_name, O_RDWR);
    closedir(parts);
    return fd;
}

/* Bytes of blocks that are right in the part. */
static uint64_t good_bytes(struct world *w)
{
    static uint8_t part[SIZE_MAX_BYTES];
    uint64_t good = 0;
    int fd = open_part(w);
    ssize_t size;

    if (fd < 0)
        return 0;
    size = pread(fd, part, sizeof part, 0);
    close(fd);
    for (size_t i = 0; i < block_count(&w->line); i++) {
        uint64_t begin = block_offset(&w->line, i), end = block_offset(&w->line, i + 1);
        if (end <= (uint64_t)size &&
            memcmp(part + begin, w->bytes + begin, end - begin) == 0)
            good += end - begin;
    }
    return good;
}

static void damage_part(struct world *w)
{
    int fd = open_part(w);
    struct stat st;
    uint8_t byte;
    off_t at;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        at = (off_t)roll((unsigned)st.st_size);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

static void damage_object(struct world *w)
{
    struct memory_object *o = memory_store_find(&w->store, key);

    w->is_damaged = true;
    if (o->size > 0 && roll(2) == 0)
        o->bytes[roll((unsigned)o->size)] ^= 1;
    else if (o->size > 0)
        memory_store_delete(&w->store, key);
    else
        w->is_damaged = false;
}

static void mend_object(struct world *w)
{
    if (w->is_damaged)
        memory_store_delete(&w->store, key);
    if (w->is_damaged)
        memory_store_put(&w->store, key, w->bytes, w->line.entry.stamp.size);
    w->is_damaged = false;
}

static void check_file(struct world *w, bool is_there)
{
    static uint8_t found[SIZE_MAX_BYTES + 1];
    uint64_t size = w->line.entry.stamp.size;
    char path[128];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "%s/a/file", w->top);
    fd = open(path, O_RDONLY);
    assert_int_equal(fd >= 0, is_there);
    if (!is_there)
        return;
    assert_int_equal(read(fd, found, sizeof found), size);
    assert_memory_equal(found, w->bytes, size);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0604);
    assert_int_equal(st.st_mtim.tv_sec, 1);
    assert_int_equal(st.st_mtim.tv_nsec, 7);
    close(fd);
}

/* ---- one run ---- */

static void on_ready(void *ctx)
{
    struct world *w = ctx;

    while (w->fetch != NULL && !w->is_cancelled &&
           store_room(w->store.store) > fetch_n_checking(w->fetch) &&
           fetch_start_block(w->fetch))
        continue;
}

static void on_moved(void *ctx, uint64_t bytes)
{
    struct world *w = ctx;

    w->moved += bytes;
}

static void on_kept(void *ctx, uint64_t bytes)
{
    struct world *w = ctx;

    w->kept += bytes;
}

static void on_done(void *ctx, struct fetch *f, enum fetch_outcome outcome,
                    const struct error *err)
{
    struct world *w = ctx;

    assert_false(w->is_done);
    assert_ptr_equal(w->fetch, f);
    assert_int_equal(w->store.n_under_way, 0);
    w->is_done = true;
    w->outcome = outcome;
    w->err = *err;
    w->fetch = NULL;
    fetch_free(f);
}

static void run(struct world *w, unsigned cancel_after)
{
    struct fetch_options options = {.loop = &w->loop,
                                    .store = w->store.store,
                                    .landing = &w->landing,
                                    .placing = &w->placing,
                                    .prefix = "NAME/v1/",
                                    .ready = on_ready,
                                    .moved = on_moved,
                                    .kept = on_kept,
                                    .done = on_done,
                                    .ctx = w};

    w->is_done = w->is_cancelled = false;
    w->moved = w->kept = 0;
    store_on_room(w->store.store, on_ready, w);
    placing_init(&w->placing, &w->loop, &w->landing);
    w->fetch = fetch_new(&options, &w->line);
    fetch_start(w->fetch);
    for (unsigned step = 0; !w->is_done; step++) {
        if (step == cancel_after) {
            w->is_cancelled = true;
            fetch_cancel(w->fetch);
        }
        uv_run(&w->loop.uv, UV_RUN_ONCE);
    }
    store_on_room(w->store.store, NULL, NULL);
}

/* Returns whether the file is there now. */
static bool judge(struct world *w, uint64_t good)
{
    uint64_t size = w->line.entry.stamp.size;
    bool is_there = w->outcome != FETCH_FAILED;

    assert_true(w->kept <= good);
    if (is_there) {
        assert_int_equal(w->outcome, FETCH_PLACED);
        assert_int_equal(w->kept, good);
        assert_true(w->moved >= size - good && w->moved <= 2 * (size - good));
        assert_true(w->flips || w->moved == size - good);
    } else if (w->err.kind == ERROR_CANCELLED) {
        assert_true(w->is_cancelled);
    } else {
        assert_true(w->is_damaged || w->flips);
        assert_true(w->err.kind == ERROR_CORRUPT || w->err.kind == ERROR_NOT_FOUND);
    }
    check_file(w, is_there);
    return is_there;
}

static void tell(unsigned seed)
{
    struct world w;
    struct error err;
    bool is_there = false;

    (void)seed;
    open_world(&w);
    if (roll(3) == 0)
        damage_object(&w);
    for (unsigned i = 0; !is_there; i++) {
        uint64_t good;
        assert_int_equal(landing_open(&w.landing, w.top, "root", &err), 0);
        if (roll(4) == 0)
            damage_part(&w);
        good = good_bytes(&w);
        if (i == RUNS_MAX) {
            mend_object(&w);
            w.store.flip_percent = 0;
        }
        run(&w, roll(3) == 0 || i >= RUNS_MAX ? UINT_MAX : roll(60));
        is_there = judge(&w, good);
        if (roll(3) == 0)
            mend_object(&w);
        landing_close(&w.landing, false);
    }
    assert_int_equal(landing_open(&w.landing, w.top, "root", &err), 0);
    run(&w, UINT_MAX);
    assert_int_equal(w.outcome, FETCH_PRESENT);
    assert_int_equal(w.moved, 0);
    check_file(&w, true);
    landing_close(&w.landing, true);
    close_world(&w);
}

static void test_stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stories)};

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
