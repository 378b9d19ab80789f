/*
 *   resolve source and name -> open session -> delivery -> publication -> tidy up
 *
 * Each step is a function that returns 0 or -1 with an error; session_end() turns the
 * first error into what the user is told and the exit code.  Stopping (signals, `stop`,
 * a lost session) ends the delivery and cancels what is awaited, and the steps unwind.
 */
#include "agent/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/archive_look.h"
#include "agent/catalog.h"
#include "agent/exit_code.h"
#include "agent/memory.h"
#include "agent/previous.h"
#include "agent/probe_rest.h"
#include "agent/publication.h"
#include "agent/session_impl.h"
#include "agent/shape.h"
#include "base/log.h"
#include "base/mem.h"

enum { EXPIRED_MS = 24 * 60 * 60 * 1000 };

/* ---- stopping ---- */

static void stop(struct session *s, int signal)
{
    agent_interrupt(&s->agent, signal);
    delivery_stop(&s->delivery);
}

static void on_stop_signal(void *ctx, int signal)
{
    struct session *s = ctx;

    stop(s, signal);
}

static void on_hangup(void *ctx)
{
    struct session *s = ctx;

    console_detach(s->console);
}

static void on_show(void *ctx)
{
    struct session *s = ctx;

    console_show_now(s->console);
}

static void on_stop_asked(void *ctx)
{
    struct session *s = ctx;

    s->stop_asked = true;
    s->stop_reason = "asked to stop";
    stop(s, SIGTERM);
}

static void on_limit_asked(void *ctx, uint64_t rate)
{
    struct session *s = ctx;

    log_line(LOG_INFO, LOG_SESSION, "the limit is %" PRIu64 " bytes a second now",
             rate);
    store_set_send_rate(s->agent.store, rate);
    report_set_limit(s->report, rate);
}

static const struct control_events control_events = {on_stop_asked, on_limit_asked};

static void on_lost(void *ctx, const struct error *err)
{
    struct session *s = ctx;

    s->lost = *err;
    stop(s, SIGTERM); /* what waits for the fence has nothing to wait for */
}

/* Our notes may be of bytes that another run has replaced meanwhile. */
static void on_lapsed(void *ctx, uint64_t ms)
{
    struct session *s = ctx;

    log_line(LOG_INFO, LOG_SESSION, "it is still ours; what is there will be compared");
    delivery_must_reconcile(s->checkpoint);
    if (ms + OWNERSHIP_NOTICE_MS > OWNERSHIP_STALE_MS)
        s->delivery.look_from_ms = loop_boot_ms() + OWNERSHIP_NOTICE_MS;
}

static const struct ownership_events ownership_events = {on_lost, on_lapsed};

/* ---- the objects ---- */

static void on_warning(void *ctx, const char *kind, const char *path,
                       const char *message)
{
    session_warn(ctx, kind, path, message);
}

static void on_failed(void *ctx, const char *path, const struct error *err)
{
    struct session *s = ctx;

    if (s->q->options->skip_unreadable)
        session_warn(s, "unreadable", path, err->text);
    else
        session_tell_error(s, path, err, NULL);
}

static void on_page_closed(void *ctx)
{
    struct session *s = ctx;

    s->stop_asked = true;
    s->stop_reason = "the page with its files was closed";
    stop(s, SIGTERM);
}

const struct source_socket_events session_page_events = {on_page_closed};

static const struct delivery_events delivery_events = {on_warning, on_failed};

static void on_previous_unreadable(void *ctx, const struct error *err)
{
    struct text message = {0};

    text_add_format(&message, "everything is sent, because it cannot be copied: %s",
                    err->text);
    session_warn(ctx, "no_delta", NULL, text_string(&message));
    text_free(&message);
}

/* The first version has none before it; of an archive all is sent. */
static int find_previous(struct session *s, struct error *err)
{
    const struct previous_options options = {
        .agent = &s->agent,
        .checkpoint = s->checkpoint,
        .name = s->name,
        .number = s->own.version,
        .cache = s->files.cache,
        .unreadable = on_previous_unreadable,
        .ctx = s,
    };

    if (s->q->options->no_delta || s->options.no_copy || s->own.version == 1 ||
        s->place.kind == PLACE_HTTP)
        return 0;
    return previous_prepare(&options, &s->previous, err);
}

static int deliver(struct session *s, struct error *err)
{
    struct session_source source;
    struct unpack_source archive;
    const struct delivery_options options = {
        .agent = &s->agent,
        .checkpoint = s->checkpoint,
        .report = s->report,
        .source = &source.open,
        .archive = s->place.kind == PLACE_HTTP ? &archive : NULL,
        .prefix = s->own.prefix,
        .previous = s->previous.size > 0 ? text_string(&s->previous) : NULL,
        .part_size = s->own.record.part_size,
        .no_copy = s->options.no_copy,
        .skip_unreadable = s->q->options->skip_unreadable,
        .events = &delivery_events,
        .ctx = s,
    };
    int status;

    if (s->place.kind == PLACE_HTTP) {
        session_fill_archive(s, &archive);
        return delivery_run(&s->delivery, &options, err);
    }
    session_fill_source(s, &source);
    status = delivery_run(&s->delivery, &options, err);
    session_free_source(&source);
    return status;
}

/* ---- publication ---- */

static int publish(struct session *s, struct datastore_record *r, struct error *err)
{
    struct publication_options options = {
        .ownership = &s->own,
        .checkpoint = s->checkpoint,
        .source_kind = place_kind_name(s->place.kind),
        .source_url = s->place.url,
        .no_copy = s->options.no_copy,
        .scratch = s->files.scratch,
    };

    report_set_publishing(s->report);
    return publication_run(&s->agent, &options, r, &s->left, err);
}

/* Nothing here can take the publication back: trouble is only worth a warning. */
static void tidy_up(struct session *s)
{
    int signal = s->agent.signal;
    struct probe_rest rest = {0};
    struct error err;
    unsigned n;

    ownership_stop_beat(&s->own);
    s->owns = false;
    s->agent.signal = 0; /* it is published: a signal now only hurries us */
    if (agent_has_probed(&s->agent))
        probe_rest_ask(&s->agent, &rest);
    if (publication_tidy(&s->agent, &s->own, &s->left, &err) != 0)
        session_warn(s, "not_tidied", NULL, err.text);
    if (probe_rest_remove_found(&s->agent, &rest, &n, &err) != 0)
        log_line(LOG_INFO, LOG_SESSION, "what probes have left: %s", err.text);
    checkpoint_set(s->checkpoint, "published", "1");
    s->agent.signal = signal;
}

static int refuse_incomplete(struct session *s, struct error *err)
{
    uint64_t n_failed = s->delivery.n_failed;

    s->hint = "mend them and run the same command again, or publish without them: "
              "--skip-unreadable";
    return error_set(err, ERROR_IO, 0,
                     "%" PRIu64 " file%s or folder%s could not be read, so %s version "
                     "%" PRIu64 " is not published; all the rest is stored",
                     n_failed, n_failed == 1 ? "" : "s", n_failed == 1 ? "" : "s",
                     s->name, s->own.version);
}

static int upload(struct session *s, struct error *err)
{
    struct datastore_record record = {0};
    int status;

    if (find_previous(s, err) != 0 || deliver(s, err) != 0)
        return -1;
    if (s->delivery.n_failed > 0 && !s->q->options->skip_unreadable)
        return refuse_incomplete(s, err);
    status = publish(s, &record, err);
    if (status == 0) {
        tidy_up(s);
        session_tell_published(s, &record);
    }
    datastore_record_free(&record);
    return status;
}

static int begin_after_published(struct session *s, struct error *err)
{
    struct text message = {0};

    text_add_format(&message,
                    "version %" PRIu64 " was published meanwhile, and the source has "
                    "changed since: this is a new version",
                    s->own.version);
    session_warn(s, "published_meanwhile", NULL, text_string(&message));
    text_free(&message);
    s->is_published = false;
    if (session_begin_next(s, err) != 0)
        return -1;
    ownership_start_beat(&s->own, &ownership_events, s);
    report_set_version(s->report, s->own.version);
    session_tell_begun(s);
    return 0;
}

/* The last run was killed right behind the publication.  When the source is still what
 * was published the user has what was asked for; else this is a new version. */
static int finish_published(struct session *s, struct error *err)
{
    struct version v;
    int is_same = session_compare(s, s->own.version, &v, err);

    if (is_same != -1)
        tidy_up(s); /* else the next run has to find what is left of the session */
    if (is_same == 1) {
        session_tell_begun(s);
        session_tell_published(s, &v.record);
    }
    version_free(&v);
    if (is_same != 0)
        return is_same == 1 ? 0 : -1;
    return begin_after_published(s, err);
}

/* ---- beginning and end ---- */

static void start_control(struct session *s)
{
    struct text path = {0};
    struct error err;

    if (paths_make(s->q->paths, PATHS_RUNTIME, &err) != 0 ||
        control_choose_path(&path, paths_of(s->q->paths, PATHS_RUNTIME),
                            s->own.record.session, &err) != 0 ||
        control_open(&s->control, &s->agent.loop, text_string(&path), &control_events,
                     s, &err) != 0)
        log_line(LOG_WARNING, LOG_SESSION, "`stop` will not reach this session: %s",
                 err.text);
    text_free(&path);
}

static void start_report(struct session *s)
{
    s->status.name = s->name;
    s->status.cluster = (char *)s->agent.cluster;
    s->status.store = (char *)store_url(s->agent.store);
    s->status.source = s->place.path;
    s->status.session = s->own.record.session;
    snprintf(s->host, sizeof s->host, "%s", s->own.record.host);
    s->status.host = s->host;
    s->status.log = s->files.log;
    s->status.socket = (char *)control_path(s->control);
    s->status.version = s->own.version;
    s->status.pid = getpid();
    s->status.limit = s->limit;
    s->status.started_ms = agent_clock_ms();
    s->report = report_start(&s->agent, s->console, &s->status, s->files.status);
    report_set_source(s->report, s->access.store);
}

/* Until there is a report, which tells it itself. */
static void on_away(void *ctx, const struct error *err)
{
    struct session *s = ctx;

    if (s->report == NULL)
        session_tell_away(s, err);
}

static void wait_as_told(struct session *s, struct store_options *out)
{
    const struct options *o = s->q->options;

    *out = (struct store_options){
        .jobs = o->jobs,
        .send_rate = s->limit,
        .first_contact_ms =
            o->give_up_after_ms > 0 ? o->give_up_after_ms : SESSION_FIRST_CONTACT_MS,
        .outage_ms = o->give_up_after_ms,
        .expired_ms = o->give_up_after_ms > 0 ? o->give_up_after_ms : EXPIRED_MS,
        .away = on_away,
        .away_ctx = s,
    };
}

/* `resume` goes on under the limit that the last run had in the end, unless it names
 * another. */
static void choose_limit(struct session *s)
{
    uint64_t asked = s->q->options->bwlimit;
    struct session_status last;
    struct error ignored;

    s->limit = asked == OPTIONS_NO_LIMIT ? 0 : asked;
    if (asked != 0 || !s->q->is_resume)
        return;
    if (session_status_read(&last, s->files.status, &ignored) == 0)
        s->limit = last.limit;
    session_status_free(&last);
    s->is_limit_kept = s->limit > 0;
}

static void tell_kept_limit(struct session *s)
{
    struct text message = {0};

    text_add(&message, "at most ");
    text_add_size(&message, s->limit);
    text_add(&message, " are sent a second, as before; --bwlimit none lifts that");
    session_warn(s, "limit_kept", NULL, text_string(&message));
    text_free(&message);
}

static int open_store(struct session *s, struct error *err)
{
    const struct options *o = s->q->options;
    struct cluster_store *at = &s->agent.cluster_store;
    struct store_options wanted;

    wait_as_told(s, &wanted);
    at->request_payer = o->request_payer;
    at->storage_class = o->storage_class;
    at->sse = o->sse;
    at->sse_key_id = o->sse_key;
    if (agent_open_store(&s->agent, s->q->cluster, s->q->paths, &wanted, err) != 0)
        return -1;
    if (store_folder(s->agent.store) == NULL ||
        (o->storage_class == NULL && o->sse == NULL))
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "--storage-class and --sse are for S3 stores: %s is a folder",
                     store_url(s->agent.store));
}

/* Of a source that is read as the store is written each gets half (source_access.h). */
static uint64_t payload_memory(const struct session_request *q)
{
    uint64_t memory = memory_for_payload(q->options->max_memory);

    if (name_scheme_of(q->source) == NAME_HTTP)
        return memory_for_archive(q->options->max_memory);
    return name_scheme_of(q->source) == NAME_S3 ? memory / 2 : memory;
}

static int resolve_local(struct session *s, struct error *err)
{
    const char *folder = store_folder(s->agent.store);
    const char *list = s->q->options->files_from;

    if (folder != NULL && place_is_inside(s->place.path, folder))
        return error_set(
            err, ERROR_USAGE, 0,
            "the source %s lies inside the store %s; choose a folder outside "
            "it, or another store",
            s->place.path, folder);
    if (list != NULL && access(list, R_OK) != 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "cannot read the list of files %s: %s", list, strerror(errno));
    return 0;
}

static int resolve_s3(struct session *s, struct error *err)
{
    const struct options *o = s->q->options;
    struct store_options wanted;
    const struct source_access_options options = {
        .agent = &s->agent,
        .cluster = s->q->cluster,
        .paths = s->q->paths,
        .wanted = &wanted,
        .memory = payload_memory(s->q),
        .request_payer = o->request_payer,
        .files_from = o->files_from,
    };

    wait_as_told(s, &wanted);
    if (source_access_open(&s->access, &s->place, &options, err) != 0)
        return -1;
    return source_access_check(&s->access, &s->place, s->agent.store, err);
}

static int resolve_http(struct session *s, struct error *err)
{
    if (s->q->options->files_from == NULL)
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "--files-from is for local folders; of an archive --include and "
                     "--exclude choose the entries");
}

static int resolve(struct session *s, struct error *err)
{
    if (place_resolve(&s->place, s->q->source, err) != 0 ||
        (s->place.kind == PLACE_LOCAL && resolve_local(s, err) != 0) ||
        (s->place.kind == PLACE_S3 && resolve_s3(s, err) != 0) ||
        (s->place.kind == PLACE_HTTP && resolve_http(s, err) != 0))
        return -1;
    if (s->q->name != NULL)
        snprintf(s->name, sizeof s->name, "%s", s->q->name);
    else if (name_derive(s->name, s->place.path, s->place.is_folder, err) != 0)
        return -1;
    return catalog_fold_name(&s->agent, s->name, err);
}

/* A URL that leads nowhere is to leave nothing behind: no version is begun for it.  A
 * server that does not answer is waited for later, as a session. */
static int look_first(struct session *s, struct error *err)
{
    struct unpack_source archive;
    struct archive_look look;
    int status;

    if (s->place.kind != PLACE_HTTP || access(s->files.database, F_OK) == 0)
        return 0;
    session_fill_archive(s, &archive);
    archive.first_contact_ms = 1;
    status = archive_look(&s->agent, &archive, &look, err);
    archive_look_free(&look);
    return status != 0 && err->kind == ERROR_NETWORK ? 0 : status;
}

static int session_begin(struct session *s, struct error *err)
{
    const struct options *o = s->q->options;

    if (open_store(s, err) != 0 || resolve(s, err) != 0 ||
        paths_make(s->q->paths, PATHS_SESSIONS, err) != 0)
        return -1;
    s->options = *o;
    shape_format(o, &s->shape);
    session_files_init(&s->files, paths_of(s->q->paths, PATHS_SESSIONS), s->name,
                       store_url(s->agent.store), s->place.url);
    choose_limit(s);
    store_set_send_rate(s->agent.store, s->limit);
    if (look_first(s, err) != 0)
        return -1;
    return session_open(s, err);
}

static void session_announce(struct session *s)
{
    const struct options *o = s->q->options;

    console_set_log(s->console, s->files.log);
    log_open(console_log_fd(s->console), o->verbose ? LOG_DEBUG : LOG_INFO);
    if (!s->is_published)
        ownership_start_beat(&s->own, &ownership_events, s);
    start_control(s);
    start_report(s);
    if (!s->is_published) /* else it is not known yet which version this will be */
        session_tell_begun(s);
    if (s->is_limit_kept)
        tell_kept_limit(s);
    if (!agent_store_verifies(&s->agent)) /* whoever owns a number has probed it */
        session_warn(s, "store_does_not_verify", NULL, agent_not_verified);
}

/* Who has started it need not wait any longer. */
static void let_go(struct session *s)
{
    session_tell_detached(s);
    console_leave(s->console, s->files.log);
    detach_let_go(&s->detach);
}

/* All of it, from the owned number on; nothing, where none was needed. */
static int session_go(struct session *s, struct error *err)
{
    if (s->unchanged != 0) {
        session_tell_unchanged(s);
        return 0;
    }
    session_announce(s);
    if (s->is_published) {
        if (finish_published(s, err) != 0)
            return -1;
        if (s->is_published)
            return 0;
    }
    if (s->q->options->detach)
        let_go(s);
    return upload(s, err);
}

/* Say in the store that this run is over; a dead network must not hold us up. */
static void leave(struct session *s, const char *ended)
{
    struct error ignored;

    ownership_stop_beat(&s->own);
    s->agent.signal = 0;
    if (s->owns && s->lost.kind == ERROR_NONE)
        ownership_leave(&s->own, ended, &ignored);
    s->owns = false;
}

static int session_end(struct session *s, int status, const struct error *err)
{
    int code = status == 0 ? EXIT_DONE : session_exit_code(s, err);
    const char *reason = status == 0 ? "" : session_stop_reason(s, err);
    struct error final = *err;

    if (status != 0) {
        session_tell_stopped(s, &final, code);
        leave(s, s->delivery.n_failed > 0 ? "failed" : "interrupted");
    }
    if (s->report != NULL)
        report_end(s->report, status == 0 ? "published" : "stopped", reason, code);
    control_close(s->control);
    session_close_checkpoint(s);
    signals_stop(s->signals);
    log_open(-1, LOG_NOTHING);
    console_close(s->console);
    report_free(s->report);
    source_access_close(&s->access, &s->agent);
    agent_close(&s->agent);
    source_access_free(&s->access);
    ownership_free(&s->own);
    session_files_free(&s->files);
    place_free(&s->place);
    text_free(&s->shape);
    text_free(&s->previous);
    if (s->shape_storage != NULL)
        filter_free(s->options.filter); /* made for this session */
    free(s->shape_storage);
    return code;
}

static int run(struct session *s)
{
    const struct options *o = s->q->options;
    struct signals_handlers handlers = {on_stop_signal, on_hangup, on_show, s};
    struct console_options console = {
        .mode = o->json ? CONSOLE_JSON : CONSOLE_AUTO,
        .quiet = o->quiet,
        .verbose = o->verbose,
        .plain = o->detach,
    };
    struct error err = {0};
    int status = agent_open(&s->agent, payload_memory(s->q), &err);

    if (status != 0) {
        console_print_error(err.text, NULL);
        return EXIT_FAILED;
    }
    console.loop = &s->agent.loop;
    s->console = console_open(&console);
    s->signals = signals_start(&s->agent.loop, &handlers);
    s->started_ms = loop_now_ms(&s->agent.loop);
    status = session_begin(s, &err);
    if (status == 0)
        status = session_go(s, &err);
    if (status != 0 && s->lost.kind != ERROR_NONE) {
        err = s->lost;
        s->agent.signal = 0; /* it was ours, not the user's */
    }
    return session_end(s, status, &err);
}

int session_run(const struct session_request *request)
{
    struct session s = {.q = request, .detach = {.pipe = -1}};
    enum detach_side side = DETACH_BACKGROUND;
    struct error err;
    int code = EXIT_FAILED;

    if (request->options->detach)
        side = detach_fork(&s.detach, &code, &err);
    if (side == DETACH_FAILED)
        console_print_error(err.text, NULL);
    return side == DETACH_BACKGROUND ? run(&s) : code;
}
