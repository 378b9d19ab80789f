/*
 * The rate is a moving average of the bytes handed to the store over about five
 * seconds; what counts as done is only what the store has confirmed.
 */
#include "agent/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    TICK_MS = 250,
    STATUS_TICKS = 4,
    AVERAGE_S = 5,
    ESTIMATE_AFTER_S = 2,
    STALLED_MS = 3 * 1000, /* no part takes so long to be read, hashed and begun */
    SILENT_MS = 10 * 1000  /* a cut cable is an error of TCP after a minute only */
};

struct report {
    struct agent *agent;
    struct console *console;
    report_ask_fn *ask; /* NULL: nothing is under way */
    const void *asked;
    const struct store *source; /* that is waited for, too; or NULL */
    char *file;
    struct session_status status;
    bool is_publishing, scan_told, is_hushed;
    uv_timer_t timer;
    bool is_closed;
    unsigned ticks;
    uint64_t parts, parts_before;
    double rate;
    double shown_s; /* since the first byte was sent */
    uint64_t sent_before, at_ms, first_ms;
    uint64_t moved, moved_at_ms; /* bytes and requests, when last seen to grow */

    struct text waiting; /* for what; empty: we do not */

    struct work work; /* writes a copy of the status */
    bool is_writing;
    struct session_status written;
    struct error write_err;
};

/* ---- the status file ---- */

static void write_work(void *ctx)
{
    struct report *r = ctx;

    error_clear(&r->write_err);
    session_status_write(&r->written, r->file, &r->write_err);
}

static void on_written(void *ctx)
{
    struct report *r = ctx;

    r->is_writing = false;
    free(r->written.reason);
    free(r->written.session);
    for (unsigned i = 0; i < r->written.n_files; i++)
        free(r->written.files[i].path);
    if (r->write_err.kind != ERROR_NONE)
        log_line(LOG_WARNING, LOG_SESSION, "%s", r->write_err.text);
}

static void write_status(struct report *r)
{
    if (r->is_writing)
        return;
    r->is_writing = true;
    r->written = r->status; /* its other strings do not change */
    r->written.session = mem_copy_string(r->status.session);
    if (r->status.reason != NULL)
        r->written.reason = mem_copy_string(r->status.reason);
    for (unsigned i = 0; i < r->written.n_files; i++)
        r->written.files[i].path = mem_copy_string(r->status.files[i].path);
    loop_work(&r->agent->loop, &r->work, write_work, on_written, r);
}

static void wait_for_status(struct report *r)
{
    while (r->is_writing)
        uv_run(&r->agent->loop.uv, UV_RUN_ONCE);
}

/* ---- the beginning ---- */

static void on_tick(uv_timer_t *timer);

struct report *report_start(struct agent *a, struct console *console,
                            const struct session_status *status, const char *file)
{
    struct report *r = mem_new(1, sizeof *r);

    r->agent = a;
    r->console = console;
    r->status = *status;
    r->status.exit_code = -1;
    r->status.state = (char *)progress_state_name(STATE_SCANNING);
    r->status.updated_ms = agent_clock_ms();
    r->file = mem_copy_string(file);
    r->at_ms = r->moved_at_ms = loop_now_ms(&a->loop);
    uv_timer_init(&a->loop.uv, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_tick, 0, TICK_MS);
    write_status(r);
    wait_for_status(r);
    return r;
}

void report_set_asked(struct report *r, report_ask_fn *ask, const void *asked)
{
    if (r->ask != NULL)
        on_tick(&r->timer); /* take over its last figures */
    r->ask = ask;
    r->asked = asked;
    r->parts_before = r->parts;
    r->scan_told = false;
}

void report_set_publishing(struct report *r)
{
    r->is_publishing = true;
}

void report_hush(struct report *r)
{
    r->is_hushed = true;
}

void report_set_source(struct report *r, const struct store *source)
{
    r->source = source;
}

void report_set_version(struct report *r, uint64_t version)
{
    r->status.version = version;
}

void report_set_limit(struct report *r, uint64_t rate)
{
    if (r != NULL)
        r->status.limit = rate;
}

const struct session_status *report_status(const struct report *r)
{
    return &r->status;
}

uint64_t report_parts(const struct report *r)
{
    return r->parts;
}

/* ---- figures ---- */

static void update_rate(struct report *r, uint64_t sent)
{
    uint64_t now = loop_now_ms(&r->agent->loop);
    double seconds = (double)(now - r->at_ms) / 1000;
    double weight;

    if (sent > 0 && r->first_ms == 0)
        r->first_ms = r->at_ms;
    if (seconds < 0.2)
        return;
    r->shown_s = r->first_ms == 0 ? 0 : (double)(now - r->first_ms) / 1000;
    weight = r->shown_s < AVERAGE_S
                 ? seconds / (r->shown_s > seconds ? r->shown_s : seconds)
                 : seconds / AVERAGE_S;
    if (weight > 1)
        weight = 1;
    r->rate += weight * ((double)(sent - r->sent_before) / seconds - r->rate);
    r->sent_before = sent;
    r->at_ms = now;
}

static bool is_stalled(const struct report *r)
{
    return loop_now_ms(&r->agent->loop) - r->moved_at_ms >= STALLED_MS;
}

static int64_t estimate(const struct report *r)
{
    const struct session_status *s = &r->status;

    if (!s->scan_done || s->bytes_total < s->bytes_done || r->waiting.size > 0 ||
        is_stalled(r))
        return -1;
    if (s->bytes_total == s->bytes_done)
        return 0;
    if (r->rate < 1 || r->shown_s < ESTIMATE_AFTER_S)
        return -1;
    return (int64_t)((double)(s->bytes_total - s->bytes_done) / r->rate) + 1;
}

/* Requests are under way, and nothing comes of them, though nobody has failed yet. */
static void take_silence(struct report *r, const struct store_counts *counts)
{
    uint64_t now_ms = loop_now_ms(&r->agent->loop);
    uint64_t moved = counts->moves;

    if (moved != r->moved || counts->under_way == 0) {
        r->moved = moved;
        r->moved_at_ms = now_ms;
    }
    if (now_ms - r->moved_at_ms < SILENT_MS)
        return;
    text_add_format(&r->waiting, "nothing has moved to or from %s for ",
                    store_url(r->agent->store));
    text_add_duration(&r->waiting, (now_ms - r->moved_at_ms) / 1000);
    r->status.reason = r->waiting.data;
}

/* Who is waited for, if anybody is. */
static const struct store *awaited(const struct report *r)
{
    bool is_source = r->source != NULL && store_away(r->source) != NULL &&
                     store_away(r->agent->store) == NULL;

    return is_source ? r->source : r->agent->store;
}

/* "HOST cannot be reached: ..., for 3 min, next try in 5 s".  The store's first, then that
 * of an archive. */
static void take_waiting(struct report *r, const struct pipeline_progress *p,
                         const struct store_counts *counts)
{
    const struct store *store = awaited(r);
    const struct error *reason = store_away(store);
    uint64_t now_ms = loop_now_ms(&r->agent->loop), since_ms;
    struct store_counts of_it;

    store_counts(store, &of_it);
    since_ms = of_it.away_since_ms;
    text_clear(&r->waiting);
    r->status.reason = NULL;
    if (reason == NULL)
        reason = store_refusal(store, &since_ms);
    r->status.is_refusal = reason != NULL && store_away(store) == NULL;
    if (reason == NULL && p->fetch_away != NULL) {
        reason = p->fetch_away;
        since_ms = p->fetch_away_since_ms;
        of_it.next_try_ms = p->fetch_next_try_ms;
    }
    if (reason == NULL) {
        take_silence(r, counts);
        return;
    }
    text_add_format(&r->waiting, "%s, for ", reason->text);
    text_add_duration(&r->waiting, (now_ms - since_ms) / 1000);
    if (of_it.next_try_ms > now_ms) {
        text_add(&r->waiting, ", next try in ");
        text_add_duration(&r->waiting, (of_it.next_try_ms - now_ms + 999) / 1000);
    }
    r->status.reason = r->waiting.data;
}

static enum progress_state state_of(const struct report *r)
{
    const struct error *away = store_away(awaited(r));

    if (away != NULL && away->kind == ERROR_EXPIRED)
        return STATE_WAITING_CREDENTIALS;
    if (r->waiting.size > 0)
        return STATE_WAITING_NETWORK;
    if (r->is_publishing)
        return STATE_PUBLISHING;
    if (!r->status.scan_done && r->status.bytes_sent == 0)
        return STATE_SCANNING;
    return STATE_UPLOADING;
}

/* Of what jobs are at, parts that are noted are done. */
static uint64_t bytes_in_flight(const struct pipeline_progress *p)
{
    uint64_t noted = p->plan.part_bytes_stored;

    return p->bytes_in_flight > noted ? p->bytes_in_flight - noted : 0;
}

static void take_figures(struct report *r, const struct pipeline_progress *p,
                         const struct store_counts *counts)
{
    struct session_status *s = &r->status;

    if (r->ask != NULL) {
        s->files_done = p->plan.files_stored;
        s->files_total = p->plan.files;
        s->bytes_done = p->plan.bytes_stored + p->plan.part_bytes_stored;
        s->bytes_total = p->plan.bytes;
        s->scan_done = p->scan_done;
        r->parts = r->parts_before + p->parts;
    }
    s->bytes_in_flight = bytes_in_flight(p);
    s->bytes_sent = counts->bytes_sent;
    s->retries = counts->retries + p->fetch_retries;
    update_rate(r, counts->bytes_sent + counts->bytes_copied);
    s->rate = r->rate > 0 && !is_stalled(r) ? (uint64_t)r->rate : 0;
    s->eta_s = estimate(r);
    s->updated_ms = agent_clock_ms();
}

/* Their paths are the pipeline's: only until the end of a tick. */
static void take_files(struct report *r, const struct pipeline_progress *p)
{
    struct session_status *s = &r->status;

    s->n_files = 0;
    for (unsigned i = 0; i < p->n_files && i < SESSION_STATUS_FILES; i++) {
        s->files[i].path = (char *)p->files[i].path;
        s->files[i].done = p->files[i].bytes;
        s->files[i].size = p->files[i].size;
        s->n_files++;
    }
}

/* ---- telling ---- */

static void tell_scan(struct report *r)
{
    struct event event = {.kind = EVENT_SCAN, .time_ms = r->status.updated_ms};

    if (r->ask == NULL || r->scan_told ||
        (!r->status.scan_done && r->ticks % STATUS_TICKS != 0))
        return;
    r->scan_told = r->status.scan_done;
    event.scan.files = r->status.files_total;
    event.scan.bytes = r->status.bytes_total;
    event.scan.done = r->status.scan_done;
    console_event(r->console, &event);
}

static void tell_progress(struct report *r, const struct pipeline_progress *p,
                          const struct store_counts *counts)
{
    const struct session_status *s = &r->status;
    struct event event = {.kind = EVENT_PROGRESS, .time_ms = s->updated_ms};

    event.progress = (struct event_progress){
        .files_done = s->files_done,
        .files_total = s->files_total,
        .bytes_done = s->bytes_done,
        .bytes_total = s->bytes_total,
        .bytes_sent = s->bytes_sent,
        .bytes_copied = counts->bytes_copied,
        .bytes_in_flight = s->bytes_in_flight,
        .rate = s->rate,
        .eta_s = s->eta_s,
        .retries = s->retries,
        .connections = counts->under_way,
        .state = state_of(r),
        .scan_done = s->scan_done,
        .is_fetched = p->is_fetched,
        .bytes_fetched = p->bytes_fetched,
        .fetch_size = p->fetch_size,
        .waiting_for = r->waiting.size > 0 ? text_string(&r->waiting) : NULL,
        .is_refusal = s->is_refusal,
    };
    for (unsigned i = 0; i < p->n_files && i < EVENT_FILES_SHOWN; i++) {
        event.progress.files[i].path = p->files[i].path;
        event.progress.files[i].done = p->files[i].bytes;
        event.progress.files[i].size = p->files[i].size;
        event.progress.n_files++;
    }
    console_event(r->console, &event);
}

static void on_tick(uv_timer_t *timer)
{
    struct report *r = timer->data;
    struct pipeline_progress p = {0};
    struct store_counts counts;

    if (r->ask != NULL)
        r->ask(r->asked, &p);
    store_counts(r->agent->store, &counts);
    take_figures(r, &p, &counts);
    take_waiting(r, &p, &counts);
    r->status.state = (char *)progress_state_name(state_of(r));
    if (!r->is_hushed) {
        tell_scan(r);
        tell_progress(r, &p, &counts);
    }
    if (r->ticks++ % STATUS_TICKS == 0) {
        take_files(r, &p);
        r->status.connections = counts.under_way;
        write_status(r);
        r->status.n_files = 0;
    }
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *timer)
{
    struct report *r = timer->data;

    r->is_closed = true;
}

void report_end(struct report *r, const char *state, const char *reason, int exit_code)
{
    on_tick(&r->timer);
    uv_close((uv_handle_t *)&r->timer, on_closed);
    loop_run_until(&r->agent->loop, &r->is_closed);
    wait_for_status(r);
    r->status.state = (char *)state;
    r->status.reason = (char *)reason;
    r->status.exit_code = exit_code;
    r->status.updated_ms = agent_clock_ms();
    write_status(r);
    wait_for_status(r);
}

void report_free(struct report *r)
{
    if (r == NULL)
        return;
    text_free(&r->waiting);
    free(r->file);
    free(r);
}
