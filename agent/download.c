/*
 * The manifest comes batch by batch; the next is asked for when the last entry of this
 * one has ended.  Entries under way form a list, oldest first; the store's room goes to
 * their blocks in that order, and only what is left of it to new entries.  A block that
 * reads what is there takes a place, too: it may have to be fetched.
 *
 * advance() alone starts work; what happened is noted before it is called.
 */
#include "agent/download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/contents.h"
#include "agent/fetch.h"
#include "agent/gauge.h"
#include "base/mem.h"

/* Small files wait for the disk at both ends of their way: some more of them under way
 * than there are requests.  Each holds a descriptor. */
enum { ENTRIES_MAX = 128, ENTRIES_PER_ROOM = 2, ENTRIES_MIN = 16 };

struct running {
    struct fetch *fetch;
    struct running *prev, *next;
};

struct download {
    const struct download_options *o;
    struct download_summary *summary;
    struct landing landing;
    struct placing placing;
    struct text prefix;
    struct running *first, *last;
    unsigned n_running;
    const struct contents_batch *batch;
    size_t next;
    contents_done_fn *done;
    void *done_ctx;
    struct error err; /* nothing more can be done */
};

static void advance(struct download *d);

/* ---- one entry ---- */

static void add_running(struct download *d, struct fetch *f)
{
    struct running *r = mem_new(1, sizeof *r);

    r->fetch = f;
    r->prev = d->last;
    if (d->last != NULL)
        d->last->next = r;
    else
        d->first = r;
    d->last = r;
    d->n_running++;
}

static void remove_running(struct download *d, const struct fetch *f)
{
    struct running *r = d->first;

    while (r->fetch != f)
        r = r->next;
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        d->first = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        d->last = r->prev;
    free(r);
    d->n_running--;
}

/* Would the next entry fare no better? */
static bool ends_all(const struct error *err)
{
    switch (err->kind) {
    case ERROR_CANCELLED:
    case ERROR_NETWORK:
    case ERROR_AUTH:
    case ERROR_EXPIRED:
    case ERROR_UNUSABLE:
    case ERROR_INTERNAL:
        return true;
    case ERROR_FULL:
        return err->code != EFBIG;
    case ERROR_IO:
        return err->code == EROFS || err->code == EIO;
    default:
        return false;
    }
}

static const char *status_of(const struct error *err)
{
    switch (err->kind) {
    case ERROR_CORRUPT:
        return "damaged";
    case ERROR_NOT_FOUND:
        return "missing";
    case ERROR_CONFLICT:
        return "in the way";
    default:
        return "failed";
    }
}

static void note_failure(struct download *d, const char *path, const struct error *err)
{
    struct download_problem problem = {path, status_of(err), err};

    if (ends_all(err)) {
        if (d->err.kind == ERROR_NONE) {
            d->err = *err;
            if (err->kind == ERROR_FULL || err->kind == ERROR_IO)
                error_wrap(&d->err, "%s/%s", d->o->dir, path);
        }
        return;
    }
    if (d->err.kind != ERROR_NONE)
        return; /* but a consequence */
    d->summary->problems++;
    d->o->problem(d->o->ctx, &problem);
}

static void note_success(struct download *d, const struct entry *entry, bool was_there)
{
    struct download_summary *s = d->summary;

    if (entry->type == ENTRY_FILE) {
        s->files++;
        s->bytes += entry->stamp.size;
        s->files_present += was_there;
    } else if (entry->type == ENTRY_DIRECTORY) {
        s->directories++;
    } else {
        s->symlinks++;
    }
}

static void on_entry_done(void *ctx, struct fetch *f, enum fetch_outcome outcome,
                          const struct error *err)
{
    struct download *d = ctx;
    const struct entry *entry = &fetch_line(f)->entry;

    if (outcome == FETCH_FAILED)
        note_failure(d, entry->path, err);
    else
        note_success(d, entry, outcome == FETCH_PRESENT);
    if (entry->type == ENTRY_FILE)
        gauge_add_files(d->o->agent->gauge, 1);
    remove_running(d, f);
    fetch_free(f);
    advance(d);
}

static void on_moved(void *ctx, uint64_t bytes)
{
    struct download *d = ctx;

    d->summary->bytes_fetched += bytes;
    gauge_add_bytes(d->o->agent->gauge, bytes);
}

static void on_kept(void *ctx, uint64_t bytes)
{
    struct download *d = ctx;

    d->summary->bytes_kept += bytes;
    gauge_add_bytes(d->o->agent->gauge, bytes);
}

static void on_ready(void *ctx)
{
    advance(ctx);
}

static void start_entry(struct download *d, const struct manifest_line *line)
{
    struct fetch_options options = {.loop = &d->o->agent->loop,
                                    .store = d->o->agent->store,
                                    .references = d->o->references,
                                    .landing = &d->landing,
                                    .placing = &d->placing,
                                    .prefix = text_string(&d->prefix),
                                    .ready = on_ready,
                                    .moved = on_moved,
                                    .kept = on_kept,
                                    .done = on_entry_done,
                                    .ctx = d};
    struct fetch *f;
    struct error err;

    if (line->ref != NULL && d->o->references == NULL) {
        error_set(&err, ERROR_NOT_FOUND, 0,
                  "it is not in the datastore, which only refers to %s", line->ref);
        note_failure(d, line->entry.path, &err);
        return;
    }
    f = fetch_new(&options, line);
    add_running(d, f);
    fetch_start(f);
}

bool download_wants(const struct filter *filter, const struct entry *entry)
{
    if (filter == NULL)
        return true;
    return entry->type == ENTRY_DIRECTORY ? filter_takes_folder(filter, entry->path)
                                          : filter_takes(filter, entry->path);
}

/* ---- who may start ---- */

static unsigned n_checking(const struct download *d)
{
    unsigned n = 0;

    for (const struct running *r = d->first; r != NULL; r = r->next)
        n += fetch_n_checking(r->fetch);
    return n;
}

/* Where most of it comes from. */
static struct store *store_of(const struct download *d)
{
    return d->o->references != NULL ? d->o->references : d->o->agent->store;
}

static void start_blocks(struct download *d)
{
    unsigned room = store_room(store_of(d)), taken = n_checking(d);

    for (struct running *r = d->first; r != NULL; r = r->next)
        while (taken < room && fetch_start_block(r->fetch))
            taken++;
}

static void start_entries(struct download *d)
{
    unsigned room = store_room(store_of(d)), limit;

    limit = ENTRIES_MIN + ENTRIES_PER_ROOM * room;
    if (limit > ENTRIES_MAX)
        limit = ENTRIES_MAX;
    while (d->n_running < limit && d->next < d->batch->n_lines &&
           d->err.kind == ERROR_NONE) {
        const struct manifest_line *line = &d->batch->lines[d->next++];

        if (download_wants(d->o->filter, &line->entry))
            start_entry(d, line);
    }
}

static void cancel_all(struct download *d)
{
    for (struct running *r = d->first; r != NULL; r = r->next)
        fetch_cancel(r->fetch);
}

static void advance(struct download *d)
{
    contents_done_fn *done = d->done;

    if (done == NULL)
        return;
    if (d->o->agent->signal != 0 && d->err.kind == ERROR_NONE)
        error_set(&d->err, ERROR_CANCELLED, 0, "interrupted");
    if (d->err.kind == ERROR_NONE) {
        start_blocks(d);
        start_entries(d);
    }
    if (d->err.kind != ERROR_NONE)
        cancel_all(d);
    if (d->n_running > 0)
        return;
    d->done = NULL;
    done(d->done_ctx, d->err.kind == ERROR_NONE ? NULL : &d->err);
}

static void take(void *ctx, const struct contents_batch *batch, contents_done_fn *done,
                 void *done_ctx)
{
    struct download *d = ctx;

    d->batch = batch;
    d->next = 0;
    d->done = done;
    d->done_ctx = done_ctx;
    advance(d);
}

/* ---- the run ---- */

struct landing_call {
    struct download *d;
    struct error *err;
    int status;
};

static void open_work(void *ctx)
{
    struct landing_call *c = ctx;
    const char *root = c->d->o->version->record.root;

    c->status = landing_open(&c->d->landing, c->d->o->dir, root, c->err);
}

static void close_work(void *ctx)
{
    struct landing_call *c = ctx;

    if (c->status == 0)
        c->status = landing_sync(&c->d->landing, c->err);
    landing_close(&c->d->landing, c->status == 0 && c->d->summary->problems == 0 &&
                                      c->d->o->filter == NULL);
}

static int read_all(struct download *d, struct error *err)
{
    struct agent *a = d->o->agent;
    struct store *store = store_of(d);
    int status;

    a->on_interrupt = on_ready;
    a->interrupt_ctx = d;
    store_on_room(store, on_ready, d);
    status = contents_read(a, d->o->version, take, d, err);
    store_on_room(store, NULL, NULL);
    a->on_interrupt = NULL;
    if (status != 0 && d->err.kind != ERROR_NONE)
        *err = d->err; /* not the manifest's */
    return status;
}

int download_run(const struct download_options *options,
                 struct download_summary *summary, struct error *err)
{
    struct download d = {.o = options, .summary = summary};
    struct landing_call call = {&d, err, 0};

    memset(summary, 0, sizeof *summary);
    agent_work(options->agent, open_work, &call);
    if (call.status != 0)
        return -1;
    text_add_format(&d.prefix, "%s/v%" PRIu64 "/", options->version->name,
                    options->version->number);
    placing_init(&d.placing, &options->agent->loop, &d.landing);
    call.status = read_all(&d, err);
    agent_work(options->agent, close_work, &call);
    text_free(&d.prefix);
    return call.status;
}
