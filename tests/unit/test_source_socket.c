/*
 * The other side of the socket is played here: answers that come in pieces, out of order,
 * twice, too short, of a file that has changed, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"
#include "tests/unit/dice.h"
#include "transfer/source_socket.h"

enum { READS = 24, RANGE_MAX = 200000 };

struct side {
    struct loop loop;
    struct source *source;
    char folder[64], path[80];
    int listener, peer;
    struct source_op op;
    struct entry_batch batch;
    bool is_done, is_gone;
    unsigned n_lost;
};

static void on_done(struct source_op *op, void *ctx)
{
    struct side *s = ctx;

    (void)op;
    assert_false(s->is_done);
    s->is_done = true;
}

static enum error_kind answer(struct side *s)
{
    assert_false(s->is_done); /* never from inside the call */
    loop_run_until(&s->loop, &s->is_done);
    s->is_done = false;
    return s->op.err.kind;
}

static void on_lost(void *ctx)
{
    struct side *s = ctx;

    s->n_lost++;
}

static const struct source_socket_events events = {on_lost};

static int begin(void **state)
{
    struct side *s = mem_new(1, sizeof *s);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err;

    snprintf(s->folder, sizeof s->folder, "/tmp/test_socket.XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/s", s->folder);
    memcpy(address.sun_path, s->path, strlen(s->path) + 1);
    s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(loop_open(&s->loop), 0);
    assert_int_equal(
        source_open_socket(&s->source, &s->loop, s->path, &events, s, &err), 0);
    s->peer = accept(s->listener, NULL, NULL);
    assert_true(s->peer >= 0);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct side *s = *state;

    source_close(s->source);
    if (!s->is_gone)
        close(s->peer);
    close(s->listener);
    entry_batch_free(&s->batch);
    loop_close(&s->loop);
    unlink(s->path);
    rmdir(s->folder);
    free(s);
    return 0;
}

static void say_bytes(struct side *s, const void *bytes, size_t size)
{
    assert_int_equal(write(s->peer, bytes, size), size);
}

static void say(struct side *s, const char *words)
{
    say_bytes(s, words, strlen(words));
}

/* What has been asked so far. */
static void heard(struct side *s, const char *expected)
{
    char line[256];
    ssize_t n = recv(s->peer, line, sizeof line - 1, 0);

    assert_true(n > 0);
    line[n] = '\0';
    assert_string_equal(line, expected);
}

/* ---- listings ---- */

static void say_listing(struct side *s, unsigned ask, const char *bytes, size_t size)
{
    struct text out = {0};

    text_add_format(&out, "%u begin 0 0\n%u bytes %zu\n", ask, ask, size);
    text_add_bytes(&out, bytes, size);
    text_add_format(&out, "%u end\n", ask);
    say_bytes(s, out.data, out.size);
    text_free(&out);
}

static void next(struct side *s)
{
    source_next(s->source, &s->op, &s->batch, on_done, s);
}

static void test_listing(void **state)
{
    static const char first[] = "dir 0 0 a/empty\0file 7 1500 a/with space";
    static const char last[] = "file 0 2000 b\0end";
    struct side *s = *state;
    struct error err;

    say_listing(s, 1, first, sizeof first);
    next(s);
    assert_int_equal(answer(s), ERROR_NONE);
    heard(s, "{\"ask\":1,\"do\":\"list\",\"after\":\"\"}\n");
    assert_int_equal(s->batch.n_entries, 2);
    assert_int_equal(s->batch.entries[0].type, ENTRY_DIRECTORY);
    assert_string_equal(s->batch.entries[1].path, "a/with space");
    assert_int_equal(s->batch.entries[1].stamp.size, 7);
    assert_int_equal(s->batch.entries[1].stamp.mtime_ns, 1500000000);
    assert_false(s->op.at_end);

    say_listing(s, 2, last, sizeof last);
    next(s);
    assert_int_equal(answer(s), ERROR_NONE);
    heard(s, "{\"ask\":2,\"do\":\"list\",\"after\":\"a/with space\"}\n");
    assert_int_equal(s->batch.n_entries, 1);
    assert_true(s->op.at_end);

    assert_int_equal(source_rewind(s->source, &err), 0);
    say_listing(s, 3, last, sizeof last);
    next(s);
    assert_int_equal(answer(s), ERROR_NONE);
    heard(s, "{\"ask\":3,\"do\":\"list\",\"after\":\"\"}\n");
}

static void check_bad_listing(struct side *s, unsigned ask, const char *bytes,
                              size_t size)
{
    struct error err;

    assert_int_equal(source_rewind(s->source, &err), 0);
    say_listing(s, ask, bytes, size);
    next(s);
    assert_int_equal(answer(s), ERROR_CORRUPT);
}

static void test_bad_listings(void **state)
{
    static const char order[] = "file 1 1 b\0file 1 1 a";
    static const char twice[] = "file 1 1 b\0file 1 1 b";
    static const char leaves[] = "file 1 1 ../b";
    static const char absolute[] = "file 1 1 /b";
    static const char number[] = "file x 1 b";
    static const char time[] = "file 1 99999999999999999999 b";
    static const char cut[] = "file 1 1 b";
    struct side *s = *state;

    check_bad_listing(s, 1, order, sizeof order);
    check_bad_listing(s, 2, twice, sizeof twice);
    check_bad_listing(s, 3, leaves, sizeof leaves);
    check_bad_listing(s, 4, absolute, sizeof absolute);
    check_bad_listing(s, 5, number, sizeof number);
    check_bad_listing(s, 6, time, sizeof time);
    check_bad_listing(s, 7, cut, sizeof cut - 1);
    check_bad_listing(s, 8, "", 0);
}

/* A folder that is chosen in a browser has names of the page's own making. */
static void test_paths_that_lead_elsewhere(void **state)
{
    static const char *const paths[] = {"",      ".",    "..",     "a/..", "a/../b",
                                        "a/./b", "a//b", "a/",     "/",    "//a",
                                        "./a",   "a/.",  "../../a"};
    struct side *s = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
        struct text file = {0}, folder = {0};

        text_add_format(&file, "file 1 1 %s", paths[i]);
        text_add_format(&folder, "dir 0 0 %s", paths[i]);
        check_bad_listing(s, 2 * i + 1, text_string(&file), file.size + 1);
        check_bad_listing(s, 2 * i + 2, text_string(&folder), folder.size + 1);
        text_free(&file);
        text_free(&folder);
    }
}

/* They are bytes, as those of any source: what is not UTF-8 is a name too. */
static void test_names_that_are_not_utf8(void **state)
{
    static const char odd[] = "file 1 1 \xc3(\0file 1 1 \xff\xfe\0end";
    struct side *s = *state;

    say_listing(s, 1, odd, sizeof odd);
    next(s);
    assert_int_equal(answer(s), ERROR_NONE);
    assert_int_equal(s->batch.n_entries, 2);
    assert_string_equal(s->batch.entries[0].path, "\xc3(");
    assert_string_equal(s->batch.entries[1].path, "\xff\xfe");
}

/* ---- files ---- */

static void test_open_and_read(void **state)
{
    struct side *s = *state;
    struct digester digester = {0};
    struct digest digest, expected = digest_of_bytes("hello", 5);
    uint8_t into[5];
    struct source_read read = {.offset = 3, .into = {into, sizeof into}};
    struct source_file *file;

    say(s, "1 begin 9 1000\n1 end\n");
    source_open_file(s->source, &s->op, "x\"y", on_done, s);
    assert_int_equal(answer(s), ERROR_NONE);
    heard(s, "{\"ask\":1,\"do\":\"open\",\"path\":\"x\\\"y\"}\n");
    file = s->op.file;
    assert_int_equal(s->op.stamp.size, 9);

    /* The first answer broke off: it begins anew. */
    read.expected = s->op.stamp;
    read.digester = &digester;
    digester_init(&digester, 5, &digest);
    say(s, "2 begin 9 1000\n2 bytes 3\nXXX2 begin 9 1000\n2 bytes 2\nhe2 bytes 3\nllo2 "
           "end\n");
    source_read(&s->op, file, &read, on_done, s);
    assert_int_equal(answer(s), ERROR_NONE);
    heard(s,
          "{\"ask\":2,\"do\":\"read\",\"path\":\"x\\\"y\",\"offset\":3,\"size\":5}\n");
    assert_memory_equal(into, "hello", 5);
    digester_end(&digester);
    assert_true(digest_is_same(&digest, &expected));
    digester_free(&digester);
    source_close_file(s->source, file);
}

static enum error_kind read_of(struct side *s, const char *answers)
{
    uint8_t into[5];
    const struct source_read read = {
        .into = {into, sizeof into},
        .expected = {.size = 5, .mtime_ns = 1000000000, .ctime_ns = 1000000000}};

    if (answers[0] != '\0')
        say(s, answers);
    source_read_whole(s->source, &s->op, "f", &read, on_done, s);
    return answer(s);
}

static void test_a_file_that_is_another(void **state)
{
    struct side *s = *state;

    assert_int_equal(read_of(s, "1 begin 5 1000\n1 bytes 5\nhello1 end\n"), ERROR_NONE);
    assert_int_equal(read_of(s, "2 begin 5 1001\n2 bytes 5\nhello2 end\n"),
                     ERROR_CHANGED);
    assert_int_equal(s->op.stamp.mtime_ns, 1001000000);
    assert_int_equal(read_of(s, "3 begin 4 1000\n3 bytes 4\nhell3 end\n"),
                     ERROR_CHANGED);
    assert_int_equal(s->op.stamp.size, 4);
    assert_int_equal(read_of(s, "4 begin 5 1000\n4 bytes 4\nhell4 end\n"),
                     ERROR_CHANGED);
    assert_int_equal(read_of(s, "5 begin 5 1000\n5 bytes 7\nhello..5 end\n"),
                     ERROR_CHANGED);
    assert_int_equal(read_of(s, "6 fail gone it is not there\n"), ERROR_NOT_FOUND);
    assert_non_null(strstr(s->op.err.text, "it is not there"));
    assert_int_equal(read_of(s, "7 fail unreadable no permission\n"), ERROR_IO);
    assert_non_null(strstr(s->op.err.text, "no permission"));
    assert_int_equal(read_of(s, "8 begin 5 1000\n8 bytes 5\nhello8 end\n"), ERROR_NONE);
    assert_int_equal(s->n_lost, 0);
}

/* ---- the end ---- */

static void test_stop(void **state)
{
    struct side *s = *state;

    next(s);
    source_stop(s->source);
    assert_int_equal(answer(s), ERROR_CANCELLED);
    next(s);
    assert_int_equal(answer(s), ERROR_CANCELLED);
    assert_int_equal(s->n_lost, 0);

    /* What comes late is nobody's. */
    say(s, "1 begin 0 0\n1 bytes 4\nend");
    say_bytes(s, "", 1);
    say(s, "1 end\n");
    uv_run(&s->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(s->n_lost, 0);
}

static void test_the_page_is_closed(void **state)
{
    struct side *s = *state;

    say(s, "1 begin 5 1000\n1 bytes 5\nhel");
    s->is_gone = true;
    close(s->peer);
    assert_int_equal(read_of(s, ""), ERROR_CANCELLED);
    assert_int_equal(s->n_lost, 1);
    next(s);
    assert_int_equal(answer(s), ERROR_CANCELLED);
    assert_int_equal(s->n_lost, 1);
}

static void test_what_is_no_answer(void **state)
{
    struct side *s = *state;

    assert_int_equal(read_of(s, "GET / HTTP/1.1\n"), ERROR_CANCELLED);
    assert_int_equal(s->n_lost, 1);
}

/* ---- many at once ---- */

struct range {
    struct source_op op;
    struct source_read read;
    unsigned seed;
    size_t told; /* bytes */
    bool has_begun, is_told, is_done;
};

struct story {
    struct side *side;
    struct range ranges[READS];
    unsigned n_done;
    bool is_over;
    struct text out; /* what the other side has still to say */
    size_t said;
    uv_timer_t timer;
    bool is_closed;
};

static uint8_t byte_of(const struct range *r, size_t at)
{
    return (uint8_t)(at * 31 + r->seed + at / 251);
}

static void on_range(struct source_op *op, void *ctx)
{
    struct story *t = ctx;
    struct range *r = (struct range *)op; /* the first in it */

    assert_int_equal(op->err.kind, ERROR_NONE);
    assert_false(r->is_done);
    r->is_done = true;
    for (size_t i = 0; i < r->read.into.size; i++)
        assert_int_equal(r->read.into.data[i], byte_of(r, i));
    t->is_over = ++t->n_done == READS;
}

/* A piece of the answer of one of them. */
static void add_piece(struct story *t, unsigned i)
{
    struct range *r = &t->ranges[i];
    size_t left = r->read.into.size - r->told;
    size_t n = left == 0 ? 0 : 1 + roll((unsigned)left);

    if (!r->has_begun || roll(40) == 0) {
        text_add_format(&t->out, "%u begin %zu 1000\n", i + 1, r->read.into.size);
        r->has_begun = true;
        r->told = 0;
        return;
    }
    if (n == 0) {
        text_add_format(&t->out, "%u end\n", i + 1);
        r->is_told = true;
        return;
    }
    text_add_format(&t->out, "%u bytes %zu\n", i + 1, n);
    for (size_t at = r->told; at < r->told + n; at++) {
        uint8_t byte = byte_of(r, at);
        text_add_bytes(&t->out, &byte, 1);
    }
    r->told += n;
}

/* Whatever a socket takes, cut anywhere. */
static void on_tick(uv_timer_t *timer)
{
    struct story *t = timer->data;
    size_t left = t->out.size - t->said;
    size_t n = left == 0 ? 0 : 1 + roll((unsigned)left);
    ssize_t written = n == 0 ? 0 : write(t->side->peer, t->out.data + t->said, n);

    if (written > 0)
        t->said += (size_t)written;
}

static void on_timer_closed(uv_handle_t *timer)
{
    ((struct story *)timer->data)->is_closed = true;
}

static void tell(unsigned seed)
{
    void *state;
    struct story *t = mem_new(1, sizeof *t);
    struct side *s;
    unsigned n_told = 0;

    (void)seed;
    begin(&state);
    s = state;

    t->side = s;
    fcntl(s->peer, F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < READS; i++) {
        struct range *r = &t->ranges[i];
        size_t size = 1 + roll(RANGE_MAX);

        r->seed = i;
        r->read.into = (struct span){mem_buffer(size), size};
        r->read.expected = (struct stamp){
            .size = size, .mtime_ns = 1000000000, .ctime_ns = 1000000000};
        source_read_whole(s->source, &r->op, "f", &r->read, on_range, t);
    }
    while (n_told < READS) {
        unsigned i = roll(READS);

        if (t->ranges[i].is_told)
            continue;
        add_piece(t, i);
        n_told += t->ranges[i].is_told;
    }
    uv_timer_init(&s->loop.uv, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_tick, 0, 1);
    loop_run_until(&s->loop, &t->is_over);
    uv_close((uv_handle_t *)&t->timer, on_timer_closed);
    loop_run_until(&s->loop, &t->is_closed);
    for (unsigned i = 0; i < READS; i++)
        free(t->ranges[i].read.into.data);
    text_free(&t->out);
    free(t);
    end(&state);
}

static void test_story(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_listing, begin, end),
        cmocka_unit_test_setup_teardown(test_bad_listings, begin, end),
        cmocka_unit_test_setup_teardown(test_paths_that_lead_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(test_names_that_are_not_utf8, begin, end),
        cmocka_unit_test_setup_teardown(test_open_and_read, begin, end),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_another, begin, end),
        cmocka_unit_test_setup_teardown(test_stop, begin, end),
        cmocka_unit_test_setup_teardown(test_the_page_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_no_answer, begin, end),
        cmocka_unit_test(test_story),
    };

    signal(SIGPIPE, SIG_IGN); /* as the program does */
    dice_stories(argc, argv, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
