/* Requests against a server that misbehaves on demand. */
#include "transfer/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/http_server.h"

enum { INTO = 64 << 10, CHUNK = 100000 };

struct kit {
    struct loop loop;
    struct http *http;
    struct http_server server;
    const char *scheme;
};

/* A request, the body that it sends, and what was seen of it. */
struct
try {
    struct http_request request;
    struct kit *kit;
    char url[160];
    bool is_done;
    unsigned n_done;

    /* A pulled body of server_byte(). */
    uint64_t position;
    unsigned n_next, n_restarts;
    unsigned hops;      /* rounds of the loop until a chunk is given or taken */
    unsigned hops_left; /* of the present one */
    struct deferred soon_next, soon_take;
    unsigned fail_next; /* the n-th call of next(), of take() fails; 0: none */
    unsigned cancel_next, cancel_take;
    uint8_t chunk[CHUNK];

    /* Taken bytes. */
    uint8_t into[INTO];
    uint64_t taken;
    unsigned n_take, fail_take;
    struct span piece;
    bool is_wrong;
};

/* ---- the kit ---- */

static void open_kit(struct kit *kit, const struct http_options *options)
{
    struct http_options with = options != NULL ? *options : (struct http_options){0};
    struct error err = {0};

    memset(kit, 0, sizeof *kit);
    kit->scheme = "http";
    with.loop = &kit->loop;
    if (with.connections == 0)
        with.connections = 16;
    assert_int_equal(loop_open(&kit->loop), 0);
    assert_int_equal(http_open(&kit->http, &with, &err), 0);
}

static void open_plain(struct kit *kit)
{
    open_kit(kit, NULL);
    http_server_open(&kit->server, NULL, NULL);
}

/* Nothing may be left: neither connections nor handles of the loop. */
static void close_kit(struct kit *kit)
{
    http_close(kit->http);
    if (kit->server.port != 0)
        http_server_close(&kit->server);
    loop_close(&kit->loop);
}

static void on_done(struct http_request *request, void *ctx)
{
    struct try *t = ctx;

    assert_ptr_equal(request, &t->request);
    t->is_done = true;
    t->n_done++;
}

static struct try *new_try(struct kit *kit, const char *method, const char *path)
{
    struct try *t = mem_new(1, sizeof *t);

    t->kit = kit;
    snprintf(t->url, sizeof t->url, "%s://127.0.0.1:%u%s", kit->scheme,
             kit->server.port, path);
    t->request.method = method;
    t->request.url = t->url;
    t->request.answer_max = 1 << 20;
    t->request.done = on_done;
    t->request.ctx = t;
    return t;
}

static void free_try(struct try *t)
{
    http_request_clear(&t->request);
    free(t);
}

static void start(struct try *t)
{
    t->is_done = false;
    t->n_done = 0;
    http_send(t->kit->http, &t->request);
    assert_false(t->is_done);
}

static void finish(struct try *t)
{
    loop_run_until(&t->kit->loop, &t->is_done);
    for (int i = 0; i < 5; i++)
        uv_run(&t->kit->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(t->n_done, 1);
}

static void run(struct try *t)
{
    start(t);
    finish(t);
}

static void expect_answer(const struct try *t, int status, const char *body)
{
    if (t->request.err.kind != ERROR_NONE)
        print_message("%s: %s\n", t->url, t->request.err.text);
    assert_int_equal(t->request.err.kind, ERROR_NONE);
    assert_int_equal(t->request.answer.status, status);
    assert_string_equal(text_string(&t->request.answer.body), body);
}

static void expect_error(const struct try *t, enum error_kind kind)
{
    if (t->request.err.kind != kind)
        print_message("%s: %s, %s\n", t->url, error_kind_name(t->request.err.kind),
                      t->request.err.text);
    assert_int_equal(t->request.err.kind, kind);
}

static void count(uv_prepare_t *prepare)
{
    ++*(unsigned *)prepare->data;
}

static void on_bell(uv_timer_t *bell)
{
    *(bool *)bell->data = true;
}

/* How often the loop turns in so many milliseconds. */
static unsigned turns(struct kit *kit, uint64_t ms)
{
    uv_prepare_t prepare;
    uv_timer_t bell;
    unsigned n = 0;
    bool is_over = false;

    uv_prepare_init(&kit->loop.uv, &prepare);
    prepare.data = &n;
    uv_prepare_start(&prepare, count);
    uv_timer_init(&kit->loop.uv, &bell);
    bell.data = &is_over;
    uv_timer_start(&bell, on_bell, ms, 0);
    loop_run_until(&kit->loop, &is_over);
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_close((uv_handle_t *)&bell, NULL);
    uv_run(&kit->loop.uv, UV_RUN_NOWAIT);
    return n;
}

/* ---- bodies ---- */

static void give(void *ctx)
{
    struct try *t = ctx;
    uint64_t left = t->request.body_size - t->position;
    size_t size = left < CHUNK ? (size_t)left : CHUNK;
    struct error err = {0};

    if (t->hops_left > 0) {
        t->hops_left--;
        loop_defer(&t->kit->loop, &t->soon_next, give, t);
        return;
    }
    if (t->n_next == t->cancel_next)
        http_cancel(&t->request);
    if (t->n_next == t->fail_next) {
        error_set(&err, ERROR_CHANGED, 0, "the file changed");
        http_gave(&t->request, (struct span){0}, &err);
        return;
    }
    for (size_t i = 0; i < size; i++)
        t->chunk[i] = server_byte(t->position + i);
    t->position += size;
    http_gave(&t->request, (struct span){t->chunk, size}, NULL);
}

static void on_next(struct http_request *request, void *ctx)
{
    struct try *t = ctx;

    (void)request;
    t->n_next++;
    t->hops_left = t->hops;
    give(t);
}

static void on_restart(struct http_request *request, void *ctx)
{
    struct try *t = ctx;

    (void)request;
    t->n_restarts++;
    t->position = 0;
}

static void pull(struct try *t, uint64_t size, unsigned hops)
{
    t->request.body_size = size;
    t->request.next = on_next;
    t->request.restart = on_restart;
    t->hops = hops;
}

static void sum_of(char out[64], uint64_t size)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < size; i++) {
        uint8_t byte = server_byte(i);

        sum = server_sum(sum, &byte, 1);
    }
    snprintf(out, 64, "%llu %08x", (unsigned long long)size, sum);
}

static void taken(void *ctx)
{
    struct try *t = ctx;
    struct error err = {0};

    if (t->hops_left > 0) {
        t->hops_left--;
        loop_defer(&t->kit->loop, &t->soon_take, taken, t);
        return;
    }
    for (size_t i = 0; i < t->piece.size; i++)
        t->is_wrong |= t->piece.data[i] != server_byte(t->taken + i);
    t->taken += t->piece.size;
    if (t->n_take == t->cancel_take)
        http_cancel(&t->request);
    error_set(&err, ERROR_FULL, 0, "the disk is full");
    http_took(&t->request, t->n_take == t->fail_take ? &err : NULL);
}

static void on_take(struct http_request *request, void *ctx, struct span bytes)
{
    struct try *t = ctx;

    assert_int_equal(request->answer.status, 200); /* known by now */
    t->n_take++;
    t->piece = bytes;
    t->hops_left = t->hops;
    taken(t);
}

static void take(struct try *t, unsigned hops)
{
    t->request.into = (struct span){t->into, sizeof t->into};
    t->request.take = on_take;
    t->hops = hops;
}

/* ---- questions and answers ---- */

static void sends_what_it_should(void **state)
{
    static const char *const headers[] = {"X-Own: 1", "content-type: text/plain", NULL};
    char body[] = "hello";
    struct kit kit;
    struct try *t;

    (void)state;
    open_kit(&kit, &(struct http_options){.user_agent = "grid/1"});
    http_server_open(&kit.server, NULL, NULL);
    t = new_try(&kit, "PUT", "/head/a/../%20b?x=%2F");
    t->request.body = (struct span){(uint8_t *)body, 5};
    run(t);
    assert_non_null(
        strstr(t->request.answer.body.data, "PUT /head/a/../%20b?x=%2F HTTP/1.1\r\n"));
    assert_non_null(strstr(t->request.answer.body.data, "\r\nContent-Length: 5\r\n"));
    assert_non_null(strstr(t->request.answer.body.data, "\r\nUser-Agent: grid/1\r\n"));
    assert_null(strcasestr(t->request.answer.body.data, "Expect"));
    assert_null(strcasestr(t->request.answer.body.data, "Content-Type"));
    assert_null(strcasestr(t->request.answer.body.data, "Encoding"));

    t->request.headers = headers; /* the same once more: a POST without a body */
    t->request.method = "POST";
    t->request.body = (struct span){0};
    run(t);
    assert_non_null(strstr(t->request.answer.body.data, "\r\nContent-Length: 0\r\n"));
    assert_non_null(strstr(t->request.answer.body.data, "\r\nX-Own: 1\r\n"));
    assert_non_null(
        strstr(t->request.answer.body.data, "\r\ncontent-type: text/plain\r\n"));

    t->request.method = "DELETE";
    run(t);
    assert_non_null(strstr(t->request.answer.body.data, "DELETE /head"));
    assert_null(strcasestr(t->request.answer.body.data, "Content-Length"));
    t->request.method = "HEAD";
    run(t);
    expect_answer(t, 200, "");
    t->request.method = "GET";
    run(t);
    assert_non_null(strstr(t->request.answer.body.data, "GET /head"));
    free_try(t);
    assert_int_equal(kit.server.n_connections, 1);
    close_kit(&kit);
}

static void reads_headers(void **state)
{
    struct kit kit;
    struct try *t;
    const char *value;
    size_t length;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "PUT", "/sum");
    run(t);
    value = http_header(&t->request.answer, "etag", &length);
    assert_int_equal(length, strlen("\"an etag\""));
    assert_memory_equal(value, "\"an etag\"", length);
    assert_null(http_header(&t->request.answer, "eta", &length));
    free_try(t);

    t = new_try(&kit, "GET", "/continue"); /* only those of the last answer */
    run(t);
    expect_answer(t, 200, "went on");
    assert_null(http_header(&t->request.answer, "X-Early", &length));
    assert_non_null(http_header(&t->request.answer, "X-Late", &length));
    free_try(t);
    close_kit(&kit);
}

static void sends_bodies(void **state)
{
    static const uint64_t sizes[] = {0, 1, 5000, 65537, 300000, 3000000};
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
        uint64_t size = sizes[i / 2];
        uint8_t *body = mem_buffer((size_t)size + 1);
        struct try *t = new_try(&kit, "PUT", "/sum");
        char sum[64];

        if (i % 2 == 0) {
            for (uint64_t at = 0; at < size; at++)
                body[at] = server_byte(at);
            t->request.body = (struct span){body, (size_t)size};
        } else {
            pull(t, size, i % 3 == 0 ? 3 : 0);
        }
        sum_of(sum, size);
        run(t);
        expect_answer(t, 200, sum);
        assert_int_equal(t->request.answer.sent, size);
        free_try(t);
        free(body);
    }
    assert_int_equal(kit.server.n_connections, 1);
    close_kit(&kit);
}

static void receives_bodies(void **state)
{
    static const char *const paths[] = {"/bytes/0", "/bytes/1", "/bytes/1000000",
                                        "/chunked/999999", "/slow/20000"};
    static const uint64_t sizes[] = {0, 1, 1000000, 999999, 20000};
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < 3 * ARRAY_SIZE(paths); i++) {
        struct try *t = new_try(&kit, "GET", paths[i / 3]);

        if (i % 3 > 0)
            take(t, i % 3 == 1 ? 0 : 7);
        run(t);
        expect_error(t, ERROR_NONE);
        assert_int_equal(t->request.answer.received, sizes[i / 3]);
        assert_int_equal(t->taken, i % 3 > 0 ? sizes[i / 3] : 0);
        assert_int_equal(t->request.answer.body.size, i % 3 > 0 ? 0 : sizes[i / 3]);
        for (size_t at = 0; at < t->request.answer.body.size; at++)
            t->is_wrong |= (uint8_t)t->request.answer.body.data[at] != server_byte(at);
        assert_false(t->is_wrong);
        free_try(t);
    }
    assert_int_equal(kit.server.n_connections, 1);
    close_kit(&kit);
}

/* The text of an error does not go where the object should. */
static void does_not_take_errors(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/status/404");
    take(t, 0);
    run(t);
    expect_answer(t, 404, "status 404");
    assert_int_equal(t->n_take, 0);
    free_try(t);
    close_kit(&kit);
}

static void bounds_answers(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/bytes/1000");
    t->request.answer_max = 1000;
    run(t);
    expect_error(t, ERROR_NONE);
    t->request.answer_max = 999;
    run(t);
    expect_error(t, ERROR_TRANSIENT);
    free_try(t);
    t = new_try(&kit, "GET", "/status/500");
    t->request.answer_max = 6;
    run(t);
    expect_answer(t, 500, "status");
    free_try(t);
    close_kit(&kit);
}

/* ---- connections ---- */

static void keeps_connections(void **state)
{
    struct http_counts counts;
    struct try *tries[8];
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
        tries[i] = new_try(&kit, "PUT", "/sum");
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
            start(tries[i]);
        for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
            finish(tries[i]);
            expect_error(tries[i], ERROR_NONE);
        }
    }
    http_counts(kit.http, &counts);
    assert_int_equal(kit.server.n_connections, 8);
    assert_int_equal(counts.open, 8);
    assert_int_equal(counts.connects, 8);
    assert_int_equal(counts.handshakes, 0);
    assert_int_equal(counts.requests, 160);
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
        free_try(tries[i]);
    close_kit(&kit);
}

static void opens_no_more_than_allowed(void **state)
{
    struct try *tries[12];
    struct kit kit;

    (void)state;
    open_kit(&kit, &(struct http_options){.connections = 2});
    http_server_open(&kit.server, NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        tries[i] = new_try(&kit, "GET", "/bytes/100000");
        tries[i]->request.stall_ms = 2000;
        start(tries[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        finish(tries[i]);
        expect_error(tries[i], ERROR_NONE);
        free_try(tries[i]);
    }
    assert_int_equal(kit.server.n_connections, 2);
    close_kit(&kit);
}

/* The server closes a connection while it is idle: no load, and no error later. */
static void survives_the_end_of_idle_connections(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/leave");
    for (int i = 0; i < 3; i++) {
        run(t);
        expect_answer(t, 200, "left");
        assert_true(turns(&kit, 30) < 20);
    }
    assert_int_equal(kit.server.n_connections, 3);
    free_try(t);
    close_kit(&kit);
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

/* Our end of the connection to this port. */
static int find_socket(uint16_t port)
{
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;

        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
            peer.sin_family == AF_INET && ntohs(peer.sin_port) == port)
            return fd;
    }
    fail_msg("no connection to port %u", port);
    return -1;
}

/* A cable is cut: nothing tells us but the time.  A minute, while bytes are under way
 * and while there are none. */
static void notices_dead_peers_in_a_minute(void **state)
{
    struct kit kit;
    struct try *t;
    int fd;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/bytes/100");
    run(t);
    fd = find_socket(kit.server.port);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1, 60000);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                        option(fd, IPPROTO_TCP, TCP_KEEPINTVL) *
                            option(fd, IPPROTO_TCP, TCP_KEEPCNT),
                    1, 60);
    free_try(t);
    close_kit(&kit);
}

/* A kept connection dies when half of the body is sent: it begins again, unnoticed. */
static void restarts_a_body(void **state)
{
    char sum[64];
    struct kit kit;
    struct try *t;

    (void)state;
    sum_of(sum, 2000000);
    for (unsigned hops = 0; hops < 8; hops++) {
        open_plain(&kit);
        t = new_try(&kit, "GET", "/fickle");
        run(t);
        expect_error(t, ERROR_NONE);
        free_try(t);
        t = new_try(&kit, "PUT", "/sum");
        pull(t, 2000000, hops);
        run(t);
        expect_answer(t, 200, sum);
        assert_int_equal(t->n_restarts, 1);
        assert_int_equal(kit.server.n_connections, 2);
        free_try(t);
        close_kit(&kit);
    }
}

/* The same while a chunk is being read, which is then not the one that is needed. */
static void restarts_while_a_chunk_is_read(void **state)
{
    char sum[64];
    struct kit kit;
    struct try *t;

    (void)state;
    sum_of(sum, 16 * CHUNK);
    open_plain(&kit);
    t = new_try(&kit, "GET", "/fickle");
    run(t);
    free_try(t);
    t = new_try(&kit, "PUT", "/sum");
    pull(t, 16 * CHUNK, 0);
    start(t);
    while (t->n_next < 8) /* the server goes away after eight chunks */
        uv_run(&kit.loop.uv, UV_RUN_ONCE);
    t->hops = 1000000000;
    while (t->n_next < 9)
        uv_run(&kit.loop.uv, UV_RUN_ONCE);
    while (kit.server.n_connections < 2)
        turns(&kit, 5);
    assert_int_equal(t->n_restarts, 0);
    t->hops = t->hops_left = 0;
    finish(t);
    expect_answer(t, 200, sum);
    assert_int_equal(t->n_restarts, 1);
    free_try(t);
    close_kit(&kit);
}

static void says_when_a_body_cannot_restart(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/fickle");
    run(t);
    free_try(t);
    t = new_try(&kit, "PUT", "/sum");
    pull(t, 2000000, 0);
    t->request.restart = NULL;
    run(t);
    expect_error(t, ERROR_TRANSIENT);
    free_try(t);
    close_kit(&kit);
}

static void drops_connections(void **state)
{
    struct http_counts counts;
    struct try *t, *other;
    struct kit kit;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/bytes/10");
    other = new_try(&kit, "GET", "/silent");
    run(t);
    start(other);
    for (int i = 0; i < 20; i++)
        uv_run(&kit.loop.uv, UV_RUN_NOWAIT);
    http_drop_connections(kit.http);
    http_counts(kit.http, &counts);
    assert_int_equal(counts.open, 0);
    finish(other);
    expect_error(other, ERROR_NETWORK);
    run(t);
    expect_error(t, ERROR_NONE);
    http_counts(kit.http, &counts);
    assert_int_equal(counts.open, 1);
    free_try(t);
    free_try(other);
    close_kit(&kit);
}

/* ---- trouble ---- */

struct trouble {
    const char *path;
    enum error_kind kind;
    int status;
    uint64_t taken; /* of what is broken off */
};

static const struct trouble troubles[] = {
    {"/end", ERROR_NETWORK, 0, 0},
    {"/reset", ERROR_NETWORK, 0, 0},
    {"/half/100000", ERROR_TRANSIENT, 200, 50000},
    {"/half-reset/100000", ERROR_TRANSIENT, 200, 0},
    {"/garbage", ERROR_TRANSIENT, 0, 0},
    {"/long-header", ERROR_TRANSIENT, 200, 0},
    {"/many-headers", ERROR_TRANSIENT, 200, 0},
    {"/silent", ERROR_NETWORK, 0, 0},
    {"/half-stall/100000", ERROR_TRANSIENT, 200, 50000},
};

static void tells_trouble_apart(void **state)
{
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(troubles); i++) {
        const struct trouble *trouble = &troubles[i / 2];
        struct try *t = new_try(&kit, "GET", trouble->path);

        t->request.stall_ms = 400;
        if (i % 2 == 0)
            take(t, 2);
        run(t);
        expect_error(t, trouble->kind);
        assert_int_equal(t->request.answer.status, trouble->status);
        assert_non_null(strstr(t->request.err.text, "127.0.0.1:"));
        assert_false(t->request.body_failed);
        assert_false(t->is_wrong);
        if (i % 2 == 0 && trouble->taken > 0)
            assert_int_equal(t->taken, trouble->taken);
        free_try(t);
    }
    close_kit(&kit);
}

/* To HEAD, and to a question whose answer needs no body, the head is all there is. */
static void wants_whole_heads(void **state)
{
    static const char *const methods[] = {"HEAD", "DELETE", "PUT"};
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        struct try *t = new_try(&kit, methods[i], "/half-head");

        run(t);
        expect_error(t, ERROR_TRANSIENT);
        assert_non_null(strstr(t->request.err.text, "broke off"));
        free_try(t);
    }
    close_kit(&kit);
}

static void loses_uploads(void **state)
{
    static const char *const paths[] = {"/reset-body", "/reset", "/end", "/silent"};
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (size_t i = 0; i < 3 * ARRAY_SIZE(paths); i++) {
        struct try *t = new_try(&kit, "PUT", paths[i / 3]);

        pull(t, 20000000, (unsigned)i % 3);
        t->request.stall_ms = 100;
        run(t);
        expect_error(t, ERROR_NETWORK);
        free_try(t);
    }
    close_kit(&kit);
}

/* The server says no before it has read the body: its answer counts. */
static void hears_early_answers(void **state)
{
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (unsigned hops = 0; hops < 20; hops++) {
        struct try *t = new_try(&kit, "PUT", "/early/403");

        pull(t, 8000000, hops);
        run(t);
        expect_answer(t, 403, "status 403");
        free_try(t);
    }
    close_kit(&kit);
}

static void cannot_reach(void **state)
{
    static const char *const urls[] = {
        "http://127.0.0.1:1/x",    /* refused */
        "http://nobody.invalid/x", /* no such name */
        "http://192.0.2.1:9/x",    /* nobody answers, or no route */
    };
    struct kit kit;

    (void)state;
    open_kit(&kit, &(struct http_options){.connect_ms = 300});
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct try *t = new_try(&kit, "GET", "");

        t->request.url = urls[i];
        run(t);
        expect_error(t, ERROR_NETWORK);
        free_try(t);
    }
    close_kit(&kit);
}

static void refuses_bad_urls(void **state)
{
    static const char *const urls[] = {"ftp://127.0.0.1/x", "http://", "http://a b/",
                                       "file:///etc/passwd"};
    struct kit kit;

    (void)state;
    open_kit(&kit, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct try *t = new_try(&kit, "GET", "");

        t->request.url = urls[i];
        run(t);
        expect_error(t, ERROR_USAGE);
        free_try(t);
    }
    close_kit(&kit);
}

/* It is we who let the server wait. */
static void is_no_stall_when_we_are_slow(void **state)
{
    struct kit kit;
    char sum[64];

    (void)state;
    open_plain(&kit);
    for (int is_get = 0; is_get < 2; is_get++) {
        struct try *t =
            new_try(&kit, is_get ? "GET" : "PUT", is_get ? "/bytes/200000" : "/sum");

        t->request.stall_ms = 250;
        if (is_get)
            take(t, 1000000000);
        else
            pull(t, 200000, 1000000000);
        start(t);
        for (int i = 0; i < 5; i++) {
            turns(&kit, 100); /* the chunk is still not there */
            assert_false(t->is_done);
        }
        t->hops = t->hops_left = 0;
        finish(t);
        sum_of(sum, 200000);
        if (is_get)
            assert_int_equal(t->taken, 200000);
        else
            expect_answer(t, 200, sum);
        free_try(t);
    }
    close_kit(&kit);
}

static void hands_on_what_the_caller_reports(void **state)
{
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (unsigned at = 1; at <= 3; at++) {
        struct try *t = new_try(&kit, "PUT", "/sum");

        pull(t, 1000000, at);
        t->fail_next = at;
        run(t);
        expect_error(t, ERROR_CHANGED);
        assert_true(t->request.body_failed);
        assert_string_equal(t->request.err.text, "the file changed");
        free_try(t);
        t = new_try(&kit, "GET", "/bytes/150000");
        take(t, at);
        t->fail_take = at;
        run(t);
        expect_error(t, ERROR_FULL);
        assert_true(t->request.body_failed);
        free_try(t);
    }
    close_kit(&kit);
}

static void cancels(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    t = new_try(&kit, "GET", "/silent");
    http_cancel(&t->request); /* not under way: nothing */
    for (int rounds = 0; rounds < 30; rounds++) {
        start(t);
        for (int i = 0; i < rounds; i++)
            uv_run(&kit.loop.uv, UV_RUN_NOWAIT);
        http_cancel(&t->request);
        http_cancel(&t->request);
        assert_false(t->is_done);
        finish(t);
        expect_error(t, ERROR_CANCELLED);
    }
    http_cancel(&t->request); /* too late: nothing */
    free_try(t);
    for (unsigned at = 1; at <= 2; at++) { /* from within next() and take() */
        t = new_try(&kit, "PUT", "/sum");
        pull(t, 1000000, at - 1);
        t->cancel_next = at;
        run(t);
        expect_error(t, ERROR_CANCELLED);
        free_try(t);
        t = new_try(&kit, "GET", "/bytes/1000000");
        take(t, at - 1);
        t->cancel_take = at;
        run(t);
        expect_error(t, ERROR_CANCELLED);
        assert_int_equal(t->n_take, at);
        free_try(t);
    }
    close_kit(&kit);
}

/* Names with several addresses, of which not all answer. */
static void tries_all_addresses(void **state)
{
    struct kit kit;

    (void)state;
    open_plain(&kit);
    for (int i = 0; i < 10; i++) {
        struct try *t = new_try(&kit, "GET", "");

        snprintf(t->url, sizeof t->url, "http://localhost:%u/bytes/5", kit.server.port);
        run(t);
        expect_error(t, ERROR_NONE);
        free_try(t);
        http_drop_connections(kit.http);
    }
    close_kit(&kit);
}

/* ---- TLS ---- */

static char folder[] = "/tmp/test_http.XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A CA and one that is none of ours; certificates for 127.0.0.1 and for another host.
 */
static int make_certificates(void **state)
{
    static const char script[] =
        "cd '%s' && exec >log 2>&1 && "
        "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout $1.key -out $1.pem -days 30 -subj /CN=$1; } && "
        "cert() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-keyout $1.key -out $1.csr -subj /CN=$1 && echo subjectAltName=$2 >$1.ext && "
        "openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        "-days 30 -extfile $1.ext -out $1.pem; } && "
        "ca ca && ca stranger && cert here IP:127.0.0.1 && cert there "
        "DNS:there.example";
    char command[1200];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, script, folder);
    assert_int_equal(system(command), 0);
    return 0;
}

static int remove_certificates(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void open_tls(struct kit *kit, const char *ca, const char *cert, const char *key)
{
    open_kit(kit, &(struct http_options){.ca_file = ca});
    kit->scheme = "https";
    http_server_open(&kit->server, cert, key);
}

static void speaks_tls(void **state)
{
    struct http_counts counts;
    struct kit kit;
    char sum[64];

    (void)state;
    open_tls(&kit, in_folder("ca.pem"), in_folder("here.pem"), in_folder("here.key"));
    sum_of(sum, 3000000);
    for (int i = 0; i < 3; i++) {
        struct try *t = new_try(&kit, "PUT", "/sum");

        pull(t, 3000000, (unsigned)i);
        run(t);
        expect_answer(t, 200, sum);
        free_try(t);
        t = new_try(&kit, "GET", "/bytes/1000000");
        take(t, (unsigned)i);
        run(t);
        expect_error(t, ERROR_NONE);
        assert_int_equal(t->taken, 1000000);
        assert_false(t->is_wrong);
        free_try(t);
    }
    http_counts(kit.http, &counts);
    assert_int_equal(counts.handshakes, 1);
    assert_int_equal(kit.server.n_connections, 1);
    close_kit(&kit);
}

static void cancels_handshakes(void **state)
{
    struct kit kit;

    (void)state;
    open_tls(&kit, in_folder("ca.pem"), in_folder("here.pem"), in_folder("here.key"));
    for (int rounds = 0; rounds < 40; rounds++) {
        struct try *t = new_try(&kit, "GET", "/silent");

        start(t);
        for (int i = 0; i < rounds; i++)
            uv_run(&kit.loop.uv, UV_RUN_NOWAIT);
        http_cancel(&t->request);
        finish(t);
        expect_error(t, ERROR_CANCELLED);
        free_try(t);
    }
    close_kit(&kit);
}

static void expect_no_trust(const char *ca, const char *cert, const char *key)
{
    struct kit kit;
    struct try *t;

    open_tls(&kit, ca, cert, key);
    t = new_try(&kit, "GET", "/bytes/1");
    run(t);
    expect_error(t, ERROR_UNUSABLE);
    assert_non_null(strstr(t->request.err.text, "127.0.0.1"));
    assert_non_null(strstr(t->request.err.text, "--ca-file"));
    assert_non_null(strstr(t->request.err.text, ca != NULL ? ca : "the system's"));
    assert_int_equal(kit.server.n_requests, 0);
    free_try(t);
    close_kit(&kit);
}

static void trusts_no_stranger(void **state)
{
    (void)state;
    expect_no_trust(in_folder("stranger.pem"), in_folder("here.pem"),
                    in_folder("here.key"));
    expect_no_trust(in_folder("ca.pem"), in_folder("there.pem"),
                    in_folder("there.key"));
    expect_no_trust(NULL, in_folder("here.pem"), in_folder("here.key"));
    expect_no_trust(in_folder("ca.key"), in_folder("here.pem"), in_folder("here.key"));
}

static void tells_tls_from_none(void **state)
{
    struct kit kit;
    struct try *t;

    (void)state;
    open_plain(&kit);
    kit.scheme = "https";
    t = new_try(&kit, "GET", "/bytes/1");
    run(t);
    expect_error(t, ERROR_UNUSABLE);
    assert_non_null(strstr(t->request.err.text, "TLS"));
    free_try(t);
    close_kit(&kit);

    open_tls(&kit, NULL, in_folder("here.pem"), in_folder("here.key"));
    kit.scheme = "http";
    t = new_try(&kit, "GET", "/bytes/1");
    run(t);
    assert_true(error_is_retryable(&t->request.err));
    free_try(t);
    close_kit(&kit);
}

static void wants_a_ca_file_that_is_there(void **state)
{
    struct http_options options = {.ca_file = in_folder("none.pem"), .connections = 1};
    struct error err = {0};
    struct http *http;

    (void)state;
    assert_int_equal(http_open(&http, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "none.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_what_it_should),
        cmocka_unit_test(reads_headers),
        cmocka_unit_test(sends_bodies),
        cmocka_unit_test(receives_bodies),
        cmocka_unit_test(does_not_take_errors),
        cmocka_unit_test(bounds_answers),
        cmocka_unit_test(keeps_connections),
        cmocka_unit_test(opens_no_more_than_allowed),
        cmocka_unit_test(survives_the_end_of_idle_connections),
        cmocka_unit_test(notices_dead_peers_in_a_minute),
        cmocka_unit_test(restarts_a_body),
        cmocka_unit_test(restarts_while_a_chunk_is_read),
        cmocka_unit_test(says_when_a_body_cannot_restart),
        cmocka_unit_test(drops_connections),
        cmocka_unit_test(tells_trouble_apart),
        cmocka_unit_test(wants_whole_heads),
        cmocka_unit_test(loses_uploads),
        cmocka_unit_test(hears_early_answers),
        cmocka_unit_test(cannot_reach),
        cmocka_unit_test(refuses_bad_urls),
        cmocka_unit_test(is_no_stall_when_we_are_slow),
        cmocka_unit_test(hands_on_what_the_caller_reports),
        cmocka_unit_test(cancels),
        cmocka_unit_test(tries_all_addresses),
        cmocka_unit_test(cancels_handshakes),
        cmocka_unit_test(speaks_tls),
        cmocka_unit_test(trusts_no_stranger),
        cmocka_unit_test(tells_tls_from_none),
        cmocka_unit_test(wants_a_ca_file_that_is_there),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
