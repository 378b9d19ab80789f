/*
 * The file:// store on a real file system: what a user finds in the folder afterwards.
 * Some tests mount small file systems; where that is not allowed they say so and skip.
 * test_store_dir SEED runs one story.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "transfer/dir_etag.h"
#include "transfer/memory_body.h"
#include "transfer/store_impl.h"

#include "remove_tree.h"

static unsigned rng = 1;
static unsigned roll(unsigned n)
{
    rng = rng * 1103515245u + 12345u;
    return (rng >> 16) % n;
}

/* ---- the fixture: a store in a new folder ---- */

struct fixture {
    char base[64];  /* a new folder */
    char root[128]; /* the store, in it; not there yet */
    struct loop loop;
    struct budget *budget;
    struct store *store;
};

static void open_store(struct fixture *f, const char *root)
{
    char url[512];
    struct store_options options = {.loop = &f->loop, .budget = f->budget};
    struct error err;

    snprintf(url, sizeof url, "file://%s", root);
    if (f->store != NULL)
        store_close(f->store);
    assert_int_equal(store_open(&f->store, &options, url, &err), 0);
}

static int begin(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);

    snprintf(f->base, sizeof f->base, "/tmp/test_store_dir.XXXXXX");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->root, sizeof f->root, "%s/a/b/store", f->base);
    loop_open(&f->loop);
    f->budget = budget_new(&f->loop, 16 * STORE_CHUNK);
    open_store(f, f->root);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(budget_in_use(f->budget), 0);
    store_close(f->store);
    loop_close(&f->loop);
    budget_free(f->budget);
    remove_tree(f->base);
    free(f);
    return 0;
}

static void on_done(struct store_op *op, void *ctx)
{
    (void)op;
    *(bool *)ctx = true;
}

/* Run op to its end. */
static enum error_kind run(struct fixture *f, struct store_op *op)
{
    bool is_done = false;

    op->done = on_done;
    op->ctx = &is_done;
    store_start(f->store, op);
    assert_false(is_done);
    loop_run_until(&f->loop, &is_done);
    return op->err.kind;
}

/* ---- bodies: bytes that follow from a seed, read in chunks ---- */

enum body_mischief { BODY_PLAIN, BODY_FAILS, BODY_STALLS };

struct made_body {
    struct body body;
    struct loop *loop;
    uint8_t byte;
    uint64_t position;
    enum body_mischief mischief; /* in the second read */
    unsigned n_reads;
    void (*on_second_read)(void *ctx);
    void *read_ctx;
    struct deferred soon;
    body_done_fn *done;
    void *ctx;
};

static uint8_t made_byte(uint8_t seed, uint64_t position)
{
    return (uint8_t)(seed + position % 251);
}

static void made_rewind(struct body *body)
{
    struct made_body *b = (struct made_body *)body;

    b->position = 0;
    b->n_reads = 0;
}

static void on_made(void *ctx)
{
    struct made_body *b = ctx;
    struct error err;

    if (b->mischief == BODY_FAILS && b->n_reads > 1) {
        error_set(&err, ERROR_CHANGED, 0, "the file has changed");
        b->done(b->ctx, &err);
    } else if (b->mischief != BODY_STALLS || b->n_reads < 2) {
        b->done(b->ctx, NULL);
    }
}

static void made_read(struct body *body, struct span into, body_look_fn *look,
                      body_done_fn *done, void *ctx)
{
    struct made_body *b = (struct made_body *)body;

    for (size_t i = 0; i < into.size; i++)
        into.data[i] = b->byte == 0 ? 0 : made_byte(b->byte, b->position + i);
    b->position += into.size;
    if (look != NULL)
        look(ctx);
    b->done = done;
    b->ctx = ctx;
    if (++b->n_reads == 2 && b->on_second_read != NULL)
        b->on_second_read(b->read_ctx);
    loop_defer(b->loop, &b->soon, on_made, b);
}

/* byte 0: zeros all the way. */
static struct made_body make_body(struct fixture *f, uint8_t byte, uint64_t size)
{
    return (struct made_body){
        .body = {.size = size, .rewind = made_rewind, .read = made_read},
        .loop = &f->loop,
        .byte = byte};
}

static enum error_kind put_made(struct fixture *f, const char *key, uint8_t byte,
                                uint64_t size)
{
    struct made_body body = make_body(f, byte, size);
    struct store_op op = {.verb = STORE_PUT, .key = key, .body = &body.body};

    return run(f, &op);
}

static enum error_kind put_text(struct fixture *f, const char *key, const char *text,
                                struct error *err)
{
    struct memory_body body;
    struct store_op op = {.verb = STORE_PUT, .key = key, .body = &body.body};

    memory_body_init(&body, &f->loop, (struct span){(uint8_t *)text, strlen(text)});
    run(f, &op);
    if (err != NULL)
        *err = op.err;
    return op.err.kind;
}

static char *get_text(struct fixture *f, const char *key, enum error_kind *kind)
{
    struct memory_sink sink;
    struct store_op op = {
        .verb = STORE_GET, .key = key, .sink = &sink.sink, .size = UINT64_MAX};
    char *text;

    memory_sink_init(&sink, &f->loop, 64 << 20);
    *kind = run(f, &op);
    text = mem_copy_bytes(sink.bytes.data, sink.bytes.size);
    free(sink.bytes.data);
    return text;
}

static void assert_text(struct fixture *f, const char *key, const char *expected)
{
    enum error_kind kind;
    char *text = get_text(f, key, &kind);

    assert_int_equal(kind, ERROR_NONE);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_made(struct fixture *f, const char *key, uint8_t byte, uint64_t size)
{
    struct memory_sink sink;
    struct store_op op = {
        .verb = STORE_GET, .key = key, .sink = &sink.sink, .size = UINT64_MAX};

    memory_sink_init(&sink, &f->loop, 64 << 20);
    assert_int_equal(run(f, &op), ERROR_NONE);
    assert_int_equal(op.answer.size, size);
    assert_int_equal(sink.bytes.size, size);
    for (size_t i = 0; i < size; i++)
        if (sink.bytes.data[i] != (byte == 0 ? 0 : made_byte(byte, i)))
            fail_msg("byte %zu differs", i);
    free(sink.bytes.data);
}

/* Entries below path, folders included; -1 where it is not there. */
static int n_walked;
static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)st, (void)type, (void)ftw;
    n_walked++;
    return 0;
}

static int n_below(struct fixture *f, const char *relative)
{
    char path[2048];

    snprintf(path, sizeof path, "%s/%s", f->root, relative);
    n_walked = -1;
    nftw(path, count_one, 16, FTW_PHYS);
    return n_walked;
}

static bool is_there(struct fixture *f, const char *relative)
{
    return n_below(f, relative) >= 0;
}

/* ---- opening ---- */

static void test_urls(void **state)
{
    static const char *const bad[] = {
        "file://",     "file:///",     "file://x/y",    "file://localhost/x",
        "file:///x%2", "file:///x%zz", "file:///x%00y", "file://./x"};
    struct fixture *f = *state;
    struct store_options options = {.loop = &f->loop, .budget = f->budget};
    struct store *store;
    struct error err;
    char url[256], path[256];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(store_open(&store, &options, bad[i], &err), -1);
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    assert_false(is_there(f, "")); /* opening touches nothing */
    snprintf(url, sizeof url, "%s/with%%20space%%25//", f->base);
    open_store(f, url);
    assert_int_equal(put_text(f, "x", "1", NULL), ERROR_NONE);
    snprintf(path, sizeof path, "%s/with space%%/x", f->base);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(store_room(f->store), 16);
    assert_int_equal(store_limits(f->store)->parts_max, 10000);
}

static void test_root_is_a_file(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct error err;

    snprintf(path, sizeof path, "%s/file", f->base);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    open_store(f, path);
    assert_int_equal(put_text(f, "x", "1", &err), ERROR_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "is a file"));
}

/* ---- objects ---- */

static void test_put_get_head(void **state)
{
    static const uint64_t sizes[] = {
        0, 1, STORE_CHUNK - 1, STORE_CHUNK, STORE_CHUNK + 1, 3 * STORE_CHUNK + 17};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct made_body body = make_body(f, 7, sizes[i]);
        struct store_op op = {
            .verb = STORE_PUT, .key = "N/v1/data/x/y", .body = &body.body};
        struct store_op head = {.verb = STORE_HEAD, .key = op.key, .want_date = true};
        uint8_t *bytes = mem_buffer(sizes[i]), sum[DIR_ETAG_BYTES];
        char etag[DIR_ETAG_HEX];

        assert_int_equal(run(f, &op), ERROR_NONE);
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = made_byte(7, j);
        dir_etag_of(sum, bytes, sizes[i]);
        dir_etag_hex(etag, sum);
        assert_string_equal(op.answer.etag, etag);
        assert_made(f, op.key, 7, sizes[i]);
        assert_int_equal(run(f, &head), ERROR_NONE);
        assert_int_equal(head.answer.size, sizes[i]);
        assert_string_equal(head.answer.etag, "");
        assert_true(head.answer.date_ms >= head.answer.modified_ms);
        assert_true(head.answer.date_ms < head.answer.modified_ms + 60000);
        free(bytes);
    }
    assert_int_equal(n_below(f, "N/v1"), 3); /* data/x/y, and nothing else */
}

static void test_get_of_a_range(void **state)
{
    struct fixture *f = *state;
    struct memory_sink sink;
    struct store_op op = {.verb = STORE_GET, .key = "k", .sink = &sink.sink};

    assert_int_equal(put_text(f, "k", "0123456789", NULL), ERROR_NONE);
    op.offset = 3;
    op.size = 4;
    memory_sink_init(&sink, &f->loop, 100);
    assert_int_equal(run(f, &op), ERROR_NONE);
    assert_int_equal(op.answer.size, 10);
    assert_int_equal(sink.bytes.size, 4);
    assert_memory_equal(sink.bytes.data, "3456", 4);
    free(sink.bytes.data);

    op.offset = 10;
    op.size = UINT64_MAX;
    memory_sink_init(&sink, &f->loop, 100);
    assert_int_equal(run(f, &op), ERROR_NONE);
    assert_int_equal(sink.bytes.size, 0);

    op.offset = 11;
    assert_int_equal(run(f, &op), ERROR_CORRUPT);

    op.offset = 0;
    memory_sink_init(&sink, &f->loop, 9); /* the sink refuses */
    assert_int_equal(run(f, &op), ERROR_CORRUPT);
    assert_true(op.body_failed);
}

static void test_what_is_not_there(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"a", "a/b/c", "file/x", "folder"};
    enum error_kind kind;
    bool has_root = false;

    do {
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
            struct store_op head = {.verb = STORE_HEAD, .key = keys[i]};
            struct store_op delete = {
                .verb = STORE_DELETE, .keys = &keys[i], .n_keys = 1};

            free(get_text(f, keys[i], &kind));
            assert_int_equal(kind, ERROR_NOT_FOUND);
            assert_int_equal(run(f, &head), ERROR_NOT_FOUND);
            assert_int_equal(run(f, &delete), ERROR_NONE);
        }
        has_root = !has_root; /* once without any store, once with one */
        if (has_root) {
            put_text(f, "file", "1", NULL);
            put_text(f, "folder/x", "1", NULL);
        }
    } while (has_root);
    assert_text(f, "folder/x", "1");
}

static void test_keys_that_cannot_be(void **state)
{
    static const char *const bad[] = {
        "", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "N/v1/tmp/x", "N/v1/tmp"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(put_text(f, bad[i], "1", NULL), ERROR_INTERNAL);
    assert_int_equal(put_text(f, "a..b/.c/...", "1", NULL), ERROR_NONE);
    assert_int_equal(put_text(f, "N/v1x/tmp/x", "1", NULL), ERROR_NONE);
}

static void test_what_stands_in_the_way(void **state)
{
    struct fixture *f = *state;
    struct error err;

    put_text(f, "N/file", "1", NULL);
    assert_int_equal(put_text(f, "N/file/v1/x", "2", &err), ERROR_CONFLICT);
    assert_non_null(strstr(err.text, "a file stands where a folder is needed"));
    assert_int_not_equal(err.code, EEXIST); /* it is no "exists already" */

    put_text(f, "M/v1/data/folder/x", "1", NULL);
    assert_int_equal(put_text(f, "M/v1/data/folder", "2", &err), ERROR_CONFLICT);
    assert_non_null(strstr(err.text, "a folder stands where the file should go"));
    assert_text(f, "N/file", "1");
    assert_text(f, "M/v1/data/folder/x", "1");
    assert_int_equal(n_below(f, ""), 7);
}

static void test_umask_is_honoured(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(027);
    struct stat st;
    char path[256];

    put_text(f, "d/x", "1", NULL);
    umask(before);
    snprintf(path, sizeof path, "%s/d/x", f->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    snprintf(path, sizeof path, "%s/d", f->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
}

/* ---- only one wins ---- */

enum { RIVALS = 100 };

struct rival {
    struct store_op op;
    struct memory_body body;
    char text[8];
    unsigned *n_done;
};

static void on_rival_done(struct store_op *op, void *ctx)
{
    struct rival *rival = ctx;

    (void)op;
    ++*rival->n_done;
}

static void race(struct fixture *f)
{
    struct rival *rivals = mem_new(RIVALS, sizeof *rivals);
    unsigned n_done = 0, n_won = 0;
    char winner[8] = "";

    for (unsigned i = 0; i < RIVALS; i++) {
        struct rival *r = &rivals[i];

        snprintf(r->text, sizeof r->text, "%u", i);
        memory_body_init(&r->body, &f->loop,
                         (struct span){(uint8_t *)r->text, strlen(r->text)});
        r->n_done = &n_done;
        r->op = (struct store_op){.verb = STORE_PUT,
                                  .key = "N/v1/session.json",
                                  .if_absent = true,
                                  .body = &r->body.body,
                                  .done = on_rival_done,
                                  .ctx = r};
        store_start(f->store, &r->op);
    }
    while (n_done < RIVALS)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    for (unsigned i = 0; i < RIVALS; i++) {
        if (rivals[i].op.err.kind == ERROR_NONE) {
            n_won++;
            memcpy(winner, rivals[i].text, sizeof winner);
        } else {
            assert_int_equal(rivals[i].op.err.kind, ERROR_CONFLICT);
            assert_int_equal(rivals[i].op.err.code, EEXIST);
        }
    }
    assert_int_equal(n_won, 1);
    assert_text(f, "N/v1/session.json", winner);
    assert_int_equal(n_below(f, "N"), 2);
    free(rivals);
}

static void test_one_of_a_hundred_wins(void **state)
{
    race(*state);
}

/* ---- nothing half ---- */

static void cancel_op(void *ctx)
{
    store_cancel(ctx);
}

static void test_body_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct made_body body = make_body(f, 1, 3 * STORE_CHUNK);
    struct store_op op = {.verb = STORE_PUT, .key = "N/v1/data/x", .body = &body.body};

    body.mischief = BODY_FAILS;
    assert_int_equal(run(f, &op), ERROR_CHANGED);
    assert_true(op.body_failed);
    assert_false(is_there(f, "N/v1/data"));
    assert_false(is_there(f, "N/v1/tmp"));

    body.mischief = BODY_PLAIN;
    body.on_second_read = cancel_op;
    body.read_ctx = &op;
    assert_int_equal(run(f, &op), ERROR_CANCELLED);
    assert_int_equal(n_below(f, ""), 0); /* no empty folders either */
}

/* Run this program anew, as "test_store_dir WHAT PATH". */
static pid_t spawn(const char *what, const char *path)
{
    pid_t pid = fork();

    if (pid == 0) {
        execl("/proc/self/exe", "test_store_dir", what, path, (char *)NULL);
        _exit(99);
    }
    return pid;
}

static void tell_parent(void *ctx)
{
    (void)ctx;
    (void)!write(STDOUT_FILENO, "!", 1);
}

/* In the child: a put that stalls in its middle for ever, and says so. */
static int child_stall(const char *root)
{
    struct fixture f = {.store = NULL};
    struct made_body body;
    struct store_op op = {.verb = STORE_PUT, .key = "N/v1/data/x", .body = &body.body};

    loop_open(&f.loop);
    f.budget = budget_new(&f.loop, STORE_CHUNK);
    open_store(&f, root);
    body = make_body(&f, 1, 5 * STORE_CHUNK);
    body.mischief = BODY_STALLS;
    body.on_second_read = tell_parent;
    run(&f, &op);
    return 1;
}

/* All items of a listing; returns the pages. */
static unsigned list_all(struct fixture *f, struct store_op *op,
                         struct store_items *all)
{
    unsigned n_pages = 0;

    op->cursor = NULL;
    do {
        assert_int_equal(run(f, op), ERROR_NONE);
        assert_true(op->answer.n_items <= STORE_PAGE);
        for (size_t i = 0; i < op->answer.n_items; i++) {
            struct store_item *item = store_items_add(all);

            *item = op->answer.items[i];
            op->answer.items[i].key = op->answer.items[i].upload_id = NULL;
        }
        n_pages++;
    } while (op->cursor != NULL);
    store_op_clear(op);
    return n_pages;
}

static void abort_all_below(struct fixture *f, const char *prefix)
{
    struct store_op op = {.verb = STORE_LIST_UPLOADS, .key = prefix};
    struct store_items items = {0};

    list_all(f, &op, &items);
    for (size_t i = 0; i < items.n; i++) {
        struct store_item *item = &items.items[i];
        struct store_op abort = {.verb = STORE_ABORT_UPLOAD,
                                 .upload_id = item->upload_id};

        abort.key = item->key[0] != '\0' ? item->key : prefix;
        assert_int_equal(run(f, &abort), ERROR_NONE);
    }
    store_items_free(&items);
}

/* ---- under a limit ---- */

static struct store_op put_op(const char *key, struct made_body *body, bool *is_done)
{
    return (struct store_op){.verb = STORE_PUT,
                             .key = key,
                             .body = &body->body,
                             .done = on_done,
                             .ctx = is_done};
}

/* The bucket holds a twentieth of a second: what is read at once fits in there. */
static void test_limit_is_kept_by_all_together(void **state)
{
    enum { RATE = 2 << 20, SIZE = 200000, N = 3 };
    struct fixture *f = *state;
    struct made_body bodies[N];
    struct store_op ops[N];
    bool is_done[N] = {false};
    uint64_t begun_ms;

    store_set_send_rate(f->store, RATE);
    begun_ms = loop_now_ms(&f->loop);
    for (unsigned i = 0; i < N; i++) {
        char *key = (char *[]){"a", "b", "c"}[i];

        bodies[i] = make_body(f, (uint8_t)(i + 1), SIZE);
        ops[i] = put_op(key, &bodies[i], &is_done[i]);
        store_start(f->store, &ops[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        loop_run_until(&f->loop, &is_done[i]);
        assert_int_equal(ops[i].err.kind, ERROR_NONE);
        assert_true(bodies[i].n_reads >= SIZE / (RATE / 20));
        assert_made(f, ops[i].key, (uint8_t)(i + 1), SIZE);
    }
    assert_true((loop_now_ms(&f->loop) - begun_ms) * RATE / 1000 + RATE / 20 >=
                N * SIZE);
}

/* At a byte a second: nothing would come of it in this test's life. */
static void test_limit_that_is_lifted(void **state)
{
    struct fixture *f = *state;
    struct made_body body = make_body(f, 1, 3 * STORE_CHUNK);
    bool is_done = false;
    struct store_op op = put_op("a", &body, &is_done);
    struct store_op claim = {.verb = STORE_PUT, .key = "claim", .is_claim = true};
    struct made_body record = make_body(f, 2, 700), empty = make_body(f, 3, 0);

    store_set_send_rate(f->store, 1);
    store_start(f->store, &op);
    claim.body = &record.body;
    assert_int_equal(run(f, &claim), ERROR_NONE);
    store_set_send_rate(f->store, 0);
    loop_run_until(&f->loop, &is_done);
    assert_int_equal(op.err.kind, ERROR_NONE);
    assert_made(f, "a", 1, 3 * STORE_CHUNK);

    store_set_send_rate(f->store, 1);
    claim = (struct store_op){.verb = STORE_PUT, .key = "empty", .body = &empty.body};
    assert_int_equal(run(f, &claim), ERROR_NONE);
    assert_text(f, "empty", "");
}

/* A new rate counts from when it is told, also where somebody waited under the old one. */
static void test_a_new_rate_when_nobody_waits(void **state)
{
    struct fixture *f = *state;
    struct made_body first = make_body(f, 1, 300), second = make_body(f, 2, 300);
    bool is_done[2] = {false};
    struct store_op a = put_op("a", &first, &is_done[0]);
    struct store_op b = put_op("b", &second, &is_done[1]);
    uint64_t begun_ms;

    store_set_send_rate(f->store, 1);
    store_start(f->store, &a);
    while (budget_in_use(f->budget) < 300)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    store_cancel(&a);
    loop_run_until(&f->loop, &is_done[0]);
    begun_ms = loop_now_ms(&f->loop);
    store_set_send_rate(f->store, 10 << 20);
    store_start(f->store, &b);
    loop_run_until(&f->loop, &is_done[1]);
    assert_int_equal(b.err.kind, ERROR_NONE);
    assert_true(loop_now_ms(&f->loop) - begun_ms < 60 * 1000); /* at 1 byte/s: 300 s */
}

static void test_cancelled_in_line(void **state)
{
    struct fixture *f = *state;
    struct made_body bodies[3];
    struct store_op ops[3];
    bool is_done[3] = {false};

    store_set_send_rate(f->store, 100); /* lets three begin; none has its turn */
    for (unsigned i = 0; i < 3; i++) {
        bodies[i] = make_body(f, 1, 300);
        ops[i] = put_op((char *[]){"a", "b", "c"}[i], &bodies[i], &is_done[i]);
        store_start(f->store, &ops[i]);
    }
    while (budget_in_use(f->budget) < 3 * 300)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    for (unsigned i = 3; i-- > 0;) {
        store_cancel(&ops[(i + 1) % 3]); /* the head, the middle, then the last */
        loop_run_until(&f->loop, &is_done[(i + 1) % 3]);
        assert_int_equal(ops[(i + 1) % 3].err.kind, ERROR_CANCELLED);
        assert_int_equal(bodies[(i + 1) % 3].n_reads, 0);
    }
    assert_int_equal(n_below(f, ""), -1);
}

static void test_kill_in_mid_put_leaves_nothing_visible(void **state)
{
    struct fixture *f = *state;
    struct store_op list = {.verb = STORE_LIST, .key = "", .is_flat = true};
    struct store_op strays = {.verb = STORE_LIST_UPLOADS, .key = "N/v1/"};
    struct store_items items = {0};
    int ends[2], out = dup(STDOUT_FILENO), status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    pid = spawn("--stall", f->root);
    dup2(out, STDOUT_FILENO);
    close(out);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    assert_true(is_there(f, "N/v1/tmp"));
    list_all(f, &list, &items);
    assert_int_equal(items.n, 0);
    list_all(f, &strays, &items);
    assert_int_equal(items.n, 1);
    assert_string_equal(items.items[0].key, "");
    store_items_free(&items);
    abort_all_below(f, "N/v1/");
    assert_false(is_there(f, "N/v1/tmp"));
}

/* ---- multipart ---- */

enum { PART = 2 * STORE_CHUNK };

struct upload {
    struct fixture *f;
    char key[64], id[STORE_UPLOAD_ID_MAX];
    uint64_t size;
    struct store_part parts[8];
    size_t n_parts;
};

static struct upload create(struct fixture *f, const char *key, uint64_t size)
{
    struct store_op op = {
        .verb = STORE_CREATE_UPLOAD, .key = key, .size = size, .part_size = PART};
    struct upload u = {.f = f, .size = size, .n_parts = (size + PART - 1) / PART};

    snprintf(u.key, sizeof u.key, "%s", key);
    assert_int_equal(run(f, &op), ERROR_NONE);
    snprintf(u.id, sizeof u.id, "%s", op.answer.upload_id);
    store_op_clear(&op);
    return u;
}

static uint64_t size_of_part(const struct upload *u, uint32_t number)
{
    return number < u->n_parts ? PART : u->size - (u->n_parts - 1) * (uint64_t)PART;
}

static struct store_op part_op(struct upload *u, uint32_t number, struct body *body)
{
    return (struct store_op){.verb = STORE_UPLOAD_PART,
                             .key = u->key,
                             .upload_id = u->id,
                             .part.number = number,
                             .offset = (number - 1) * (uint64_t)PART,
                             .part_size = PART,
                             .body = body};
}

/* PART is a multiple of nothing that made_byte() repeats in, so each part shows. */
static enum error_kind send_part(struct upload *u, uint32_t number, uint8_t byte)
{
    struct made_body body = make_body(u->f, byte, size_of_part(u, number));
    struct store_op op = part_op(u, number, &body.body);
    enum error_kind kind = run(u->f, &op);
    struct store_part *part = &u->parts[number - 1];

    part->number = number;
    part->size = body.body.size;
    memcpy(part->etag, op.answer.etag, sizeof part->etag);
    return kind;
}

static enum error_kind complete(struct upload *u)
{
    struct store_op op = {.verb = STORE_COMPLETE_UPLOAD,
                          .key = u->key,
                          .upload_id = u->id,
                          .size = u->size,
                          .parts = u->parts,
                          .n_parts = u->n_parts};

    return run(u->f, &op);
}

static enum error_kind abort_upload(struct upload *u)
{
    struct store_op op = {
        .verb = STORE_ABORT_UPLOAD, .key = u->key, .upload_id = u->id};

    return run(u->f, &op);
}

/* Each part of the object starts anew with its byte. */
static void assert_parts(struct upload *u, const uint8_t *bytes)
{
    struct memory_sink sink;
    struct store_op op = {
        .verb = STORE_GET, .key = u->key, .sink = &sink.sink, .size = UINT64_MAX};

    memory_sink_init(&sink, &u->f->loop, 64 << 20);
    assert_int_equal(run(u->f, &op), ERROR_NONE);
    assert_int_equal(sink.bytes.size, u->size);
    for (uint64_t i = 0; i < u->size; i++) {
        uint8_t byte = bytes[i / PART];

        if (sink.bytes.data[i] != (byte == 0 ? 0 : made_byte(byte, i % PART)))
            fail_msg("byte %llu differs", (unsigned long long)i);
    }
    free(sink.bytes.data);
}

/* The upload is gone, and what stands in its place is older. */
static void test_complete_over_another(void **state)
{
    struct fixture *f = *state;
    struct upload old = create(f, "N/v1/data/big", 2 * PART), u;

    assert_int_equal(send_part(&old, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&old, 2, 2), ERROR_NONE);
    assert_int_equal(complete(&old), ERROR_NONE);
    assert_int_equal(complete(&old), ERROR_NONE); /* the answer was lost */
    u = create(f, "N/v1/data/big", 2 * PART);
    assert_int_equal(send_part(&u, 1, 3), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 4), ERROR_NONE);
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NOT_FOUND);
}

static void test_multipart(void **state)
{
    struct fixture *f = *state;
    struct upload u;
    struct store_op parts = {.verb = STORE_LIST_PARTS};
    struct store_op uploads = {.verb = STORE_LIST_UPLOADS, .key = "N/v1/"};
    struct store_items items = {0};

    put_text(f, "N/v1/data/big", "what was there before", NULL);
    u = create(f, "N/v1/data/big", 3 * PART - 5);
    list_all(f, &uploads, &items);
    assert_int_equal(items.n, 1);
    assert_string_equal(items.items[0].key, u.key);
    assert_string_equal(items.items[0].upload_id, u.id);
    store_items_free(&items);

    assert_int_equal(send_part(&u, 3, 13), ERROR_NONE);
    assert_int_equal(send_part(&u, 1, 99), ERROR_NONE);
    assert_int_equal(send_part(&u, 1, 11), ERROR_NONE); /* sent again */
    assert_int_equal(complete(&u), ERROR_CORRUPT);      /* one is missing */
    parts.key = u.key;
    parts.upload_id = u.id;
    list_all(f, &parts, &items);
    assert_int_equal(items.n, 2);
    assert_int_equal(items.items[0].number, 1);
    assert_int_equal(items.items[1].number, 3);
    assert_int_equal(items.items[1].size, PART - 5);
    assert_string_equal(items.items[0].etag, u.parts[0].etag);
    store_items_free(&items);

    assert_text(f, u.key, "what was there before");
    assert_int_equal(send_part(&u, 2, 12), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, (uint8_t[]){11, 12, 13});
    assert_false(is_there(f, "N/v1/tmp"));
    assert_int_equal(complete(&u), ERROR_NONE); /* its answer was lost */
    u.size--;
    assert_int_equal(complete(&u), ERROR_NOT_FOUND);
    u.size++;
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_int_equal(send_part(&u, 1, 1), ERROR_NOT_FOUND);
    assert_int_equal(run(f, &parts), ERROR_NOT_FOUND);
    assert_parts(&u, (uint8_t[]){11, 12, 13});
}

/* ---- copies ---- */

static struct store_op copy_op(const char *from, uint64_t size, const char *key)
{
    return (struct store_op){.verb = STORE_COPY,
                             .key = key,
                             .from = {.key = from, .size = size},
                             .is_data = true};
}

static uint64_t bytes_copied(struct fixture *f)
{
    struct store_counts counts;

    store_counts(f->store, &counts);
    return counts.bytes_copied;
}

static void test_copies(void **state)
{
    static const uint64_t sizes[] = {0, 1, STORE_CHUNK + 1, 20 << 20};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct store_op op = copy_op("N/v1/data/x", sizes[i], "N/v2/data/y");
        const char *key = "N/v1/data/x";
        struct store_op remove = {.verb = STORE_DELETE, .keys = &key, .n_keys = 1};
        uint64_t before = bytes_copied(f);

        assert_int_equal(put_made(f, key, 7, sizes[i]), ERROR_NONE);
        op.from.etag = "what-it-had";
        assert_int_equal(run(f, &op), ERROR_NONE);
        assert_string_equal(op.answer.etag, "what-it-had");
        assert_true(op.answer.is_pinned);
        assert_int_equal(bytes_copied(f) - before, sizes[i]);
        assert_int_equal(run(f, &remove), ERROR_NONE); /* each is complete */
        assert_made(f, "N/v2/data/y", 7, sizes[i]);
        assert_false(is_there(f, "N/v2/tmp"));
    }
}

static void test_copies_that_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_op op = copy_op("N/v1/data/x", 10, "N/v2/data/y");

    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    assert_true(op.copy_refused);
    assert_int_equal(put_made(f, "N/v1/data/x", 7, 11), ERROR_NONE);
    assert_int_equal(run(f, &op), ERROR_CONFLICT); /* it was another's size */
    assert_true(op.copy_refused);
    op.from.size = 11;
    op.from.bucket = "elsewhere";
    assert_int_equal(run(f, &op), ERROR_UNUSABLE);
    assert_true(op.copy_refused);
    op.from.bucket = NULL;
    op.key = "N/v1/data/x/y"; /* a file stands where a folder is needed */
    assert_int_equal(run(f, &op), ERROR_CONFLICT);
    assert_false(op.copy_refused);
    assert_false(is_there(f, "N/v2"));
}

/* The second and the last part are in the old object, at other places. */
static void test_copied_parts(void **state)
{
    static const uint8_t expected[] = {11, 7, 13, 7};
    struct fixture *f = *state;
    struct upload u = create(f, "N/v2/data/big", 3 * PART + 5);

    assert_int_equal(put_made(f, "old", 7, 2 * PART), ERROR_NONE);
    assert_int_equal(send_part(&u, 1, 11), ERROR_NONE);
    assert_int_equal(send_part(&u, 3, 13), ERROR_NONE);
    for (uint32_t i = 2; i <= 4; i += 2) {
        struct store_op op = part_op(&u, i, NULL);

        op.verb = STORE_COPY_PART;
        op.from = (struct store_from){.key = "old", .size = 2 * PART};
        op.part.size = size_of_part(&u, i);
        op.is_data = true;
        assert_int_equal(run(f, &op), ERROR_NONE);
        u.parts[i - 1] = op.part;
        memcpy(u.parts[i - 1].etag, op.answer.etag, STORE_ETAG_MAX);
    }
    assert_int_equal(bytes_copied(f), PART + 5);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, expected);
    {
        struct store_op op = part_op(&u, 2, NULL);

        op.verb = STORE_COPY_PART;
        op.from = (struct store_from){.key = "old", .size = 2 * PART, .offset = PART};
        op.part.size = PART;
        assert_int_equal(run(f, &op), ERROR_NOT_FOUND); /* the upload */
        assert_false(op.copy_refused);
        op.part.size = PART + 1;
        assert_int_equal(run(f, &op), ERROR_CORRUPT);
        assert_true(op.copy_refused);
    }
}

static void test_copy_of_a_sparse_object(void **state)
{
    const uint64_t size = 512 << 20;
    struct fixture *f = *state;
    struct store_op op = copy_op("old", size, "new");
    char path[256];
    struct stat st;
    int fd;

    assert_int_equal(put_made(f, "old", 7, 1), ERROR_NONE);
    snprintf(path, sizeof path, "%s/old", f->root);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "in the middle", 13, (off_t)size / 2), 13);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    assert_int_equal(run(f, &op), ERROR_NONE);
    snprintf(path, sizeof path, "%s/new", f->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_true(st.st_blocks < 4096); /* of 512 bytes */
    assert_int_equal(bytes_copied(f), size);
}

/* It ends with all of it or with nothing, and with no temporary file. */
static void test_copy_that_is_cancelled(void **state)
{
    const uint64_t size = 96 << 20;
    struct fixture *f = *state;
    struct store_op op = copy_op("old", size, "N/v2/data/new");
    bool is_done = false;

    assert_int_equal(put_made(f, "old", 7, size), ERROR_NONE);
    op.done = on_done;
    op.ctx = &is_done;
    store_start(f->store, &op);
    while (bytes_copied(f) == 0)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    store_cancel(&op);
    loop_run_until(&f->loop, &is_done);
    if (bytes_copied(f) < size)
        assert_int_equal(op.err.kind, ERROR_CANCELLED);
    assert_int_equal(is_there(f, "N/v2/data/new"), op.err.kind == ERROR_NONE);
    assert_false(is_there(f, "N/v2/tmp"));
}

static void test_abort_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct upload u = create(f, "N/v1/data/big", 2 * PART);

    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_int_equal(n_below(f, ""), 0);
    assert_int_equal(complete(&u), ERROR_NOT_FOUND);
}

/* Once a part is being sent again, its old etag vouches for nothing. */
static void test_part_cut_short_is_no_part(void **state)
{
    struct fixture *f = *state;
    struct upload u = create(f, "N/v1/data/big", 2 * PART);
    struct made_body body = make_body(f, 50, PART);
    struct store_op again = part_op(&u, 1, &body.body);

    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    body.mischief = BODY_FAILS;
    assert_int_equal(run(f, &again), ERROR_CHANGED);
    assert_int_equal(complete(&u), ERROR_CORRUPT);
    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    snprintf(u.parts[1].etag, sizeof u.parts[1].etag, "%s", u.parts[0].etag);
    assert_int_equal(complete(&u), ERROR_CORRUPT); /* not the etag it got */
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, (uint8_t[]){1, 2});
}

static void spoil(struct upload *u)
{
    char path[2048];
    uint8_t bytes[PART / 2];
    int fd;

    snprintf(path, sizeof path, "%s/N/v1/tmp/%s", u->f->root, u->id);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    memset(bytes, 0xee, sizeof bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, PART + 1000), sizeof bytes);
    close(fd);
}

/* Of an attempt that was killed, bytes are left of which nothing is noted. */
static void zeros_over_garbage(struct fixture *f)
{
    struct upload u = create(f, "N/v1/data/big", 3 * PART);

    spoil(&u);
    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 0), ERROR_NONE);
    assert_int_equal(send_part(&u, 3, 3), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, (uint8_t[]){1, 0, 3});
}

static void test_zeros_stay_holes(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[256];

    zeros_over_garbage(f);
    snprintf(path, sizeof path, "%s/N/v1/data/big", f->root);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_blocks * 512 < 3 * PART - STORE_CHUNK);
}

static void test_part_that_does_not_fit(void **state)
{
    struct fixture *f = *state;
    struct upload u = create(f, "k", 2 * PART);
    struct made_body body = make_body(f, 1, PART);
    struct store_op op = part_op(&u, 2, &body.body);

    op.offset++;
    assert_int_equal(run(f, &op), ERROR_INTERNAL);
    op = part_op(&u, 2, &body.body);
    op.upload_id = "../../etc/passwd";
    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    op = part_op(&u, 2, &body.body);
    op.key = "another";
    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_false(is_there(f, "tmp"));
}

/* A file that grew, or became shorter, goes on in the upload that is open. */
static void test_upload_that_changes_its_size(void **state)
{
    struct fixture *f = *state;
    struct upload u = create(f, "k", PART + 10);

    u.size = 2 * PART + 7;
    u.n_parts = 3;
    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    assert_int_equal(send_part(&u, 3, 3), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, (uint8_t[]){1, 2, 3});
    u = create(f, "k", 3 * PART);
    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    assert_int_equal(send_part(&u, 3, 3), ERROR_NONE);
    u.size = PART + 5;
    u.n_parts = 2;
    assert_int_equal(send_part(&u, 2, 4), ERROR_NONE);
    assert_int_equal(complete(&u), ERROR_NONE);
    assert_parts(&u, (uint8_t[]){1, 4});
    assert_false(is_there(f, "tmp"));
}

/* What a crash of the machine may leave of the notes. */
static void test_torn_notes_vouch_for_nothing(void **state)
{
    struct fixture *f = *state;
    struct upload u = create(f, "N/v1/data/big", 2 * PART);
    struct store_op uploads = {.verb = STORE_LIST_UPLOADS, .key = "N/v1/"};
    struct store_items items = {0};
    char path[2048];
    int fd;

    assert_int_equal(send_part(&u, 1, 1), ERROR_NONE);
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    snprintf(path, sizeof path, "%s/N/v1/tmp/%s.p", f->root, u.id);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "", 1, 1072 + 48 + 20), 1); /* in part 2's etag */
    assert_int_equal(complete(&u), ERROR_CORRUPT);
    assert_int_equal(send_part(&u, 2, 2), ERROR_NONE);
    assert_int_equal(pwrite(fd, "X", 1, 40), 1); /* in the key */
    close(fd);
    assert_int_equal(complete(&u), ERROR_NOT_FOUND);
    list_all(f, &uploads, &items);
    assert_int_equal(items.n, 1);
    assert_string_equal(items.items[0].key, "");
    assert_string_equal(items.items[0].upload_id, u.id);
    store_items_free(&items);
    abort_all_below(f, "N/v1/");
    assert_int_equal(n_below(f, ""), 0);
}

/* Another run has taken over and cleared away what we were writing. */
static void abort_all_of_version(void *ctx)
{
    struct fixture *f = ctx;
    char path[512];

    snprintf(path, sizeof path, "%s/N/v1/tmp", f->root);
    remove_tree(path);
}

static void test_put_whose_bytes_were_cleared_away_fails(void **state)
{
    struct fixture *f = *state;
    struct made_body body = make_body(f, 1, 2 * STORE_CHUNK);
    struct store_op op = {.verb = STORE_PUT, .key = "N/v1/data/x", .body = &body.body};

    body.on_second_read = abort_all_of_version;
    body.read_ctx = f;
    for (int i = 0; i < 2; i++) {
        op.if_absent = i == 1;
        assert_int_equal(run(f, &op), ERROR_IO);
        assert_int_equal(n_below(f, ""), 0);
    }
}

static void test_strays_are_listed_and_removed(void **state)
{
    static const char *const names[] = {"0123456789abcdef", "1123456789abcdef.p",
                                        "what is this", "x.p"};
    struct fixture *f = *state;
    struct upload u = create(f, "N/v1/data/big", PART);
    struct store_op uploads = {.verb = STORE_LIST_UPLOADS, .key = "N/v1/"};
    struct store_items items = {0};
    char path[512];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/N/v1/tmp/%s", f->root, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    list_all(f, &uploads, &items);
    assert_int_equal(items.n, 5);
    store_items_free(&items);
    uploads.key = u.key; /* by exact key: the upload alone */
    list_all(f, &uploads, &items);
    assert_int_equal(items.n, 1);
    assert_string_equal(items.items[0].upload_id, u.id);
    store_items_free(&items);
    abort_all_below(f, "N/v1/");
    assert_false(is_there(f, "N/v1/tmp"));
}

/* ---- lists ---- */

static void touch(struct fixture *f, const char *key)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", f->root, key);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int compare_items(const void *a, const void *b)
{
    const struct store_item *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static void test_list_of_one_level(void **state)
{
    struct fixture *f = *state;
    struct store_op op = {.verb = STORE_LIST, .key = ""};
    struct store_items items = {0};
    static const char *const expected[] = {"a-b", "a.x", "a/", "b"};

    assert_int_equal(list_all(f, &op, &items), 1); /* no store yet */
    assert_int_equal(items.n, 0);
    put_text(f, "b", "12345", NULL);
    put_text(f, "a/x", "1", NULL);
    put_text(f, "a-b", "1", NULL);
    put_text(f, "a.x", "1", NULL);
    list_all(f, &op, &items);
    assert_int_equal(items.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(items.items[i].key, expected[i]);
    assert_int_equal(items.items[3].size, 5);
    assert_true(items.items[3].modified_ms > 1500000000000);
    store_items_free(&items);
    op.key = "nowhere/";
    list_all(f, &op, &items);
    assert_int_equal(items.n, 0);
    op.key = "a";
    assert_int_equal(run(f, &op), ERROR_INTERNAL);
}

static void test_lists_come_in_pages(void **state)
{
    struct fixture *f = *state;
    struct store_op level = {.verb = STORE_LIST, .key = "N/v1/data/"};
    struct store_op flat = {.verb = STORE_LIST, .key = "N/", .is_flat = true};
    struct store_items items = {0};
    char key[64];

    put_text(f, "N/v1/data/00000", "1", NULL);
    put_text(f, "N/v1/data/sub/deep/x", "1", NULL);
    put_text(f, "N/v1/datastore.json", "1", NULL);
    for (int i = 1; i < 2500; i++) {
        snprintf(key, sizeof key, "N/v1/data/%05d", i * 7919 % 2500);
        touch(f, key);
    }
    create(f, "N/v1/data/unfinished", 10);

    assert_int_equal(list_all(f, &level, &items), 3);
    assert_int_equal(items.n, 2501);
    for (int i = 0; i < 2500; i++) {
        snprintf(key, sizeof key, "N/v1/data/%05d", i);
        assert_string_equal(items.items[i].key, key);
    }
    assert_string_equal(items.items[2500].key, "N/v1/data/sub/");
    store_items_free(&items);

    assert_int_equal(list_all(f, &flat, &items), 3);
    assert_int_equal(items.n, 2502); /* and nothing of tmp/ */
    qsort(items.items, items.n, sizeof items.items[0], compare_items);
    assert_string_equal(items.items[2500].key, "N/v1/data/sub/deep/x");
    assert_string_equal(items.items[2501].key, "N/v1/datastore.json");
    store_items_free(&items);

    flat.cursor = NULL;
    assert_int_equal(run(f, &flat), ERROR_NONE); /* given up half way */
    assert_int_equal(flat.answer.n_items, STORE_PAGE);
    assert_non_null(flat.cursor);
    store_end_list(f->store, &flat);
    assert_null(flat.cursor);
    store_op_clear(&flat);

    level.key = "N/v1/";
    list_all(f, &level, &items);
    assert_int_equal(items.n, 2); /* data/, datastore.json */
    store_items_free(&items);
}

/* ---- deleting ---- */

/* A deletion that was killed leaves empty folders: the next one must see and take them.
 */
static void test_empty_folders_are_listed_and_deleted(void **state)
{
    struct fixture *f = *state;
    const char *const keys[] = {"N/v1/data/a/b/"};
    struct store_op list = {.verb = STORE_LIST, .key = "N/v1/", .is_flat = true};
    struct store_op delete = {.verb = STORE_DELETE, .keys = keys, .n_keys = 1};
    struct store_items items = {0};
    char path[600];

    put_text(f, "N/v1/data/a/b/c", "1", NULL);
    put_text(f, "N/v1/deleted.json", "1", NULL);
    snprintf(path, sizeof path, "%s/N/v1/data/a/b/c", f->root);
    assert_int_equal(unlink(path), 0);
    list_all(f, &list, &items);
    assert_int_equal(items.n, 2);
    qsort(items.items, items.n, sizeof items.items[0], compare_items);
    assert_string_equal(items.items[0].key, "N/v1/data/a/b/");
    store_items_free(&items);
    delete.key = keys[0];
    assert_int_equal(run(f, &delete), ERROR_NONE);
    snprintf(path, sizeof path, "%s/N/v1/data", f->root);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_delete_takes_empty_folders_along(void **state)
{
    struct fixture *f = *state;
    const char *const first[] = {"N/v1/data/a/b/c", "N/v1/data/a/x", "not/there"};
    const char *const rest[] = {"N/v1/data/y", "N/v1/datastore.json"};
    struct store_op op = {.verb = STORE_DELETE, .keys = first, .n_keys = 3};
    char path[256];

    for (size_t i = 0; i < 2; i++) {
        put_text(f, first[i], "1", NULL);
        put_text(f, rest[i], "1", NULL);
    }
    assert_int_equal(run(f, &op), ERROR_NONE);
    assert_false(is_there(f, "N/v1/data/a"));
    assert_text(f, "N/v1/data/y", "1");
    snprintf(path, sizeof path, "%s/N/v1/tmp", f->root);
    mkdir(path, 0700); /* as a killed process leaves it */
    op.keys = rest;
    op.n_keys = 2;
    assert_int_equal(run(f, &op), ERROR_NONE);
    assert_int_equal(n_below(f, ""), 0); /* the root itself stays */
    assert_int_equal(run(f, &op), ERROR_NONE);
}

static void test_sync(void **state)
{
    struct fixture *f = *state;
    struct store_op op = {.verb = STORE_SYNC};

    assert_int_equal(run(f, &op), ERROR_NONE); /* of nothing */
    put_text(f, "x", "1", NULL);
    assert_int_equal(run(f, &op), ERROR_NONE);
}

/* ---- disks that are full, or not ours to write ---- */

static bool mount_tmpfs(struct fixture *f, char path[256])
{
    snprintf(path, 256, "%s/mnt", f->base);
    mkdir(path, 0755);
    if (mount("none", path, "tmpfs", 0, "size=1m,mode=755") == 0)
        return true;
    printf("SKIPPED: no file system can be mounted here: %s\n", strerror(errno));
    return false;
}

/* The store must have let go of it first. */
static void unmount(struct fixture *f, const char *path)
{
    struct store_op op = {.verb = STORE_SYNC};

    open_store(f, f->root);
    run(f, &op); /* the old store is closed by a worker: let the loop turn */
    for (int i = 0; i < 1000 && umount(path) != 0; i++)
        usleep(1000);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct made_body body = make_body(f, 1, 2 << 20);
    struct store_op op = {.verb = STORE_PUT, .key = "N/v1/data/x", .body = &body.body};
    struct store_op list = {.verb = STORE_LIST, .key = "", .is_flat = true};
    struct store_items items = {0};
    struct upload u;
    char path[256];

    if (!mount_tmpfs(f, path))
        skip();
    open_store(f, path);
    assert_int_equal(run(f, &op), ERROR_FULL);
    assert_non_null(strstr(op.err.text, "N/v1/data/x"));
    assert_non_null(strstr(op.err.text, "free some space"));
    list_all(f, &list, &items);
    assert_int_equal(items.n, 0);
    assert_int_equal(put_made(f, "N/v1/data/y", 2, 512 << 10),
                     ERROR_NONE); /* room again */
    u = create(f, "N/v1/data/big", 2 * PART);
    assert_int_equal(send_part(&u, 1, 1), ERROR_FULL);
    assert_int_equal(abort_upload(&u), ERROR_NONE);
    assert_made(f, "N/v1/data/y", 2, 512 << 10);
    unmount(f, path);
}

static void test_read_only_folder(void **state)
{
    struct fixture *f = *state;
    struct store_op head = {.verb = STORE_HEAD, .key = "k", .want_date = true};
    const char *const keys[] = {"k"};
    struct store_op delete = {.verb = STORE_DELETE, .keys = keys, .n_keys = 1};
    struct error err;
    char path[256];

    if (!mount_tmpfs(f, path))
        skip();
    open_store(f, path);
    put_text(f, "k", "1", NULL);
    if (mount("none", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) != 0) {
        printf("SKIPPED: cannot remount: %s\n", strerror(errno));
        unmount(f, path);
        skip();
    }
    assert_int_equal(put_text(f, "N/v1/x", "1", &err), ERROR_IO);
    assert_int_equal(err.code, EROFS);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "mount it writable"));
    assert_int_equal(run(f, &delete), ERROR_IO);
    assert_text(f, "k", "1"); /* reading goes on */
    assert_int_equal(run(f, &head), ERROR_NONE);
    assert_true(head.answer.date_ms / 1000 >= time(NULL) - 60);
    unmount(f, path);
}

static void test_folder_of_somebody_else(void **state)
{
    struct fixture *f = *state;
    bool is_root = geteuid() == 0;
    struct error err;

    chmod(f->base, 0555);
    if (is_root && seteuid(65534) != 0) {
        printf("SKIPPED: root may write everywhere, and cannot become somebody else\n");
        skip();
    }
    put_text(f, "x", "1", &err);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    chmod(f->base, 0755);
    assert_int_equal(err.kind, ERROR_IO);
    assert_int_equal(err.code, EACCES);
    assert_non_null(strstr(err.text, f->root));
    assert_non_null(strstr(err.text, "change the permissions"));
}

/* ---- file systems that can do less: a child in which system calls fail ---- */

struct refusal {
    unsigned call;
    int code;
};

static bool refuse(const struct refusal *refusals, size_t n)
{
    struct sock_filter program[32] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog prog = {.filter = program};
    unsigned short length = 1;

    for (size_t i = 0; i < n; i++) {
        program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                         refusals[i].call, 0, 1);
        program[length++] = (struct sock_filter)BPF_STMT(
            BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)refusals[i].code);
    }
    program[length++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    prog.len = length;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static void test_poor_file_system(void **state)
{
    race(*state);
    zeros_over_garbage(*state);
}

/* "--no-link", "--no-rename": neither link() nor, in the second, RENAME_NOREPLACE. */
static int child_poor(const char *what)
{
    static const struct refusal refusals[] = {
        {SYS_linkat, EPERM}, {SYS_fallocate, EOPNOTSUPP}, {SYS_renameat2, EINVAL}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_poor_file_system, begin, end)};

    if (!refuse(refusals, strcmp(what, "--no-link") == 0 ? 2 : 3))
        return 98;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static void test_poor_file_systems(void **state)
{
    static const char *const whats[] = {"--no-link", "--no-rename"};

    (void)state;
    fflush(stdout);
    for (size_t i = 0; i < ARRAY_SIZE(whats); i++) {
        pid_t pid = spawn(whats[i], "");
        int status;

        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 98) {
            printf("SKIPPED: no seccomp filter here\n");
            skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* ---- stories: everything at once, on few keys ---- */

enum { ACTORS = 24, KEYS = 4, STORIES = 30, TURNS = 150 };
static const char *const story_keys[KEYS] = {"N/v1/data/a/x", "N/v1/data/a/y", "N/v1/z",
                                             "top"};

struct actor {
    struct story *story;
    struct store_op op;
    struct made_body made;
    struct memory_sink sink;
    bool is_running, is_cancelled;
};

struct story {
    struct fixture *f;
    struct actor actors[ACTORS];
    unsigned n_running;
};

/* What stands under a key is always whole: size and bytes both follow from its first.
 */
static uint64_t story_size(uint8_t byte)
{
    return 1 + (uint64_t)byte * 9973 % (2 * STORE_CHUNK);
}

static void check_object(struct actor *a)
{
    uint8_t byte = a->sink.bytes.data[0];

    assert_int_equal(a->sink.bytes.size, story_size(byte));
    for (size_t i = 0; i < a->sink.bytes.size; i++)
        if (a->sink.bytes.data[i] != made_byte(byte, i))
            fail_msg("byte %zu of a torn object", i);
}

static void on_actor_done(struct store_op *op, void *ctx)
{
    struct actor *a = ctx;

    assert_true(a->is_running);
    a->is_running = false;
    a->story->n_running--;
    switch (op->err.kind) {
    case ERROR_NONE:
        if (op->verb == STORE_GET)
            check_object(a);
        break;
    case ERROR_CANCELLED:
        assert_true(a->is_cancelled);
        break;
    case ERROR_NOT_FOUND:
        assert_true(op->verb == STORE_GET);
        break;
    case ERROR_CONFLICT:
        assert_true(op->verb == STORE_PUT && op->if_absent);
        break;
    case ERROR_CHANGED:
        assert_true(op->body_failed);
        break;
    default:
        fail_msg("%s", op->err.text);
    }
    if (op->verb == STORE_GET)
        free(a->sink.bytes.data);
    store_op_clear(op);
}

static void act(struct actor *a)
{
    struct fixture *f = a->story->f;
    static const enum store_verb verbs[] = {STORE_PUT, STORE_PUT, STORE_GET,
                                            STORE_DELETE, STORE_LIST};
    unsigned k = roll(KEYS);
    uint8_t byte = (uint8_t)(1 + roll(255));

    a->op = (struct store_op){.verb = verbs[roll(ARRAY_SIZE(verbs))],
                              .key = story_keys[k],
                              .done = on_actor_done,
                              .ctx = a,
                              .size = UINT64_MAX};
    if (a->op.verb == STORE_PUT) {
        a->made = make_body(f, byte, story_size(byte));
        a->made.mischief = roll(8) == 0 ? BODY_FAILS : BODY_PLAIN;
        a->op.body = &a->made.body;
        a->op.if_absent = roll(2);
    } else if (a->op.verb == STORE_GET) {
        memory_sink_init(&a->sink, &f->loop, 1 << 20);
        a->op.sink = &a->sink.sink;
    } else if (a->op.verb == STORE_DELETE) {
        a->op.keys = &story_keys[k];
        a->op.n_keys = 1 + roll(KEYS - k);
    } else {
        a->op.key = "";
        a->op.is_flat = roll(2);
    }
    a->is_running = true;
    a->is_cancelled = false;
    a->story->n_running++;
    store_start(f->store, &a->op);
}

static void tell(struct fixture *f, unsigned seed)
{
    struct story *s = mem_new(1, sizeof *s);
    struct store_op delete = {.verb = STORE_DELETE, .keys = story_keys, .n_keys = KEYS};

    rng = seed;
    s->f = f;
    for (size_t i = 0; i < ACTORS; i++)
        s->actors[i].story = s;
    for (unsigned turn = 0; turn < TURNS || s->n_running > 0; turn++) {
        struct actor *a = &s->actors[roll(ACTORS)];

        if (!a->is_running && turn < TURNS) {
            store_end_list(f->store, &a->op);
            act(a);
        } else if (a->is_running && roll(10) == 0) {
            a->is_cancelled = true;
            store_cancel(&a->op);
        }
        if (s->n_running > 0)
            uv_run(&f->loop.uv, roll(2) ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    for (size_t i = 0; i < ACTORS; i++)
        store_end_list(f->store, &s->actors[i].op);
    assert_false(is_there(f, "N/v1/tmp"));
    assert_false(is_there(f, "tmp"));
    assert_int_equal(run(f, &delete), ERROR_NONE);
    if (is_there(f, ""))
        assert_int_equal(n_below(f, ""), 0);
    free(s);
}

static unsigned first_seed = 1, n_stories = STORIES;

static void test_stories(void **state)
{
    for (unsigned i = 0; i < n_stories; i++) {
        printf("\rseed %u ", first_seed + i);
        fflush(stdout);
        tell(*state, first_seed + i);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_urls, begin, end),
        cmocka_unit_test_setup_teardown(test_root_is_a_file, begin, end),
        cmocka_unit_test_setup_teardown(test_put_get_head, begin, end),
        cmocka_unit_test_setup_teardown(test_get_of_a_range, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(test_keys_that_cannot_be, begin, end),
        cmocka_unit_test_setup_teardown(test_what_stands_in_the_way, begin, end),
        cmocka_unit_test_setup_teardown(test_umask_is_honoured, begin, end),
        cmocka_unit_test_setup_teardown(test_one_of_a_hundred_wins, begin, end),
        cmocka_unit_test_setup_teardown(test_body_that_fails_leaves_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_limit_is_kept_by_all_together, begin, end),
        cmocka_unit_test_setup_teardown(test_limit_that_is_lifted, begin, end),
        cmocka_unit_test_setup_teardown(test_cancelled_in_line, begin, end),
        cmocka_unit_test_setup_teardown(test_a_new_rate_when_nobody_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_kill_in_mid_put_leaves_nothing_visible,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_complete_over_another, begin, end),
        cmocka_unit_test_setup_teardown(test_multipart, begin, end),
        cmocka_unit_test_setup_teardown(test_copies, begin, end),
        cmocka_unit_test_setup_teardown(test_copies_that_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_copied_parts, begin, end),
        cmocka_unit_test_setup_teardown(test_copy_of_a_sparse_object, begin, end),
        cmocka_unit_test_setup_teardown(test_copy_that_is_cancelled, begin, end),
        cmocka_unit_test_setup_teardown(test_abort_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_part_cut_short_is_no_part, begin, end),
        cmocka_unit_test_setup_teardown(test_zeros_stay_holes, begin, end),
        cmocka_unit_test_setup_teardown(test_part_that_does_not_fit, begin, end),
        cmocka_unit_test_setup_teardown(test_upload_that_changes_its_size, begin, end),
        cmocka_unit_test_setup_teardown(test_torn_notes_vouch_for_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_put_whose_bytes_were_cleared_away_fails,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_strays_are_listed_and_removed, begin, end),
        cmocka_unit_test_setup_teardown(test_list_of_one_level, begin, end),
        cmocka_unit_test_setup_teardown(test_lists_come_in_pages, begin, end),
        cmocka_unit_test_setup_teardown(test_empty_folders_are_listed_and_deleted,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_delete_takes_empty_folders_along, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_sync, begin, end),
        cmocka_unit_test_setup_teardown(test_full_disk, begin, end),
        cmocka_unit_test_setup_teardown(test_read_only_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_folder_of_somebody_else, begin, end),
        cmocka_unit_test(test_poor_file_systems),
        cmocka_unit_test_setup_teardown(test_stories, begin, end),
    };
    uint64_t seed;

    if (argc > 2 && strcmp(argv[1], "--stall") == 0)
        return child_stall(argv[2]);
    if (argc > 2)
        return child_poor(argv[1]);
    if (argc > 1 && text_parse_u64(argv[1], &seed) == 0) {
        first_seed = (unsigned)seed;
        n_stories = 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
