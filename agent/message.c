/*
 * Only the first word of a line has a colour, so that a log that keeps the sequences
 * stays readable.  The words "error:" and "warning:" stand at the start of their lines
 * for grep.
 */
#include "agent/message.h"

#include <inttypes.h>
#include <string.h>

#include "agent/figure.h"
#include "agent/progress.h"

static void add_colored(struct text *out, const struct terminal *t, enum color color,
                        const char *words)
{
    text_add(out, terminal_color_on(t, color));
    text_add(out, words);
    text_add(out, terminal_color_off(t, color));
}

/* A field of the result. */
static void begin_field(struct text *out, const char *name)
{
    text_add_format(out, "  %-6s ", name);
}

static void add_seconds(struct text *out, double seconds)
{
    unsigned tenths;

    if (seconds >= 10) {
        text_add_duration(out, (uint64_t)(seconds + 0.5));
        return;
    }
    tenths = seconds > 0 ? (unsigned)(seconds * 10 + 0.5) : 0;
    text_add_format(out, "%u.%u s", tenths / 10, tenths % 10);
}

/* The end of a line, which may hold line ends of its own: they are made visible. */
static void add_rest(struct text *out, const struct terminal *t, const char *words)
{
    cells_add(&t->cells, out, words);
    text_add(out, "\n");
}

static void add_session(struct text *out, const struct terminal *t,
                        const struct event_session *e)
{
    text_add(out, e->resumed ? "Resuming the upload of " : "Uploading ");
    cells_add(&t->cells, out, e->source);
    text_add_format(out, " as %s:%" PRIu64 " to cluster ", e->name, e->version);
    add_rest(out, t, e->cluster);
}

static void add_detached(struct text *out, const struct terminal *t,
                         const struct event_detached *e)
{
    text_add_format(out, "%s:%" PRIu64 " goes on in the background (pid %" PRId64 ")\n",
                    e->name, e->version, e->pid);
    begin_field(out, "watch");
    text_add_format(out, "grid datastore status %s --watch\n", e->name);
    begin_field(out, "stop");
    text_add_format(out, "grid datastore stop %s\n", e->name);
    begin_field(out, "log");
    add_rest(out, t, e->log);
}

static void add_scan(struct text *out, const struct event_scan *e)
{
    if (!e->done)
        return;
    text_add(out, "Found ");
    figure_add_noun(out, e->files, "file", "files");
    text_add(out, ", ");
    text_add_size(out, e->bytes);
    text_add(out, "\n");
}

static void add_path(struct text *out, const struct terminal *t, const char *path)
{
    if (path == NULL)
        return;
    cells_add(&t->cells, out, path);
    text_add(out, ": ");
}

static void add_warning(struct text *out, const struct terminal *t,
                        const struct event_warning *e)
{
    add_colored(out, t, COLOR_YELLOW, "warning:");
    text_add(out, " ");
    add_path(out, t, e->path);
    add_rest(out, t, e->message);
}

/* Each line of a hint is indented; so it may be a list. */
static void add_hint(struct text *out, const struct terminal *t, const char *hint)
{
    while (*hint != '\0') {
        size_t size = strcspn(hint, "\n");
        struct text line = {0};

        text_add_bytes(&line, hint, size);
        text_add(out, "  ");
        add_rest(out, t, text_string(&line));
        text_free(&line);
        hint += size + (hint[size] == '\n' ? 1 : 0);
    }
}

void message_add_error(struct text *out, const struct terminal *t, const char *path,
                       const char *message, const char *hint)
{
    add_colored(out, t, COLOR_RED, "error:");
    text_add(out, " ");
    add_path(out, t, path);
    add_rest(out, t, message);
    if (hint != NULL)
        add_hint(out, t, hint);
}

void message_add_waiting(struct text *out, const struct terminal *t,
                         const struct error *why)
{
    const char *what = "waiting for the network:";

    if (why->kind == ERROR_EXPIRED)
        what = "waiting for new credentials:";
    else if (why->kind == ERROR_TRANSIENT || why->kind == ERROR_THROTTLED)
        what = "the store refuses for now:";
    add_colored(out, t, COLOR_YELLOW, what);
    text_add(out, " ");
    add_rest(out, t, why->text);
}

static void add_size_field(struct text *out, const struct event_published *e)
{
    begin_field(out, "size");
    text_add_size(out, e->bytes);
    text_add(out, " (");
    text_add_size(out, e->bytes_sent);
    text_add(out, " sent");
    if (e->bytes_copied > 0) {
        text_add(out, ", ");
        text_add_size(out, e->bytes_copied);
        text_add(out, " copied inside the store");
    }
    text_add(out, ")\n");
}

static void add_time_field(struct text *out, const struct event_published *e)
{
    begin_field(out, "time");
    add_seconds(out, e->seconds);
    if (e->bytes_sent > 0 && e->seconds >= 0.1) {
        text_add(out, " (");
        figure_add_rate(out, (uint64_t)((double)e->bytes_sent / e->seconds));
        text_add(out, ")");
    }
    text_add(out, "\n");
}

static void add_published(struct text *out, const struct terminal *t,
                          const struct event_published *e)
{
    add_colored(out, t, COLOR_GREEN, "Published");
    text_add_format(out, " %s:%" PRIu64 "\n", e->name, e->version);
    begin_field(out, "files");
    figure_add_count(out, e->files);
    if (e->skipped > 0)
        text_add_format(out, " (%" PRIu64 " left out: see datastore.json)", e->skipped);
    text_add(out, "\n");
    add_size_field(out, e);
    add_time_field(out, e);
    begin_field(out, "url");
    add_rest(out, t, e->url);
}

static void add_stopped(struct text *out, const struct terminal *t,
                        const struct event_stopped *e)
{
    if (e->reason != NULL) {
        add_colored(out, t, e->resumable ? COLOR_YELLOW : COLOR_RED, "stopped:");
        text_add(out, " ");
        add_rest(out, t, e->reason);
    }
    if (!e->resumable)
        return;
    if (e->resume_command == NULL) {
        text_add(out, "Nothing is lost: run the same command again.\n");
        return;
    }
    text_add(out, e->is_nothing_stored ? "Nothing was stored yet. To try again:\n  "
                                       : "Nothing is lost. To resume:\n  ");
    add_rest(out, t, e->resume_command);
}

void message_add_progress(struct text *out, const struct terminal *t, int64_t time_ms,
                          const struct event_progress *e)
{
    char time[TEXT_TIME_MAX];
    struct text line = {0};

    text_time(time, time_ms);
    progress_add_line(&line, e);
    text_add_format(out, "%.19sZ ", time); /* without the milliseconds */
    add_rest(out, t, text_string(&line));
    text_free(&line);
}

void message_add(struct text *out, const struct terminal *t, const struct event *event)
{
    switch (event->kind) {
    case EVENT_SESSION:
        add_session(out, t, &event->session);
        break;
    case EVENT_DETACHED:
        add_detached(out, t, &event->detached);
        break;
    case EVENT_SCAN:
        add_scan(out, &event->scan);
        break;
    case EVENT_PROGRESS:
        message_add_progress(out, t, event->time_ms, &event->progress);
        break;
    case EVENT_WARNING:
        add_warning(out, t, &event->warning);
        break;
    case EVENT_ERROR:
        message_add_error(out, t, event->error.path, event->error.message,
                          event->error.hint);
        break;
    case EVENT_PUBLISHED:
        add_published(out, t, &event->published);
        break;
    case EVENT_UNCHANGED:
        text_add_format(out, "%s:%" PRIu64 " is unchanged: no new version was made\n",
                        event->unchanged.name, event->unchanged.version);
        break;
    case EVENT_STOPPED:
        add_stopped(out, t, &event->stopped);
        break;
    }
}
