/*
 *   OPENING --the first bytes are here--> READING --the archive's end--> SETTLING
 *      ^                                                                    |
 *      |   some bytes are needed once more                    all is stored v
 *   CLOSING <------------------------------------------- SWEEPING <--- CONCLUDING
 *      |   all is done                                              the plan is closed
 *      v
 *   FLUSHING --> OVER: done
 *
 *   STOPPING  first error or stop: nothing new starts; when all has ended --> CLOSING
 *
 * READING goes item by item, in the archive's order:
 *
 *   NEXT --> judged --> ARRIVING in the plan --> KNOWING what earlier runs have --> MEMBER
 *    ^          |           | a folder, a link, or stored                  its bytes are
 *    +----------+-----------+-----------------------------------------------read-----+
 *
 * A member that has been read goes on sending while the next items are read.  Whatever
 * happens wakes advance(), which runs once for many news.
 */
#include "transfer/unpack_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/store_impl.h"

const char unpack_validator[] = "archive";

enum {
    BACKLOG_MAX = 4000, /* notes that wait for the disk before we pause */
    MEMBERS_MAX = 512,
    RATIO_MAX = 200,     /* gzip and deflate reach 1,032; real data hardly 50 */
    RATIO_FROM = 1 << 30 /* bytes unpacked: below that it matters to nobody */
};

static void advance(struct unpack *u);

static void on_woken(void *ctx)
{
    struct unpack *u = ctx;

    u->is_woken = false;
    if (u->phase == PHASE_OVER)
        u->o.events->done(u->o.ctx, u->err.kind == ERROR_NONE ? NULL : &u->err);
    else
        advance(u);
}

void unpack_wake(struct unpack *u)
{
    if (u->is_woken)
        return;
    u->is_woken = true;
    loop_defer(u->o.loop, &u->soon, on_woken, u);
}

static void on_room(void *ctx)
{
    unpack_wake(ctx);
}

void unpack_fail(struct unpack *u, const struct error *err)
{
    error_keep_first(&u->err, err);
    unpack_wake(u);
}

/* ---- what people are told ---- */

void unpack_tell(struct unpack *u, enum issue_kind kind, const char *path,
                 const char *message)
{
    const struct issue issue = {.path = path, .message = message, .kind = kind};

    if (issue_is_failure(kind))
        checkpoint_note_refused(u->o.checkpoint, path, message);
    u->o.events->issue(u->o.ctx, &issue);
}

/* The archive's trouble; what the network says names it already. */
void unpack_fail_by_archive(struct unpack *u, const struct error *err,
                            const char *where)
{
    struct error full = *err;

    if (err->kind == ERROR_CORRUPT && where != NULL && where[0] != '\0')
        error_wrap(&full, "%s: %s", u->url.shown, where);
    else if (strncmp(err->text, u->url.shown, strlen(u->url.shown)) != 0)
        error_wrap(&full, "%s", u->url.shown);
    unpack_fail(u, &full);
}

void unpack_note_size(struct unpack *u, uint64_t bytes)
{
    struct remote_file_state state;

    u->bytes_unpacked += bytes;
    remote_file_state(u->file, &state);
    if (u->ratio_told || u->bytes_unpacked < RATIO_FROM ||
        u->bytes_unpacked / RATIO_MAX < u->fetched_before + state.bytes_fetched)
        return;
    u->ratio_told = true;
    unpack_tell(u, ISSUE_EXPANDS, NULL,
                "the archive unpacks to more than 200 times its size; if that is not "
                "meant, stop it (--max-extracted bounds it)");
}

bool unpack_is_too_much(const struct unpack *u, uint64_t more)
{
    return u->bytes_unpacked > u->o.source.max_extracted ||
           more > u->o.source.max_extracted - u->bytes_unpacked;
}

void unpack_refuse_too_much(struct unpack *u)
{
    struct error err;
    struct text limit = {0};

    text_add_size(&limit, u->o.source.max_extracted);
    error_set(&err, ERROR_UNUSABLE, 0,
              "%s unpacks to more than %s; --max-extracted allows more", u->url.shown,
              text_string(&limit));
    text_free(&limit);
    unpack_fail(u, &err);
}

void unpack_step_over(struct unpack *u)
{
    u->current = NULL;
    u->step = STEP_NEXT;
}

static void on_next(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    if (err != NULL) {
        unpack_fail_by_archive(u, err, NULL);
    } else if (u->err.kind != ERROR_NONE) {
        /* it is over */
    } else if (archive_reader_at_end(u->reader)) {
        u->phase = PHASE_SETTLING;
        u->o.events->scanned(u->o.ctx);
    } else {
        unpack_item_judge(u);
    }
    unpack_wake(u);
}

/* ---- reading on ---- */

static void on_backlog_flushed(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_backlogged = false;
    if (err != NULL)
        unpack_fail(u, err);
    unpack_wake(u);
}

static bool has_room(struct unpack *u)
{
    if (!u->is_backlogged && checkpoint_backlog(u->o.checkpoint) > BACKLOG_MAX) {
        u->is_backlogged = true;
        checkpoint_flush(u->o.checkpoint, on_backlog_flushed, u);
    }
    return !u->is_backlogged && u->n_arrivals < MEMBERS_MAX &&
           store_room(u->o.store) > 0;
}

static void read_member(struct unpack *u)
{
    const struct arrival *a = u->current;

    if (!a->has_size && unpack_is_too_much(u, member_bytes(a->member)))
        unpack_refuse_too_much(u);
    else if (has_room(u))
        member_step(a->member);
}

static void read_on(struct unpack *u)
{
    if (u->is_busy)
        return;
    switch (u->step) {
    case STEP_NEXT:
        if (!has_room(u))
            break;
        u->is_busy = true;
        archive_reader_next(u->reader, on_next, u);
        break;
    case STEP_ORIGIN:
        unpack_item_find_origin(u);
        break;
    case STEP_ARRIVE:
        unpack_item_arrive(u);
        break;
    case STEP_KNOW:
        unpack_file_learn(u);
        break;
    case STEP_START:
        unpack_file_start(u);
        break;
    case STEP_MEMBER:
        read_member(u);
        break;
    }
}

/* ---- opening ---- */

void unpack_add_validator(struct text *out, const char *validator, uint64_t size)
{
    text_add_format(out, "%s %" PRIu64, validator, size);
}

static void note_validator(struct unpack *u)
{
    char *old = checkpoint_get(u->o.checkpoint, unpack_validator);

    text_clear(&u->validator);
    unpack_add_validator(&u->validator, u->info.validator, u->info.size);
    u->is_trusted = u->info.validator[0] != '\0' && old != NULL &&
                    strcmp(old, text_string(&u->validator)) == 0;
    if (old == NULL) /* what is noted from now on is of this one */
        checkpoint_set(u->o.checkpoint, unpack_validator, text_string(&u->validator));
    free(old);
}

static void on_opened(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    if (err != NULL)
        unpack_fail_by_archive(u, err, NULL);
    if (u->err.kind != ERROR_NONE)
        return;
    remote_file_info(u->file, &u->info);
    note_validator(u);
    checkpoint_arrive_begin(u->o.checkpoint);
    u->reader = archive_reader_start(u->o.loop, remote_file_pipe(u->file),
                                     u->info.can_seek, u->info.size);
    u->phase = PHASE_READING;
    u->step = STEP_NEXT;
    unpack_wake(u);
}

static void open_file(struct unpack *u)
{
    struct remote_file_options options = {
        .loop = u->o.loop,
        .url = u->o.source.url,
        .ca_file = u->o.source.ca_file,
        .first_contact_ms = u->o.source.first_contact_ms,
        .outage_ms = u->o.source.outage_ms,
        .opened = on_opened,
        .ctx = u,
    };
    struct error err;

    u->n_readings++;
    u->must_read_again = false;
    u->bytes_unpacked = 0;
    u->phase = PHASE_OPENING;
    if (remote_file_open(&u->file, &options, &err) != 0)
        unpack_fail_by_archive(u, &err, NULL);
}

/* ---- the end of a reading ---- */

static void on_concluded(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    if (err != NULL)
        unpack_fail(u, err);
    unpack_wake(u);
}

static void conclude(struct unpack *u)
{
    u->phase = PHASE_CONCLUDING;
    u->is_busy = true;
    checkpoint_arrive_end(u->o.checkpoint, on_concluded, u);
}

static void on_swept(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    if (err != NULL)
        unpack_fail(u, err);
    sweep_free(u->sweep);
    u->sweep = NULL;
    unpack_wake(u);
}

static void start_sweep(struct unpack *u)
{
    struct sweep_options options = {
        .store = u->o.store,
        .checkpoint = u->o.checkpoint,
        .prefix = u->o.prefix,
        .done = on_swept,
        .ctx = u,
    };

    u->phase = PHASE_SWEEPING;
    u->is_busy = true;
    u->sweep = sweep_start(&options);
}

static void after_sweep(struct unpack *u)
{
    struct error err;

    if (!u->must_read_again)
        checkpoint_set(u->o.checkpoint, unpack_validator, text_string(&u->validator));
    else if (u->n_readings >= UNPACK_READINGS_MAX) {
        error_set(
            &err, ERROR_CHANGED, 0,
            "%s: some entries of the archive could not be stored, however often it "
            "was read",
            u->url.shown);
        unpack_fail(u, &err);
    }
    u->phase = PHASE_CLOSING;
}

/* ---- closing ---- */

static void on_flushed(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    error_keep_first(&u->err, err);
    u->phase = PHASE_OVER;
    unpack_wake(u);
}

static void on_file_closed(void *ctx)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    u->file = NULL;
    unpack_wake(u);
}

static void on_reader_closed(void *ctx)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    u->reader = NULL;
    unpack_wake(u);
}

static void close_all(struct unpack *u)
{
    struct remote_file_state state;

    if (u->is_busy)
        return;
    u->is_busy = true;
    if (u->reader != NULL) {
        archive_reader_close(u->reader, on_reader_closed, u);
    } else if (u->file != NULL) {
        remote_file_state(u->file, &state);
        u->fetched_before += state.bytes_fetched;
        u->retries_before += state.retries;
        remote_file_close(u->file, on_file_closed, u);
    } else if (u->must_read_again && u->err.kind == ERROR_NONE) {
        u->is_busy = false;
        open_file(u);
    } else {
        u->phase = PHASE_FLUSHING;
        store_on_room(u->o.store, NULL, NULL);
        checkpoint_flush(u->o.checkpoint, on_flushed, u);
    }
}

static void stop_all(struct unpack *u)
{
    u->phase = PHASE_STOPPING;
    log_line(LOG_INFO, LOG_PIPELINE, "stopping: %s", u->err.text);
    if (u->file != NULL)
        byte_pipe_abort(remote_file_pipe(u->file), &u->err);
    if (u->sweep != NULL)
        sweep_stop(u->sweep);
    if (u->lookup != NULL)
        lookup_cancel(u->lookup);
    for (struct arrival *a = u->arrivals; a != NULL; a = a->next)
        if (a->member != NULL)
            member_cancel(a->member);
        else if (a != u->current)
            twin_cancel(&a->twin);
}

/* What was known of, but not begun. */
static void drop_unbegun(struct unpack *u)
{
    if (!u->is_busy && u->current != NULL && u->current->member == NULL)
        unpack_file_drop(u, u->current);
}

/* Do what can be done now.  Calling it once too often is harmless. */
static void advance(struct unpack *u)
{
    if (u->err.kind != ERROR_NONE && u->phase < PHASE_STOPPING)
        stop_all(u);
    switch (u->phase) {
    case PHASE_OPENING:
        break;
    case PHASE_READING:
        read_on(u);
        break;
    case PHASE_SETTLING:
        if (u->n_arrivals == 0)
            conclude(u);
        break;
    case PHASE_CONCLUDING:
        if (!u->is_busy)
            start_sweep(u);
        break;
    case PHASE_SWEEPING:
        if (!u->is_busy)
            after_sweep(u);
        break;
    case PHASE_STOPPING:
        drop_unbegun(u);
        if (u->n_arrivals == 0 && !u->is_busy && !u->is_backlogged)
            u->phase = PHASE_CLOSING;
        break;
    case PHASE_CLOSING:
    case PHASE_FLUSHING:
    case PHASE_OVER:
        break;
    }
    if (u->phase == PHASE_CLOSING)
        close_all(u);
}

/* A part is held whole, while the next one is read. */
static uint64_t part_size_that_fits(const struct unpack *u)
{
    uint64_t most = budget_limit(u->o.budget) / 2 / DIGEST_BLOCK * DIGEST_BLOCK;

    return u->o.part_size < most ? u->o.part_size : most;
}

struct unpack *unpack_start(const struct unpack_options *options)
{
    struct unpack *u = mem_new(1, sizeof *u);
    struct error err;

    u->o = *options;
    u->o.part_size = part_size_that_fits(u);
    store_on_room(u->o.store, on_room, u);
    if (http_url_parse(&u->url, u->o.source.url, &err) != 0)
        unpack_fail(u, &err);
    else
        open_file(u);
    unpack_wake(u);
    return u;
}

void unpack_stop(struct unpack *u)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "stopped");
    unpack_fail(u, &cancelled);
}

void unpack_free(struct unpack *u)
{
    if (u == NULL)
        return;
    http_url_free(&u->url);
    text_free(&u->validator);
    text_free(&u->path);
    text_free(&u->target);
    text_free(&u->origin);
    upload_record_free(&u->origin_record);
    free(u);
}

static void add_fetch(const struct unpack *u, struct pipeline_progress *out)
{
    struct remote_file_state state = {0};

    if (u->file != NULL)
        remote_file_state(u->file, &state);
    out->is_fetched = true;
    out->bytes_fetched = u->fetched_before + state.bytes_fetched;
    out->fetch_size = u->info.has_size ? u->info.size : 0;
    out->fetch_retries = u->retries_before + state.retries;
    out->fetch_away = state.away;
    out->fetch_away_since_ms = state.away_since_ms;
    out->fetch_next_try_ms = state.next_try_ms;
}

void unpack_progress(const struct unpack *u, struct pipeline_progress *out)
{
    memset(out, 0, sizeof *out);
    checkpoint_totals(u->o.checkpoint, &out->plan);
    out->scan_done = u->phase > PHASE_READING && u->phase < PHASE_STOPPING;
    out->files_in_flight = u->n_arrivals;
    out->parts = u->n_parts;
    out->files_compared = u->n_compared;
    add_fetch(u, out);
    for (const struct arrival *a = u->arrivals; a != NULL; a = a->next) {
        uint64_t bytes = a->member != NULL ? member_bytes(a->member) : 0;

        out->bytes_in_flight += bytes;
        if (out->n_files < PIPELINE_FILES_SHOWN && a->stamp.size > STORE_CHUNK) {
            out->files[out->n_files].path = text_string(&a->path);
            out->files[out->n_files].bytes = bytes;
            out->files[out->n_files++].size = a->stamp.size;
        }
    }
}
