/* Everything blocks, with a thread for each connection: plain, and right. */
#include "tests/unit/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/mem.h"
#include "base/text.h"

enum { HEAD_MAX = 32 << 10, SLOW_STEP = 997 };

struct server_connection {
    struct http_server *server;
    struct server_connection *next;
    pthread_t thread;
    int fd;
    SSL *tls;
    bool is_fickle; /* the next request is the last */

    /* The request. */
    char head[HEAD_MAX + 1];
    size_t head_size, in_head; /* of the head itself; of all that was read with it */
    uint64_t body_size, body_read;
    uint32_t sum;
};

uint8_t server_byte(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

uint32_t server_sum(uint32_t sum, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = sum * 16777619u + ((const uint8_t *)bytes)[i] + 1;
    return sum;
}

/* ---- bytes ---- */

static bool put(struct server_connection *c, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size > 0) {
        size_t piece = size < 1 << 20 ? size : 1 << 20;
        ssize_t n = c->tls != NULL ? SSL_write(c->tls, from, (int)piece)
                                   : send(c->fd, from, piece, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        from += n;
        size -= (size_t)n;
    }
    return true;
}

static bool say(struct server_connection *c, const char *text)
{
    return put(c, text, strlen(text));
}

static ssize_t get(struct server_connection *c, void *into, size_t size)
{
    return c->tls != NULL ? SSL_read(c->tls, into, (int)size)
                          : recv(c->fd, into, size, 0);
}

static bool read_head(struct server_connection *c)
{
    const char *end;

    c->in_head = 0;
    do {
        ssize_t n = get(c, c->head + c->in_head, HEAD_MAX - c->in_head);

        if (n <= 0)
            return false;
        c->in_head += (size_t)n;
        c->head[c->in_head] = '\0';
        if (c->head[0] < 'A' || c->head[0] > 'Z') {
            (void)say(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
            return false;
        }
        end = strstr(c->head, "\r\n\r\n");
    } while (end == NULL && c->in_head < HEAD_MAX);
    if (end == NULL)
        return false;
    c->head_size = (size_t)(end - c->head) + 4;
    end = strcasestr(c->head, "\r\nContent-Length:");
    c->body_size = 0;
    if (end != NULL && end < c->head + c->head_size)
        c->body_size = strtoull(end + strlen("\r\nContent-Length:"), NULL, 10);
    c->body_read = c->in_head - c->head_size;
    c->sum = server_sum(0, c->head + c->head_size, (size_t)c->body_read);
    return true;
}

static bool read_body(struct server_connection *c, uint64_t size)
{
    char buffer[16 << 10];

    while (c->body_read < size) {
        uint64_t left = size - c->body_read;
        ssize_t n = get(c, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer);

        if (n <= 0)
            return false;
        c->sum = server_sum(c->sum, buffer, (size_t)n);
        c->body_read += (uint64_t)n;
    }
    return true;
}

/* ---- answers ---- */

static bool answer(struct server_connection *c, int status, const char *headers,
                   const char *body)
{
    struct text text = {0};
    bool is_good;

    text_add_format(&text, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n",
                    status, strlen(body), headers);
    if (strncmp(c->head, "HEAD ", 5) != 0)
        text_add(&text, body);
    is_good = put(c, text.data, text.size);
    text_free(&text);
    return is_good;
}

static bool answer_status(struct server_connection *c, int status)
{
    char body[32];

    snprintf(body, sizeof body, "status %d", status);
    return answer(c, status, "", body);
}

static bool answer_sum(struct server_connection *c)
{
    char body[64];

    snprintf(body, sizeof body, "%llu %08x", (unsigned long long)c->body_read, c->sum);
    return answer(c, 200, "ETag:  \"an etag\" \r\n", body);
}

static bool send_bytes(struct server_connection *c, uint64_t size, size_t step,
                       bool is_chunked)
{
    uint8_t *buffer = mem_buffer(step);
    bool is_good = true;

    for (uint64_t at = 0; at < size && is_good;) {
        size_t n = size - at < step ? (size_t)(size - at) : step;
        char frame[32];

        for (size_t i = 0; i < n; i++)
            buffer[i] = server_byte(at + i);
        snprintf(frame, sizeof frame, "%zx\r\n", n);
        if (is_chunked)
            is_good = say(c, frame) && put(c, buffer, n) && say(c, "\r\n");
        else
            is_good = put(c, buffer, n);
        at += n;
        if (step == SLOW_STEP)
            poll(NULL, 0, 2); /* slowness is what this is about */
    }
    free(buffer);
    return is_good && (!is_chunked || say(c, "0\r\n\r\n"));
}

static bool promise(struct server_connection *c, uint64_t size)
{
    char head[96];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
             (unsigned long long)size);
    return say(c, head);
}

static bool reset(struct server_connection *c)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

static bool fall_silent(struct server_connection *c)
{
    char buffer[4096];

    while (get(c, buffer, sizeof buffer) > 0)
        continue;
    return false;
}

static bool send_half(struct server_connection *c, uint64_t size)
{
    return promise(c, size) && send_bytes(c, size / 2, 8192, false);
}

static bool send_many_headers(struct server_connection *c)
{
    if (!say(c, "HTTP/1.1 200 OK\r\n"))
        return false;
    for (int i = 0; i < 100000; i++)
        if (!say(c, "X-More: of the same\r\n"))
            return false;
    return say(c, "Content-Length: 0\r\n\r\n");
}

static bool send_long_header(struct server_connection *c)
{
    char *line = mem_buffer(200001);
    bool is_good;

    memset(line, 'x', 200000);
    line[200000] = '\0';
    is_good = say(c, "HTTP/1.1 200 OK\r\nX-Long: ") && say(c, line) &&
              say(c, "\r\nContent-Length: 0\r\n\r\n");
    free(line);
    return is_good;
}

static bool is_path(const char *path, const char *name, uint64_t *number)
{
    size_t length = strlen(name);

    if (strncmp(path, name, length) != 0)
        return false;
    if (path[length] == '/')
        *number = strtoull(path + length + 1, NULL, 10);
    return path[length] == '/' || path[length] == ' ';
}

/* Those that do not want the request's body. */
static bool answer_at_once(struct server_connection *c, const char *path, bool *is_done)
{
    uint64_t n = 0;

    *is_done = true;
    if (is_path(path, "/silent", &n))
        return fall_silent(c);
    if (is_path(path, "/end", &n))
        return false;
    if (is_path(path, "/reset", &n))
        return reset(c);
    if (is_path(path, "/reset-body", &n))
        return read_body(c, c->body_size / 2) && reset(c);
    if (is_path(path, "/early", &n))
        return answer_status(c, (int)n) && read_body(c, c->body_size);
    *is_done = false;
    return true;
}

static bool answer_with_bytes(struct server_connection *c, const char *path,
                              bool *is_done)
{
    uint64_t n = 0;

    *is_done = true;
    if (is_path(path, "/bytes", &n))
        return promise(c, n) && send_bytes(c, n, 8192, false);
    if (is_path(path, "/slow", &n))
        return promise(c, n) && send_bytes(c, n, SLOW_STEP, false);
    if (is_path(path, "/chunked", &n))
        return say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") &&
               send_bytes(c, n, 5000, true);
    if (is_path(path, "/half", &n))
        return send_half(c, n) && false;
    if (is_path(path, "/half-reset", &n))
        return send_half(c, n) && reset(c);
    if (is_path(path, "/half-stall", &n))
        return send_half(c, n) && fall_silent(c);
    *is_done = false;
    return true;
}

static bool answer_oddly(struct server_connection *c, const char *path, bool *is_done)
{
    uint64_t n = 0;

    *is_done = true;
    if (is_path(path, "/continue", &n))
        return say(c, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n") &&
               say(c, "HTTP/1.1 103 Early Hints\r\nX-Early: 2\r\n\r\n") &&
               answer(c, 200, "X-Late: 3\r\n", "went on");
    if (is_path(path, "/close", &n))
        return answer(c, 200, "Connection: close\r\n", "closed") && false;
    if (is_path(path, "/leave", &n))
        return answer(c, 200, "", "left") && false;
    if (is_path(path, "/garbage", &n))
        return say(c, "SSH-2.0-none\r\n") && false;
    if (is_path(path, "/half-head", &n))
        return say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a") && false;
    if (is_path(path, "/long-header", &n))
        return send_long_header(c);
    if (is_path(path, "/many-headers", &n))
        return send_many_headers(c);
    *is_done = false;
    return true;
}

/* One request; false: the connection ends. */
static bool serve(struct server_connection *c)
{
    const char *path = strchr(c->head, ' ') + 1;
    bool is_done, goes_on;
    uint64_t n = 0;

    if (c->is_fickle)
        return read_body(c, c->body_size / 2) && reset(c);
    goes_on = answer_at_once(c, path, &is_done);
    if (is_done || !read_body(c, c->body_size))
        return goes_on && is_done;
    goes_on = answer_with_bytes(c, path, &is_done);
    if (!is_done)
        goes_on = answer_oddly(c, path, &is_done);
    if (is_done)
        return goes_on;
    if (is_path(path, "/status", &n))
        return answer_status(c, (int)n);
    if (is_path(path, "/sum", &n))
        return answer_sum(c);
    c->head[c->head_size] = '\0';
    c->is_fickle = is_path(path, "/fickle", &n);
    return answer(c, 200, "", c->head);
}

/* ---- connections ---- */

static void *run_connection(void *ctx)
{
    struct server_connection *c = ctx;
    int on = 1;

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->server->tls != NULL) {
        c->tls = SSL_new(c->server->tls);
        SSL_set_fd(c->tls, c->fd);
    }
    if (c->tls == NULL || SSL_accept(c->tls) == 1) {
        while (read_head(c)) {
            atomic_fetch_add(&c->server->n_requests, 1);
            if (!serve(c))
                break;
        }
    }
    SSL_free(c->tls);
    close(c->fd);
    return NULL;
}

static void *run_listener(void *ctx)
{
    struct http_server *server = ctx;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        struct server_connection *c = mem_new(1, sizeof *c);

        c->server = server;
        c->fd = fd;
        c->next = server->connections;
        server->connections = c;
        atomic_fetch_add(&server->n_connections, 1);
        pthread_create(&c->thread, NULL, run_connection, c);
    }
    return NULL;
}

void http_server_open(struct http_server *server, const char *cert_file,
                      const char *key_file)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    pthread_t thread;

    memset(server, 0, sizeof *server);
    if (cert_file != NULL) {
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

        assert_int_equal(SSL_CTX_use_certificate_chain_file(tls, cert_file), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM),
                         1);
        server->tls = tls;
    }
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 1024), 0);
    assert_int_equal(
        getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    pthread_create(&thread, NULL, run_listener, server);
    server->thread = thread;
}

void http_server_close(struct http_server *server)
{
    struct server_connection *next;

    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (struct server_connection *c = server->connections; c != NULL; c = next) {
        next = c->next;
        pthread_join(c->thread, NULL); /* the client has closed its end */
        free(c);
    }
    SSL_CTX_free(server->tls);
}
