/*
 * One event fans out to up to three outlets:
 *
 *     console_event --+-- out: JSON lines, or the result in words
 *                     +-- err: live display, or plain lines, or (JSON) errors only
 *                     +-- log: JSON lines
 *
 * An outlet is a writer (a thread with a bounded queue) and a count of what it could
 * not take.  The live display belongs to err: other lines are put above it by erasing
 * it, adding them, and drawing it anew, in one piece, so that a piece that the queue
 * refuses leaves the screen as it was.
 *
 * There is no clock here: the last progress is shown again only when an event comes.
 */
#include "agent/console.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/display.h"
#include "agent/json_event.h"
#include "agent/log_pipe.h"
#include "agent/message.h"
#include "agent/outlet.h"
#include "agent/progress.h"
#include "agent/terminal.h"
#include "base/mem.h"

enum {
    LIVE_MS = 100,
    JSON_MS = 1000,
    PLAIN_MS = 10000,
    LOG_MS = 10000,
    LOG_MAX_BYTES = 8 << 20,
    DRAIN_MS = 2000,
    GAP_MS =
        5000 /* no frame for so long: we were stopped (^Z), the screen has changed */
};

/* When something was shown last; 0: never. */
struct pace {
    uint64_t progress_ms, scan_ms;
};

struct console {
    struct loop *loop;
    enum console_mode mode;
    bool quiet, verbose;
    struct terminal terminal, out_terminal;
    struct outlet out, err, log;
    bool is_shared; /* out.writer is err.writer */
    struct log_pipe *log_pipe;

    struct display display;
    bool has_display;
    struct progress last;
    bool has_progress;
    int64_t last_time_ms; /* of the event */
    char *last_error;     /* its message: not said again as the reason to stop */
    struct pace screen_pace, json_pace, log_pace;
};

/* ---- outlets ---- */

static bool put(struct console *c, struct outlet *o, const struct text *bytes,
                enum writer_urgency urgency)
{
    return outlet_put(o, bytes, urgency, c->last_time_ms);
}

static enum writer_urgency urgency_of(const struct event *e)
{
    switch (e->kind) {
    case EVENT_PROGRESS:
        return WRITER_IF_IDLE;
    case EVENT_SCAN:
        return e->scan.done ? WRITER_ALWAYS : WRITER_IF_IDLE;
    case EVENT_WARNING:
        return WRITER_IF_ROOM;
    case EVENT_ERROR:
        return e->error.path != NULL ? WRITER_IF_ROOM : WRITER_ALWAYS;
    default:
        return WRITER_ALWAYS;
    }
}

/* ---- thinning ---- */

static bool is_due(const struct console *c, uint64_t *shown_ms, uint64_t interval_ms)
{
    uint64_t now = loop_now_ms(c->loop) + 1; /* never 0 */

    if (*shown_ms != 0 && now - *shown_ms < interval_ms)
        return false;
    *shown_ms = now;
    return true;
}

static bool is_wanted(const struct console *c, const struct event *e, struct pace *pace,
                      uint64_t interval_ms)
{
    if (e->kind == EVENT_PROGRESS)
        return is_due(c, &pace->progress_ms, interval_ms);
    if (e->kind == EVENT_SCAN && !e->scan.done)
        return is_due(c, &pace->scan_ms, interval_ms);
    return true;
}

/* ---- the terminal ---- */

static bool is_live(const struct console *c)
{
    return c->has_display && writer_error(c->err.writer) == 0;
}

/* Lines for people on stderr, above the display. */
static void say(struct console *c, const struct text *lines,
                enum writer_urgency urgency)
{
    struct display before = c->display;
    struct text frame = {0};
    unsigned columns, rows;

    if (!is_live(c)) {
        put(c, &c->err, lines, urgency);
        return;
    }
    display_erase(&c->display, &frame);
    terminal_size(&c->terminal, &columns, &rows);
    cells_add_folded(&c->terminal.cells, &frame, text_string(lines), columns);
    if (before.n_lines > 0)
        display_draw(&c->display, &frame, &c->last.now);
    if (!put(c, &c->err, &frame, urgency))
        c->display = before;
    text_free(&frame);
}

static void draw(struct console *c)
{
    struct display before = c->display;
    struct text frame = {0};
    uint64_t shown_ms = c->screen_pace.progress_ms;

    if (!terminal_is_foreground(&c->terminal) ||
        (shown_ms != 0 && loop_now_ms(c->loop) > shown_ms + GAP_MS))
        c->display.n_lines = 0; /* others have written there since */
    if (!terminal_is_foreground(&c->terminal))
        return;
    display_draw(&c->display, &frame, &c->last.now);
    if (!put(c, &c->err, &frame, WRITER_IF_IDLE))
        c->display = before;
    text_free(&frame);
}

static void end_display(struct console *c)
{
    struct text frame = {0};

    if (is_live(c)) {
        display_erase(&c->display, &frame);
        put(c, &c->err, &frame, WRITER_ALWAYS);
    }
    c->has_display = false;
    c->err.is_drawn_on = false;
    text_free(&frame);
}

/* ---- events on the terminal, or in plain lines ---- */

static void show_progress(struct console *c, const struct event *e, bool has_new_state)
{
    struct text line = {0};
    uint64_t interval = is_live(c) ? LIVE_MS : PLAIN_MS;

    if (has_new_state)
        c->screen_pace.progress_ms = 0;
    if (c->has_display) {
        uint64_t shown_ms = c->screen_pace.progress_ms;

        if (!is_due(c, &shown_ms, interval))
            return;
        draw(c);
        c->screen_pace.progress_ms = shown_ms;
        return;
    }
    if (!is_due(c, &c->screen_pace.progress_ms, interval))
        return;
    message_add_progress(&line, &c->terminal, e->time_ms, &c->last.now);
    put(c, &c->err, &line, has_new_state ? WRITER_IF_ROOM : WRITER_IF_IDLE);
    text_free(&line);
}

static bool is_result(const struct event *e)
{
    return e->kind == EVENT_PUBLISHED || e->kind == EVENT_UNCHANGED ||
           e->kind == EVENT_DETACHED;
}

static bool is_shown_in_words(const struct console *c, const struct event *e)
{
    bool is_bad = e->kind == EVENT_ERROR || e->kind == EVENT_STOPPED;

    if (c->mode == CONSOLE_JSON)
        return is_bad;
    return is_bad || is_result(e) || !c->quiet;
}

/* --quiet: one line that a script can use. */
static void add_brief(struct text *line, const struct event_published *e)
{
    text_add_format(line, "%s:%" PRIu64 " %s\n", e->name, e->version, e->url);
}

static void add_words(struct console *c, struct text *lines, const struct event *event)
{
    struct event e = *event;

    if (e.kind == EVENT_STOPPED && e.stopped.reason != NULL && c->last_error != NULL &&
        strcmp(e.stopped.reason, c->last_error) == 0)
        e.stopped.reason = NULL;
    if (e.kind == EVENT_PUBLISHED && c->quiet)
        add_brief(lines, &e.published);
    else if (e.kind == EVENT_DETACHED && c->quiet)
        text_add_format(lines, "%s:%" PRIu64 "\n", e.detached.name, e.detached.version);
    else
        message_add(lines, is_result(&e) ? &c->out_terminal : &c->terminal, &e);
}

static void show_words(struct console *c, const struct event *e)
{
    struct text lines = {0};

    if (is_result(e) || e->kind == EVENT_STOPPED)
        end_display(c);
    add_words(c, &lines, e);
    if (is_result(e))
        put(c, &c->out, &lines, WRITER_ALWAYS);
    else
        say(c, &lines, urgency_of(e));
    text_free(&lines);
}

static void set_title(struct console *c, const struct event_session *e)
{
    struct text title = {0};

    text_add_format(&title, "%s:%" PRIu64, e->name, e->version);
    display_set_title(&c->display, text_string(&title));
    text_free(&title);
}

/* ---- events as JSON ---- */

static void add_json(struct console *c, struct outlet *o, const struct event *e)
{
    struct text line = {0};

    json_event_add(&line, e);
    put(c, o, &line, urgency_of(e));
    text_free(&line);
}

static void send_json(struct console *c, const struct event *e)
{
    if (c->quiet && (e->kind == EVENT_PROGRESS || e->kind == EVENT_SCAN))
        return;
    if (is_wanted(c, e, &c->json_pace, JSON_MS))
        add_json(c, &c->out, e);
}

/* ---- the way in ---- */

/* Remember what is shown again later.  True: the state has changed. */
static bool remember(struct console *c, const struct event *e)
{
    bool has_new_state = false;

    c->last_time_ms = e->time_ms;
    if (e->kind == EVENT_PROGRESS) {
        has_new_state = !c->has_progress || e->progress.state != c->last.now.state;
        c->has_progress = true;
        progress_keep(&c->last, &e->progress);
    } else if (e->kind == EVENT_SCAN) {
        has_new_state = !c->has_progress;
        c->has_progress = true;
        progress_note_scan(&c->last, &e->scan);
    } else if (e->kind == EVENT_SESSION) {
        set_title(c, &e->session);
    } else if (e->kind == EVENT_ERROR) {
        free(c->last_error);
        c->last_error = mem_copy_string(e->error.message);
    }
    return has_new_state;
}

void console_event(struct console *c, const struct event *event)
{
    bool has_new_state = remember(c, event);

    if (c->log.writer != NULL && is_wanted(c, event, &c->log_pace, LOG_MS))
        add_json(c, &c->log, event);
    if (c->mode == CONSOLE_JSON)
        send_json(c, event);
    if (!is_shown_in_words(c, event))
        return;
    if (event->kind == EVENT_PROGRESS ||
        (event->kind == EVENT_SCAN && (c->has_display || !event->scan.done)))
        show_progress(c, event, has_new_state);
    else
        show_words(c, event);
}

static void on_log_line(void *ctx, const char *line)
{
    struct console *c = ctx;
    struct text lines = {0};

    text_add(&lines, line);
    text_add(&lines, "\n");
    put(c, &c->log, &lines, WRITER_IF_ROOM);
    if (c->verbose)
        say(c, &lines, WRITER_IF_ROOM);
    text_free(&lines);
}

void console_show_now(struct console *c)
{
    struct text line = {0};

    if (c->has_progress)
        message_add_progress(&line, &c->terminal, c->last_time_ms, &c->last.now);
    else
        text_add(&line, "starting\n");
    say(c, &line, WRITER_IF_ROOM);
    text_free(&line);
}

/* ---- opening and closing ---- */

/* A terminal twice, or `2>&1`: one writer keeps the order of what is said. */
static bool is_same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

struct console *console_open(const struct console_options *options)
{
    struct console *c = mem_new(1, sizeof *c);
    int out = options->out != 0 ? options->out : STDOUT_FILENO;
    int err = options->err != 0 ? options->err : STDERR_FILENO;

    c->loop = options->loop;
    c->mode = options->mode;
    c->quiet = options->quiet;
    c->verbose = options->verbose;
    terminal_open(&c->terminal, err);
    terminal_open(&c->out_terminal, out);
    display_init(&c->display, &c->terminal);
    c->last.now.eta_s = -1;
    c->has_display = c->terminal.can_redraw && c->mode == CONSOLE_AUTO && !c->quiet &&
                     !options->plain;
    c->err.is_drawn_on = c->has_display;
    c->err.writer = writer_open(err);
    c->is_shared = is_same_file(out, err);
    c->out.writer = c->is_shared ? c->err.writer : writer_open(out);
    c->out.is_json = c->mode == CONSOLE_JSON;
    c->log.is_json = true;
    c->out.terminal = &c->out_terminal;
    c->err.terminal = &c->terminal;
    if (options->log_file != NULL)
        console_set_log(c, options->log_file);
    return c;
}

static uint64_t deadline_in(uint64_t ms)
{
    return uv_hrtime() + ms * UINT64_C(1000000);
}

void console_set_log(struct console *c, const char *log_file)
{
    if (c->log.writer != NULL)
        writer_close(c->log.writer, deadline_in(0));
    c->log.writer = writer_open_file(log_file, LOG_MAX_BYTES);
}

int console_log_fd(struct console *c)
{
    if (c->log_pipe == NULL)
        c->log_pipe = log_pipe_open(c->loop, on_log_line, c);
    return c->log_pipe != NULL ? log_pipe_fd(c->log_pipe) : -1;
}

void console_detach(struct console *c)
{
    c->has_display = false;
    if (c->terminal.is_terminal)
        writer_stop(c->err.writer);
    if (c->out_terminal.is_terminal)
        writer_stop(c->out.writer);
}

/* A result that could not be written (a full disk) is said, once, where it can be. */
static void close_out(struct console *c, uint64_t deadline)
{
    struct text words = {0}, line = {0};
    int error;

    if (c->is_shared)
        return;
    error = writer_close(c->out.writer, deadline);
    if (error == 0 || error == EPIPE)
        return;
    text_add_format(&words, "cannot write the output: %s",
                    uv_strerror(uv_translate_sys_error(error)));
    message_add_error(&line, &c->terminal, NULL, text_string(&words), NULL);
    put(c, &c->err, &line, WRITER_ALWAYS);
    text_free(&line);
    text_free(&words);
}

/* What is neither an event nor a line of the log: the last words of a crash. */
static void redirect(const char *log_file)
{
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    dup2(in, STDIN_FILENO);
    dup2(out >= 0 ? out : in, STDOUT_FILENO);
    dup2(out >= 0 ? out : in, STDERR_FILENO);
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
}

void console_leave(struct console *c, const char *log_file)
{
    uint64_t deadline = deadline_in(DRAIN_MS);

    end_display(c);
    outlet_end(&c->out, c->last_time_ms);
    outlet_end(&c->err, c->last_time_ms);
    close_out(c, deadline);
    writer_close(c->err.writer, deadline);
    redirect(log_file);
    c->err.writer = c->out.writer = writer_open(STDERR_FILENO);
    c->is_shared = true;
    writer_stop(c->err.writer);
}

void console_close(struct console *c)
{
    uint64_t deadline = deadline_in(DRAIN_MS);

    if (c->log_pipe != NULL)
        log_pipe_close(c->log_pipe);
    end_display(c);
    outlet_end(&c->out, c->last_time_ms);
    outlet_end(&c->err, c->last_time_ms);
    outlet_end(&c->log, c->last_time_ms);
    close_out(c, deadline);
    writer_close(c->err.writer, deadline);
    if (c->log.writer != NULL)
        writer_close(c->log.writer, deadline);
    terminal_close(&c->terminal);
    terminal_close(&c->out_terminal);
    display_free(&c->display);
    progress_free(&c->last);
    free(c->last_error);
    free(c);
}

static void print_lines(const struct text *lines)
{
    size_t at = 0;

    while (at < lines->size) {
        ssize_t n = write(STDERR_FILENO, lines->data + at, lines->size - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
}

void console_print_error(const char *message, const char *hint)
{
    struct terminal terminal;
    struct text lines = {0};

    terminal_open(&terminal, STDERR_FILENO);
    message_add_error(&lines, &terminal, NULL, message, hint);
    print_lines(&lines);
    text_free(&lines);
    terminal_close(&terminal);
}

void console_print_waiting(const struct error *why)
{
    struct terminal terminal;
    struct text lines = {0};

    terminal_open(&terminal, STDERR_FILENO);
    message_add_waiting(&lines, &terminal, why);
    print_lines(&lines);
    text_free(&lines);
    terminal_close(&terminal);
}

void console_print_warning(const char *message)
{
    struct event event = {.kind = EVENT_WARNING, .warning.message = message};
    struct terminal terminal;
    struct text lines = {0};

    terminal_open(&terminal, STDERR_FILENO);
    message_add(&lines, &terminal, &event);
    print_lines(&lines);
    text_free(&lines);
    terminal_close(&terminal);
}
