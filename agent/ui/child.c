/*
 *     WAITING --a place is free--> RUNNING --exited, all is read--> OVER
 *
 * Three pipes and a process; the memory goes when every handle is closed.
 */
#include "agent/ui/child.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

enum { READ_BYTES = 32 << 10, LINE_BYTES = 1 << 20, WORDS_MAX = 64 };

struct child {
    struct children *all;
    struct child **link, *next;
    enum { CHILD_WAITING, CHILD_RUNNING, CHILD_OVER } phase;
    const struct child_events *events; /* NULL: abandoned */
    void *ctx;
    uv_process_t process;
    uv_pipe_t in, out, err;
    uv_write_t write;
    char **arguments, *input, *variable;
    struct text line, errors;
    struct deferred failed;
    char buffer[READ_BYTES];
    unsigned n_open; /* handles, and what is deferred */
    int code;
    bool has_exited, has_out, has_err; /* out, err: there may come more */
    bool is_session, is_held;
};

/* ---- all of them ---- */

static void add_to_all(struct child *c)
{
    struct children *all = c->all;

    if (all->last == NULL)
        all->last = &all->first;
    c->link = all->last;
    *c->link = c;
    all->last = &c->next;
}

static void take_from_all(struct child *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    else
        c->all->last = c->link;
}

static void begin(struct child *c);

static void begin_next(struct children *all)
{
    struct child *next;

    for (struct child *c = all->first; c != NULL; c = next) {
        next = c->next;
        if (c->phase == CHILD_WAITING &&
            (c->is_session || all->n_running < CHILDREN_AT_ONCE))
            begin(c);
    }
}

/* ---- the end ---- */

static void free_words(char **words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

static void child_free(struct child *c)
{
    free_words(c->arguments);
    free(c->variable);
    free(c->input);
    text_free(&c->line);
    text_free(&c->errors);
    free(c);
}

static void release(struct child *c)
{
    if (--c->n_open == 0)
        child_free(c);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void drop(struct child *c)
{
    bool has_run = c->phase == CHILD_RUNNING;

    c->phase = CHILD_OVER;
    take_from_all(c);
    if (!has_run) {
        child_free(c);
        return;
    }
    if (!c->is_session)
        c->all->n_running--;
    close_handle(&c->process);
    close_handle(&c->in);
    close_handle(&c->out);
    close_handle(&c->err);
}

static void advance(struct child *c)
{
    struct children *all = c->all;

    if (!c->has_exited || c->has_out || c->has_err)
        return;
    if (c->events != NULL)
        c->events->ended(c->ctx, c->code, text_string(&c->errors));
    drop(c);
    begin_next(all);
}

static void on_exit_seen(uv_process_t *process, int64_t status, int signal)
{
    struct child *c = process->data;

    c->code = signal != 0 ? 128 + signal : (int)status;
    c->has_exited = true;
    advance(c);
}

/* ---- what it says ---- */

static void tell_line(struct child *c, const char *line, size_t size)
{
    if (c->events != NULL)
        c->events->line(c->ctx, line, size);
}

static void add_to_line(struct child *c, const char *bytes, size_t size)
{
    size_t room = LINE_BYTES - c->line.size;

    text_add_bytes(&c->line, bytes, size < room ? size : room);
}

static void take_out(struct child *c, const char *bytes, size_t size)
{
    const char *end;

    if (c->events == NULL)
        return;
    if (c->events->line == NULL) {
        c->events->bytes(c->ctx, bytes, size);
        return;
    }

    while (size > 0 && (end = memchr(bytes, '\n', size)) != NULL) {
        size_t n = (size_t)(end - bytes);

        add_to_line(c, bytes, n);
        tell_line(c, text_string(&c->line), c->line.size);
        text_clear(&c->line);
        bytes += n + 1;
        size -= n + 1;
    }
    add_to_line(c, bytes, size);
}

static void take_errors(struct child *c, const char *bytes, size_t size)
{
    size_t room = CHILD_ERRORS_MAX - c->errors.size;

    text_add_bytes(&c->errors, bytes, size < room ? size : room);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct child *c = handle->data;

    (void)size;
    *buffer = uv_buf_init(c->buffer, sizeof c->buffer); /* used up at once */
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct child *c = stream->data;

    if (n > 0)
        take_out(c, buffer->base, (size_t)n);
    if (n >= 0)
        return;
    if (c->line.size > 0)
        tell_line(c, text_string(&c->line), c->line.size);
    uv_read_stop(stream);
    c->has_out = false;
    advance(c);
}

static void on_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct child *c = stream->data;

    if (n > 0)
        take_errors(c, buffer->base, (size_t)n);
    if (n >= 0)
        return;
    uv_read_stop(stream);
    c->has_err = false;
    advance(c);
}

void child_hold(struct child *c, bool is_held)
{
    if (c->is_held == is_held)
        return;
    c->is_held = is_held;
    if (c->phase != CHILD_RUNNING)
        return;
    if (is_held)
        uv_read_stop((uv_stream_t *)&c->out);
    else if (c->has_out)
        uv_read_start((uv_stream_t *)&c->out, give_room, on_out);
}

/* ---- the beginning ---- */

static void forget_input(struct child *c)
{
    if (c->input != NULL)
        explicit_bzero(c->input, strlen(c->input)); /* it may be a key */
    free(c->input);
    c->input = NULL;
}

static void on_written(uv_write_t *write, int status)
{
    struct child *c = write->data;

    (void)status;
    forget_input(c);
    close_handle(&c->in);
}

static void write_input(struct child *c)
{
    uv_buf_t bytes = uv_buf_init(c->input, (unsigned)(c->input ? strlen(c->input) : 0));

    c->write.data = c;
    if (c->input == NULL ||
        uv_write(&c->write, (uv_stream_t *)&c->in, &bytes, 1, on_written) != 0)
        close_handle(&c->in);
}

static void open_pipes(struct child *c)
{
    uv_pipe_t *const pipes[] = {&c->in, &c->out, &c->err};

    for (size_t i = 0; i < ARRAY_SIZE(pipes); i++) {
        uv_pipe_init(&c->all->loop->uv, pipes[i], 0);
        pipes[i]->data = c;
    }
    c->process.data = c;
    c->n_open = 4;
}

/* Its own, and one variable more. */
static char **make_environment(char *variable)
{
    extern char **environ;
    size_t n = 0;
    char **all;

    while (environ[n] != NULL)
        n++;
    all = mem_new(n + 2, sizeof *all);
    memcpy(all, environ, n * sizeof *all);
    all[n] = variable;
    return all;
}

static int spawn(struct child *c)
{
    uv_stdio_container_t stdio[] = {
        {UV_CREATE_PIPE | UV_READABLE_PIPE, {(uv_stream_t *)&c->in}},
        {UV_CREATE_PIPE | UV_WRITABLE_PIPE, {(uv_stream_t *)&c->out}},
        {UV_CREATE_PIPE | UV_WRITABLE_PIPE, {(uv_stream_t *)&c->err}},
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_seen,
        .file = "/proc/self/exe", /* also where it has been replaced meanwhile */
        .args = c->arguments,
        .env = make_environment(c->variable),
        .stdio = stdio,
        .stdio_count = ARRAY_SIZE(stdio),
        .flags = c->is_session ? UV_PROCESS_DETACHED : 0,
    };
    int status = uv_spawn(&c->all->loop->uv, &c->process, &options);

    free(options.env);
    return status;
}

static void on_not_started(void *ctx)
{
    struct child *c = ctx;

    if (c->phase == CHILD_RUNNING)
        advance(c);
    release(c);
}

static void begin(struct child *c)
{
    int status;

    c->phase = CHILD_RUNNING;
    if (!c->is_session)
        c->all->n_running++;
    open_pipes(c);
    status = spawn(c);
    if (status != 0) {
        text_add_format(&c->errors, "error: cannot start grid: %s\n",
                        uv_strerror(status));
        c->code = 1;
        c->has_exited = true; /* nothing is to be killed */
        c->n_open++;
        loop_defer(c->all->loop, &c->failed, on_not_started, c);
        return;
    }
    c->has_out = c->has_err = true;
    write_input(c);
    if (!c->is_held)
        uv_read_start((uv_stream_t *)&c->out, give_room, on_out);
    uv_read_start((uv_stream_t *)&c->err, give_room, on_err);
}

static void on_begin(void *ctx)
{
    struct children *all = ctx;

    all->is_deferred = false;
    begin_next(all);
}

/* Nothing may end before who has started it knows its name. */
static void begin_soon(struct children *all)
{
    if (all->is_deferred)
        return;
    all->is_deferred = true;
    loop_defer(all->loop, &all->soon, on_begin, all);
}

static char **copy_words(const char *const *words)
{
    char **copy = mem_new(WORDS_MAX + 2, sizeof *copy);

    copy[0] = mem_copy_string("grid");
    for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++)
        copy[i + 1] = mem_copy_string(words[i]);
    return copy;
}

static char *copy_or_null(const char *string)
{
    return string == NULL ? NULL : mem_copy_string(string);
}

struct child *child_start(const struct child_options *options)
{
    struct child *c = mem_new(1, sizeof *c);

    c->all = options->all;
    c->events = options->events;
    c->ctx = options->ctx;
    c->is_session = options->is_session;
    c->arguments = copy_words(options->arguments);
    c->input = copy_or_null(options->input);
    c->variable = copy_or_null(options->variable);
    add_to_all(c);
    begin_soon(c->all);
    return c;
}

void child_abandon(struct child *c)
{
    c->events = NULL;
    if (c->phase == CHILD_WAITING) {
        drop(c);
        return;
    }
    child_hold(c, false);
    if (!c->is_session && !c->has_exited)
        uv_process_kill(&c->process, SIGTERM);
}

void children_end(struct children *all)
{
    struct child *next;

    for (struct child *c = all->first; c != NULL; c = next) {
        next = c->next;
        if (c->phase == CHILD_RUNNING && !c->is_session && !c->has_exited)
            uv_process_kill(&c->process, SIGTERM);
        if (c->events != NULL)
            c->events->ended(c->ctx, -1, "");
        drop(c);
    }
}
