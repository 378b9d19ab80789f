/*
 * Both ends are non-blocking: a log line of up to PIPE_BUF bytes goes in whole or not
 * at all.  What does not end in a newline yet waits in `rest`.
 */
#include "agent/log_pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

struct log_pipe {
    uv_poll_t poll;
    int ends[2];
    struct text rest;
    log_pipe_line_fn *on_line;
    void *ctx;
};

static void take(struct log_pipe *p, const char *bytes, size_t size)
{
    const char *end;

    while ((end = memchr(bytes, '\n', size)) != NULL) {
        text_add_bytes(&p->rest, bytes, (size_t)(end - bytes));
        p->on_line(p->ctx, text_string(&p->rest));
        text_clear(&p->rest);
        size -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    text_add_bytes(&p->rest, bytes, size);
}

static void read_all(struct log_pipe *p)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(p->ends[0], bytes, sizeof bytes)) > 0)
        take(p, bytes, (size_t)n);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    read_all(poll->data);
}

struct log_pipe *log_pipe_open(struct loop *loop, log_pipe_line_fn *on_line, void *ctx)
{
    struct log_pipe *p = mem_new(1, sizeof *p);

    p->on_line = on_line;
    p->ctx = ctx;
    if (pipe2(p->ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(p);
        return NULL;
    }
    if (uv_poll_init(&loop->uv, &p->poll, p->ends[0]) != 0) {
        close(p->ends[0]);
        close(p->ends[1]);
        free(p);
        return NULL;
    }
    p->poll.data = p;
    uv_poll_start(&p->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&p->poll); /* a log keeps nothing going */
    return p;
}

int log_pipe_fd(const struct log_pipe *p)
{
    return p->ends[1];
}

static void on_closed(uv_handle_t *handle)
{
    struct log_pipe *p = handle->data;

    close(p->ends[0]);
    close(p->ends[1]);
    text_free(&p->rest);
    free(p);
}

void log_pipe_close(struct log_pipe *p)
{
    read_all(p);
    uv_close((uv_handle_t *)&p->poll, on_closed);
}
