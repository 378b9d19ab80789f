/*
 *     ASKING <--the page comes back-- AWAY --AWAY_MS--> CLOSED
 *       |  --the page goes------------^                   ^
 *       +--the session ends-------------------------------+
 */
#include "agent/ui/drop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/json_line.h"
#include "agent/record.h"
#include "agent/ui/answer_json.h"
#include "agent/ui/arguments.h"
#include "agent/ui/asks.h"
#include "agent/ui/launch.h"
#include "base/mem.h"

enum { AWAY_MS = 30 * 1000 }; /* a reload, and the same folder chosen again */

struct drop {
    struct drops *all;
    char *id, *page, *label, *name, *cluster, *socket;
    enum { DROP_ASKING, DROP_AWAY, DROP_CLOSED } phase;
    uv_pipe_t listener;
    uv_timer_t timer;
    struct asks *asks; /* NULL: the session is not there yet */
    unsigned n_open;   /* handles, asks, and the session */
    void (*ended)(void *ctx, int code, const char *error);
    void *ctx;
    struct drop *next;
};

struct drops {
    struct loop *loop;
    struct children *children;
    struct broadcast *pages;
    const struct paths *paths;
    struct drop *first;
    bool is_ending;
};

/* ---- telling the pages ---- */

static void tell_state(const struct drop *d)
{
    static const char *const states[] = {"asking", "away", "over"};
    struct text line = {0};

    if (d->all->is_ending)
        return;
    json_line_begin(&line);
    json_line_string(&line, "id", d->id);
    json_line_string(&line, "name", d->name);
    json_line_string(&line, "label", d->label);
    json_line_string(&line, "state", states[d->phase]);
    json_line_end(&line);
    broadcast_tell(d->all->pages, "drop", text_string(&line));
    text_free(&line);
}

/* {"drop":"ID","ask":7,...} */
static void on_asked(void *ctx, const char *json)
{
    const struct drop *d = ctx;
    struct page *p = broadcast_find(d->all->pages, d->page);
    struct text line = {0};

    if (p == NULL)
        return;
    json_line_begin(&line);
    json_line_string(&line, "drop", d->id);
    text_add_format(&line, ",%s", json + 1);
    page_tell(p, "ask", text_string(&line));
    text_free(&line);
}

/* ---- the end ---- */

static void release(struct drop *d)
{
    if (--d->n_open > 0)
        return;
    free(d->id);
    free(d->page);
    free(d->label);
    free(d->name);
    free(d->cluster);
    free(d->socket);
    free(d);
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

/* The session sees its files go. */
static void drop_close(struct drop *d)
{
    struct drop **link;

    if (d->phase == DROP_CLOSED)
        return;
    link = &d->all->first;
    while (*link != d)
        link = &(*link)->next;
    *link = d->next;
    d->phase = DROP_CLOSED;
    tell_state(d);
    unlink(d->socket);
    close_handle(&d->listener);
    close_handle(&d->timer);
    if (d->asks != NULL)
        asks_close(d->asks);
}

/* ---- the session, and the page's answers ---- */

static void on_lost(void *ctx)
{
    drop_close(ctx);
}

static void on_asks_closed(void *ctx)
{
    release(ctx);
}

static const struct asks_events asks_events = {on_asked, on_lost, on_asks_closed};

static void on_connection(uv_stream_t *listener, int status)
{
    struct drop *d = listener->data;

    if (status != 0 || d->asks != NULL)
        return;
    d->n_open++;
    d->asks = asks_new(&asks_events, d);
    asks_accept(d->asks, listener);
}

static struct drop *find_drop(const struct drops *all, const char *id)
{
    struct drop *d = all->first;

    while (d != NULL && (id == NULL || strcmp(d->id, id) != 0))
        d = d->next;
    return d;
}

void drops_begin_answer(struct drops *all, struct exchange *x)
{
    const struct drop *d = find_drop(all, exchange_query(x, "drop"));

    asks_begin_answer(d != NULL ? d->asks : NULL, x);
}

void drops_end_answer(struct drops *all, struct exchange *x)
{
    (void)all; /* x knows what it answers */
    asks_end_answer(x);
}

/* ---- the page ---- */

static void on_away(uv_timer_t *timer)
{
    drop_close(timer->data);
}

static void come_back(struct drop *d)
{
    uv_timer_stop(&d->timer);
    d->phase = DROP_ASKING;
    tell_state(d);
    if (d->asks != NULL)
        asks_tell(d->asks);
}

void drops_page_came(struct drops *all, struct page *p)
{
    for (struct drop *d = all->first; d != NULL; d = d->next) {
        if (strcmp(d->page, page_id(p)) == 0)
            come_back(d);
        else
            tell_state(d);
    }
}

void drops_page_went(struct drops *all, const struct page *p)
{
    for (struct drop *d = all->first; d != NULL; d = d->next) {
        if (strcmp(d->page, page_id(p)) != 0 ||
            broadcast_find(all->pages, d->page) != NULL)
            continue;
        d->phase = DROP_AWAY;
        uv_timer_start(&d->timer, on_away, AWAY_MS, 0);
        tell_state(d);
    }
}

/* ---- the beginning ---- */

static void set(char **field, const char *value)
{
    free(*field);
    *field = mem_copy_string(value);
}

/* A page that was reloaded has the same files again. */
static void take_over(struct drop *d, struct exchange *x, const struct drop_options *o)
{
    struct text line = {0};

    set(&d->id, o->id);
    set(&d->page, o->page);
    if (d->asks != NULL)
        asks_detach(d->asks);
    json_line_begin(&line);
    json_line_string(&line, "event", "session");
    json_line_string(&line, "name", d->name);
    json_line_bool(&line, "resumed", true);
    json_line_end(&line);
    exchange_answer(x, 200, "application/x-ndjson", line.data, line.size);
    text_free(&line);
    come_back(d);
}

static struct drop *find_alike(const struct drops *all, const struct drop_options *o)
{
    struct drop *d = all->first;

    while (d != NULL &&
           (strcmp(d->name, o->name) != 0 || strcmp(d->label, o->label) != 0 ||
            strcmp(d->cluster, o->cluster) != 0))
        d = d->next;
    return d;
}

static int listen_on(struct drop *d, struct error *err)
{
    char random[RECORD_ID_MAX];
    struct text path = {0};
    int status;

    agent_random_hex(random, RECORD_ID_BYTES);
    if (paths_make(d->all->paths, PATHS_RUNTIME, err) != 0)
        return -1;
    status =
        control_choose_path(&path, paths_of(d->all->paths, PATHS_RUNTIME), random, err);
    if (status != 0) {
        text_free(&path);
        return -1;
    }
    free(d->socket);
    d->socket = text_take(&path);
    unlink(d->socket);
    status = uv_pipe_bind(&d->listener, d->socket);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&d->listener, 1, on_connection);
    if (status != 0)
        return error_set(err, ERROR_IO, status, "%s: %s", d->socket,
                         uv_strerror(status));
    return 0;
}

static struct drop *drop_new(struct drops *all, const struct drop_options *o)
{
    struct drop *d = mem_new(1, sizeof *d);

    d->all = all;
    d->id = mem_copy_string(o->id);
    d->page = mem_copy_string(o->page);
    d->label = mem_copy_string(o->label);
    d->name = mem_copy_string(o->name);
    d->cluster = mem_copy_string(o->cluster);
    d->socket = mem_copy_string("");
    d->ended = o->ended;
    d->ctx = o->ctx;
    uv_pipe_init(&all->loop->uv, &d->listener, 0);
    uv_timer_init(&all->loop->uv, &d->timer);
    d->listener.data = d->timer.data = d;
    d->n_open = 2;
    d->next = all->first;
    all->first = d;
    return d;
}

static void on_ended(void *ctx, int code, const char *error)
{
    struct drop *d = ctx;

    d->ended(d->ctx, code, error);
    drop_close(d);
    release(d);
}

static void launch(struct drop *d, struct exchange *x, const struct drop_options *o)
{
    struct text source = {0}, variable = {0};
    struct arguments a = {0};
    struct launch_options options = {
        .children = d->all->children, .ended = on_ended, .ctx = d};

    text_add_format(&source, "browser:%s", o->label);
    text_add_format(&variable, "GRID_BROWSER_SOCKET=%s", d->socket);
    arguments_add(&a, "datastore create --json");
    arguments_option(&a, "name", o->name);
    arguments_option(&a, "cluster", o->cluster);
    arguments_option(&a, "bwlimit", o->limit);
    arguments_flag(&a, "skip-unreadable", o->skip_unreadable);
    arguments_flag(&a, "fresh", o->fresh);
    arguments_positional(&a, text_string(&source));
    options.arguments = a.words;
    options.variable = text_string(&variable);
    d->n_open++;
    launch_start(x, &options);
    arguments_free(&a);
    text_free(&source);
    text_free(&variable);
}

void drops_start(struct drops *all, struct exchange *x, const struct drop_options *o)
{
    struct drop *d = find_alike(all, o);
    struct error err;

    if (d != NULL) {
        take_over(d, x, o);
        return;
    }
    d = drop_new(all, o);
    if (listen_on(d, &err) != 0) {
        answer_error(x, &err);
        drop_close(d);
        return;
    }
    launch(d, x, o);
    tell_state(d);
}

struct drops *drops_new(struct loop *loop, struct children *children,
                        struct broadcast *pages, const struct paths *paths)
{
    struct drops *all = mem_new(1, sizeof *all);

    all->loop = loop;
    all->children = children;
    all->pages = pages;
    all->paths = paths;
    return all;
}

void drops_end(struct drops *all)
{
    all->is_ending = true;
    while (all->first != NULL)
        drop_close(all->first);
    free(all);
}
