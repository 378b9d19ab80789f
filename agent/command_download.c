/*
 * `download`: the words and events around download.h.  With --json there are `progress`,
 * an `error` with its path for each entry that failed, and last of all `downloaded` or
 * `stopped`.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/contents.h"
#include "agent/download.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/gauge.h"
#include "agent/json_event.h"
#include "agent/json_line.h"
#include "agent/memory.h"
#include "agent/signals.h"
#include "agent/source_access.h"

/* As for an upload: a store that never answers may be misspelt; keys are renewed. */
enum { CONTACT_MS = 60 * 1000, EXPIRED_MS = 24 * 3600 * 1000, TICK_MS = 1000 };

static const char again[] = "run the same command again: it goes on where it stopped";

struct downloading {
    const struct options *o;
    struct agent agent;
    struct version version;
    struct source_access access; /* of what it refers to */
    struct signals *signals;
    const struct filter *filter; /* NULL: all of it */
    uint64_t files, bytes;       /* that are wanted */
    struct download_summary summary;
    uv_timer_t ticker; /* --json */
    bool is_closed;
    uint64_t started_ms;
};

/* ---- JSON ---- */

static void print(struct text *line)
{
    fputs(text_string(line), stdout);
    fflush(stdout);
    text_free(line);
}

static void print_event(struct event *event)
{
    struct text line = {0};

    event->time_ms = agent_clock_ms();
    json_event_add(&line, event);
    print(&line);
}

static void begin_event(struct text *line, const char *kind)
{
    json_line_begin(line);
    json_line_string(line, "event", kind);
    json_line_time(line, "time", agent_clock_ms());
}

static uint64_t ms_so_far(struct downloading *d)
{
    return loop_now_ms(&d->agent.loop) - d->started_ms;
}

static const char *state_of(const struct downloading *d)
{
    const struct error *away = store_away(d->agent.store);
    uint64_t since_ms;

    if (away != NULL && away->kind == ERROR_EXPIRED)
        return "waiting_credentials";
    if (away != NULL || store_refusal(d->agent.store, &since_ms) != NULL)
        return "waiting_network";
    return "downloading";
}

static void print_progress(uv_timer_t *timer)
{
    struct downloading *d = timer->data;
    const struct download_summary *s = &d->summary;
    uint64_t left, rate = s->bytes_fetched * 1000 / (ms_so_far(d) + 1);
    struct text line = {0};

    left = d->bytes - s->bytes_kept;
    left = left > s->bytes_fetched ? left - s->bytes_fetched : 0;
    begin_event(&line, "progress");
    json_line_u64(&line, "files_done", s->files);
    json_line_u64(&line, "files_total", d->files);
    json_line_u64(&line, "bytes_done", d->bytes - left);
    json_line_u64(&line, "bytes_total", d->bytes);
    json_line_u64(&line, "bytes_fetched", s->bytes_fetched);
    json_line_u64(&line, "rate", rate);
    if (rate > 0)
        json_line_u64(&line, "eta_s", left / rate);
    else
        json_line_string(&line, "eta_s", NULL);
    json_line_string(&line, "state", state_of(d));
    json_line_end(&line);
    print(&line);
}

static void print_downloaded(struct downloading *d, const char *dir)
{
    const struct download_summary *s = &d->summary;
    struct text line = {0};

    begin_event(&line, "downloaded");
    json_line_string(&line, "name", d->version.name);
    json_line_u64(&line, "version", d->version.number);
    json_line_string(&line, "cluster", d->agent.cluster);
    json_line_path(&line, "dir", dir);
    json_line_u64(&line, "files", s->files);
    json_line_u64(&line, "files_present", s->files_present);
    json_line_u64(&line, "directories", s->directories);
    json_line_u64(&line, "symlinks", s->symlinks);
    json_line_u64(&line, "bytes", s->bytes);
    json_line_u64(&line, "bytes_fetched", s->bytes_fetched);
    json_line_seconds(&line, "seconds", (double)ms_so_far(d) / 1000);
    json_line_end(&line);
    print(&line);
}

static void print_stopped(const struct options *o, const char *reason, bool resumable,
                          int code)
{
    struct event event = {.kind = EVENT_STOPPED};

    event.stopped = (struct event_stopped){
        .resumable = resumable, .exit_code = code, .reason = reason};
    if (o->json)
        print_event(&event);
}

/* ---- words ---- */

static const char *hint_for(const struct error *err)
{
    switch (err->kind) {
    case ERROR_CANCELLED:
        return again;
    case ERROR_NETWORK:
    case ERROR_TRANSIENT:
    case ERROR_THROTTLED:
        return "check the network, and run the same command again: it goes on where it "
               "stopped";
    case ERROR_CONFLICT:
        return "wait until it has ended, then run the same command again";
    default:
        return exit_hint_for(err);
    }
}

static int fail(const struct downloading *d, const struct error *err)
{
    int code = exit_code_for(err);
    bool has_begun = d->version.number > 0;

    if (d->agent.signal != 0)
        code = signals_exit_code(d->agent.signal);
    else if (err->kind == ERROR_CONFLICT)
        code = EXIT_RESUMABLE; /* another process is at it */
    command_refuse(d->o, err, hint_for(err), code);
    print_stopped(d->o, err->text, has_begun || code == EXIT_RESUMABLE, code);
    return code;
}

static void on_problem(void *ctx, const struct download_problem *problem)
{
    struct downloading *d = ctx;
    struct event event = {.kind = EVENT_ERROR};
    struct text line = {0};

    event.error = (struct event_error){.kind = error_kind_name(problem->err->kind),
                                       .message = problem->err->text,
                                       .path = problem->path};
    if (d->o->json)
        print_event(&event);
    text_add_format(&line, "%s: ", problem->status);
    text_add_printable(&line, problem->path, strlen(problem->path));
    text_add(&line, ": ");
    text_add_printable(&line, problem->err->text, strlen(problem->err->text));
    gauge_give_way(d->agent.gauge, false);
    fprintf(stderr, "%s\n", text_string(&line));
    text_free(&line);
}

static int say_problems(const struct downloading *d, const char *dir)
{
    struct text line = {0};

    figure_add_noun(&line, d->summary.problems, "entry", "entries");
    text_add_format(&line, " of %s version %" PRIu64 " could not be put into ",
                    d->version.name, d->version.number);
    text_add_printable(&line, dir, strlen(dir));
    fprintf(stderr,
            "error: %s; all else is there\n"
            "Move away what is in the way; what is damaged or missing in the store "
            "`grid datastore verify %s:%" PRIu64 " --deep` names, too.\n"
            "Then run the same command again: only what is not there yet is fetched.\n",
            text_string(&line), d->version.name, d->version.number);
    print_stopped(d->o, text_string(&line), true, EXIT_FAILED);
    text_free(&line);
    return EXIT_FAILED;
}

static void say_done(struct downloading *d, const char *dir)
{
    const struct download_summary *s = &d->summary;
    struct text line = {0};

    if (d->o->json) {
        print_downloaded(d, dir);
        return;
    }
    text_add_format(&line, "%s version %" PRIu64 ": ", d->version.name,
                    d->version.number);
    figure_add_noun(&line, s->files, "file", "files");
    text_add(&line, ", ");
    text_add_size(&line, s->bytes);
    text_add(&line, " in ");
    text_add_printable(&line, dir, strlen(dir));
    if (s->files_present > 0) {
        text_add(&line, " (");
        figure_add_count(&line, s->files_present);
        text_add(&line, s->files_present == 1 ? " was there)" : " were there)");
    }
    text_add(&line, "\n");
    print(&line);
}

/* ---- the run ---- */

static void on_stop(void *ctx, int signal)
{
    struct downloading *d = ctx;

    agent_interrupt(&d->agent, signal);
}

/* The download goes on without a terminal. */
static void on_hangup(void *ctx)
{
    (void)ctx;
}

static void on_show(void *ctx)
{
    struct downloading *d = ctx;

    gauge_show(d->agent.gauge);
}

static int open_store(struct downloading *d, const struct command_context *c,
                      struct error *err)
{
    uint64_t patience_ms = d->o->give_up_after_ms;
    struct store_options wanted = {.jobs = d->o->jobs};

    agent_hurry(&wanted);
    wanted.first_contact_ms = patience_ms > 0 ? patience_ms : CONTACT_MS;
    wanted.outage_ms = patience_ms;
    wanted.expired_ms = patience_ms > 0 ? patience_ms : EXPIRED_MS;
    return agent_open_store(&d->agent, c->cluster, c->paths, &wanted, err);
}

static int find_version(struct downloading *d, struct error *err)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t number;

    if (name_parse(name, &number, d->o->positional[0], err) != 0 ||
        catalog_fold_name(&d->agent, name, err) != 0)
        return -1;
    return catalog_find(&d->agent, name, number, &d->version, err);
}

/* How much of it is wanted?  The list is read for that alone: what it names is not. */
static int count_wanted(struct downloading *d, struct error *err)
{
    struct contents *contents = contents_open(&d->agent, &d->version);
    struct contents_batch batch;
    bool is_any = false;
    int status;

    while ((status = contents_next(contents, &batch, err)) == 1)
        for (size_t i = 0; i < batch.n_lines; i++) {
            const struct entry *entry = &batch.lines[i].entry;

            if (!download_wants(d->filter, entry))
                continue;
            is_any = true;
            d->files += entry->type == ENTRY_FILE;
            d->bytes += entry->type == ENTRY_FILE ? entry->stamp.size : 0;
        }
    contents_close(contents);
    if (status == 0 && !is_any)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "nothing in %s version %" PRIu64 " is left by --include and "
                         "--exclude; `grid datastore files %s:%" PRIu64 "` lists it",
                         d->version.name, d->version.number, d->version.name,
                         d->version.number);
    return status;
}

static int find_wanted(struct downloading *d, struct error *err)
{
    if (filter_spell(d->o->filter)[0] != '\0')
        d->filter = d->o->filter;
    if (d->filter != NULL)
        return count_wanted(d, err);
    d->files = d->version.record.files;
    d->bytes = d->version.record.bytes;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct downloading *d = handle->data;

    d->is_closed = true;
}

static int run(struct downloading *d, struct error *err)
{
    struct download_options options = {.agent = &d->agent,
                                       .version = &d->version,
                                       .dir = d->o->positional[1],
                                       .filter = d->filter,
                                       .references = d->access.store,
                                       .problem = on_problem,
                                       .ctx = d};
    struct gauge_options shown = {.files = d->files, .bytes = d->bytes};
    struct text title = {0};
    int status;

    text_add_format(&title, "downloading %s:%" PRIu64, d->version.name,
                    d->version.number);
    shown.title = text_string(&title);
    if (!d->o->quiet)
        gauge_start(&d->agent, &shown);
    uv_timer_init(&d->agent.loop.uv, &d->ticker);
    d->ticker.data = d;
    if (d->o->json)
        uv_timer_start(&d->ticker, print_progress, TICK_MS, TICK_MS);
    status = download_run(&options, &d->summary, err);
    uv_close((uv_handle_t *)&d->ticker, on_closed);
    loop_run_until(&d->agent.loop, &d->is_closed);
    gauge_end(&d->agent);
    text_free(&title);
    return status;
}

static int download(struct downloading *d, const struct command_context *c)
{
    struct error err;
    int status = open_store(d, c, &err);

    if (status == 0)
        status = find_version(d, &err);
    if (status == 0)
        status = find_wanted(d, &err);
    if (status == 0)
        status =
            source_access_open_references(&d->access, &d->agent, &d->version, c, &err);
    d->started_ms = loop_now_ms(&d->agent.loop);
    if (status == 0)
        status = run(d, &err);
    if (status != 0)
        return fail(d, &err);
    if (d->summary.problems > 0)
        return say_problems(d, d->o->positional[1]);
    say_done(d, d->o->positional[1]);
    return EXIT_DONE;
}

int command_download(const struct command_context *c)
{
    struct downloading d = {.o = c->options};
    struct signals_handlers handlers = {on_stop, on_hangup, on_show, &d};
    struct error err;
    int code;

    if (agent_open(&d.agent, memory_for_payload(d.o->max_memory), &err) != 0)
        return command_fail(d.o, &err);
    d.signals = signals_start(&d.agent.loop, &handlers);
    code = download(&d, c);
    signals_stop(d.signals);
    version_free(&d.version);
    source_access_close(&d.access, &d.agent);
    agent_close(&d.agent);
    source_access_free(&d.access);
    return code;
}
