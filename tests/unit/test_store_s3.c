/*
 * The s3:// store against a server: what is in the bucket afterwards.
 *
 * Without further words: against the project's fake, which it starts itself, in the
 * ways of several stores, and with faults.  Without Python that is skipped, and said.
 *
 * With S3_ENDPOINT in the environment: against that real server.
 * It needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (S3_CA where it is https), and
 * S3_TLS_ENDPOINT and S3_TLS_CA for all of it once more over TLS.  A bucket of its own
 * is made and emptied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "transfer/http.h"
#include "transfer/memory_body.h"
#include "transfer/store_impl.h"

#include "remove_tree.h"

enum { MIB = 1 << 20 };

/* ---- the fixture: a store in a bucket of its own ---- */

struct fixture {
    struct loop loop;
    struct budget *budget;
    struct store *store;
    struct s3_options options;
    const char *access_key, *secret_key;
    const char *checks; /* what probing must find; NULL: anything */
    char url[96];
};

static struct fixture *fixture;

static int give_keys(void *ctx, struct s3_keys *out, struct error *err)
{
    struct fixture *f = ctx;

    (void)err;
    *out = (struct s3_keys){.access_key = f->access_key, .secret_key = f->secret_key};
    return 0;
}

static struct store *open_with(struct fixture *f, const struct s3_options *s3,
                               const char *url)
{
    struct store_options options = {
        .loop = &f->loop, .budget = f->budget, .s3 = s3, .jobs = 16};
    struct store *store;
    struct error err;

    if (store_open(&store, &options, url, &err) != 0)
        fail_msg("%s", err.text);
    return store;
}

static void on_done(struct store_op *op, void *ctx)
{
    (void)op;
    *(bool *)ctx = true;
}

static void on_told(struct http_request *request, void *ctx)
{
    (void)request;
    *(bool *)ctx = true;
}

static enum error_kind run_on(struct fixture *f, struct store *store,
                              struct store_op *op)
{
    bool is_done = false;

    op->done = on_done;
    op->ctx = &is_done;
    store_start(store, op);
    assert_false(is_done);
    loop_run_until(&f->loop, &is_done);
    return op->err.kind;
}

static enum error_kind run(struct fixture *f, struct store_op *op)
{
    return run_on(f, f->store, op);
}

static void run_well(struct fixture *f, struct store_op *op)
{
    if (run(f, op) != ERROR_NONE)
        fail_msg("verb %d, %s: %s", op->verb, op->key != NULL ? op->key : "-",
                 op->err.text);
}

/* ---- bodies: bytes that follow from a seed, read in chunks ---- */

struct made_body {
    struct body body;
    struct loop *loop;
    uint8_t seed;
    uint64_t position;
    unsigned n_rounds;
    struct deferred soon;
    body_done_fn *done;
    void *ctx;
};

static uint8_t made_byte(uint8_t seed, uint64_t position)
{
    return (uint8_t)(seed + position * 131 + (position >> 8) * 7 + (position >> 18));
}

static void made_rewind(struct body *body)
{
    struct made_body *b = (struct made_body *)body;

    b->position = 0;
    b->n_rounds++;
}

static void on_made(void *ctx)
{
    struct made_body *b = ctx;

    b->done(b->ctx, NULL);
}

static void made_read(struct body *body, struct span into, body_look_fn *look,
                      body_done_fn *done, void *ctx)
{
    struct made_body *b = (struct made_body *)body;

    for (size_t i = 0; i < into.size; i++)
        into.data[i] = made_byte(b->seed, b->position + i);
    b->position += into.size;
    if (look != NULL)
        look(ctx);
    assert_true(b->position <= b->body.size);
    b->done = done;
    b->ctx = ctx;
    loop_defer(b->loop, &b->soon, on_made, b);
}

static struct made_body make_body(struct fixture *f, uint8_t seed, uint64_t size)
{
    return (struct made_body){
        .body = {.size = size, .rewind = made_rewind, .read = made_read},
        .loop = &f->loop,
        .seed = seed};
}

static void put_made(struct fixture *f, const char *key, uint8_t seed, uint64_t size)
{
    struct made_body body = make_body(f, seed, size);
    struct store_op op = {
        .verb = STORE_PUT, .key = key, .body = &body.body, .is_data = true};

    run_well(f, &op);
    assert_true(op.answer.etag[0] != '\0');
    store_op_clear(&op);
}

/* ---- sinks that compare ---- */

struct made_sink {
    struct sink sink;
    struct loop *loop;
    uint8_t seed;
    uint64_t position;
    bool is_different;
    struct deferred soon;
    body_done_fn *done;
    void *ctx;
};

static void on_compared(void *ctx)
{
    struct made_sink *s = ctx;

    s->done(s->ctx, NULL);
}

static void made_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct made_sink *s = (struct made_sink *)sink;

    for (size_t i = 0; i < bytes.size; i++)
        s->is_different |= bytes.data[i] != made_byte(s->seed, s->position + i);
    s->position += bytes.size;
    s->done = done;
    s->ctx = ctx;
    loop_defer(s->loop, &s->soon, on_compared, s);
}

static void expect_range(struct fixture *f, const char *key, uint8_t seed,
                         uint64_t offset, uint64_t size, uint64_t whole)
{
    struct made_sink sink = {
        .sink.write = made_write, .loop = &f->loop, .seed = seed, .position = offset};
    struct store_op op = {.verb = STORE_GET,
                          .key = key,
                          .sink = &sink.sink,
                          .offset = offset,
                          .size = size,
                          .want_date = true};
    uint64_t left = whole - offset;

    run_well(f, &op);
    assert_false(sink.is_different);
    assert_int_equal(sink.position - offset, size < left ? size : left);
    assert_int_equal(op.answer.size, whole);
    assert_true(llabs(op.answer.date_ms - op.answer.modified_ms) < 600 * 1000);
    store_op_clear(&op);
}

static void expect_object(struct fixture *f, const char *key, uint8_t seed,
                          uint64_t size)
{
    expect_range(f, key, seed, 0, UINT64_MAX, size);
}

/* ---- listing and deleting ---- */

static char **list_keys(struct fixture *f, const char *prefix, bool is_flat, size_t *n)
{
    struct store_op op = {.verb = STORE_LIST, .key = prefix, .is_flat = is_flat};
    char **keys = NULL;

    *n = 0;
    do {
        run_well(f, &op);
        for (size_t i = 0; i < op.answer.n_items; i++) {
            keys = mem_resize(keys, *n + 1, sizeof *keys);
            keys[(*n)++] = mem_copy_string(op.answer.items[i].key);
        }
    } while (op.cursor != NULL);
    store_op_clear(&op);
    return keys;
}

static void free_keys(char **keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
}

static void delete_keys(struct fixture *f, char **keys, size_t n)
{
    for (size_t i = 0; i < n; i += 1000) {
        struct store_op op = {.verb = STORE_DELETE,
                              .keys = (const char *const *)keys + i,
                              .n_keys = n - i < 1000 ? n - i : 1000};
        run_well(f, &op);
        store_op_clear(&op);
    }
}

static void empty_store(struct fixture *f)
{
    struct store_op op = {.verb = STORE_LIST_UPLOADS, .key = ""};
    size_t n;
    char **keys = list_keys(f, "", true, &n);

    delete_keys(f, keys, n);
    free_keys(keys, n);
    do {
        run_well(f, &op);
        for (size_t i = 0; i < op.answer.n_items; i++) {
            struct store_op abort_op = {.verb = STORE_ABORT_UPLOAD,
                                        .key = op.answer.items[i].key,
                                        .upload_id = op.answer.items[i].upload_id};
            run_well(f, &abort_op);
        }
    } while (op.cursor != NULL);
    store_op_clear(&op);
}

static int begin(void **state)
{
    struct fixture *f = fixture;
    struct store_op op = {.verb = STORE_CREATE_BUCKET};

    f->store = open_with(f, &f->options, f->url);
    run_well(f, &op);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    empty_store(f);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(budget_in_use(f->budget), 0);
    return 0;
}

/* ---- the tests ---- */

static void bucket_is_ours_twice(void **state)
{
    struct store_op op = {.verb = STORE_CREATE_BUCKET};

    run_well(*state, &op);
}

static void probe_finds_what_is_checked(void **state)
{
    struct fixture *f = *state;
    struct store_op op = {.verb = STORE_PROBE};
    struct s3_options options = f->options;
    struct store *again;
    size_t n;
    char **keys;

    run_well(f, &op);
    print_message("    %s: %s\n", f->options.endpoint, store_traits(f->store));
    assert_non_null(strstr(store_traits(f->store), "1 checks="));
    if (f->checks != NULL)
        assert_string_equal(store_traits(f->store), f->checks);
    keys = list_keys(f, "", true, &n);
    assert_int_equal(n, 0); /* it has cleaned up */
    free_keys(keys, n);

    options.traits = store_traits(f->store);
    again = open_with(f, &options, f->url);
    op.verb = STORE_PROBE;
    assert_int_equal(run_on(f, again, &op), ERROR_NONE);
    assert_string_equal(store_traits(again), store_traits(f->store));
    store_close(again);
}

static void objects_come_back_as_they_were(void **state)
{
    static const uint64_t sizes[] = {
        0,           1, 4095, 16 << 10, STORE_CHUNK - 1, STORE_CHUNK, STORE_CHUNK + 1,
        3 * MIB + 17};
    struct fixture *f = *state;
    char key[64];

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct store_op head = {.verb = STORE_HEAD, .key = key};

        snprintf(key, sizeof key, "sizes/%zu.bin", i);
        put_made(f, key, (uint8_t)i, sizes[i]);
        expect_object(f, key, (uint8_t)i, sizes[i]);
        run_well(f, &head);
        assert_int_equal(head.answer.size, sizes[i]);
        assert_true(head.answer.modified_ms > 0 && head.answer.date_ms > 0);
    }
}

static void bodies_in_memory_arrive(void **state)
{
    struct fixture *f = *state;
    struct memory_body body;
    struct memory_sink sink;
    char text[20000];
    struct store_op put = {.verb = STORE_PUT, .key = "record.json", .body = &body.body};
    struct store_op get = {.verb = STORE_GET,
                           .key = "record.json",
                           .sink = &sink.sink,
                           .size = UINT64_MAX};

    memset(text, 'x', sizeof text);
    memory_body_init(&body, &f->loop, (struct span){(uint8_t *)text, sizeof text});
    run_well(f, &put);
    memory_sink_init(&sink, &f->loop, MIB);
    run_well(f, &get);
    assert_int_equal(sink.bytes.size, sizeof text);
    assert_memory_equal(sink.bytes.data, text, sizeof text);
    free(sink.bytes.data);
}

static void keys_of_all_sorts(void **state)
{
    static const char *const keys[] = {"k/a b",         "k/a+b",
                                       "k/a%20b",       "k/\xc3\xa4\xe4\xb8\xad",
                                       "k/q'\"&<>;=?#", "k/~!@$*(),:[]{}|\\^`",
                                       "k/dots../x..y", "k/\xf0\x9f\x98\x80",
                                       "k/a/b//" /* last: not used */};
    struct fixture *f = *state;
    size_t n_keys = ARRAY_SIZE(keys) - 1, n;
    char **found;

    for (size_t i = 0; i < n_keys; i++)
        put_made(f, keys[i], (uint8_t)i, 100 + i);
    for (size_t i = 0; i < n_keys; i++)
        expect_object(f, keys[i], (uint8_t)i, 100 + i);
    found = list_keys(f, "k/", true, &n);
    assert_int_equal(n, n_keys);
    for (size_t i = 0; i < n_keys; i++) {
        bool is_there = false;
        for (size_t j = 0; j < n; j++)
            is_there |= strcmp(found[j], keys[i]) == 0;
        if (!is_there)
            fail_msg("not listed: %s", keys[i]);
    }
    delete_keys(f, found, n);
    free_keys(found, n);
    found = list_keys(f, "k/", true, &n);
    assert_int_equal(n, 0);
    free_keys(found, n);
}

static void get_begins_anywhere(void **state)
{
    struct fixture *f = *state;
    struct made_sink sink = {.sink.write = made_write, .loop = &f->loop};
    struct store_op beyond = {.verb = STORE_GET,
                              .key = "ranged",
                              .sink = &sink.sink,
                              .offset = 600001,
                              .size = 10};

    put_made(f, "ranged", 9, 600000);
    put_made(f, "empty", 9, 0);
    expect_range(f, "ranged", 9, 1, UINT64_MAX, 600000);
    expect_range(f, "ranged", 9, 599999, 1, 600000);
    expect_range(f, "ranged", 9, 300000, 100, 600000);
    expect_range(f, "ranged", 9, 599999, 100, 600000);
    expect_range(f, "ranged", 9, 600000, 100, 600000);
    expect_range(f, "ranged", 9, 600000, UINT64_MAX, 600000);
    expect_range(f, "ranged", 9, 5, 0, 600000);
    expect_range(f, "empty", 9, 0, 100, 0);
    assert_int_equal(run(f, &beyond), ERROR_CORRUPT);
}

static void put_if_absent_happens_once(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        struct made_body body = make_body(f, (uint8_t)i, 100);
        struct store_op op = {
            .verb = STORE_PUT, .key = "once", .body = &body.body, .if_absent = true};
        enum error_kind kind = run(f, &op);

        assert_int_equal(kind, i == 0 ? ERROR_NONE : ERROR_CONFLICT);
        if (i == 1)
            assert_int_equal(op.err.code, EEXIST);
    }
    expect_object(f, "once", 0, 100);
}

/* ---- many ---- */

struct many {
    struct store_op op;
    struct made_body body;
    char key[32];
    unsigned *n_left, *n_failed;
    bool *is_over;
};

static void on_one_of_many(struct store_op *op, void *ctx)
{
    struct many *m = ctx;

    if (op->err.kind != ERROR_NONE)
        print_message("%s: %s\n", m->key, op->err.text);
    *m->n_failed += op->err.kind != ERROR_NONE;
    *m->is_over = --*m->n_left == 0;
}

static void listings_have_pages(void **state)
{
    enum { N = 1100 };
    struct fixture *f = *state;
    struct many *many = mem_new(N, sizeof *many);
    unsigned n_left = N, n_failed = 0;
    bool is_over = false;
    size_t n;
    char **keys;

    for (unsigned i = 0; i < N; i++) {
        struct many *m = &many[i];
        snprintf(m->key, sizeof m->key, "many/%u/%04u", i % 3, i);
        m->n_left = &n_left;
        m->n_failed = &n_failed;
        m->is_over = &is_over;
        m->body = make_body(f, 1, 10);
        m->op = (struct store_op){.verb = STORE_PUT,
                                  .key = m->key,
                                  .body = &m->body.body,
                                  .done = on_one_of_many,
                                  .ctx = m};
        store_start(f->store, &m->op);
    }
    loop_run_until(&f->loop, &is_over);
    assert_int_equal(n_failed, 0);
    keys = list_keys(f, "many/", true, &n);
    assert_int_equal(n, N);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(keys[i - 1], keys[i]) < 0);
    delete_keys(f, keys, n);
    free_keys(keys, n);

    put_made(f, "many/1.txt", 1, 1);
    put_made(f, "many/1/x", 1, 1);
    put_made(f, "many/0/x/y", 1, 1);
    keys = list_keys(f, "many/", false, &n);
    assert_int_equal(n, 3);
    assert_string_equal(keys[0], "many/0/");
    assert_string_equal(keys[1], "many/1.txt");
    assert_string_equal(keys[2], "many/1/");
    free_keys(keys, n);
    free(many);
}

static void deleting_what_is_not_there(void **state)
{
    char *keys[] = {"gone/1", "gone/2"};

    delete_keys(*state, keys, 2);
    delete_keys(*state, keys, 1);
}

/* ---- uploads ---- */

enum { PART = 5 * MIB };

static void create(struct fixture *f, const char *key, uint64_t size,
                   char id[STORE_UPLOAD_ID_MAX])
{
    struct store_op op = {
        .verb = STORE_CREATE_UPLOAD, .key = key, .size = size, .part_size = PART};

    run_well(f, &op);
    snprintf(id, STORE_UPLOAD_ID_MAX, "%s", op.answer.upload_id);
    store_op_clear(&op);
    assert_true(id[0] != '\0');
}

/* Parts of one object: each body begins where the last has ended. */
struct part_body {
    struct made_body made;
    uint64_t offset;
};

static void part_read(struct body *body, struct span into, body_look_fn *look,
                      body_done_fn *done, void *ctx)
{
    struct part_body *b = (struct part_body *)body;

    for (size_t i = 0; i < into.size; i++)
        into.data[i] = made_byte(b->made.seed, b->offset + b->made.position + i);
    b->made.position += into.size;
    if (look != NULL)
        look(ctx);
    b->made.done = done;
    b->made.ctx = ctx;
    loop_defer(b->made.loop, &b->made.soon, on_made, &b->made);
}

static struct store_part send_part(struct fixture *f, const char *key, const char *id,
                                   uint32_t number, uint8_t seed, uint64_t size)
{
    struct part_body body = {.made = make_body(f, seed, size),
                             .offset = (uint64_t)(number - 1) * PART};
    struct store_op op = {.verb = STORE_UPLOAD_PART,
                          .key = key,
                          .upload_id = id,
                          .part.number = number,
                          .offset = body.offset,
                          .part_size = PART,
                          .is_data = true,
                          .body = &body.made.body};
    struct store_part part = {.number = number, .size = size};

    body.made.body.read = part_read;
    run_well(f, &op);
    memcpy(part.etag, op.answer.etag, sizeof part.etag);
    part.crc32c = op.answer.crc32c;
    return part;
}

static enum error_kind complete(struct fixture *f, const char *key, const char *id,
                                const struct store_part *parts, size_t n, uint64_t size)
{
    struct store_op op = {.verb = STORE_COMPLETE_UPLOAD,
                          .key = key,
                          .upload_id = id,
                          .parts = parts,
                          .n_parts = n,
                          .part_size = PART,
                          .size = size};
    enum error_kind kind = run(f, &op);

    if (kind != ERROR_NONE)
        print_message("    %s\n", op.err.text);
    else
        assert_true(op.answer.etag[0] != '\0');
    return kind;
}

static size_t count_parts(struct fixture *f, const char *key, const char *id,
                          enum error_kind *kind)
{
    struct store_op op = {.verb = STORE_LIST_PARTS, .key = key, .upload_id = id};
    size_t n = 0;

    do {
        *kind = run(f, &op);
        n += op.answer.n_items;
    } while (*kind == ERROR_NONE && op.cursor != NULL);
    store_end_list(f->store, &op);
    store_op_clear(&op);
    return n;
}

static void upload_in_parts(void **state)
{
    const uint64_t size = 2 * (uint64_t)PART + 12345;
    struct fixture *f = *state;
    struct store_op uploads = {.verb = STORE_LIST_UPLOADS, .key = "big/"};
    char id[STORE_UPLOAD_ID_MAX];
    struct store_part parts[3];
    enum error_kind kind;

    create(f, "big/object", size, id);
    parts[2] = send_part(f, "big/object", id, 3, 5, 12345);
    parts[0] = send_part(f, "big/object", id, 1, 4, PART); /* wrong, and again */
    parts[0] = send_part(f, "big/object", id, 1, 5, PART);
    parts[1] = send_part(f, "big/object", id, 2, 5, PART);

    if (store_limits(f->store)->lists_exact_key)
        uploads.key = "big/object";
    run_well(f, &uploads);
    assert_int_equal(uploads.answer.n_items, 1);
    assert_string_equal(uploads.answer.items[0].key, "big/object");
    assert_string_equal(uploads.answer.items[0].upload_id, id);
    store_end_list(f->store, &uploads);
    store_op_clear(&uploads);
    assert_int_equal(count_parts(f, "big/object", id, &kind), 3);

    assert_int_equal(complete(f, "big/object", id, parts, 3, size), ERROR_NONE);
    expect_object(f, "big/object", 5, size);
    expect_range(f, "big/object", 5, PART - 10, 20, size);

    /* The answer was lost, and it is sent once more. */
    assert_int_equal(complete(f, "big/object", id, parts, 3, size), ERROR_NONE);
    expect_object(f, "big/object", 5, size);
}

static void completion_of_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_part part = {.number = 1, .size = 100};
    char id[STORE_UPLOAD_ID_MAX];
    enum error_kind kind;

    create(f, "lost", 100, id);
    part = send_part(f, "lost", id, 1, 7, 100);
    {
        struct store_op op = {
            .verb = STORE_ABORT_UPLOAD, .key = "lost", .upload_id = id};
        run_well(f, &op);
        run_well(f, &op); /* gone already */
    }
    assert_int_equal(count_parts(f, "lost", id, &kind), 0);
    assert_int_equal(kind, ERROR_NOT_FOUND);
    assert_int_equal(complete(f, "lost", id, &part, 1, 100), ERROR_NOT_FOUND);

    /* An older object of that size is not taken for it. */
    put_made(f, "lost", 8, 100);
    assert_int_equal(complete(f, "lost", id, &part, 1, 100), ERROR_NOT_FOUND);
    expect_object(f, "lost", 8, 100);
}

/* ---- copies ---- */

static uint64_t bytes_copied(struct fixture *f)
{
    struct store_counts counts;

    store_counts(f->store, &counts);
    return counts.bytes_copied;
}

static void etag_of(struct fixture *f, const char *key, char etag[STORE_ETAG_MAX])
{
    struct store_op head = {.verb = STORE_HEAD, .key = key};

    run_well(f, &head);
    memcpy(etag, head.answer.etag, STORE_ETAG_MAX);
}

static void objects_are_copied(void **state)
{
    static const char *const keys[] = {"from/a b+c%20?versionId=\xc3\xa4", "from/1"};
    struct fixture *f = *state;
    char etag[STORE_ETAG_MAX], bucket[64], whole[160];
    uint64_t before = bytes_copied(f);

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct store_op op = {.verb = STORE_COPY,
                              .key = "to/x",
                              .from = {.key = keys[i], .etag = etag, .size = 700000},
                              .is_data = true};

        put_made(f, keys[i], (uint8_t)i, 700000);
        etag_of(f, keys[i], etag);
        run_well(f, &op);
        assert_true(op.answer.etag[0] != '\0');
        assert_true(op.answer.is_pinned);
        expect_object(f, "to/x", (uint8_t)i, 700000);

        snprintf(bucket, sizeof bucket, "%.*s", (int)strcspn(f->url + 5, "/"),
                 f->url + 5);
        snprintf(whole, sizeof whole, "some/prefix/%s", keys[i]);
        op.from.bucket = bucket;
        op.from.key = whole;
        op.key = "to/y";
        run_well(f, &op);
        expect_object(f, "to/y", (uint8_t)i, 700000);
    }
    assert_int_equal(bytes_copied(f) - before, 4 * 700000);
}

static void copies_that_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_op op = {
        .verb = STORE_COPY, .key = "to/x", .from = {.key = "from/none", .size = 10}};

    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    assert_true(op.copy_refused);
    print_message("    %s\n", op.err.text);
    op.from.bucket = "no-such-bucket-here";
    run(f, &op);
    assert_true(op.err.kind == ERROR_NOT_FOUND || op.err.kind == ERROR_UNUSABLE);
    assert_true(op.copy_refused);

    /* A pin that does not hold: refused, or at least not said to hold. */
    put_made(f, "from/1", 1, 10);
    op.from = (struct store_from){
        .key = "from/1", .size = 10, .etag = "0123456789abcdef0123456789abcdef"};
    if (run(f, &op) == ERROR_NONE)
        assert_false(op.answer.is_pinned);
    else
        assert_true(op.err.kind == ERROR_CONFLICT && op.copy_refused);
}

/* Sent parts and copied ones, from two ranges of an older object. */
static void parts_are_copied(void **state)
{
    const uint64_t size = 3 * (uint64_t)PART + 12345;
    struct fixture *f = *state;
    char id[STORE_UPLOAD_ID_MAX], etag[STORE_ETAG_MAX];
    struct store_part parts[4];
    struct store_op op = {.verb = STORE_COPY_PART,
                          .key = "big/new",
                          .upload_id = id,
                          .from = {.key = "big/old", .etag = etag, .size = size},
                          .part_size = PART,
                          .is_data = true};
    uint64_t before = bytes_copied(f);

    put_made(f, "big/old", 5, size);
    etag_of(f, "big/old", etag);
    create(f, "big/new", size, id);
    parts[0] = send_part(f, "big/new", id, 1, 5, PART);
    parts[2] = send_part(f, "big/new", id, 3, 5, PART);
    for (uint32_t i = 1; i < 4; i += 2) {
        op.part = (struct store_part){.number = i + 1, .size = i == 1 ? PART : 12345};
        op.from.offset = op.offset = (uint64_t)i * PART;
        run_well(f, &op);
        parts[i] = op.part;
        parts[i].crc32c = op.answer.crc32c;
        memcpy(parts[i].etag, op.answer.etag, STORE_ETAG_MAX);
    }
    assert_int_equal(complete(f, "big/new", id, parts, 4, size), ERROR_NONE);
    expect_object(f, "big/new", 5, size);
    assert_int_equal(bytes_copied(f) - before, PART + 12345);

    op.from.key = "big/none"; /* the upload is there, but nothing to copy */
    create(f, "big/new", size, id);
    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    assert_true(op.copy_refused);
}

/* ---- refusals ---- */

static void expect_error(struct fixture *f, const struct s3_options *s3,
                         const char *url, enum store_verb verb, enum error_kind kind,
                         const char *words)
{
    struct store *store = open_with(f, s3, url);
    struct store_op op = {.verb = verb, .key = verb == STORE_LIST ? "" : "x"};

    run_on(f, store, &op);
    print_message("    %s: %s\n", error_kind_name(op.err.kind), op.err.text);
    assert_int_equal(op.err.kind, kind);
    assert_non_null(strstr(op.err.text, words));
    assert_null(strstr(op.err.text, f->secret_key));
    store_close(store);
}

static void refusals_are_told(void **state)
{
    struct fixture *f = *state;
    const char *access_key = f->access_key, *secret_key = f->secret_key;
    struct store_op head = {.verb = STORE_HEAD, .key = "nothing"};

    assert_int_equal(run(f, &head), ERROR_NOT_FOUND);
    expect_error(f, &f->options, "s3://no-such-bucket-here/p", STORE_LIST,
                 ERROR_UNUSABLE, "NoSuchBucket");
    expect_error(f, &f->options, "s3://no-such-bucket-here/p", STORE_PROBE,
                 ERROR_UNUSABLE, "NoSuchBucket");
    f->access_key = "nobody";
    expect_error(f, &f->options, f->url, STORE_LIST, ERROR_AUTH, "status 403");
    expect_error(f, &f->options, f->url, STORE_HEAD, ERROR_AUTH, "status 403");
    f->access_key = access_key;
    f->secret_key = "wrong-secret";
    expect_error(f, &f->options, f->url, STORE_PROBE, ERROR_AUTH,
                 "SignatureDoesNotMatch");
    f->secret_key = secret_key;
}

static void cancelled_at_once(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_with(f, &f->options, f->url);
    struct made_body body = make_body(f, 1, 3 * MIB);
    bool is_done = false;
    struct store_op op = {.verb = STORE_PUT,
                          .key = "cancelled",
                          .body = &body.body,
                          .done = on_done,
                          .ctx = &is_done};

    store_start(store, &op);
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    store_cancel(&op);
    loop_run_until(&f->loop, &is_done);
    assert_int_equal(op.err.kind, ERROR_CANCELLED);
    store_close(store);
}

/* ---- faults, of the fake only ---- */

/* Tell the fake: a JSON document to one of its own paths. */
static void tell(struct fixture *f, const char *path, const char *json)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct http_options options = {
        .loop = &f->loop, .connections = 1, .ca_file = f->options.ca_file};
    struct http_request request = {
        .method = "POST", .headers = headers, .answer_max = 1 << 20};
    struct http *http;
    struct error err;
    char url[160];
    bool is_done = false;

    snprintf(url, sizeof url, "%s/.fake/%s", f->options.endpoint, path);
    request.url = url;
    request.body = (struct span){(uint8_t *)(uintptr_t)json, strlen(json)};
    request.done = on_told;
    request.ctx = &is_done;
    assert_int_equal(http_open(&http, &options, &err), 0);
    http_send(http, &request);
    loop_run_until(&f->loop, &is_done);
    if (request.err.kind != ERROR_NONE || request.answer.status >= 300)
        fail_msg("%s: %s", path, text_string(&request.answer.body));
    http_request_clear(&request);
    http_close(http);
}

/* Two parts and the completion, which meets these faults. */
static void complete_under(struct fixture *f, const char *rules)
{
    const uint64_t size = PART + 100;
    char id[STORE_UPLOAD_ID_MAX];
    struct store_part parts[2];

    create(f, "faulty", size, id);
    parts[0] = send_part(f, "faulty", id, 1, 3, PART);
    parts[1] = send_part(f, "faulty", id, 2, 3, 100);
    tell(f, "faults", rules);
    assert_int_equal(complete(f, "faulty", id, parts, 2, size), ERROR_NONE);
    tell(f, "faults", "[]");
    expect_object(f, "faulty", 3, size);
}

static void complete_with(struct fixture *f, const char *fault)
{
    char rule[256];

    snprintf(rule, sizeof rule, "[{\"op\":\"CompleteMultipartUpload\",\"times\":1,%s}]",
             fault);
    complete_under(f, rule);
}

static void doubtful_completions(void **state)
{
    struct fixture *f = *state;

    complete_with(f, "\"fault\":\"lost_answer\"");
    complete_with(
        f, "\"fault\":\"error_after\",\"code\":\"InternalError\",\"status\":500");
    complete_with(f, "\"fault\":\"error\",\"code\":\"InternalError\",\"status\":500");
    complete_with(f, "\"fault\":\"error_in_200\",\"code\":\"InternalError\"");
    complete_with(f, "\"fault\":\"whitespace\",\"seconds\":0.3");
    complete_with(
        f, "\"fault\":\"whitespace\",\"seconds\":0.3,\"code\":\"InternalError\"");
    complete_with(f, "\"fault\":\"html\",\"status\":200");
    tell(f, "options", "{\"repeated_complete\":\"404\"}");
    complete_with(f, "\"fault\":\"lost_answer\"");
    /* Whoever cannot look at the object does not know that the upload is lost. */
    complete_under(f, "[{\"op\":\"HeadObject\",\"times\":3,\"fault\":\"error\","
                      "\"code\":\"InternalError\",\"status\":500}]");
    complete_under(f, "[{\"op\":\"HeadObject\",\"times\":3,\"fault\":\"error\","
                      "\"code\":\"RequestTimeout\",\"status\":400}]");
    tell(f, "options", "{\"repeated_complete\":\"rgw\",\"complete_etag\":false}");
    complete_with(f, "\"fault\":\"lost_answer\"");
    tell(f, "options", "{\"etag\":\"random\",\"repeated_complete\":\"404\"}");
    complete_with(f, "\"fault\":\"lost_answer\""); /* the token tells */
    tell(f, "options",
         "{\"etag\":\"md5\",\"repeated_complete\":\"200\",\"complete_etag\":true}");
}

/* A copy that meets this fault once is carried out all the same. */
static void copy_with(struct fixture *f, const char *fault)
{
    struct store_op op = {
        .verb = STORE_COPY, .key = "copied", .from = {.key = "copy/me", .size = 1000}};
    char rule[256], *keys[] = {"copied"};

    delete_keys(f, keys, 1);
    snprintf(rule, sizeof rule, "[{\"op\":\"CopyObject\",\"times\":1,%s}]", fault);
    tell(f, "faults", rule);
    run_well(f, &op);
    tell(f, "faults", "[]");
    expect_object(f, "copied", 4, 1000);
}

static void doubtful_copies(void **state)
{
    struct fixture *f = *state;
    struct store_op op = {
        .verb = STORE_COPY, .key = "copied", .from = {.key = "copy/me", .size = 1000}};

    put_made(f, "copy/me", 4, 1000);
    copy_with(f, "\"fault\":\"lost_answer\"");
    copy_with(f, "\"fault\":\"error_in_200\",\"code\":\"SlowDown\"");
    copy_with(f, "\"fault\":\"whitespace\",\"seconds\":0.3");
    copy_with(f, "\"fault\":\"whitespace\",\"seconds\":0.3,"
                 "\"code\":\"InternalError\"");
    copy_with(f, "\"fault\":\"html\",\"status\":200");
    copy_with(f, "\"fault\":\"truncated\"");
    tell(f, "faults",
         "[{\"op\":\"CopyObject\",\"fault\":\"error_in_200\",\"code\":\"NoSuchKey\"}]");
    assert_int_equal(run(f, &op), ERROR_NOT_FOUND);
    assert_true(op.copy_refused);
    tell(f, "faults",
         "[{\"op\":\"CopyObject\",\"fault\":\"error\",\"status\":403,"
         "\"code\":\"AccessDenied\"}]");
    assert_int_equal(run(f, &op), ERROR_AUTH);
    assert_true(op.copy_refused);
    tell(f, "faults", "[]");
}

/* A put that meets this fault once is carried out all the same. */
static void put_with(struct fixture *f, const char *fault, unsigned n_attempts)
{
    struct made_body body = make_body(f, 8, 700000);
    struct store_op op = {.verb = STORE_PUT, .key = "put", .body = &body.body};
    char rule[256];

    snprintf(rule, sizeof rule, "[{\"op\":\"PutObject\",\"times\":1,%s}]", fault);
    tell(f, "faults", rule);
    run_well(f, &op);
    if (n_attempts > 0)
        assert_int_equal(op.answer.attempts, n_attempts);
    tell(f, "faults", "[]");
    expect_object(f, "put", 8, 700000);
}

static void puts_in_trouble(void **state)
{
    struct fixture *f = *state;
    struct store_op probe = {.verb = STORE_PROBE};

    run_well(f, &probe);
    put_with(
        f, "\"fault\":\"error\",\"code\":\"SlowDown\",\"status\":503,\"retry_after\":1",
        2);
    put_with(f, "\"fault\":\"html\",\"status\":200", 2);
    put_with(f, "\"fault\":\"html\",\"status\":502", 2);
    put_with(f, "\"fault\":\"redirect\"", 2);
    put_with(f, "\"fault\":\"lost_answer\"", 0); /* http may have repeated it */
    put_with(f, "\"fault\":\"error\",\"code\":\"BadDigest\",\"status\":400", 2);
}

static int64_t no_delay(const struct error *err, unsigned attempt, uint32_t random,
                        unsigned retry_after_s)
{
    return retry_delay_ms(err, attempt, random, retry_after_s) < 0 ? RETRY_GIVE_UP : 0;
}

/* A line that damages what it carries: each time it is sent again, other failures of the
 * same operation do not count for it, and it has an end. */
static void a_put_that_arrives_damaged(void **state)
{
    static const char rules[] =
        "[{\"op\":\"PutObject\",\"nth\":[1,2,3],\"fault\":\"error\",\"code\":"
        "\"InternalError\",\"status\":500},{\"op\":\"PutObject\",\"times\":%u,"
        "\"fault\":\"error\",\"code\":\"BadDigest\",\"status\":400}]";
    struct fixture *f = *state;
    struct store_op probe = {.verb = STORE_PROBE};
    char told[512];

    run_well(f, &probe);
    f->store->delay_ms = no_delay;
    for (unsigned damaged = 9; damaged <= 10; damaged++) {
        struct made_body body = make_body(f, 8, 1000);
        struct store_op op = {.verb = STORE_PUT, .key = "put", .body = &body.body};

        snprintf(told, sizeof told, rules, damaged);
        tell(f, "faults", told);
        assert_int_equal(run(f, &op), damaged < 10 ? ERROR_NONE : ERROR_CORRUPT);
        assert_int_equal(op.answer.attempts,
                         3 + (damaged < 10 ? damaged + 1 : damaged));
        store_op_clear(&op);
    }
    tell(f, "faults", "[]");
}

static void gets_in_trouble(void **state)
{
    static const char *const faults[] = {
        "\"fault\":\"truncated\",\"fraction\":0.4", "\"fault\":\"html\",\"status\":200",
        "\"fault\":\"html\",\"status\":502", "\"fault\":\"redirect\"",
        "\"fault\":\"reset_after\""};
    struct fixture *f = *state;
    char rule[256];

    put_made(f, "got", 6, 2 * MIB);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        snprintf(rule, sizeof rule, "[{\"op\":\"GetObject\",\"times\":2,%s}]",
                 faults[i]);
        tell(f, "faults", rule);
        expect_object(f, "got", 6, 2 * MIB);
        expect_range(f, "got", 6, 1000, MIB, 2 * MIB);
    }
    tell(f, "faults", "[]");
}

/* A network that wants a login first: nobody may take its page for the store's answer,
 * or the outage for over. */
static void a_portal_is_an_outage(void **state)
{
    static const enum store_verb verbs[] = {STORE_PUT, STORE_GET, STORE_HEAD,
                                            STORE_LIST};
    struct fixture *f = *state;
    struct made_sink sink = {.sink.write = made_write, .loop = &f->loop};
    enum error_kind kinds[ARRAY_SIZE(verbs)];

    put_made(f, "there", 6, MIB);
    tell(f, "faults", "[{\"op\":\"*\",\"fault\":\"html\",\"status\":200}]");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        struct made_body body = make_body(f, 8, 1000);
        struct store_op op = {.verb = verbs[i],
                              .key = verbs[i] == STORE_LIST ? "" : "there",
                              .size = UINT64_MAX,
                              .sink = &sink.sink,
                              .is_once = true};

        if (verbs[i] == STORE_PUT)
            op.body = &body.body;
        kinds[i] = run(f, &op);
    }
    tell(f, "faults", "[]");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        assert_int_equal(kinds[i], ERROR_NETWORK);
}

static void servers_that_are_no_s3(void **state)
{
    struct fixture *f = *state;

    tell(f, "faults", "[{\"op\":\"*\",\"fault\":\"html\",\"status\":200}]");
    expect_error(f, &f->options, f->url, STORE_LIST, ERROR_UNUSABLE, "no S3 service");
    expect_error(f, &f->options, f->url, STORE_PROBE, ERROR_UNUSABLE, "no S3 service");
    expect_error(f, &f->options, f->url, STORE_HEAD, ERROR_UNUSABLE, "no S3 service");
    tell(f, "faults", "[{\"op\":\"*\",\"fault\":\"html\",\"status\":404}]");
    expect_error(f, &f->options, f->url, STORE_HEAD, ERROR_UNUSABLE, "no S3 service");
    tell(f, "faults", "[{\"op\":\"*\",\"fault\":\"redirect\"}]");
    expect_error(f, &f->options, f->url, STORE_LIST, ERROR_UNUSABLE,
                 "redirect to http://login");
    tell(f, "faults", "[]");
}

static unsigned n_expired;
static void on_expired(void *ctx)
{
    (void)ctx;
    n_expired++;
}

static void refusals_of_a_known_store(void **state)
{
    struct fixture *f = *state;
    struct s3_options options = f->options;
    char bucket[64], json[160];

    snprintf(bucket, sizeof bucket, "%.*s", (int)strcspn(f->url + 5, "/"), f->url + 5);
    snprintf(json, sizeof json, "{\"read_only_buckets\":[\"%s\"]}", bucket);
    tell(f, "options", json);
    expect_error(f, &options, f->url, STORE_PROBE, ERROR_AUTH, "AccessDenied");
    tell(f, "options", "{\"read_only_buckets\":[],\"quota_bytes\":10}");
    expect_error(f, &options, f->url, STORE_PROBE, ERROR_FULL, "QuotaExceeded");
    tell(f, "options", "{\"quota_bytes\":0,\"clock_offset_s\":5000}");
    expect_error(f, &options, f->url, STORE_PROBE, ERROR_NONE, "");
    tell(f, "options", "{\"clock_offset_s\":0}");
    tell(f, "faults",
         "[{\"op\":\"*\",\"fault\":\"error\",\"code\":\"ExpiredToken\",\"status\":400}"
         "]");
    options.expired = on_expired;
    n_expired = 0;
    expect_error(f, &options, f->url, STORE_PROBE, ERROR_EXPIRED, "ExpiredToken");
    assert_int_equal(n_expired, 1);
    tell(f, "faults", "[]");
}

/* Whatever a listing says in place of a reason: that an object is not there it cannot know. */
static void a_refused_look_is_no_absence(void **state)
{
    struct fixture *f = *state;
    struct made_body bodies[] = {make_body(f, 5, 100), make_body(f, 6, 100)};
    struct store_op first = {.verb = STORE_PUT, .key = "kept", .body = &bodies[0].body};
    struct store_op second = {
        .verb = STORE_PUT, .key = "kept", .body = &bodies[1].body, .if_absent = true};
    struct store_op head = {.verb = STORE_HEAD, .key = "kept"};

    run_well(f, &first);
    tell(f, "faults",
         "[{\"op\":\"HeadObject\",\"fault\":\"error\",\"code\":\"AccessDenied\","
         "\"status\":403},{\"op\":\"ListObjectsV2\",\"fault\":\"error\","
         "\"code\":\"NoSuchKey\",\"status\":404}]");
    assert_int_not_equal(run(f, &second), ERROR_NONE);
    assert_int_equal(run(f, &head), ERROR_AUTH);
    tell(f, "faults", "[]");
    expect_object(f, "kept", 5, 100);
}

/* Where the digest stands in front, a body is read twice: what differs is noticed. */
static void changing_read(struct body *body, struct span into, body_look_fn *look,
                          body_done_fn *done, void *ctx)
{
    struct made_body *b = (struct made_body *)body;

    b->seed = (uint8_t)b->n_rounds;
    made_read(body, into, look, done, ctx);
}

static void body_that_changes(void **state)
{
    struct fixture *f = *state;
    struct made_body body = make_body(f, 1, MIB);
    struct store_op op = {.verb = STORE_PUT, .key = "changing", .body = &body.body};
    struct store_op head = {.verb = STORE_HEAD, .key = "changing"};
    struct store_op probe = {.verb = STORE_PROBE};

    run_well(f, &probe);
    if (strstr(store_traits(f->store), "checks=crc32c-header") == NULL)
        return; /* it is read once */
    body.body.read = changing_read;
    assert_int_equal(run(f, &op), ERROR_CHANGED);
    assert_true(op.body_failed);
    assert_int_equal(run(f, &head), ERROR_NOT_FOUND);
}

static int run_faults(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(doubtful_completions, begin, end),
        cmocka_unit_test_setup_teardown(doubtful_copies, begin, end),
        cmocka_unit_test_setup_teardown(puts_in_trouble, begin, end),
        cmocka_unit_test_setup_teardown(a_put_that_arrives_damaged, begin, end),
        cmocka_unit_test_setup_teardown(gets_in_trouble, begin, end),
        cmocka_unit_test_setup_teardown(a_portal_is_an_outage, begin, end),
        cmocka_unit_test_setup_teardown(servers_that_are_no_s3, begin, end),
        cmocka_unit_test_setup_teardown(refusals_of_a_known_store, begin, end),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

static int run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bucket_is_ours_twice, begin, end),
        cmocka_unit_test_setup_teardown(probe_finds_what_is_checked, begin, end),
        cmocka_unit_test_setup_teardown(objects_come_back_as_they_were, begin, end),
        cmocka_unit_test_setup_teardown(bodies_in_memory_arrive, begin, end),
        cmocka_unit_test_setup_teardown(keys_of_all_sorts, begin, end),
        cmocka_unit_test_setup_teardown(get_begins_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(put_if_absent_happens_once, begin, end),
        cmocka_unit_test_setup_teardown(listings_have_pages, begin, end),
        cmocka_unit_test_setup_teardown(deleting_what_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(upload_in_parts, begin, end),
        cmocka_unit_test_setup_teardown(completion_of_nothing, begin, end),
        cmocka_unit_test_setup_teardown(objects_are_copied, begin, end),
        cmocka_unit_test_setup_teardown(copies_that_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(parts_are_copied, begin, end),
        cmocka_unit_test_setup_teardown(refusals_are_told, begin, end),
        cmocka_unit_test_setup_teardown(cancelled_at_once, begin, end),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* What differs from store to store. */
static int run_some(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(probe_finds_what_is_checked, begin, end),
        cmocka_unit_test_setup_teardown(objects_come_back_as_they_were, begin, end),
        cmocka_unit_test_setup_teardown(keys_of_all_sorts, begin, end),
        cmocka_unit_test_setup_teardown(put_if_absent_happens_once, begin, end),
        cmocka_unit_test_setup_teardown(upload_in_parts, begin, end),
        cmocka_unit_test_setup_teardown(completion_of_nothing, begin, end),
        cmocka_unit_test_setup_teardown(parts_are_copied, begin, end),
        cmocka_unit_test_setup_teardown(body_that_changes, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_look_is_no_absence, begin, end),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* ---- the servers ---- */

struct fake {
    pid_t pid;
    char folder[64], endpoint[64], ca_file[96];
};

/* The port, when the server listens; 0: it does not. */
static unsigned wait_for_port(struct fake *fake)
{
    char path[96];
    unsigned port = 0;

    snprintf(path, sizeof path, "%s/port", fake->folder);
    for (int i = 0; i < 2000 && port == 0; i++) {
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%u", &port) != 1)
                port = 0;
            fclose(file);
        } else if (waitpid(fake->pid, NULL, WNOHANG) != 0) {
            return 0;
        }
        usleep(5000);
    }
    return port;
}

static int start_fake(struct fake *fake, const char *behaviour, bool is_tls)
{
    char port_file[96], tls[96];
    unsigned port;

    snprintf(fake->folder, sizeof fake->folder, "/tmp/test_store_s3.XXXXXX");
    assert_non_null(mkdtemp(fake->folder));
    snprintf(port_file, sizeof port_file, "%s/port", fake->folder);
    snprintf(tls, sizeof tls, "%s/tls", fake->folder);
    snprintf(fake->ca_file, sizeof fake->ca_file, "%s/tls/ca.crt", fake->folder);
    fake->pid = fork();
    if (fake->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl("/usr/bin/python3", "/usr/bin/python3", GRID_GOLDEN_DIR "/../fake/s3.py",
              "--port-file", port_file, "--behaviour", behaviour,
              is_tls ? "--tls" : (char *)NULL, tls, (char *)NULL);
        _exit(127);
    }
    port = wait_for_port(fake);
    snprintf(fake->endpoint, sizeof fake->endpoint, "%s:%u",
             is_tls ? "https://localhost" : "http://127.0.0.1", port);
    return port != 0 ? 0 : -1;
}

static void stop_fake(struct fake *fake)
{
    kill(fake->pid, SIGTERM);
    waitpid(fake->pid, NULL, 0);
    remove_tree(fake->folder);
}

/* What each kind of store is found to check: test.checks. */
static int run_fakes(struct fixture *f)
{
    static const struct {
        const char *behaviour;
        bool is_tls;
        const char *checks;
        enum s3_sign_payload sign;
    } cases[] = {
        {"aws", true, "1 checks=crc32c-trailer,crc32c-header if-none-match=yes", 0},
        {"aws", false, "1 checks=chunk-signed,sha256 if-none-match=yes", 0},
        {"aws", true, "1 checks=chunk-signed,sha256 if-none-match=yes", S3_SIGN_ALWAYS},
        {"aws", false, "1 checks=crc32c-trailer,crc32c-header if-none-match=yes",
         S3_SIGN_NEVER},
        {"aws,trailers=false", true, "1 checks=crc32c-header if-none-match=yes", 0},
        {"aws,stores_framing=true", true, "1 checks=crc32c-header if-none-match=yes",
         0},
        {"rgw", false, "1 checks=chunk-signed,sha256 if-none-match=yes", 0},
        {"minio2019", false, "1 checks=chunk-signed,sha256 if-none-match=no", 0},
        {"swift", false, "1 checks=sha256 if-none-match=no", 0},
        {"aws,aws_chunked=false,sha256_checked=false,list_encodes=false,parts_"
         "truncated=false",
         false, "1 checks=content-md5 if-none-match=yes", 0},
        {"aws,checksums=false,md5_checked=false,sha256_checked=false,chunks_checked="
         "false",
         false, "1 checks=none if-none-match=yes", 0},
    };
    int n_failed = 0;

    f->access_key = "testaccesskey0000001";
    f->secret_key = "testsecretkey00000000000000000000000001";
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake fake = {0};

        if (start_fake(&fake, cases[i].behaviour, cases[i].is_tls) != 0) {
            fprintf(stderr, "SKIPPED: the fake S3 server does not start\n");
            remove_tree(fake.folder);
            return 77;
        }
        f->options.endpoint = fake.endpoint;
        f->options.ca_file = cases[i].is_tls ? fake.ca_file : NULL;
        f->options.sign_payload = cases[i].sign;
        f->checks = cases[i].checks;
        n_failed += i < 2 ? run_all(cases[i].behaviour) : run_some(cases[i].behaviour);
        if (i == 1)
            n_failed += run_faults("faults");
        stop_fake(&fake);
    }
    return n_failed;
}

static int run_server(struct fixture *f, const char *endpoint)
{
    const char *tls = getenv("S3_TLS_ENDPOINT");
    int n_failed;

    f->access_key = getenv("AWS_ACCESS_KEY_ID");
    f->secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    f->options.endpoint = endpoint;
    f->options.region = getenv("AWS_REGION");
    f->options.ca_file = getenv("S3_CA");
    n_failed = run_all("http");
    if (tls != NULL) {
        f->options.endpoint = tls;
        f->options.ca_file = getenv("S3_TLS_CA");
        n_failed += run_all("https");
    }
    return n_failed;
}

int main(void)
{
    struct fixture f = {.options.keys = give_keys};
    const char *endpoint = getenv("S3_ENDPOINT");
    int n_failed;

    if (getenv("GRID_TEST_LOG") != NULL)
        log_open(2, LOG_DEBUG);
    f.options.keys_ctx = fixture = &f;
    loop_open(&f.loop);
    f.budget = budget_new(&f.loop, 64 * STORE_CHUNK);
    snprintf(f.url, sizeof f.url, "s3://grid-test-%d/some/prefix", (int)getpid());
    n_failed = endpoint != NULL ? run_server(&f, endpoint) : run_fakes(&f);
    loop_close(&f.loop);
    budget_free(f.budget);
    return n_failed == 0 ? 0 : n_failed == 77 ? 77 : 1;
}
