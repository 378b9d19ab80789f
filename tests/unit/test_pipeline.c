/*
 * Whole trees on their way into a store, in several runs with a real checkpoint.  Each
 * seed is a story: runs that are stopped, crash, are refused or lose their checkpoint,
 * with the tree changed between them and meanwhile, and a last run that is left in
 * peace.  After it the store holds the tree and nothing else.  Half of the stories go on
 * with another version, that may copy from the first.  The checkpoint's thread makes the
 * turns of a story differ a little from run to run: test_pipeline SEED COUNT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "dice.h"
#include "manifest/checkpoint_previous.h"
#include "memory_source.h"
#include "memory_store.h"
#include "transfer/etag.h"
#include "transfer/pipeline.h"

enum { STORIES = 40, SMALL_FILES = 12, MIB = 1 << 20 };
enum { LINES_MAX = 64, RUN_SECONDS_MAX = 60 };

static const int64_t second_ns = 1000000000;

static const char *const paths[] = {"a",         "a-b", "a/x",   "a/y/z", "b", "big",
                                    "c/\x01odd", "c/d", "empty", "link",  "n"};

struct line {
    char path[64];
    enum entry_type type;
    uint64_t size;
    struct digest hash;
    uint64_t block_size;
    struct digest blocks[8];
    char key[80];    /* where it is not data/<path> */
    bool is_dropped; /* of the previous version: not there any more */
    size_t n_blocks;
};

/* A file on disk as it was at one moment. */
struct copy {
    uint8_t *bytes;
    size_t size;
    bool exists;
};

struct story {
    struct loop loop;
    struct budget *budget;
    struct memory_store store;
    struct store_limits limits;
    struct memory_source source;
    struct checkpoint *checkpoint;
    char dir[64], path[96], cache[96];
    const char *prefix, *previous; /* previous NULL: this is the first version */
    bool is_done;                  /* what is waited for */
    struct error err;

    /* The story. */
    uint64_t part_size;
    bool has_big, may_crash, has_crashed, must_look;
    bool is_quiet;         /* no request fails */
    struct copy copies[2]; /* data base and log, at the crash */

    /* This run. */
    struct pipeline *pipeline;
    unsigned drop_chance;
    unsigned change_chance, stop_chance, away_chance, forget_chance, refuse_chance;
    unsigned crash_chance, away_turns, stop_after;
    bool is_stopped, is_over, has_crashed_now, is_scanned;
    struct error outcome; /* ERROR_NONE: well */
    uint64_t started_ns;
    unsigned n_failed, n_stored, n_issues;
    bool has_failed[64];
    struct deferred soon;

    struct line lines[LINES_MAX], old_lines[LINES_MAX];
    size_t n_lines, n_old_lines;
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

static void key_of(struct text *key, const char *prefix, const char *path)
{
    text_clear(key);
    text_add(key, prefix);
    entry_add_key(key, path, strlen(prefix));
}

static struct memory_object *object_below(const struct story *s, const char *prefix,
                                          const char *path)
{
    struct text key = {0};
    struct memory_object *o;

    key_of(&key, prefix, path);
    o = memory_store_find(&s->store, text_string(&key));
    text_free(&key);
    return o;
}

static struct memory_object *object_of(const struct story *s, const char *path)
{
    return object_below(s, s->prefix, path);
}

/* ---- the tree ---- */

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* Nothing may stand where f is to be, nor below it. */
static void make_place(struct story *s, const struct memory_file *f)
{
    for (size_t i = 0; i < s->source.n_files; i++) {
        struct memory_file *other = &s->source.files[i];

        if (is_below(f->path, other->path) || is_below(other->path, f->path))
            if (other->kind != MEMORY_GONE)
                memory_file_become(&s->source, other, MEMORY_GONE);
    }
}

static uint64_t draw_size(struct story *s, const struct memory_file *f)
{
    if (strcmp(f->path, "empty") == 0)
        return 0;
    if (strcmp(f->path, "big") == 0 && s->has_big)
        return (uint64_t)(20 + roll(20)) * MIB + roll(5000);
    if (roll(8) == 0)
        return STORE_CHUNK + roll(MIB);
    if (roll(8) == 0)
        return MIB; /* as others have it */
    return roll(6000);
}

static void make_file(struct story *s, struct memory_file *f)
{
    make_place(s, f);
    if (f->n_versions > MEMORY_VERSIONS_MAX - 2)
        return;
    if (roll(10) == 0)
        memory_file_become(&s->source, f, MEMORY_FOLDER);
    else if (strcmp(f->path, "link") == 0 || roll(15) == 0)
        memory_file_become(&s->source, f, MEMORY_LINK);
    else
        memory_file_make(&s->source, f, draw_size(s, f));
}

/* Some file gets the name of another. */
static void move_something(struct story *s)
{
    struct memory_file *from = &s->source.files[roll((unsigned)s->source.n_files)];
    struct memory_file *to = &s->source.files[roll((unsigned)s->source.n_files)];

    if (from->kind != MEMORY_FILE || from == to || is_below(from->path, to->path) ||
        is_below(to->path, from->path) || to->n_versions > MEMORY_VERSIONS_MAX - 2)
        return;
    make_place(s, to);
    memory_file_move(&s->source, from, to);
}

static void change_something(struct story *s)
{
    struct memory_file *f = &s->source.files[roll((unsigned)s->source.n_files)];

    if (f->n_versions > MEMORY_VERSIONS_MAX - 2)
        return;
    if (roll(8) == 0) {
        move_something(s);
        return;
    }
    f->is_unreadable = roll(20) == 0;
    if (f->kind != MEMORY_FILE) {
        make_file(s, f);
        return;
    }
    switch (roll(10)) {
    case 0:
    case 1:
        memory_file_become(&s->source, f, MEMORY_GONE);
        break;
    case 2:
        memory_file_become(&s->source, f, roll(2) == 0 ? MEMORY_FIFO : MEMORY_FOLDER);
        break;
    case 3:
    case 4:
        memory_file_resize(&s->source, f, draw_size(s, f));
        break;
    case 5:
    case 6:
        memory_file_restore(&s->source, f);
        break;
    default:
        memory_file_edit(&s->source, f);
    }
}

static void make_tree(struct story *s)
{
    char path[16];

    memory_source_init(&s->source, &s->loop);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        memory_source_add(&s->source, paths[i]);
    for (unsigned i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof path, "n%02u", i);
        memory_source_add(&s->source, path);
    }
    for (size_t i = 0; i < s->source.n_files; i++)
        if (roll(4) > 0)
            make_file(s, &s->source.files[i]);
    memory_source_wait(&s->source, 10 * second_ns);
}

/* ---- events of a run ---- */

static void on_issue(void *ctx, const struct issue *issue)
{
    struct story *s = ctx;

    assert_non_null(s->pipeline);
    assert_int_equal(issue->kind, ISSUE_SPECIAL);
    s->n_issues++;
}

static void on_stored(void *ctx, const char *path, uint64_t size)
{
    struct story *s = ctx;
    const struct memory_object *o = object_of(s, path);

    assert_non_null(o);
    assert_int_equal(o->size, size);
    s->n_stored++;
}

static void on_failed(void *ctx, const char *path, const struct error *err)
{
    struct story *s = ctx;
    size_t i = (size_t)(memory_source_find(&s->source, path) - s->source.files);

    assert_int_not_equal(err->kind, ERROR_NONE);
    assert_int_not_equal(err->kind, ERROR_CANCELLED);
    assert_false(s->has_failed[i]); /* said once */
    s->has_failed[i] = true;
    s->n_failed++;
}

static void on_scanned(void *ctx)
{
    struct story *s = ctx;

    assert_false(s->is_scanned);
    s->is_scanned = true;
}

static void on_over(void *ctx, const struct error *err)
{
    struct story *s = ctx;

    assert_false(s->is_over);
    s->is_over = true;
    assert_int_equal(s->store.n_under_way, 0);
    assert_int_equal(s->source.n_under_way, 0);
    assert_int_equal(s->source.n_open, 0);
    assert_int_equal(budget_in_use(s->budget), 0);
    error_clear(&s->outcome);
    if (err != NULL)
        s->outcome = *err;
    else
        assert_true(s->is_scanned);
}

static const struct pipeline_events events = {on_issue, on_stored, on_failed,
                                              on_scanned, on_over};

/* ---- what happens to a run ---- */

static void copy_file(struct copy *copy, const char *path, const char *suffix)
{
    char name[128];
    struct stat st;
    int fd;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    copy->exists = fd >= 0;
    if (fd < 0)
        return;
    assert_int_equal(fstat(fd, &st), 0);
    copy->bytes = mem_buffer((size_t)st.st_size + 1);
    copy->size = (size_t)pread(fd, copy->bytes, (size_t)st.st_size, 0);
    close(fd);
}

static void put_back(struct copy *copy, const char *path, const char *suffix)
{
    char name[128];
    FILE *file;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    unlink(name);
    if (copy->exists) {
        file = fopen(name, "w");
        assert_int_equal(fwrite(copy->bytes, 1, copy->size, file), copy->size);
        fclose(file);
    }
    free(copy->bytes);
    memset(copy, 0, sizeof *copy);
}

/* The notes end here, while what was asked of the store may still come about. */
static void crash(struct story *s)
{
    s->has_crashed = s->has_crashed_now = true;
    copy_file(&s->copies[0], s->path, "");
    copy_file(&s->copies[1], s->path, "-wal");
    s->stop_chance = 1 + roll(6);
}

static bool chance(unsigned n)
{
    return n > 0 && roll(n) == 0;
}

/* Somebody deletes the previous version. */
static void drop_old_object(struct story *s)
{
    struct line *l = &s->old_lines[roll((unsigned)s->n_old_lines)];
    struct text key = {0};

    key_of(&key, s->previous, l->path);
    memory_store_delete(&s->store, text_string(&key));
    text_free(&key);
    l->is_dropped = true;
}

static void on_effect(void *ctx, const struct store_op *op)
{
    struct story *s = ctx;

    (void)op;
    assert_false(s->is_over);
    if (chance(s->change_chance))
        change_something(s);
    if (chance(s->crash_chance) && !s->has_crashed_now)
        crash(s);
    if (chance(s->stop_chance)) {
        s->is_stopped = true;
        pipeline_stop(s->pipeline);
    }
    if (s->stop_after > 0 && s->store.n_copied_parts >= s->stop_after) {
        s->is_stopped = true;
        pipeline_stop(s->pipeline);
    }
    if (chance(s->refuse_chance))
        s->store.refusal = ERROR_AUTH;
    if (chance(s->away_chance)) {
        s->store.is_away = true;
        s->away_turns = 5 + roll(100);
    }
    if (s->previous != NULL && s->n_old_lines > 0 && chance(s->drop_chance))
        drop_old_object(s);
    for (struct memory_upload *u = s->store.uploads; u != NULL; u = u->next)
        if (u->state == UPLOAD_OPEN && chance(s->forget_chance))
            memory_store_forget(&s->store, u);
}

static void check_progress(const struct story *s)
{
    struct pipeline_progress p;

    pipeline_progress(s->pipeline, &p);
    assert_true(p.plan.files_stored <= p.plan.files);
    assert_true(p.files_in_flight <= s->source.n_files);
    assert_true(p.n_files <= PIPELINE_FILES_SHOWN);
    for (unsigned i = 0; i < p.n_files; i++)
        assert_non_null(
            memory_source_find((struct memory_source *)&s->source, p.files[i].path));
}

static void on_turn(void *ctx)
{
    struct story *s = ctx;

    if (s->is_over) {
        s->is_done = true;
        return;
    }
    check_progress(s);
    if (s->store.is_away && (s->away_turns == 0 || s->away_turns-- == 1))
        s->store.is_away = false;
    assert_true(uv_hrtime() - s->started_ns < RUN_SECONDS_MAX * (uint64_t)second_ns);
    loop_defer(&s->loop, &s->soon, on_turn, s);
}

static void draw_trouble(struct story *s, bool is_peaceful)
{
    s->change_chance = s->stop_chance = s->away_chance = 0;
    s->forget_chance = s->refuse_chance = s->crash_chance = 0;
    s->store.bad_percent = s->is_quiet ? 0 : roll(2) * roll(20);
    s->store.refuse_percent = s->is_quiet ? 0 : roll(2) * roll(20);
    s->drop_chance = s->is_quiet ? 0 : roll(2) * 30;
    s->store.refusal = s->source.list_failure = ERROR_NONE;
    if (roll(3) == 0)
        s->away_chance = 20;
    if (is_peaceful)
        return;
    s->change_chance = roll(2) * (10 + roll(60));
    s->forget_chance = roll(2) * (10 + roll(20));
    switch (roll(6)) {
    case 0:
        s->refuse_chance = 30;
        break;
    case 1:
        s->source.list_failure = ERROR_IO;
        break;
    case 2:
        if (s->may_crash)
            s->crash_chance = 5 + roll(30);
        break;
    case 3:
        break;
    default:
        s->stop_chance = 5 + roll(60);
    }
}

/* ---- a run ---- */

/* ---- the previous version ---- */

static void add_old_lines(struct story *s, size_t from, size_t to)
{
    struct manifest_line lines[LINES_MAX] = {0};

    for (size_t i = from; i < to; i++) {
        const struct line *l = &s->old_lines[i];

        lines[i].entry.path = l->path;
        lines[i].key = l->key[0] != '\0' ? l->key : NULL;
        lines[i].entry.type = l->type;
        lines[i].entry.stamp.size = l->size;
        lines[i].has_hash = true;
        lines[i].hash = l->hash;
        lines[i].block_size = l->block_size;
        lines[i].blocks = l->n_blocks > 1 ? l->blocks : NULL;
        lines[i].n_blocks = l->n_blocks;
    }
    checkpoint_previous_add(s->checkpoint, lines + from, to - from, on_answer, s);
    wait_for(s);
    assert_string_equal(s->err.text, "");
}

static void begin_filling(struct story *s)
{
    checkpoint_previous_begin(s->checkpoint, s->cache, "v1", on_answer, s);
    wait_for(s);
    assert_string_equal(s->err.text, "");
}

/* A run that is killed in the middle of it leaves it to the next. */
static void fill_previous(struct story *s)
{
    char *name = checkpoint_previous_name(s->checkpoint);
    size_t half = s->n_old_lines / 2;

    free(name);
    if (s->previous == NULL || name != NULL)
        return;
    if (roll(4) == 0) {
        begin_filling(s);
        add_old_lines(s, 0, half);
    }
    begin_filling(s);
    add_old_lines(s, 0, half);
    add_old_lines(s, half, s->n_old_lines);
    checkpoint_previous_end(s->checkpoint, s->previous, on_answer, s);
    wait_for(s);
    assert_string_equal(s->err.text, "");
}

static void open_all(struct story *s)
{
    struct store_options options = {
        .loop = &s->loop, .budget = s->budget, .jobs = 1 + roll(8)};
    bool lock_works;
    struct error err;

    s->store.on_effect = NULL;
    memory_store_open(&s->store, &options, &s->limits);
    assert_int_equal(
        checkpoint_open(&s->checkpoint, &s->loop, s->path, &lock_works, &err), 0);
    if (s->must_look)
        checkpoint_set(s->checkpoint, "look", "1");
    checkpoint_set(s->checkpoint, "session", s->previous == NULL ? "v1" : "v2");
    fill_previous(s);
}

static void close_all(struct story *s)
{
    checkpoint_close(s->checkpoint, on_closed, s);
    wait_for(s);
    memory_store_close(&s->store);
    if (s->has_crashed_now) {
        put_back(&s->copies[0], s->path, "");
        put_back(&s->copies[1], s->path, "-wal");
        s->has_crashed_now = false;
    }
}

static void check_outcome(const struct story *s)
{
    switch (s->outcome.kind) {
    case ERROR_NONE:
        assert_int_equal(s->source.list_failure, ERROR_NONE);
        break;
    case ERROR_CANCELLED:
        assert_true(s->is_stopped);
        break;
    case ERROR_AUTH:
        assert_int_equal(s->store.refusal, ERROR_AUTH);
        break;
    case ERROR_IO:
        assert_int_equal(s->source.list_failure, ERROR_IO);
        break;
    default:
        assert_int_equal(s->outcome.kind, ERROR_NOT_FOUND); /* forgotten too often */
        assert_true(s->forget_chance > 0);
    }
}

static void run(struct story *s, bool is_peaceful)
{
    struct pipeline_options options = {.loop = &s->loop,
                                       .source = &s->source.source,
                                       .store = s->store.store,
                                       .budget = s->budget,
                                       .checkpoint = s->checkpoint,
                                       .prefix = s->prefix,
                                       .previous = s->previous,
                                       .part_size = s->part_size,
                                       .events = &events,
                                       .ctx = s};
    char *look = checkpoint_get(s->checkpoint, "look");

    options.must_look = look != NULL;
    free(look);
    draw_trouble(s, is_peaceful);
    s->is_stopped = s->is_over = s->is_scanned = false;
    s->n_failed = s->n_stored = s->n_issues = 0;
    memset(s->has_failed, 0, sizeof s->has_failed);
    s->source.next = 0;
    s->store.on_effect = on_effect;
    s->store.ctx = s;
    s->started_ns = uv_hrtime();
    s->pipeline = pipeline_start(&options);
    if (!is_peaceful && roll(20) == 0) {
        s->is_stopped = true;
        pipeline_stop(s->pipeline);
    }
    loop_defer(&s->loop, &s->soon, on_turn, s);
    wait_for(s);
    s->store.is_away = false;
    s->store.on_effect = NULL;
    pipeline_free(s->pipeline);
    s->pipeline = NULL;
    check_outcome(s);
}

/* ---- the end ---- */

static int each_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct story *s = ctx;
    struct line *l = &s->lines[s->n_lines++];

    (void)err;
    snprintf(l->path, sizeof l->path, "%s", line->entry.path);
    snprintf(l->key, sizeof l->key, "%s", line->key != NULL ? line->key : "");
    l->type = line->entry.type;
    l->size = line->entry.stamp.size;
    l->hash = line->hash;
    l->block_size = line->block_size;
    l->n_blocks = line->n_blocks;
    for (size_t i = 0; i < line->n_blocks && i < ARRAY_SIZE(l->blocks); i++)
        l->blocks[i] = line->blocks[i];
    return 0;
}

static void check_hashes(const struct line *l, const struct memory_object *o)
{
    struct digest d;

    if (o->size <= DIGEST_BLOCK) {
        d = digest_of_bytes(o->bytes, (size_t)o->size);
        assert_true(digest_is_same(&d, &l->hash));
        return;
    }
    assert_int_equal(l->block_size, DIGEST_BLOCK);
    assert_int_equal(l->n_blocks, (o->size - 1) / DIGEST_BLOCK + 1);
    for (size_t i = 0; i < l->n_blocks; i++) {
        uint64_t at = (uint64_t)i * DIGEST_BLOCK, left = o->size - at;
        d = digest_of_bytes(o->bytes + at,
                            (size_t)(left < DIGEST_BLOCK ? left : DIGEST_BLOCK));
        assert_true(digest_is_same(&d, &l->blocks[i]));
    }
    d = digest_of_bytes(l->blocks, l->n_blocks * sizeof *l->blocks);
    assert_true(digest_is_same(&d, &l->hash));
}

static void check_line(const struct story *s, const struct memory_file *f,
                       const struct line *l)
{
    const struct memory_object *o;

    assert_string_equal(l->path, f->path);
    if (f->kind != MEMORY_FILE) {
        assert_int_equal(l->type,
                         f->kind == MEMORY_FOLDER ? ENTRY_DIRECTORY : ENTRY_SYMLINK);
        return;
    }
    assert_int_equal(l->type, ENTRY_FILE);
    assert_int_equal(l->size, f->now.stamp.size);
    o = object_of(s, f->path);
    assert_non_null(o);
    assert_true(memory_version_is(&f->now, o->bytes, o->size));
    check_hashes(l, o);
}

static void check_tree(struct story *s)
{
    size_t n = 0, n_specials = 0;

    s->n_lines = 0;
    checkpoint_export(s->checkpoint, strlen(s->prefix), each_line, s, on_answer, s);
    wait_for(s);
    assert_string_equal(s->err.text, "");
    for (size_t i = 0; i < s->source.n_files; i++) {
        const struct memory_file *f = &s->source.files[i];

        n_specials += f->kind == MEMORY_FIFO;
        if (f->kind == MEMORY_GONE || f->kind == MEMORY_FIFO || s->has_failed[i])
            continue;
        assert_true(n < s->n_lines);
        check_line(s, f, &s->lines[n++]);
    }
    assert_int_equal(n, s->n_lines);
    assert_int_equal(s->n_issues, n_specials);
}

static void check_failures(const struct story *s)
{
    struct checkpoint_totals totals;
    size_t n = 0;

    checkpoint_totals(s->checkpoint, &totals);
    for (size_t i = 0; i < s->source.n_files; i++) {
        const struct memory_file *f = &s->source.files[i];

        if (s->has_failed[i]) /* for a reason */
            assert_true(f->kind == MEMORY_FILE && f->is_unreadable);
        n += s->has_failed[i];
    }
    assert_int_equal(totals.files_failed, n);
    assert_int_equal(totals.files_stored, totals.files - n);
}

static bool is_ours(const struct story *s, const struct memory_object *o)
{
    return strncmp(o->key, s->prefix, strlen(s->prefix)) == 0;
}

static void remove_strays(struct story *s)
{
    char *keys[100];
    uint64_t n_lost;
    size_t n;

    checkpoint_seen_begin(s->checkpoint);
    for (const struct memory_object *o = s->store.objects; o != NULL; o = o->next)
        if (is_ours(s, o))
            checkpoint_seen(s->checkpoint, o->key + strlen(s->prefix), o->size,
                            o->etag);
    checkpoint_seen_end(s->checkpoint, strlen(s->prefix), &n_lost, on_answer, s);
    wait_for(s);
    assert_int_equal(n_lost, 0); /* never ahead of the truth */
    checkpoint_strays(s->checkpoint, keys, ARRAY_SIZE(keys), &n, on_answer, s);
    wait_for(s);
    for (size_t i = 0; i < n; i++) {
        struct text key = {0};

        text_add_format(&key, "%s%s", s->prefix, keys[i]);
        if (s->has_crashed || s->must_look || s->n_failed > 0)
            memory_store_delete(&s->store, text_string(&key));
        text_free(&key);
        free(keys[i]);
    }
}

static void check_store(const struct story *s)
{
    size_t n_files = 0, n_objects = 0;

    for (size_t i = 0; i < s->source.n_files; i++)
        n_files += s->source.files[i].kind == MEMORY_FILE && !s->has_failed[i];
    for (const struct memory_object *o = s->store.objects; o != NULL; o = o->next)
        n_objects += is_ours(s, o);
    assert_int_equal(n_objects, n_files);
    if (!s->has_crashed && !s->must_look && s->n_failed == 0)
        assert_true(memory_store_count_open(&s->store) <= s->store.n_orphans);
}

/* The previous version is as it was. */
static void check_previous(const struct story *s)
{
    for (size_t i = 0; i < s->n_old_lines; i++) {
        const struct line *l = &s->old_lines[i];

        if (l->type == ENTRY_FILE && !l->is_dropped)
            check_hashes(l, object_below(s, s->previous, l->path));
    }
}

static unsigned count_written(const struct story *s)
{
    return s->store.n_puts + s->store.n_parts + s->store.n_copies +
           s->store.n_copied_parts;
}

/* Where nothing has changed nothing is sent, and once all is calm nothing is read. */
static void check_economy(struct story *s)
{
    unsigned n_sent = count_written(s);
    uint64_t n_read;

    if (s->n_failed > 0)
        return;
    memory_source_wait(&s->source, 10 * second_ns);
    run(s, true);
    assert_int_equal(s->outcome.kind, ERROR_NONE);
    assert_int_equal(count_written(s), n_sent);
    n_read = s->source.n_bytes_read;
    run(s, true);
    assert_int_equal(s->outcome.kind, ERROR_NONE);
    assert_int_equal(s->source.n_bytes_read, n_read);
    assert_int_equal(s->n_stored, 0);
    check_tree(s);
}

static void begin_story(struct story *s)
{
    const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    assert_int_equal(loop_open(&s->loop), 0);
    snprintf(s->dir, sizeof s->dir, "%s/test_pipeline.XXXXXX", shm);
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/session.db", s->dir);
    snprintf(s->cache, sizeof s->cache, "%s/cache.db", s->dir);
    s->prefix = "NAME/v1/";
    s->budget = budget_new(&s->loop, (1 + roll(4)) * STORE_CHUNK);
    s->limits =
        (struct store_limits){.put_max = roll(2) == 0 ? STORE_CHUNK : UINT64_MAX,
                              .part_min = 1,
                              .part_max = UINT64_MAX / 2,
                              .parts_max = MEMORY_PARTS_MAX,
                              .copy_max = roll(2) == 0 ? MIB : UINT64_MAX,
                              .copy_ranges_above = 5 << 20,
                              .is_local = roll(2) == 0};
    s->store.has_md5_etags = roll(2) == 0;
    s->part_size = roll(2) * 32 * (uint64_t)MIB;
    s->has_big = roll(6) == 0;
    s->may_crash = roll(2) == 0;
    s->store.has_folders = !s->may_crash;
    make_tree(s);
}

static void end_story(struct story *s)
{
    static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
    char name[128];

    memory_store_free(&s->store);
    memory_source_free(&s->source);
    loop_close(&s->loop);
    budget_free(s->budget);
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", s->path, suffixes[i]);
        unlink(name);
        snprintf(name, sizeof name, "%s%s", s->cache, suffixes[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(s->dir), 0);
    free(s);
}

static void between_runs(struct story *s)
{
    for (unsigned n = roll(2) * roll(8); n > 0; n--)
        change_something(s);
    if (roll(2) == 0) /* a file where a folder was, or the reverse */
        make_file(s, &s->source.files[roll(4)]);
    if (roll(2) == 0)
        memory_source_wait(&s->source, 10 * second_ns);
    if (s->may_crash && roll(10) == 0) {
        unlink(s->path);
        s->must_look = true;
    }
}

/* All is stored: the next version begins. */
static void begin_next_version(struct story *s, bool has_cache)
{
    s->previous = s->prefix;
    s->prefix = "NAME/v2/";
    memcpy(s->old_lines, s->lines, sizeof s->lines);
    s->n_old_lines = s->n_lines;
    s->must_look = false;
    for (struct memory_upload *u = s->store.uploads; u != NULL; u = u->next)
        memory_store_forget(&s->store, u);
    if (has_cache)
        assert_int_equal(rename(s->path, s->cache), 0);
    else
        unlink(s->path);
}

static void tell_version(struct story *s)
{
    for (unsigned n = roll(5); n > 0; n--) {
        open_all(s);
        run(s, false);
        close_all(s);
        between_runs(s);
    }
    open_all(s);
    run(s, true);
    assert_int_equal(s->outcome.kind, ERROR_NONE);
    check_failures(s);
    check_tree(s);
    remove_strays(s);
    check_store(s);
    check_previous(s);
    check_economy(s);
    close_all(s);
}

static void tell(unsigned seed)
{
    struct story *s = mem_new(1, sizeof *s);

    (void)seed;
    begin_story(s);
    tell_version(s);
    if (roll(2) == 0) {
        begin_next_version(s, roll(4) > 0);
        between_runs(s);
        tell_version(s);
    }
    end_story(s);
}

static void test_stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

/* ---- the notes are lost, the store is not ---- */

static void store_file(struct story *s, const char *path)
{
    struct memory_file *f = memory_source_find(&s->source, path);
    uint8_t *bytes = mem_buffer((size_t)f->now.stamp.size + 1);
    struct text key = {0};

    memory_version_bytes(&f->now, 0, (struct span){bytes, (size_t)f->now.stamp.size});
    key_of(&key, s->prefix, path);
    memory_store_put(&s->store, text_string(&key), bytes, f->now.stamp.size);
    text_free(&key);
    free(bytes);
}

/* An open upload with the first two of three parts. */
static struct memory_upload *begin_file(struct story *s, const char *path)
{
    struct memory_file *f = memory_source_find(&s->source, path);
    uint8_t *bytes = mem_buffer(2 * DIGEST_BLOCK);
    struct memory_upload *u;
    struct text key = {0};

    memory_version_bytes(&f->now, 0, (struct span){bytes, 2 * DIGEST_BLOCK});
    key_of(&key, s->prefix, path);
    u = memory_store_create(&s->store, text_string(&key), DIGEST_BLOCK);
    memory_store_set_part(&s->store, u, 1, bytes, DIGEST_BLOCK);
    memory_store_set_part(&s->store, u, 2, bytes + DIGEST_BLOCK, DIGEST_BLOCK);
    text_free(&key);
    free(bytes);
    return u;
}

/* A file in three parts that the store has whole. */
static void complete_file(struct story *s, const char *path)
{
    struct memory_file *f = memory_source_find(&s->source, path);
    uint64_t size = f->now.stamp.size;
    uint8_t *bytes = mem_buffer((size_t)size);
    struct etag parts[3], whole;
    struct text key = {0};

    store_file(s, path);
    memory_version_bytes(&f->now, 0, (struct span){bytes, (size_t)size});
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = i * (uint64_t)DIGEST_BLOCK;
        struct md5 md5;
        md5_init(&md5);
        md5_add(&md5, bytes + at, (size_t)(i < 2 ? DIGEST_BLOCK : size - at));
        assert_true(md5_end(&md5, parts[i].md5));
    }
    assert_true(etag_of_parts(&whole, parts, 3));
    key_of(&key, s->prefix, path);
    if (!s->limits.is_local)
        etag_format(memory_store_find(&s->store, text_string(&key))->etag, &whole);
    text_free(&key);
    free(bytes);
}

static void make_known_tree(struct story *s)
{
    static const char *const small[] = {"n00", "n01", "n02"};
    static const char *const large[] = {"big", "n03", "n04"};

    for (size_t i = 0; i < s->source.n_files; i++)
        memory_file_become(&s->source, &s->source.files[i], MEMORY_GONE);
    for (size_t i = 0; i < ARRAY_SIZE(small); i++)
        memory_file_make(&s->source, memory_source_find(&s->source, small[i]), 1000);
    for (size_t i = 0; i < ARRAY_SIZE(large); i++)
        memory_file_make(&s->source, memory_source_find(&s->source, large[i]),
                         2 * DIGEST_BLOCK + 1000);
}

/* n00 and n03 are there, n01 and n04 with other bytes; n02 is not; of big there are two
 * of three parts, the first of them with other bytes. */
static void find_and_compare(bool is_local)
{
    struct story *s = mem_new(1, sizeof *s);
    struct memory_upload *u;
    struct memory_file *big;

    dice_seed(1);
    begin_story(s);
    s->must_look = s->is_quiet = true;
    s->limits.is_local = is_local;
    s->store.has_md5_etags = true;
    s->limits.put_max = UINT64_MAX;
    s->part_size = DIGEST_BLOCK;
    make_known_tree(s);
    big = memory_source_find(&s->source, "big");
    open_all(s);
    store_file(s, "n00");
    store_file(s, "n01");
    complete_file(s, "n03");
    complete_file(s, "n04");
    u = begin_file(s, "big");
    memory_file_edit(&s->source, memory_source_find(&s->source, "n01"));
    memory_file_edit(&s->source, memory_source_find(&s->source, "n04"));
    big->now.edits[0].from = 0; /* in the first part */
    big->now.edits[0].to = 1;
    big->now.edits[0].seed = 12345;
    big->now.n_edits = 1;
    memory_source_wait(&s->source, 10 * second_ns);
    run(s, true);
    assert_int_equal(s->outcome.kind, ERROR_NONE);
    check_tree(s);
    assert_int_equal(u->state, UPLOAD_COMPLETED);
    assert_int_equal(s->store.n_puts, 2);
    assert_int_equal(s->store.n_parts, 2 + 3);
    close_all(s);
    end_story(s);
}

static void test_what_the_store_has_is_found_and_compared(void **state)
{
    (void)state;
    find_and_compare(true);
}

/* Nothing is read back: the ETags tell. */
static void test_the_same_by_etags(void **state)
{
    (void)state;
    find_and_compare(false);
}

/* ---- what the previous version has is copied ---- */

static struct memory_file *file_of(struct story *s, const char *path)
{
    return memory_source_find(&s->source, path);
}

static const uint64_t big_size = 3 * (uint64_t)DIGEST_BLOCK + 1000;

/* A version of five files, in peace. */
static struct story *begin_with_previous(bool has_cache, uint64_t copy_max)
{
    struct story *s = mem_new(1, sizeof *s);

    dice_seed(1);
    begin_story(s);
    s->is_quiet = true;
    s->limits.put_max = s->limits.copy_max = copy_max;
    s->part_size = DIGEST_BLOCK;
    for (size_t i = 0; i < s->source.n_files; i++)
        memory_file_become(&s->source, &s->source.files[i], MEMORY_GONE);
    memory_file_make(&s->source, file_of(s, "big"), big_size);
    memory_file_make(&s->source, file_of(s, "c/\x01odd"), 2000);
    memory_file_make(&s->source, file_of(s, "empty"), 0);
    memory_file_make(&s->source, file_of(s, "n00"), 3000);
    memory_file_make(&s->source, file_of(s, "n01"), 2 * MIB);
    memory_source_wait(&s->source, 10 * second_ns);
    open_all(s);
    run(s, true);
    check_tree(s);
    close_all(s);
    begin_next_version(s, has_cache);
    memory_source_wait(&s->source, 10 * second_ns);
    s->store.n_puts = s->store.n_parts = 0;
    s->source.n_bytes_read = 0;
    return s;
}

/* The next version in one run. */
static void make_next_version(struct story *s)
{
    memory_source_wait(&s->source, 10 * second_ns);
    open_all(s);
    run(s, true);
    assert_int_equal(s->outcome.kind, ERROR_NONE);
    check_tree(s);
    check_store(s);
    check_previous(s);
}

static void end_next_version(struct story *s)
{
    close_all(s);
    end_story(s);
}

/* Writes some bytes of one block. */
static void edit_block(struct story *s, const char *path, uint64_t block)
{
    struct memory_file *f = file_of(s, path);

    f->now.edits[0].from = block * DIGEST_BLOCK / MEMORY_PAGE;
    f->now.edits[0].to = f->now.edits[0].from + 1;
    f->now.edits[0].seed = 12345;
    f->now.n_edits = 1;
    memory_file_resize(&s->source, f, f->now.stamp.size);
}

static void test_unchanged_files_are_not_read(void **state)
{
    struct story *s = begin_with_previous(true, UINT64_MAX);

    (void)state;
    make_next_version(s);
    assert_int_equal(s->source.n_bytes_read, 0);
    assert_int_equal(s->store.n_puts + s->store.n_parts, 0);
    assert_int_equal(s->store.n_copies, 5);
    end_next_version(s);
}

/* Of what is too large for one copy, parts are copied. */
static void test_large_unchanged_files_are_copied_in_parts(void **state)
{
    struct story *s = begin_with_previous(true, 4 * MIB);

    (void)state;
    make_next_version(s);
    assert_int_equal(s->source.n_bytes_read, 0);
    assert_int_equal(s->store.n_puts + s->store.n_parts, 0);
    assert_int_equal(s->store.n_copies, 4);
    assert_int_equal(s->store.n_copied_parts, 4);
    end_next_version(s);
}

static void test_without_the_stat_cache_all_is_read_once(void **state)
{
    struct story *s = begin_with_previous(false, UINT64_MAX);

    (void)state;
    make_next_version(s);
    assert_int_equal(s->source.n_bytes_read, big_size + 2000 + 3000 + 2 * MIB);
    assert_int_equal(s->store.n_puts + s->store.n_parts, 0);
    assert_int_equal(s->store.n_copies, 5);
    end_next_version(s);
}

static void test_changed_parts_are_sent(void **state)
{
    struct story *s = begin_with_previous(true, UINT64_MAX);

    (void)state;
    edit_block(s, "big", 1);
    memory_file_edit(&s->source, file_of(s, "n00"));
    make_next_version(s);
    assert_int_equal(s->store.n_parts, 1);
    assert_int_equal(s->store.n_copied_parts, 3);
    assert_int_equal(s->store.n_puts, 1);
    assert_int_equal(s->store.n_copies, 3);
    /* each changed file once, and what is sent once more */
    assert_int_equal(s->source.n_bytes_read, big_size + DIGEST_BLOCK + 2 * 3000);
    end_next_version(s);
}

/* A file of another size is not compared as a whole, and its end is not read twice. */
static void test_the_end_of_a_grown_file_is_sent(void **state)
{
    struct story *s = begin_with_previous(true, UINT64_MAX);

    (void)state;
    memory_file_resize(&s->source, file_of(s, "big"), big_size + DIGEST_BLOCK);
    memory_file_resize(&s->source, file_of(s, "n00"), 5000);
    make_next_version(s);
    assert_int_equal(s->store.n_parts, 2);
    assert_int_equal(s->store.n_copied_parts, 3);
    assert_int_equal(s->store.n_puts, 1);
    assert_int_equal(s->source.n_bytes_read, big_size + DIGEST_BLOCK + 5000);
    end_next_version(s);
}

/* Also where a file of the same size stood under the new name. */
static void test_renamed_files_are_found(void **state)
{
    struct story *s = begin_with_previous(true, UINT64_MAX);

    (void)state;
    memory_file_move(&s->source, file_of(s, "big"), file_of(s, "a"));
    memory_file_make(&s->source, file_of(s, "big"), big_size);
    memory_file_move(&s->source, file_of(s, "n01"), file_of(s, "n02"));
    make_next_version(s);
    assert_int_equal(s->store.n_parts, 4); /* the new big */
    assert_int_equal(s->store.n_puts + s->store.n_copied_parts, 0);
    assert_int_equal(s->store.n_copies, 5);
    assert_int_equal(s->source.n_bytes_read, 3 * big_size + 2 * MIB);
    end_next_version(s);
}

static void test_what_cannot_be_copied_is_sent(void **state)
{
    struct story *s = begin_with_previous(true, 4 * MIB);
    struct text key = {0};

    (void)state;
    for (size_t i = 0; i < s->n_old_lines; i++) {
        key_of(&key, s->previous, s->old_lines[i].path);
        memory_store_delete(&s->store, text_string(&key));
        s->old_lines[i].is_dropped = true;
    }
    text_free(&key);
    make_next_version(s);
    assert_int_equal(s->store.n_copies + s->store.n_copied_parts, 0);
    assert_int_equal(s->store.n_puts, 4);
    assert_int_equal(s->store.n_parts, 4);
    assert_int_equal(s->source.n_bytes_read, big_size + 2000 + 3000 + 2 * MIB);
    end_next_version(s);
}

/* What has been copied is not copied once more. */
static void test_copying_goes_on_where_it_was(void **state)
{
    struct story *s = begin_with_previous(true, 4 * MIB);
    unsigned n_runs = 0;

    (void)state;
    do {
        open_all(s);
        s->stop_after = s->store.n_copied_parts + 1;
        run(s, true);
        s->stop_after = 0;
        close_all(s);
        n_runs++;
    } while (s->outcome.kind == ERROR_CANCELLED);
    assert_true(n_runs > 1);
    make_next_version(s);
    assert_int_equal(s->source.n_bytes_read, 0);
    assert_true(s->store.n_copied_parts < 4 + n_runs);
    end_next_version(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_what_the_store_has_is_found_and_compared),
        cmocka_unit_test(test_the_same_by_etags),
        cmocka_unit_test(test_unchanged_files_are_not_read),
        cmocka_unit_test(test_large_unchanged_files_are_copied_in_parts),
        cmocka_unit_test(test_without_the_stat_cache_all_is_read_once),
        cmocka_unit_test(test_changed_parts_are_sent),
        cmocka_unit_test(test_the_end_of_a_grown_file_is_sent),
        cmocka_unit_test(test_renamed_files_are_found),
        cmocka_unit_test(test_what_cannot_be_copied_is_sent),
        cmocka_unit_test(test_copying_goes_on_where_it_was),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
