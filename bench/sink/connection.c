/*
 *   SHAKING --> HEAD --> [CONTINUING -->] BODY --> ANSWERING --> HEAD ...
 *
 * connection_advance() goes through the phases until the socket has no more to give or
 * to take; epoll, edge-triggered, then says when it has.  What the sink says (an answer,
 * "100 Continue") first waits in the lane's queue, where there is a latency.  A client
 * that sends its next request before it has the answer waits in the socket.
 *
 * `in` holds the head, which the request points into, and what was read beyond it; a
 * body's bytes beyond that are thrown away where they arrive: in the kernel (MSG_TRUNC)
 * over plain HTTP.
 */
#include "bench/sink/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/mem.h"

enum { IN_BYTES = 16 << 10 };

enum phase { PHASE_SHAKING, PHASE_HEAD, PHASE_CONTINUING, PHASE_BODY, PHASE_ANSWERING };

/* Of a body: plain bytes, or HTTP's own chunks. */
enum piece { PIECE_ALL, PIECE_SIZE, PIECE_BYTES, PIECE_END, PIECE_TRAILER };

enum flow { FLOW_ON, FLOW_WAIT, FLOW_END };

struct connection {
    struct lane *lane;
    int fd;
    SSL *ssl;
    enum phase phase;
    bool is_waiting; /* in the lane's queue */
    bool is_last;    /* no request behind this */
    uint64_t due_ms;
    struct connection *next_due;

    char in[IN_BYTES];
    size_t head_size;
    size_t n_in, at; /* at: where what was not used yet begins */
    struct request request;
    enum piece piece;
    uint64_t left; /* of the piece */
    bool keeps;
    bool has_acknowledged; /* what came before it */

    struct answer answer;
    size_t n_sent; /* of its text */
};

/* ---- bytes in and out: > 0; 0: not now; -1: the end ---- */

static ssize_t by_errno(ssize_t n)
{
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t by_ssl(const struct connection *c, int n)
{
    int why;

    if (n > 0)
        return n;
    why = SSL_get_error(c->ssl, n);
    ERR_clear_error(); /* else the next connection's error would be this one's */
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t take(struct connection *c, char *into, size_t room)
{
    if (c->ssl != NULL)
        return by_ssl(c, SSL_read(c->ssl, into, (int)room));
    return by_errno(recv(c->fd, into, room, 0));
}

static ssize_t throw_away(struct connection *c, uint64_t most)
{
    size_t n = most < SCRATCH_BYTES ? (size_t)most : SCRATCH_BYTES;

    if (c->ssl != NULL)
        return take(c, c->lane->scratch, n);
    return by_errno(recv(c->fd, c->lane->scratch, (size_t)most, MSG_TRUNC));
}

static ssize_t give(struct connection *c, const char *bytes, size_t size)
{
    if (c->ssl != NULL)
        return by_ssl(c, SSL_write(c->ssl, bytes, (int)size));
    return by_errno(send(c->fd, bytes, size, MSG_NOSIGNAL));
}

static enum flow flow_of(ssize_t n)
{
    return n > 0 ? FLOW_ON : n == 0 ? FLOW_WAIT : FLOW_END;
}

/* More into `in`. */
static enum flow fill(struct connection *c)
{
    ssize_t n;

    if (c->n_in == IN_BYTES)
        return FLOW_END; /* no client under test has such heads */
    n = take(c, c->in + c->n_in, IN_BYTES - c->n_in);
    if (n > 0)
        c->n_in += (size_t)n;
    return flow_of(n);
}

/* ---- saying something ---- */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum flow say(struct connection *c, enum phase phase)
{
    struct lane *lane = c->lane;

    c->phase = phase;
    c->n_sent = 0;
    if (lane->latency_ms == 0)
        return FLOW_ON;
    c->is_waiting = true;
    c->due_ms = now_ms() + lane->latency_ms;
    c->next_due = NULL;
    if (lane->first_due == NULL)
        lane->first_due = c;
    else
        lane->last_due->next_due = c;
    lane->last_due = c;
    return FLOW_WAIT;
}

int lane_send_due(struct lane *lane)
{
    uint64_t now = now_ms();

    while (lane->first_due != NULL && lane->first_due->due_ms <= now) {
        struct connection *c = lane->first_due;

        lane->first_due = c->next_due;
        c->is_waiting = false;
        connection_advance(c);
    }
    return lane->first_due == NULL ? -1 : (int)(lane->first_due->due_ms - now);
}

static enum flow send_text(struct connection *c)
{
    const struct text *text = &c->answer.text;
    ssize_t n = give(c, text->data + c->n_sent, text->size - c->n_sent);

    if (n > 0)
        c->n_sent += (size_t)n;
    return flow_of(n);
}

static enum flow send_stream(struct connection *c)
{
    struct answer *a = &c->answer;
    size_t most =
        a->stream_size < SCRATCH_BYTES ? (size_t)a->stream_size : SCRATCH_BYTES;
    const char *bytes = c->lane->zeros;
    off_t offset = (off_t)a->offset;
    ssize_t n = 1;

    if (a->file >= 0 && c->ssl == NULL) {
        n = by_errno(sendfile(c->fd, a->file, &offset, most));
    } else {
        if (a->file >= 0) {
            n = pread(a->file, c->lane->scratch, most, offset);
            most = n > 0 ? (size_t)n : 0;
            bytes = c->lane->scratch;
        }
        n = n > 0 ? give(c, bytes, most) : -1; /* the file has become shorter */
    }
    if (n > 0) {
        a->offset += (uint64_t)n;
        a->stream_size -= (uint64_t)n;
        c->lane->counts->bytes_out += (uint64_t)n;
    }
    return flow_of(n);
}

static void drop_answer(struct connection *c)
{
    if (c->answer.file >= 0)
        close(c->answer.file);
    text_clear(&c->answer.text);
    c->answer.file = -1;
    c->answer.offset = c->answer.stream_size = 0;
}

static enum flow send_answer(struct connection *c)
{
    if (c->n_sent < c->answer.text.size)
        return send_text(c);
    if (c->answer.stream_size > 0)
        return send_stream(c);
    drop_answer(c);
    if (c->phase == PHASE_CONTINUING) {
        c->phase = PHASE_BODY;
        return FLOW_ON;
    }
    memmove(c->in, c->in + c->at, c->n_in - c->at);
    c->n_in -= c->at;
    c->at = 0;
    c->phase = PHASE_HEAD;
    return c->is_last ? FLOW_END : FLOW_ON;
}

/* ---- a request ---- */

static void count_request(struct counts *counts, const char *method)
{
    if (strcmp(method, "PUT") == 0)
        counts->put++;
    else if (strcmp(method, "GET") == 0)
        counts->get++;
    else if (strcmp(method, "HEAD") == 0)
        counts->head++;
    else if (strcmp(method, "POST") == 0)
        counts->post++;
    else if (strcmp(method, "DELETE") == 0)
        counts->delete ++;
    else
        counts->other++;
}

static enum flow answer(struct connection *c)
{
    char value[WIRE_VALUE_MAX];

    if (wire_header(&c->request.head, "x-amz-decoded-content-length", value))
        c->request.body_size =
            wire_number(&c->request.head, "x-amz-decoded-content-length");
    count_request(c->lane->counts, c->request.head.method);
    verbs_answer(c->lane->verbs, &c->request, &c->answer);
    return say(c, PHASE_ANSWERING);
}

/* The head is whole: what follows it? */
static enum flow begin_body(struct connection *c)
{
    const struct wire_head *head = &c->request.head;
    char value[WIRE_VALUE_MAX];

    wire_header(head, "connection", value);
    c->is_last = strcasecmp(value, "close") == 0;
    c->keeps = verbs_keeps(head);
    c->has_acknowledged = false;
    c->request.body_size = 0;
    text_clear(&c->request.body);
    c->left = wire_number(head, "content-length");
    wire_header(head, "transfer-encoding", value);
    c->piece = strcasecmp(value, "chunked") == 0 ? PIECE_SIZE : PIECE_ALL;
    c->phase = PHASE_BODY;
    if (!wire_header(head, "expect", value))
        return FLOW_ON;
    text_add(&c->answer.text, "HTTP/1.1 100 Continue\r\n\r\n");
    return say(c, PHASE_CONTINUING);
}

static enum flow read_head(struct connection *c)
{
    size_t size = wire_head_size(c->in, c->n_in);

    if (size == 0)
        return fill(c);
    c->at = c->head_size = size;
    if (wire_parse(&c->request.head, c->in, size) != 0)
        return FLOW_END;
    return begin_body(c);
}

static void got(struct connection *c, const char *bytes, size_t size)
{
    c->left -= size;
    c->request.body_size += size;
    c->lane->counts->bytes_in += size;
    if (c->keeps)
        text_add_bytes(&c->request.body, bytes, size);
}

/* Clients that send head and body each on their own, and leave Nagle's algorithm on, wait
 * with the body until the head is acknowledged: 40 ms, were that delayed.  A distant
 * store would cost them a round trip. */
static void acknowledge(struct connection *c)
{
    const int on = 1;

    if (!c->has_acknowledged)
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    c->has_acknowledged = true;
}

static enum flow read_bytes(struct connection *c)
{
    size_t n = c->n_in - c->at, most = SCRATCH_BYTES;
    ssize_t taken;

    if (n > 0) {
        n = n < c->left ? n : (size_t)c->left;
        got(c, c->in + c->at, n);
        c->at += n;
        return FLOW_ON;
    }
    most = most < c->left ? most : (size_t)c->left;
    taken = c->keeps ? take(c, c->lane->scratch, most) : throw_away(c, c->left);
    if (taken > 0)
        got(c, c->lane->scratch, (size_t)taken);
    else if (taken == 0)
        acknowledge(c);
    return flow_of(taken);
}

/* One line of HTTP's own chunks.  Those before it in `in` are done with; the head is
 * not. */
static enum flow read_line(struct connection *c)
{
    char *line = c->in + c->at, *end = memchr(line, '\n', c->n_in - c->at);

    if (end == NULL) {
        memmove(c->in + c->head_size, line, c->n_in - c->at);
        c->n_in -= c->at - c->head_size;
        c->at = c->head_size;
        return fill(c);
    }
    c->at = (size_t)(end - c->in) + 1;
    switch (c->piece) {
    case PIECE_SIZE:
        c->left = strtoull(line, NULL, 16);
        c->piece = c->left > 0 ? PIECE_BYTES : PIECE_TRAILER;
        return FLOW_ON;
    case PIECE_END:
        c->piece = PIECE_SIZE;
        return FLOW_ON;
    default:
        return line[0] == '\r' ? answer(c) : FLOW_ON;
    }
}

static enum flow read_body(struct connection *c)
{
    switch (c->piece) {
    case PIECE_ALL:
        return c->left > 0 ? read_bytes(c) : answer(c);
    case PIECE_BYTES:
        if (c->left > 0)
            return read_bytes(c);
        c->piece = PIECE_END;
        return FLOW_ON;
    default:
        return read_line(c);
    }
}

/* ---- the face ---- */

static enum flow shake(struct connection *c)
{
    ssize_t n = by_ssl(c, SSL_accept(c->ssl));

    if (n > 0)
        c->phase = PHASE_HEAD;
    return flow_of(n);
}

static enum flow step(struct connection *c)
{
    switch (c->phase) {
    case PHASE_SHAKING:
        return shake(c);
    case PHASE_HEAD:
        return read_head(c);
    case PHASE_BODY:
        return read_body(c);
    default:
        return send_answer(c);
    }
}

static void drop(struct connection *c)
{
    drop_answer(c);
    text_free(&c->answer.text);
    text_free(&c->request.body);
    SSL_free(c->ssl);
    close(c->fd);
    c->lane->counts->open--;
    free(c);
}

void connection_advance(struct connection *c)
{
    enum flow flow = FLOW_ON;

    if (c->is_waiting)
        return;
    while (flow == FLOW_ON)
        flow = step(c);
    if (flow == FLOW_END)
        drop(c);
}

void connection_open(struct lane *lane, int fd, SSL *ssl)
{
    struct connection *c = mem_new(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    uint64_t open = ++lane->counts->open, most = lane->counts->most_open;

    c->lane = lane;
    c->fd = fd;
    c->ssl = ssl;
    c->phase = ssl != NULL ? PHASE_SHAKING : PHASE_HEAD;
    c->answer.file = -1;
    lane->counts->connections++;
    while (open > most &&
           !atomic_compare_exchange_weak(&lane->counts->most_open, &most, open))
        continue;
    epoll_ctl(lane->epoll, EPOLL_CTL_ADD, fd, &event);
}
