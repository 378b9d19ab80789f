/*
 *   start --> RUNNING --it has ended, and so have its pipes--> handles closed --> done
 *                |                                               ^
 *                +-- too long, too much, cancelled: killed ------+
 *
 * Something that it has left behind may hold its pipes open: that is not waited for when
 * it was killed.
 */
#include "agent/credential_process.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/shell_words.h"
#include "base/span.h"

enum {
    LIMIT_MS = 60 * 1000, /* it may have to ask somebody, or the network */
    OUT_MAX = 64 << 10,
    SAID_MAX = 4 << 10
};
enum { PIPE_OUT, PIPE_SAID };

/* ---- the end ---- */

static void on_end(void *ctx)
{
    struct credential_process *p = ctx;

    p->done(p->ctx);
}

static void on_closed(uv_handle_t *handle)
{
    struct credential_process *p = handle->data;

    if (--p->n_open == 0)
        on_end(p);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void close_all(struct credential_process *p)
{
    close_handle(&p->process);
    close_handle(&p->pipes[PIPE_OUT]);
    close_handle(&p->pipes[PIPE_SAID]);
    close_handle(&p->limit);
}

static void add_last_line(const struct credential_process *p, struct text *line)
{
    const char *at = text_string(&p->said);
    size_t n = p->said.size, from;

    while (n > 0 && strchr(" \t\r\n", at[n - 1]) != NULL)
        n--;
    for (from = n; from > 0 && at[from - 1] != '\n'; from--)
        continue;
    text_add_printable(line, at + from, n - from);
}

static void judge(struct credential_process *p)
{
    struct text line = {0};

    add_last_line(p, &line);
    if (p->exit_signal != 0)
        error_set(&p->err, ERROR_AUTH, 0, "it was ended by signal %d", p->exit_signal);
    else if (p->exit_code != 0)
        error_set(&p->err, ERROR_AUTH, 0, "it failed with exit code %d%s%.120s",
                  (int)p->exit_code, line.size > 0 ? ": " : "", text_string(&line));
    text_free(&line);
}

static void advance(struct credential_process *p)
{
    if (p->is_running || !p->is_ended[PIPE_OUT] || !p->is_ended[PIPE_SAID])
        return;
    if (p->err.kind == ERROR_NONE)
        judge(p);
    close_all(p);
}

/* The first reason counts. */
static void give_up(struct credential_process *p, enum error_kind kind, const char *why)
{
    if (p->err.kind == ERROR_NONE)
        error_set(&p->err, kind, 0, "%s", why);
    if (p->is_running)
        uv_process_kill(&p->process, SIGKILL);
    p->is_ended[PIPE_OUT] = p->is_ended[PIPE_SAID] = true;
    advance(p);
}

/* ---- while it runs ---- */

static void on_exited(uv_process_t *process, int64_t code, int signal)
{
    struct credential_process *p = process->data;

    p->is_running = false;
    p->exit_code = code;
    p->exit_signal = signal;
    advance(p);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct credential_process *p = handle->data;
    unsigned i = handle == (uv_handle_t *)&p->pipes[PIPE_OUT] ? PIPE_OUT : PIPE_SAID;

    (void)wanted;
    *buffer = uv_buf_init(p->chunks[i], sizeof p->chunks[i]);
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct credential_process *p = stream->data;

    if (n > 0 && !p->is_ended[PIPE_OUT])
        text_add_bytes(&p->out, buffer->base, (size_t)n);
    if (n > 0)
        explicit_bzero(buffer->base, (size_t)n);
    if (p->out.size > OUT_MAX)
        give_up(p, ERROR_AUTH, "it prints more than any keys are long");
    if (n >= 0)
        return;
    p->is_ended[PIPE_OUT] = true;
    uv_read_stop(stream);
    advance(p);
}

/* Its end is worth more than its beginning. */
static void on_said(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct credential_process *p = stream->data;

    if (n > 0 && p->said.size > SAID_MAX)
        text_clear(&p->said);
    if (n > 0)
        text_add_bytes(&p->said, buffer->base, (size_t)n);
    if (n >= 0)
        return;
    p->is_ended[PIPE_SAID] = true;
    uv_read_stop(stream);
    advance(p);
}

static void on_limit(uv_timer_t *timer)
{
    give_up(timer->data, ERROR_AUTH, "it took too long to print keys, and was ended");
}

/* ---- the beginning ---- */

static void open_handles(struct credential_process *p)
{
    uv_timer_init(&p->loop->uv, &p->limit);
    p->limit.data = p;
    for (size_t i = 0; i < ARRAY_SIZE(p->pipes); i++) {
        uv_pipe_init(&p->loop->uv, &p->pipes[i], 0);
        p->pipes[i].data = p;
    }
    p->process.data = p;
    p->n_open = 4;
}

static void spawn(struct credential_process *p, char **words)
{
    const uv_stdio_flags flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    uv_stdio_container_t stdio[] = {
        {.flags = UV_INHERIT_FD, .data.fd = STDIN_FILENO},
        {.flags = flags, .data.stream = (uv_stream_t *)&p->pipes[PIPE_OUT]},
        {.flags = flags, .data.stream = (uv_stream_t *)&p->pipes[PIPE_SAID]},
    };
    const uv_process_options_t options = {.file = words[0],
                                          .args = words,
                                          .exit_cb = on_exited,
                                          .stdio = stdio,
                                          .stdio_count = ARRAY_SIZE(stdio)};
    int status;

    open_handles(p);
    status = uv_spawn(&p->loop->uv, &p->process, &options);
    p->is_running = status == 0;
    if (status != 0) {
        error_set(&p->err, ERROR_AUTH, status, "%.100s: %s", words[0],
                  uv_strerror(status));
        close_all(p);
        return;
    }
    uv_timer_start(&p->limit, on_limit, p->limit_ms > 0 ? p->limit_ms : LIMIT_MS, 0);
    uv_read_start((uv_stream_t *)&p->pipes[PIPE_OUT], on_room, on_out);
    uv_read_start((uv_stream_t *)&p->pipes[PIPE_SAID], on_room, on_said);
}

void credential_process_start(struct credential_process *p)
{
    size_t n;
    char **words = shell_words_split(p->command, &n);

    if (words != NULL && n > 0) {
        spawn(p, words);
    } else {
        error_set(&p->err, ERROR_AUTH, 0, "its quotes do not match, or it is empty");
        loop_defer(p->loop, &p->soon, on_end, p);
    }
    shell_words_free(words);
}

void credential_process_cancel(struct credential_process *p)
{
    if (p->n_open > 0)
        give_up(p, ERROR_CANCELLED, "cancelled");
}

void credential_process_clear(struct credential_process *p)
{
    if (p->out.data != NULL)
        explicit_bzero(p->out.data, p->out.size);
    text_free(&p->out);
    text_free(&p->said);
}
