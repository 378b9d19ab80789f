/*
 * Objects of one store on their way into another: copied by it, streamed, or both, in
 * several runs that are stopped, refused, or lose requests, while the objects change.
 * After a last run in peace the other store has what the source has, byte for byte, and
 * each line its hash or, where no byte was seen, its ETag.  test_source_s3 SEED COUNT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "dice.h"
#include "memory_store.h"
#include "remove_tree.h"
#include "transfer/pipeline.h"
#include "transfer/source_s3.h"

enum { STORIES = 40, MIB = 1 << 20, RUNS_MAX = 4, RUN_SECONDS_MAX = 60 };

static const char prefix[] = "NAME/v1/";

/* Of the source; those that can be paths come first. */
static const char *const keys[] = {
    "a",   "a!b", "a/b",  "big",  "c/d/e", "c/d/f", "e",  "empty", "f1",
    "f2",  "f3",  "f4",   "f5",   "f6",    "f7",    "f8", "f9",    "g",
    "x/y", "z",   "//no", "n//o", "./no",  "no/",   "x/"};
enum { BIG = 3, N_PATHS = 20, PAST_MAX = 4000 };

/* What an object was at one time. */
struct past {
    const char *key;
    uint64_t etag_hash;
    struct digest digest;
};

struct story {
    struct loop loop;
    struct budget *from_budget, *to_budget;
    struct memory_store from, to;
    struct store_limits limits;
    struct checkpoint *checkpoint;
    struct source *source;
    struct pipeline *pipeline;
    char dir[64], path[96];

    bool can_copy, may_stop, is_stopped, is_over, is_done, is_calm;
    struct error err, outcome;
    unsigned n_failed, n_lines, n_wrong, n_bad;
    uint64_t started_ns;
    struct deferred soon;
    struct past past[PAST_MAX];
    size_t n_past;
};

static void on_answer(void *ctx, const struct error *err)
{
    struct story *s = ctx;

    s->is_done = true;
    error_clear(&s->err);
    if (err != NULL)
        s->err = *err;
}

static void on_closed(void *ctx)
{
    ((struct story *)ctx)->is_done = true;
}

static void wait_for(struct story *s)
{
    loop_run_until(&s->loop, &s->is_done);
    s->is_done = false;
}

/* ---- the objects ---- */

static void put_bytes(struct story *s, size_t i, uint64_t size)
{
    uint8_t *bytes = mem_buffer((size_t)size + 1);

    for (uint64_t at = 0; at < size; at++)
        bytes[at] = (uint8_t)at;
    for (unsigned n = 0; n < 8 && size > 0; n++)
        bytes[(uint64_t)roll(1000) * size / 1000] = (uint8_t)roll(256);
    memory_store_put(&s->from, keys[i], bytes, size);
    assert_true(s->n_past < PAST_MAX);
    s->past[s->n_past++] =
        (struct past){keys[i], source_s3_etag_hash(s->from.objects->etag),
                      digest_of_bytes(bytes, (size_t)size)};
    free(bytes);
}

static void put_object(struct story *s, size_t i)
{
    uint64_t size = roll(3) == 0 ? STORE_CHUNK + roll(2) * MIB : 5000;

    if (strcmp(keys[i], "empty") == 0 || i >= N_PATHS)
        size = 0;
    if (i == BIG && roll(2) == 0)
        size = (uint64_t)(16 + roll(30)) * MIB + roll(5000);
    put_bytes(s, i, size);
}

/* While it is copied or read: other bytes, as many. */
static void rewrite_big(struct story *s)
{
    const struct memory_object *big = memory_store_find(&s->from, keys[BIG]);

    if (big != NULL && big->size > 16 * MIB)
        put_bytes(s, BIG, big->size);
}

static void change_something(struct story *s)
{
    size_t i = roll(ARRAY_SIZE(keys));

    if (roll(3) == 0)
        memory_store_delete(&s->from, keys[i]);
    else
        put_object(s, i);
}

static void on_effect(void *ctx, const struct store_op *op)
{
    struct story *s = ctx;

    if (s->is_calm)
        return;
    if (op->verb == STORE_COPY_PART && roll(6) == 0)
        rewrite_big(s);
    if (roll(12) == 0)
        change_something(s);
    if (!s->is_stopped && s->may_stop && roll(60) == 0) {
        s->is_stopped = true;
        pipeline_stop(s->pipeline);
    }
}

/* ---- a run ---- */

static void on_issue(void *ctx, const struct issue *issue)
{
    struct story *s = ctx;

    assert_int_equal(issue->kind, ISSUE_BAD_KEY);
    s->n_bad++;
}

static void on_stored(void *ctx, const char *path, uint64_t size)
{
    (void)ctx, (void)path, (void)size;
}

static void on_failed(void *ctx, const char *path, const struct error *err)
{
    struct story *s = ctx;

    (void)path;
    assert_false(s->is_calm);
    assert_true(err->kind == ERROR_CHANGED || err->kind == ERROR_NOT_FOUND);
    s->n_failed++;
}

static void on_scanned(void *ctx)
{
    (void)ctx;
}

static void on_over(void *ctx, const struct error *err)
{
    struct story *s = ctx;

    s->is_over = true;
    error_clear(&s->outcome);
    if (err != NULL)
        s->outcome = *err;
}

static const struct pipeline_events events = {on_issue, on_stored, on_failed,
                                              on_scanned, on_over};

/* The streams that were begun end a moment later. */
static void on_turn(void *ctx)
{
    struct story *s = ctx;

    assert_true(uv_hrtime() - s->started_ns < RUN_SECONDS_MAX * (uint64_t)1000000000);
    if (s->is_over && s->from.n_under_way == 0 && s->to.n_under_way == 0)
        s->is_done = true;
    else
        loop_defer(&s->loop, &s->soon, on_turn, s);
}

static void open_all(struct story *s)
{
    const struct store_limits source_limits = {.put_max = UINT64_MAX};
    struct store_options from = {
        .loop = &s->loop, .budget = s->from_budget, .jobs = 1 + roll(6)};
    struct store_options to = {
        .loop = &s->loop, .budget = s->to_budget, .jobs = 1 + roll(6)};
    struct source_s3_options source = {
        .bucket = "from", .prefix = "", .can_copy = s->can_copy};
    bool lock_works;
    struct error err;

    memory_store_open(&s->from, &from, &source_limits);
    memory_store_open(&s->to, &to, &s->limits);
    source.store = s->from.store;
    s->source = source_open_s3(&s->loop, &source);
    assert_int_equal(
        checkpoint_open(&s->checkpoint, &s->loop, s->path, &lock_works, &err), 0);
}

static void close_all(struct story *s)
{
    source_close(s->source);
    checkpoint_close(s->checkpoint, on_closed, s);
    wait_for(s);
    memory_store_close(&s->from);
    memory_store_close(&s->to);
    assert_int_equal(budget_in_use(s->from_budget), 0);
    assert_int_equal(budget_in_use(s->to_budget), 0);
}

static void run(struct story *s)
{
    struct pipeline_options options = {.loop = &s->loop,
                                       .source = s->source,
                                       .store = s->to.store,
                                       .budget = s->to_budget,
                                       .checkpoint = s->checkpoint,
                                       .prefix = prefix,
                                       .events = &events,
                                       .ctx = s};

    s->is_stopped = s->is_over = false;
    s->n_failed = s->n_bad = 0;
    s->may_stop = roll(2) == 0;
    s->from.bad_percent = roll(2) * roll(15);
    s->to.bad_percent = roll(2) * roll(15);
    s->to.forget_percent = s->is_calm ? 0 : roll(2) * roll(8);
    s->to.refuse_percent = roll(3) == 0 ? roll(100) : 0;
    s->started_ns = uv_hrtime();
    s->pipeline = pipeline_start(&options);
    s->from.on_effect = s->to.on_effect = on_effect;
    s->from.ctx = s->to.ctx = s;
    loop_defer(&s->loop, &s->soon, on_turn, s);
    wait_for(s);
    s->from.on_effect = s->to.on_effect = NULL;
    pipeline_free(s->pipeline);
    assert_true(s->outcome.kind == ERROR_NONE || !s->is_calm);
    if (s->outcome.kind != ERROR_NONE && s->outcome.kind != ERROR_CANCELLED) {
        assert_int_equal(s->outcome.kind, ERROR_NOT_FOUND); /* forgotten too often */
    }
}

/* ---- the end ---- */

static const struct memory_object *stored(const struct story *s,
                                          const struct manifest_line *line)
{
    const struct memory_object *o;
    struct text key = {0};

    text_add_format(&key, "%sdata/%s", prefix, line->entry.path);
    o = memory_store_find(&s->to, text_string(&key));
    text_free(&key);
    return o;
}

/* On the checkpoint's thread: nothing is asserted there.  Whatever the source is by now:
 * the bytes are those of the ETag that was noted. */
static int each_line_of_a_run(void *ctx, const struct manifest_line *line,
                              struct error *err)
{
    struct story *s = ctx;
    const struct memory_object *to = stored(s, line);
    struct digest digest;
    bool is_one = false;

    (void)err;
    if (line->entry.type != ENTRY_FILE)
        return 0;
    if (to != NULL)
        digest = digest_of_bytes(to->bytes, (size_t)to->size);
    for (size_t i = 0; i < s->n_past && to != NULL && !is_one; i++)
        is_one = strcmp(s->past[i].key, line->entry.path) == 0 &&
                 s->past[i].etag_hash == line->entry.stamp.inode &&
                 digest_is_same(&s->past[i].digest, &digest);
    s->n_wrong += !is_one;
    return 0;
}

static void export_lines(struct story *s, manifest_each_fn *each)
{
    s->n_lines = s->n_wrong = 0;
    checkpoint_export(s->checkpoint, strlen(prefix), each, s, on_answer, s);
    wait_for(s);
    assert_string_equal(s->err.text, "");
    assert_int_equal(s->n_wrong, 0);
}

static bool has_right_hash(const struct story *s, const struct manifest_line *line,
                           const struct memory_object *o)
{
    struct digest d;

    if (!line->has_hash)
        return s->can_copy && strcmp(line->etag, o->etag) == 0;
    if (o->size > DIGEST_BLOCK)
        return true; /* test_upload.c */
    d = digest_of_bytes(o->bytes, (size_t)o->size);
    return digest_is_same(&d, &line->hash);
}

/* On the checkpoint's thread, too. */
static int each_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct story *s = ctx;
    const struct memory_object *from = memory_store_find(&s->from, line->entry.path);
    const struct memory_object *to = stored(s, line);
    bool is_right = from != NULL && to != NULL && from->size == to->size &&
                    line->entry.type == ENTRY_FILE &&
                    line->entry.stamp.size == from->size &&
                    memcmp(to->bytes, from->bytes, (size_t)from->size) == 0 &&
                    has_right_hash(s, line, to);

    (void)err;
    s->n_lines++;
    s->n_wrong += !is_right;
    return 0;
}

static void check(struct story *s)
{
    unsigned n_objects = 0, n_paths = 0, n_bad = 0;

    export_lines(s, each_line);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        bool is_there = memory_store_find(&s->from, keys[i]) != NULL;

        n_paths += is_there && i < N_PATHS;
        n_bad += is_there && i >= N_PATHS && i < N_PATHS + 3;
    }
    for (const struct memory_object *o = s->to.objects; o != NULL; o = o->next)
        n_objects++;
    assert_int_equal(s->n_lines, n_paths);
    assert_int_equal(n_objects, n_paths);
    assert_int_equal(s->n_bad, n_bad);
}

static void tell(unsigned seed)
{
    struct story *s = mem_new(1, sizeof *s);
    unsigned n_runs;

    dice_seed(seed);
    n_runs = 1 + roll(RUNS_MAX);
    loop_open(&s->loop);
    s->from_budget = budget_new(&s->loop, (1 + roll(4)) * STORE_CHUNK);
    s->to_budget = budget_new(&s->loop, (1 + roll(4)) * STORE_CHUNK);
    snprintf(s->dir, sizeof s->dir, "/tmp/test_source_s3.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/checkpoint.db", s->dir);
    s->limits = (struct store_limits){.put_max = 8 * MIB,
                                      .part_min = 5 * MIB,
                                      .part_max = UINT64_MAX / 2,
                                      .parts_max = 64,
                                      .copy_max = roll(2) == 0 ? 16 * MIB : UINT64_MAX};
    s->can_copy = roll(3) > 0;
    s->from.has_md5_etags = roll(3) > 0;
    s->to.has_md5_etags = roll(3) > 0;
    s->to.elsewhere = &s->from;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (roll(3) > 0 && strcmp(keys[i], "x/") != 0 && strcmp(keys[i], "no/") != 0)
            put_object(s, i);
    for (unsigned i = 0; i < n_runs; i++) {
        s->is_calm = i + 1 == n_runs;
        memory_store_delete(&s->from, "no/"); /* else an empty folder */
        memory_store_delete(&s->from, "x/");
        open_all(s);
        run(s);
        if (s->outcome.kind == ERROR_NONE)
            export_lines(s, each_line_of_a_run);
        if (s->is_calm)
            check(s);
        close_all(s);
    }
    memory_store_free(&s->from);
    memory_store_free(&s->to);
    budget_free(s->from_budget);
    budget_free(s->to_budget);
    loop_close(&s->loop);
    remove_tree(s->dir);
    free(s);
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
