/*
 * Each event is made where its figures are: session, store and report.
 */
#include "agent/session_impl.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/archive_look.h"
#include "agent/catalog.h"
#include "agent/exit_code.h"
#include "agent/site.h"

static void tell(struct session *s, struct event *event)
{
    event->time_ms = agent_clock_ms();
    console_event(s->console, event);
}

void session_warn(struct session *s, const char *kind, const char *path,
                  const char *message)
{
    struct event event = {.kind = EVENT_WARNING};

    event.warning.kind = kind;
    event.warning.path = path;
    event.warning.message = message;
    tell(s, &event);
}

void session_tell_error(struct session *s, const char *path, const struct error *err,
                        const char *hint)
{
    struct event event = {.kind = EVENT_ERROR};

    event.error.kind = error_kind_name(err->kind);
    event.error.path = path;
    event.error.message = err->text;
    event.error.hint = hint;
    tell(s, &event);
}

void session_tell_begun(struct session *s)
{
    struct event event = {.kind = EVENT_SESSION};
    char *url = catalog_url(&s->agent, s->name, s->own.version);

    event.session.name = s->name;
    event.session.version = s->own.version;
    event.session.cluster = s->agent.cluster;
    event.session.source = s->place.path;
    event.session.session_id = s->own.record.session;
    event.session.url = url;
    event.session.resumed = s->is_resumed;
    tell(s, &event);
    free(url);
}

static void warn_of_site(struct session *s)
{
    struct text limits = {0};
    struct site site;

    site_look(&site, s->own.record.user);
    site_add_limits(&site, &limits);
    if (limits.size > 0)
        session_warn(s, "may_be_ended", NULL, text_string(&limits));
    text_free(&limits);
}

void session_tell_detached(struct session *s)
{
    struct event event = {.kind = EVENT_DETACHED};

    warn_of_site(s);
    event.detached = (struct event_detached){
        .name = s->name,
        .version = s->own.version,
        .cluster = s->agent.cluster,
        .session_id = s->own.record.session,
        .log = s->files.log,
        .pid = getpid(),
    };
    tell(s, &event);
}

void session_tell_away(struct session *s, const struct error *err)
{
    struct event event = {.kind = EVENT_PROGRESS};

    event.progress.state = err == NULL                  ? STATE_SCANNING
                           : err->kind == ERROR_EXPIRED ? STATE_WAITING_CREDENTIALS
                                                        : STATE_WAITING_NETWORK;
    event.progress.waiting_for = err != NULL ? err->text : NULL;
    event.progress.is_refusal =
        err != NULL && (err->kind == ERROR_TRANSIENT || err->kind == ERROR_THROTTLED);
    event.progress.eta_s = -1;
    tell(s, &event);
}

void session_tell_published(struct session *s, const struct datastore_record *r)
{
    struct event event = {.kind = EVENT_PUBLISHED};
    struct store_counts counts;
    char *url = catalog_url(&s->agent, s->name, s->own.version);

    store_counts(s->agent.store, &counts);
    report_hush(s->report);
    if (r->files + r->directories + r->symlinks == 0)
        session_warn(s, "empty", NULL, "there was nothing in the source to upload");
    event.published = (struct event_published){
        .name = s->name,
        .cluster = s->agent.cluster,
        .url = url,
        .root = r->root,
        .version = s->own.version,
        .files = r->files,
        .bytes = r->bytes,
        .bytes_sent = counts.bytes_sent,
        .bytes_copied = counts.bytes_copied,
        .parts = report_parts(s->report),
        .requests = counts.requests,
        .retries = counts.retries,
        .skipped = r->skipped_count,
        .seconds = (double)(loop_now_ms(&s->agent.loop) - s->started_ms) / 1000,
    };
    tell(s, &event);
    free(url);
}

void session_tell_unchanged(struct session *s)
{
    struct event event = {.kind = EVENT_UNCHANGED};

    event.unchanged.name = s->name;
    event.unchanged.version = s->unchanged;
    tell(s, &event);
}

/* ---- the end of a session that is not published ---- */

/* Is there anything to go on with, from this run or from one before it?  A store that
 * may be away is not asked before the checkpoint is open. */
static bool is_begun(struct session *s)
{
    char *session_id, *published;
    bool is_noted;

    if (s->report != NULL || s->checkpoint == NULL)
        return s->report != NULL;
    session_id = checkpoint_get(s->checkpoint, "session");
    published = checkpoint_get(s->checkpoint, "published");
    is_noted = session_id != NULL && published == NULL;
    free(session_id);
    free(published);
    return is_noted;
}

int session_exit_code(struct session *s, const struct error *err)
{
    if (s->stop_asked)
        return EXIT_RESUMABLE;
    if (s->agent.signal != 0)
        return signals_exit_code(s->agent.signal);
    if (err->kind == ERROR_NETWORK && s->q->options->give_up_after_ms == 0 &&
        !is_begun(s))
        return EXIT_FAILED; /* there is nothing to go on with */
    if (err->kind == ERROR_CONFLICT && err->code == 0)
        return EXIT_RESUMABLE; /* someone else is at it */
    return exit_code_for(err);
}

const char *session_stop_reason(const struct session *s, const struct error *err)
{
    return s->stop_asked                ? s->stop_reason
           : s->agent.signal == SIGINT  ? "interrupted (Ctrl-C, SIGINT)"
           : s->agent.signal == SIGTERM ? "terminated (SIGTERM)"
                                        : err->text;
}

/* Of one that was resumed the figures may not have been looked up. */
static bool is_nothing_stored(const struct session *s)
{
    const struct session_status *status;

    if (s->report == NULL || s->is_resumed)
        return false;
    status = report_status(s->report);
    return status->bytes_done == 0 && status->files_done == 0;
}

static const char *hint_for(const struct session *s, const struct error *err)
{
    const char *hint = s->hint;

    if (hint == NULL && s->place.kind == PLACE_HTTP)
        hint = archive_look_hint(&s->agent, err);
    return hint != NULL ? hint : exit_hint_for(err);
}

void session_tell_stopped(struct session *s, const struct error *err, int code)
{
    struct event event = {.kind = EVENT_STOPPED};
    bool is_interrupt = s->stop_asked || s->agent.signal != 0;
    struct text command = {0};

    text_add_format(&command, "grid datastore resume %s", s->name);
    event.stopped.exit_code = code;
    event.stopped.resumable = (s->report != NULL && code != EXIT_USAGE) ||
                              (err->kind == ERROR_NETWORK && code == EXIT_RESUMABLE);
    event.stopped.is_nothing_stored = is_nothing_stored(s);
    event.stopped.reason = session_stop_reason(s, err);
    event.stopped.resume_command =
        event.stopped.resumable && is_begun(s) ? text_string(&command) : NULL;
    if (s->report != NULL)
        report_hush(s->report);
    if (!is_interrupt)
        session_tell_error(s, NULL, err, hint_for(s, err));
    tell(s, &event);
    text_free(&command);
}
