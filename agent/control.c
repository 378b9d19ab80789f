/*
 * One connection at a time is enough: it says one line, is answered, and is closed.
 */
#include "agent/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

struct control {
    uv_pipe_t listener;
    char *path;
    const struct control_events *events;
    void *ctx;
};

struct peer {
    uv_pipe_t pipe;
    struct control *control;
    char buffer[64];
    uv_write_t write;
};

static void on_peer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void peer_close(struct peer *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->pipe))
        uv_close((uv_handle_t *)&p->pipe, on_peer_closed);
}

static void on_answered(uv_write_t *write, int status)
{
    (void)status;
    peer_close(write->data);
}

static void peer_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct peer *p = handle->data;

    (void)size;
    *buffer = uv_buf_init(p->buffer, sizeof p->buffer);
}

static void answer(struct peer *p, const char *line)
{
    uv_buf_t out = uv_buf_init((char *)line, (unsigned)strlen(line));

    p->write.data = p;
    if (uv_write(&p->write, (uv_stream_t *)&p->pipe, &out, 1, on_answered) != 0)
        peer_close(p);
}

/* -1: that is no line of ours. */
static int obey(struct peer *p, const char *line)
{
    const struct control *c = p->control;
    uint64_t rate;

    if (strcmp(line, "stop") == 0) {
        answer(p, "stopping\n");
        c->events->stop(c->ctx);
        return 0;
    }
    if (strncmp(line, "limit ", 6) == 0 && text_parse_u64(line + 6, &rate) == 0) {
        answer(p, "limited\n");
        c->events->limit(c->ctx, rate);
        return 0;
    }
    return -1;
}

static void on_peer_line(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct peer *p = stream->data;
    char line[sizeof p->buffer];

    if (n <= 0 || (size_t)n >= sizeof line) {
        peer_close(p);
        return;
    }
    uv_read_stop(stream);
    memcpy(line, buffer->base, (size_t)n);
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (obey(p, line) != 0)
        peer_close(p);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct peer *p;

    if (status != 0)
        return;
    p = mem_new(1, sizeof *p);
    p->control = listener->data;
    uv_pipe_init(listener->loop, &p->pipe, 0);
    p->pipe.data = p;
    if (uv_accept(listener, (uv_stream_t *)&p->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&p->pipe, peer_room, on_peer_line) != 0)
        peer_close(p);
}

static void on_control_closed(uv_handle_t *handle)
{
    struct control *c = handle->data;

    free(c->path);
    free(c);
}

/* Anybody can make a folder in /tmp: only our own, closed one will do. */
static int make_own_folder(const char *folder, struct error *err)
{
    struct stat st;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot make %s", folder);
    if (lstat(folder, &st) != 0)
        return error_errno(err, errno, "%s", folder);
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 077) != 0)
        return error_set(err, ERROR_IO, 0, "%s is not ours alone", folder);
    return 0;
}

int control_choose_path(struct text *path, const char *folder, const char *session,
                        struct error *err)
{
    struct sockaddr_un address;
    struct text own = {0};
    int status;

    text_clear(path);
    text_add_format(path, "%s/%.16s.sock", folder, session);
    if (path->size < sizeof address.sun_path)
        return 0;
    text_add_format(&own, "/tmp/grid-%ld", (long)getuid());
    status = make_own_folder(text_string(&own), err);
    text_clear(path);
    text_add_format(path, "%s/%.16s.sock", text_string(&own), session);
    text_free(&own);
    return status;
}

int control_open(struct control **out, struct loop *loop, const char *path,
                 const struct control_events *events, void *ctx, struct error *err)
{
    struct control *c = mem_new(1, sizeof *c);
    int status;

    *out = NULL;
    c->path = mem_copy_string(path);
    c->events = events;
    c->ctx = ctx;
    uv_pipe_init(&loop->uv, &c->listener, 0);
    c->listener.data = c;
    unlink(c->path); /* of a dead run of this session */
    status = uv_pipe_bind(&c->listener, c->path);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&c->listener, 4, on_connection);
    if (status == 0) {
        *out = c;
        return 0;
    }
    error_set(err, ERROR_IO, status, "%s: %s", c->path, uv_strerror(status));
    uv_close((uv_handle_t *)&c->listener, on_control_closed);
    return -1;
}

const char *control_path(const struct control *c)
{
    return c == NULL ? "" : c->path;
}

void control_close(struct control *c)
{
    if (c == NULL)
        return;
    unlink(c->path);
    uv_close((uv_handle_t *)&c->listener, on_control_closed);
}

/* ---- the other side ---- */

static int ask(int fd, const char *path, const char *words, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    char line[16];

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, ERROR_IO, 0, "%s: the name of the socket is too long",
                         path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return error_errno(err, errno, "cannot reach the session at %s", path);
    if (send(fd, words, strlen(words), MSG_NOSIGNAL) != (ssize_t)strlen(words))
        return error_errno(err, errno, "cannot speak to the session");
    if (poll(&answer, 1, 10000) != 1 || read(fd, line, sizeof line) <= 0)
        return error_set(err, ERROR_IO, 0, "the session does not answer");
    return 0;
}

static int control_ask(const char *path, const char *words, struct error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status;

    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    status = ask(fd, path, words, err);
    close(fd);
    return status;
}

int control_ask_stop(const char *path, struct error *err)
{
    return control_ask(path, "stop\n", err);
}

int control_ask_limit(const char *path, uint64_t rate, struct error *err)
{
    char words[48];

    snprintf(words, sizeof words, "limit %" PRIu64 "\n", rate);
    return control_ask(path, words, err);
}
