/*
 * One function a kind of event, in the order in which CLI.md lists the fields.  Fields
 * that are not known are left out (path), empty (hint) or null (eta_s), never invented.
 */
#include "agent/json_event.h"

#include "agent/json_line.h"

static void add_session(struct text *line, const struct event_session *e)
{
    json_line_string(line, "name", e->name);
    json_line_u64(line, "version", e->version);
    json_line_string(line, "cluster", e->cluster);
    json_line_path(line, "source", e->source);
    json_line_bool(line, "resumed", e->resumed);
    json_line_string(line, "session_id", e->session_id);
    if (e->url != NULL)
        json_line_string(line, "url", e->url);
}

static void add_detached(struct text *line, const struct event_detached *e)
{
    json_line_string(line, "name", e->name);
    json_line_u64(line, "version", e->version);
    json_line_string(line, "cluster", e->cluster);
    json_line_string(line, "session_id", e->session_id);
    json_line_i64(line, "pid", e->pid);
    json_line_path(line, "log", e->log);
}

static void add_scan(struct text *line, const struct event_scan *e)
{
    json_line_u64(line, "files", e->files);
    json_line_u64(line, "bytes", e->bytes);
    json_line_bool(line, "done", e->done);
}

static void add_progress(struct text *line, const struct event_progress *e)
{
    json_line_u64(line, "files_done", e->files_done);
    json_line_u64(line, "files_total", e->files_total);
    json_line_u64(line, "bytes_done", e->bytes_done);
    json_line_u64(line, "bytes_total", e->bytes_total);
    json_line_u64(line, "bytes_in_flight", e->bytes_in_flight);
    json_line_u64(line, "bytes_sent", e->bytes_sent);
    json_line_u64(line, "rate", e->rate);
    if (e->eta_s >= 0)
        json_line_i64(line, "eta_s", e->eta_s);
    else
        json_line_string(line, "eta_s", NULL);
    json_line_u64(line, "retries", e->retries);
    json_line_u64(line, "connections", e->connections);
    json_line_string(line, "state", progress_state_name(e->state));
    json_line_bool(line, "scan_done", e->scan_done);
    if (e->is_fetched) {
        json_line_u64(line, "bytes_fetched", e->bytes_fetched);
        json_line_u64(line, "fetch_total", e->fetch_size);
    }
    if (e->waiting_for != NULL)
        json_line_string(line, "waiting_for", e->waiting_for);
}

static void add_warning(struct text *line, const struct event_warning *e)
{
    if (e->path != NULL)
        json_line_path(line, "path", e->path);
    json_line_string(line, "kind", e->kind);
    json_line_string(line, "message", e->message);
}

static void add_error(struct text *line, const struct event_error *e)
{
    json_line_string(line, "kind", e->kind);
    json_line_string(line, "message", e->message);
    json_line_string(line, "hint", e->hint != NULL ? e->hint : "");
    if (e->path != NULL)
        json_line_path(line, "path", e->path);
}

static void add_published(struct text *line, const struct event_published *e)
{
    json_line_string(line, "name", e->name);
    json_line_u64(line, "version", e->version);
    json_line_string(line, "cluster", e->cluster);
    json_line_string(line, "url", e->url);
    json_line_u64(line, "files", e->files);
    json_line_u64(line, "bytes", e->bytes);
    json_line_u64(line, "bytes_sent", e->bytes_sent);
    json_line_u64(line, "bytes_copied", e->bytes_copied);
    json_line_u64(line, "parts", e->parts);
    json_line_u64(line, "requests", e->requests);
    json_line_u64(line, "retries", e->retries);
    json_line_u64(line, "skipped", e->skipped);
    json_line_string(line, "root", e->root);
    json_line_seconds(line, "seconds", e->seconds);
}

static void add_unchanged(struct text *line, const struct event_unchanged *e)
{
    json_line_string(line, "name", e->name);
    json_line_u64(line, "version", e->version);
}

static void add_stopped(struct text *line, const struct event_stopped *e)
{
    json_line_bool(line, "resumable", e->resumable);
    json_line_i64(line, "exit_code", e->exit_code);
    json_line_string(line, "reason", e->reason);
    if (e->resume_command != NULL)
        json_line_string(line, "resume_command", e->resume_command);
}

static void add_fields(struct text *line, const struct event *e)
{
    switch (e->kind) {
    case EVENT_SESSION:
        add_session(line, &e->session);
        break;
    case EVENT_DETACHED:
        add_detached(line, &e->detached);
        break;
    case EVENT_SCAN:
        add_scan(line, &e->scan);
        break;
    case EVENT_PROGRESS:
        add_progress(line, &e->progress);
        break;
    case EVENT_WARNING:
        add_warning(line, &e->warning);
        break;
    case EVENT_ERROR:
        add_error(line, &e->error);
        break;
    case EVENT_PUBLISHED:
        add_published(line, &e->published);
        break;
    case EVENT_UNCHANGED:
        add_unchanged(line, &e->unchanged);
        break;
    case EVENT_STOPPED:
        add_stopped(line, &e->stopped);
        break;
    }
}

void json_event_add(struct text *line, const struct event *event)
{
    json_line_begin(line);
    json_line_string(line, "event", event_kind_name(event->kind));
    json_line_time(line, "time", event->time_ms);
    add_fields(line, event);
    json_line_end(line);
}
