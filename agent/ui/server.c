/*
 * libmicrohttpd watches its sockets in one epoll descriptor, which the loop watches in
 * turn: where it is readable, or a time has come, MHD_run() does what there is to do.
 *
 * A connection that has nothing to do - its answer is not there yet, its stream has
 * nothing to send, its body is not wanted now - is suspended, else libmicrohttpd would
 * ask again and again.  While it is, nobody sees that the client has gone: who streams
 * writes something now and then.
 *
 * It watches edges, and takes a socket that gave less than there was room for as empty:
 * an end that had come by then would never be seen.  A connection that is resumed is
 * watched from the start, so one whose body comes in pieces is suspended for a moment
 * after each.
 *
 * A response is only queued from libmicrohttpd's own callback: exchange_answer() keeps
 * it, and wakes the connection, which then comes by for it.
 */
#include "agent/ui/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/mem.h"
#include "base/span.h"

enum {
    CONNECTIONS_MAX = 128,
    CONNECTION_BYTES = 96 << 10, /* of a body, about half of it comes at once */
    STREAM_BLOCK = 32 << 10
};

struct server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    const struct server_events *events;
    void *ctx;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned n_open; /* of the two */
    uint16_t port;
    struct exchange *exchanges;
};

/* ---- libmicrohttpd in the loop ---- */

static void on_timer(uv_timer_t *timer);

static void run(struct server *s)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(s->daemon);
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&s->timer, on_timer, wait_ms, 0);
    else
        uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

/* ---- waking and suspending ---- */

static void suspend(struct exchange *x)
{
    if (x->is_suspended)
        return;
    x->is_suspended = true;
    MHD_suspend_connection(x->connection);
}

static void on_wake(void *ctx)
{
    struct exchange *x = ctx;

    x->is_deferred = false;
    if (!x->is_suspended)
        return;
    x->is_suspended = false;
    MHD_resume_connection(x->connection);
    uv_timer_start(&x->server->timer, on_timer, 0, 0);
}

/* Not from inside libmicrohttpd's own callbacks: many wakes become one. */
static void wake(struct exchange *x)
{
    if (!x->is_suspended || x->is_deferred)
        return;
    x->is_deferred = true;
    loop_defer(x->server->loop, &x->soon, on_wake, x);
}

/* ---- exchanges ---- */

static void link_exchange(struct exchange *x)
{
    struct server *s = x->server;

    x->next = s->exchanges;
    if (x->next != NULL)
        x->next->prev = x;
    s->exchanges = x;
}

static void unlink_exchange(struct exchange *x)
{
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        x->server->exchanges = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
}

static struct exchange *exchange_new(struct server *s, struct MHD_Connection *c,
                                     const char *path, const char *method)
{
    struct exchange *x = mem_new(1, sizeof *x);

    x->server = s;
    x->connection = c;
    x->path = mem_copy_string(path);
    x->method = mem_copy_string(method);
    link_exchange(x);
    return x;
}

static void free_later(void *ctx)
{
    free(ctx);
}

static void exchange_free(struct exchange *x)
{
    if (x->gone != NULL)
        x->gone(x);
    unlink_exchange(x);
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    text_free(&x->body);
    text_free(&x->out);
    free((char *)x->path);
    free((char *)x->method);
    x->is_suspended = false;
    if (x->is_deferred)
        x->soon.call = free_later; /* its turn comes */
    else
        free(x);
}

static enum MHD_Result queue(struct exchange *x)
{
    return MHD_queue_response(x->connection, x->status, x->response);
}

/* Its body is no longer of interest: what comes is thrown away. */
static bool is_answered(const struct exchange *x)
{
    return x->response != NULL;
}

static void collect(struct exchange *x, const char *bytes, size_t *n)
{
    static const char too_large[] = "the request is too large\n";

    if (x->body.size + *n > SERVER_BODY_MAX)
        exchange_answer(x, 413, "text/plain", too_large, sizeof too_large - 1);
    else
        text_add_bytes(&x->body, bytes, *n);
    *n = 0;
}

static void take_body(struct exchange *x, const char *bytes, size_t *n)
{
    if (is_answered(x)) {
        *n = 0;
        return;
    }
    if (x->take == NULL) {
        collect(x, bytes, n);
        return;
    }
    *n -= x->take(x, bytes, *n);
    suspend(x);
    if (*n == 0)
        wake(x); /* looked at anew: see above */
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd has eight parameters */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version,
                                  const char *data, size_t *n, void **slot)
{
    struct server *s = ctx;
    struct exchange *x = *slot;

    (void)version;
    if (x == NULL) {
        *slot = x = exchange_new(s, c, url, method);
        s->events->begun(s->ctx, x);
        return is_answered(x) ? queue(x) : MHD_YES;
    }
    if (*n > 0) {
        take_body(x, data, n);
        return MHD_YES;
    }
    if (!is_answered(x) && !x->is_complete) {
        x->is_complete = true;
        s->events->complete(s->ctx, x);
    }
    if (is_answered(x))
        return queue(x);
    suspend(x);
    return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx;
    (void)c;
    (void)code;
    if (*slot != NULL)
        exchange_free(*slot);
    *slot = NULL;
}

/* ---- answers ---- */

static void add_common_headers(struct exchange *x)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        exchange_add_header(x, headers[i][0], headers[i][1]);
}

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
    MHD_add_response_header(x->response, name, value);
}

static void respond(struct exchange *x, unsigned status, const char *type,
                    struct MHD_Response *response)
{
    x->response = response;
    x->status = status;
    exchange_add_header(x, "Content-Type", type);
    add_common_headers(x);
    wake(x);
}

void exchange_answer(struct exchange *x, unsigned status, const char *type,
                     const void *bytes, size_t size)
{
    respond(
        x, status, type,
        MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY));
}

static ssize_t on_wanted(void *ctx, uint64_t position, char *buffer, size_t room)
{
    struct exchange *x = ctx;
    size_t n = x->out.size - x->sent;

    (void)position;
    if (n == 0 && !x->is_streaming)
        return x->is_broken ? MHD_CONTENT_READER_END_WITH_ERROR
                            : MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        suspend(x);
        return 0;
    }
    n = n < room ? n : room;
    memcpy(buffer, x->out.data + x->sent, n);
    x->sent += n;
    if (x->sent == x->out.size) {
        text_clear(&x->out);
        x->sent = 0;
        if (x->drained != NULL)
            x->drained(x);
    }
    return (ssize_t)n;
}

void exchange_stream(struct exchange *x, unsigned status, const char *type)
{
    x->is_streaming = true;
    respond(x, status, type,
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_wanted,
                                              x, NULL));
}

void exchange_write(struct exchange *x, const void *bytes, size_t size)
{
    text_add_bytes(&x->out, bytes, size);
    wake(x);
}

size_t exchange_pending(const struct exchange *x)
{
    return x->out.size - x->sent;
}

void exchange_end(struct exchange *x)
{
    x->is_streaming = false;
    wake(x);
}

void exchange_break(struct exchange *x)
{
    x->is_broken = true;
    exchange_end(x);
}

void exchange_take_on(struct exchange *x)
{
    wake(x);
}

/* ---- the request ---- */

static const char *value_of(const struct exchange *x, enum MHD_ValueKind kind,
                            const char *name)
{
    return MHD_lookup_connection_value(x->connection, kind, name);
}

const char *exchange_query(const struct exchange *x, const char *name)
{
    return value_of(x, MHD_GET_ARGUMENT_KIND, name);
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return value_of(x, MHD_HEADER_KIND, name);
}

const char *exchange_cookie(const struct exchange *x, const char *name)
{
    return value_of(x, MHD_COOKIE_KIND, name);
}

/* ---- opening and closing ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;

    if (--s->n_open == 0)
        free(s);
}

static int listen_on(uint16_t port, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;

    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, CONNECTIONS_MAX) == 0)
        return fd;
    if (errno == EADDRINUSE)
        error_set(err, ERROR_CONFLICT, errno,
                  "port %u of this machine is taken by another program: choose another "
                  "with --port, or leave it out",
                  port);
    else
        error_errno(err, errno, "cannot listen on 127.0.0.1:%u", port);
    close(fd);
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;

    (void)getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static int start_daemon(struct server *s, int fd, struct error *err)
{
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
                                 NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
                                 on_completed, s, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (s->daemon != NULL)
        return 0;
    close(fd);
    return error_set(err, ERROR_IO, 0, "the web server cannot be started");
}

static void watch(struct server *s)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    uv_poll_init(&s->loop->uv, &s->poll, info->epoll_fd);
    uv_timer_init(&s->loop->uv, &s->timer);
    s->n_open = 2;
    s->poll.data = s->timer.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
    uv_timer_start(&s->timer, on_timer, 0, 0);
}

int server_open(struct server **out, struct loop *loop, uint16_t port,
                const struct server_events *events, void *ctx, struct error *err)
{
    struct server *s = mem_new(1, sizeof *s);
    int fd = listen_on(port, err);

    s->loop = loop;
    s->events = events;
    s->ctx = ctx;
    if (fd < 0 || start_daemon(s, fd, err) != 0) {
        free(s);
        return -1;
    }
    s->port = port_of(fd);
    watch(s);
    *out = s;
    return 0;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

/* libmicrohttpd wants nothing to be suspended when it ends. */
void server_close(struct server *s)
{
    if (s == NULL)
        return;
    uv_poll_stop(&s->poll);
    for (struct exchange *x = s->exchanges; x != NULL; x = x->next) {
        x->is_streaming = false;
        if (x->is_suspended)
            MHD_resume_connection(x->connection);
        x->is_suspended = false;
    }
    MHD_stop_daemon(s->daemon);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}
