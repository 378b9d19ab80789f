/*
 * Everything runs in one loop, in which nothing waits for a time.  Requests are HTTP/1.0,
 * so that answers are not in chunks and end with the connection.
 */
#include "drop_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"

#include "remove_tree.h"

/* ---- the server ---- */

static const char *query(const struct exchange *x, const char *name)
{
    const char *value = exchange_query(x, name);

    return value != NULL ? value : "";
}

static void on_ended(void *ctx, int code, const char *error)
{
    struct stage *s = ctx;

    (void)error;
    s->n_ended++;
    s->code = code;
}

static void on_begun(void *ctx, struct exchange *x)
{
    struct stage *s = ctx;

    if (strcmp(x->path, "/answer") == 0)
        drops_begin_answer(s->drops, x);
}

static void on_complete(void *ctx, struct exchange *x)
{
    struct stage *s = ctx;

    if (strcmp(x->path, "/answer") == 0) {
        drops_end_answer(s->drops, x);
    } else if (strcmp(x->path, "/events") == 0) {
        broadcast_join(s->pages, x, query(x, "page"));
    } else {
        const struct drop_options o = {.id = query(x, "drop"),
                                       .page = query(x, "page"),
                                       .label = query(x, "label"),
                                       .name = "set",
                                       .cluster = "",
                                       .limit = "",
                                       .ended = on_ended,
                                       .ctx = s};
        drops_start(s->drops, x, &o);
    }
}

static const struct server_events server_events = {on_begun, on_complete};

static void on_came(void *ctx, struct page *p)
{
    struct stage *s = ctx;

    page_tell(p, "hello", "{}");
    drops_page_came(s->drops, p);
}

static void on_went(void *ctx, struct page *p)
{
    struct stage *s = ctx;

    drops_page_went(s->drops, p);
}

static const struct broadcast_events page_events = {on_came, on_went};

int stage_begin(void **state)
{
    struct stage *s = mem_new(1, sizeof *s);
    struct error err;

    snprintf(s->folder, sizeof s->folder, "/tmp/test_drop.XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    s->paths.runtime_dir = s->folder;
    assert_int_equal(loop_open(&s->loop), 0);
    s->children.loop = &s->loop;
    assert_int_equal(server_open(&s->server, &s->loop, 0, &server_events, s, &err), 0);
    s->pages = broadcast_open(&s->loop, &page_events, s);
    s->drops = drops_new(&s->loop, &s->children, s->pages, &s->paths);
    *state = s;
    return 0;
}

int stage_end(void **state)
{
    struct stage *s = *state;

    server_close(s->server);
    drops_end(s->drops);
    broadcast_close(s->pages);
    children_end(&s->children);
    uv_run(&s->loop.uv, UV_RUN_NOWAIT);
    loop_close(&s->loop);
    remove_tree(s->folder);
    free(s);
    return 0;
}

void stage_until(struct stage *s, stage_wish *wish, const void *ctx)
{
    while (!wish(ctx))
        uv_run(&s->loop.uv, UV_RUN_ONCE);
}

/* ---- writing ---- */

struct writing {
    uv_write_t request;
    char *bytes;
};

static void on_written(uv_write_t *request, int status)
{
    struct writing *w = request->data;

    (void)status;
    free(w->bytes);
    free(w);
}

static void write_to(uv_stream_t *stream, const void *bytes, size_t size)
{
    struct writing *w = mem_new(1, sizeof *w);
    uv_buf_t out;

    w->bytes = mem_copy_bytes(bytes, size);
    w->request.data = w;
    out = uv_buf_init(w->bytes, (unsigned)size);
    assert_int_equal(uv_write(&w->request, stream, &out, 1, on_written), 0);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(mem_buffer(size), (unsigned)size);
}

static void on_handle_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

static bool is_true(const void *flag)
{
    return *(const bool *)flag;
}

/* ---- clients ---- */

static void on_answer(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct client *c = (struct client *)((char *)stream - offsetof(struct client, tcp));

    if (n > 0)
        text_add_bytes(&c->in, buffer->base, (size_t)n);
    if (n < 0)
        c->is_over = true;
    free(buffer->base);
}

static void on_connected(uv_connect_t *connect, int status)
{
    assert_int_equal(status, 0);
    uv_read_start(connect->handle, give_room, on_answer);
}

void client_start(struct stage *s, struct client *c, const char *method,
                  const char *target, size_t size)
{
    struct sockaddr_in address;
    struct text head = {0};

    *c = (struct client){0};
    uv_tcp_init(&s->loop.uv, &c->tcp);
    c->tcp.data = &c->is_closed;
    uv_ip4_addr("127.0.0.1", server_port(s->server), &address);
    assert_int_equal(uv_tcp_connect(&c->connect, &c->tcp,
                                    (const struct sockaddr *)&address, on_connected),
                     0);
    text_add_format(&head, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", method,
                    target, size);
    write_to((uv_stream_t *)&c->tcp, head.data, head.size);
    text_free(&head);
}

void client_send(struct client *c, const void *bytes, size_t size)
{
    write_to((uv_stream_t *)&c->tcp, bytes, size);
}

size_t client_unsent(const struct client *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

void client_close(struct stage *s, struct client *c)
{
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    stage_until(s, is_true, &c->is_closed);
    text_free(&c->in);
}

void client_finish(struct stage *s, struct client *c, unsigned status)
{
    struct text line = {0};

    stage_until(s, is_true, &c->is_over);
    text_add_format(&line, " %u ", status);
    if (strncmp(text_string(&c->in) + 8, text_string(&line), line.size) != 0)
        fail_msg("not %u: %s", status, text_string(&c->in));
    text_free(&line);
    client_close(s, c);
}

void page_open(struct stage *s, struct client *c, const char *id)
{
    struct text target = {0};

    text_add_format(&target, "/events?page=%s", id);
    client_start(s, c, "GET", text_string(&target), 0);
    client_hears(s, c, "event: hello\n", 1);
    text_free(&target);
}

unsigned client_count(const struct client *c, const char *what)
{
    const char *at = text_string(&c->in);
    unsigned n = 0;

    while ((at = strstr(at, what)) != NULL) {
        n++;
        at += strlen(what);
    }
    return n;
}

void client_hears(struct stage *s, const struct client *c, const char *what, unsigned n)
{
    while (client_count(c, what) < n)
        uv_run(&s->loop.uv, UV_RUN_ONCE);
}

/* ---- the session ---- */

/* It says where its socket is, and is there until it is killed. */
int stage_session(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[0], "grid") != 0 || strcmp(argv[1], "datastore") != 0)
        return -1;
    printf("{\"event\":\"session\",\"name\":\"set\",\"pid\":%d,\"socket\":\"%s\"}\n",
           (int)getpid(), getenv("GRID_BROWSER_SOCKET"));
    fflush(stdout);
    alarm(120); /* where the test has failed and nobody kills it */
    for (;;)
        pause();
}

static struct heard *heard_of(struct session *e, uint64_t ask)
{
    assert_true(ask < ASKS_MAX);
    assert_int_equal(e->asks[ask].n_ends, 0); /* nothing comes behind the end */
    return &e->asks[ask];
}

static void take_line(struct session *e, char *line, size_t *n_bytes, uint64_t *whose)
{
    char word[16] = "", rest[256] = "";
    struct heard *h;
    uint64_t a = 0, b = 0;
    int end = 0;

    assert_int_equal(sscanf(line, "%" SCNu64 " %15s %n", whose, word, &end), 2);
    snprintf(rest, sizeof rest, "%s", line + end);
    h = heard_of(e, *whose);
    if (strcmp(word, "begin") == 0) {
        assert_int_equal(sscanf(rest, "%" SCNu64 " %" SCNu64, &a, &b), 2);
        h->n_begins++;
        h->size = a;
        h->modified = b;
        text_clear(&h->bytes);
        return;
    }
    assert_true(h->n_begins > 0);
    if (strcmp(word, "bytes") == 0) {
        assert_int_equal(sscanf(rest, "%zu", n_bytes), 1);
        return;
    }
    assert_true(strcmp(word, "end") == 0 || strcmp(word, "fail") == 0);
    h->n_ends++;
    if (word[0] == 'f')
        snprintf(h->fail, sizeof h->fail, "%s", rest);
}

/* Whole lines, and the bytes behind them. */
static void take_apart(struct session *e)
{
    size_t at = 0;

    while (at < e->in.size) {
        char *line = e->in.data + at, *end = memchr(line, '\n', e->in.size - at);
        size_t n_bytes = 0, next;
        uint64_t ask;
        char copy[512];

        if (end == NULL)
            break;
        next = (size_t)(end + 1 - e->in.data);
        if (sscanf(line, "%" SCNu64 " bytes %zu", &ask, &n_bytes) == 2 &&
            next + n_bytes > e->in.size)
            break;
        assert_true((size_t)(end - line) < sizeof copy);
        snprintf(copy, sizeof copy, "%.*s", (int)(end - line), line);
        n_bytes = 0;
        take_line(e, copy, &n_bytes, &ask);
        if (n_bytes > 0)
            text_add_bytes(&e->asks[ask].bytes, e->in.data + next, n_bytes);
        at = next + n_bytes;
    }
    memmove(e->in.data, e->in.data + at, e->in.size - at);
    e->in.size -= at;
}

static void on_heard(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct session *e =
        (struct session *)((char *)stream - offsetof(struct session, pipe));

    if (n > 0) {
        text_add_bytes(&e->in, buffer->base, (size_t)n);
        take_apart(e);
    }
    if (n < 0)
        e->is_over = true;
    free(buffer->base);
}

void session_listen(struct session *e, bool is_wanted)
{
    if (is_wanted)
        uv_read_start((uv_stream_t *)&e->pipe, give_room, on_heard);
    else
        uv_read_stop((uv_stream_t *)&e->pipe);
}

static void on_session_connected(uv_connect_t *connect, int status)
{
    struct session *e =
        (struct session *)((char *)connect - offsetof(struct session, connect));

    assert_int_equal(status, 0);
    session_listen(e, true);
}

void session_start(struct stage *s, struct session *e, const char *drop,
                   const char *page, const char *label)
{
    struct text target = {0};
    struct client c;
    char socket[128] = "";
    int pid = 0;
    const char *at;

    *e = (struct session){0};
    text_add_format(&target, "/drops?drop=%s&page=%s&label=%s", drop, page, label);
    client_start(s, &c, "POST", text_string(&target), 0);
    client_hears(s, &c, "\"socket\":\"", 1);
    at = strstr(text_string(&c.in), "\"pid\":");
    assert_int_equal(sscanf(at, "\"pid\":%d,\"socket\":\"%127[^\"]", &pid, socket), 2);
    e->pid = pid;
    client_finish(s, &c, 200);
    text_free(&target);
    uv_pipe_init(&s->loop.uv, &e->pipe, 0);
    e->pipe.data = &e->is_closed;
    uv_pipe_connect(&e->connect, &e->pipe, socket, on_session_connected);
}

void session_say(struct session *e, const char *words)
{
    write_to((uv_stream_t *)&e->pipe, words, strlen(words));
}

void session_ask(struct session *e, unsigned ask)
{
    struct text line = {0};

    text_add_format(&line, "{\"ask\":%u,\"do\":\"read\",\"path\":\"f%u\"}\n", ask, ask);
    session_say(e, text_string(&line));
    text_free(&line);
}

void session_until_end(struct stage *s, struct session *e, unsigned ask)
{
    while (e->asks[ask].n_ends == 0)
        uv_run(&s->loop.uv, UV_RUN_ONCE);
}

void session_hang_up(struct stage *s, struct session *e)
{
    uv_close((uv_handle_t *)&e->pipe, on_handle_closed);
    stage_until(s, is_true, &e->is_closed);
    for (size_t i = 0; i < ASKS_MAX; i++)
        text_free(&e->asks[i].bytes);
    text_free(&e->in);
}

static bool is_empty(const void *children)
{
    return ((const struct children *)children)->first == NULL;
}

void session_kill(struct stage *s, struct session *e)
{
    kill(e->pid, SIGKILL);
    stage_until(s, is_empty, &s->children);
}
