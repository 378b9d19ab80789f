/*
 *     ASKING <--the page comes back-- AWAY --AWAY_MS--> CLOSED
 *       |  --the page goes------------^                   ^
 *       +--the session ends-------------------------------+
 */
#include "agent/ui/drop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/json_line.h"
#include "agent/record.h"
#include "agent/ui/answer_json.h"
#include "agent/ui/arguments.h"
#include "agent/ui/launch.h"
#include "base/mem.h"

enum {
    AWAY_MS = 30 * 1000,     /* a reload, and the same folder chosen again */
    ASK_LINE_MAX = 64 << 10, /* with a path in it */
    QUEUED_MAX = 1 << 20     /* bytes that the session has not taken */
};

/* A question that is not answered. */
struct drop_ask {
    uint64_t id;
    char *json;          /* for the page */
    struct exchange *by; /* that answers it now, or NULL */
    struct drop_ask *next;
};

struct drop {
    struct drops *all;
    char *id, *page, *label, *name, *cluster, *socket;
    enum { DROP_ASKING, DROP_AWAY, DROP_CLOSED } phase;
    uv_pipe_t listener, peer;
    uv_timer_t timer;
    unsigned n_open; /* handles, and the session */
    bool has_peer;
    struct text line;
    char buffer[16 << 10];
    struct drop_ask *asks;
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
static void tell_ask(const struct drop *d, const struct drop_ask *a)
{
    struct page *p = broadcast_find(d->all->pages, d->page);
    struct text line = {0};

    if (p == NULL)
        return;
    json_line_begin(&line);
    json_line_string(&line, "drop", d->id);
    text_add_format(&line, ",%s", a->json + 1);
    page_tell(p, "ask", text_string(&line));
    text_free(&line);
}

/* ---- the end ---- */

/* What still comes of its answer counts no more. */
static void detach(struct drop_ask *a)
{
    if (a->by == NULL)
        return;
    a->by->owner = NULL;
    exchange_take_on(a->by); /* to be refused */
    a->by = NULL;
}

static void ask_free(struct drop_ask *a)
{
    detach(a);
    free(a->json);
    free(a);
}

static void forget_asks(struct drop *d)
{
    while (d->asks != NULL) {
        struct drop_ask *next = d->asks->next;

        ask_free(d->asks);
        d->asks = next;
    }
}

static void release(struct drop *d)
{
    if (--d->n_open > 0)
        return;
    text_free(&d->line);
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
    forget_asks(d);
    tell_state(d);
    unlink(d->socket);
    close_handle(&d->listener);
    close_handle(&d->timer);
    if (d->has_peer)
        close_handle(&d->peer);
}

/* ---- what the session asks ---- */

static void take_ask(struct drop *d, const char *line)
{
    cJSON *json = cJSON_Parse(line);
    const cJSON *id = cJSON_GetObjectItem(json, "ask");
    struct drop_ask *a, **last = &d->asks;

    if (cJSON_IsNumber(id)) {
        a = mem_new(1, sizeof *a);
        a->id = (uint64_t)id->valuedouble;
        a->json = mem_copy_string(line);
        while (*last != NULL)
            last = &(*last)->next;
        *last = a;
        tell_ask(d, a);
    }
    cJSON_Delete(json);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct drop *d = handle->data;

    (void)size;
    *buffer = uv_buf_init(d->buffer, sizeof d->buffer);
}

static void on_asked(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct drop *d = stream->data;
    const char *bytes = buffer->base, *end;

    if (n < 0 || d->line.size > ASK_LINE_MAX) {
        drop_close(d);
        return;
    }
    while (n > 0 && (end = memchr(bytes, '\n', (size_t)n)) != NULL) {
        text_add_bytes(&d->line, bytes, (size_t)(end - bytes));
        take_ask(d, text_string(&d->line));
        text_clear(&d->line);
        n -= end + 1 - bytes;
        bytes = end + 1;
    }
    if (n > 0)
        text_add_bytes(&d->line, bytes, (size_t)n);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct drop *d = listener->data;

    if (status != 0 || d->has_peer)
        return;
    d->has_peer = true;
    d->n_open++;
    uv_pipe_init(listener->loop, &d->peer, 0);
    d->peer.data = d;
    if (uv_accept(listener, (uv_stream_t *)&d->peer) != 0 ||
        uv_read_start((uv_stream_t *)&d->peer, give_room, on_asked) != 0)
        drop_close(d);
}

/* ---- what the page answers ---- */

struct writing {
    uv_write_t request;
    struct text bytes;
};

static struct drop_ask *find_ask(struct drop *d, const char *id)
{
    uint64_t number;
    struct drop_ask *a = d->asks;

    if (id == NULL || text_parse_u64(id, &number) != 0)
        return NULL;
    while (a != NULL && a->id != number)
        a = a->next;
    return a;
}

static void take_on(struct drop *d)
{
    for (struct drop_ask *a = d->asks; a != NULL; a = a->next)
        if (a->by != NULL)
            exchange_take_on(a->by);
}

static void on_written(uv_write_t *request, int status)
{
    struct writing *w = request->data;
    struct drop *d = request->handle->data;

    (void)status; /* where it is lost, reading tells */
    text_free(&w->bytes);
    free(w);
    take_on(d);
}

static void send_bytes(struct drop *d, struct text *bytes)
{
    struct writing *w = mem_new(1, sizeof *w);
    uv_buf_t out;

    w->bytes = *bytes;
    w->request.data = w;
    out = uv_buf_init(w->bytes.data, (unsigned)w->bytes.size);
    if (uv_write(&w->request, (uv_stream_t *)&d->peer, &out, 1, on_written) != 0) {
        text_free(&w->bytes);
        free(w);
    }
}

/* Which drop and which question an answer is for; the answer itself knows the rest. */
struct answering {
    struct drop *drop;
    struct drop_ask *ask;
};

static struct drop *find_drop(const struct drops *all, const char *id)
{
    struct drop *d = all->first;

    while (d != NULL && (id == NULL || strcmp(d->id, id) != 0))
        d = d->next;
    return d;
}

/* The question of an answer; NULL where it has gone meanwhile. */
static struct answering of_answer(const struct exchange *x)
{
    struct answering found = {0};

    if (x->owner == NULL)
        return found;
    found.drop = find_drop(x->owner, exchange_query(x, "drop"));
    if (found.drop != NULL)
        found.ask = find_ask(found.drop, exchange_query(x, "ask"));
    return found;
}

static size_t on_body(struct exchange *x, const void *bytes, size_t n)
{
    struct answering to = of_answer(x);
    struct text out = {0};

    if (to.ask == NULL)
        return n; /* nobody waits for it any more */
    if (uv_stream_get_write_queue_size((uv_stream_t *)&to.drop->peer) > QUEUED_MAX)
        return 0;
    text_add_format(&out, "%" PRIu64 " bytes %zu\n", to.ask->id, n);
    text_add_bytes(&out, bytes, n);
    send_bytes(to.drop, &out);
    return n;
}

static void on_answer_gone(struct exchange *x)
{
    struct answering to = of_answer(x);

    if (to.ask == NULL || to.ask->by != x)
        return;
    to.ask->by = NULL; /* it broke off: once more */
    tell_ask(to.drop, to.ask);
}

/* A number of the query, 0 where there is none.  What else stood there would be taken by
 * the session for its own lines. */
static int number_of(const struct exchange *x, const char *name, uint64_t *out)
{
    const char *value = exchange_query(x, name);

    *out = 0;
    return value == NULL ? 0 : text_parse_u64(value, out);
}

void drops_begin_answer(struct drops *all, struct exchange *x)
{
    struct answering to = {.drop = find_drop(all, exchange_query(x, "drop"))};
    struct text out = {0};
    uint64_t size, modified;

    if (to.drop != NULL)
        to.ask = find_ask(to.drop, exchange_query(x, "ask"));
    if (to.ask == NULL) {
        answer_refusal(x, 410, "this is not asked for any more");
        return;
    }
    if (number_of(x, "size", &size) != 0 || number_of(x, "modified", &modified) != 0) {
        answer_refusal(x, 400, "size and modified are numbers");
        return;
    }
    detach(to.ask); /* a page that begins anew has given up what it had begun */
    to.ask->by = x;
    x->owner = all;
    x->take = on_body;
    x->gone = on_answer_gone;
    text_add_format(&out, "%" PRIu64 " begin %" PRIu64 " %" PRIu64 "\n", to.ask->id,
                    size, modified);
    send_bytes(to.drop, &out);
}

static void remove_ask(struct drop *d, struct drop_ask *gone)
{
    struct drop_ask **link = &d->asks;

    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    gone->by = NULL;
    ask_free(gone);
}

void drops_end_answer(struct drops *all, struct exchange *x)
{
    struct answering to = of_answer(x);
    const char *fail = exchange_query(x, "fail");
    const char *message = exchange_query(x, "message");
    struct text out = {0}, shown = {0};

    (void)all;
    if (to.ask == NULL || to.ask->by != x) {
        answer_refusal(x, 410, "this is not asked for any more");
        return;
    }
    text_add_format(&out, "%" PRIu64 " ", to.ask->id);
    if (fail != NULL) {
        text_add_printable(&shown, message, message != NULL ? strlen(message) : 0);
        text_add_format(&out, "fail %s %.200s\n",
                        strcmp(fail, "gone") == 0 ? "gone" : "unreadable",
                        text_string(&shown));
    } else {
        text_add(&out, "end\n");
    }
    text_free(&shown);
    send_bytes(to.drop, &out);
    remove_ask(to.drop, to.ask);
    answer_json(x, "{}\n");
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
    for (const struct drop_ask *a = d->asks; a != NULL; a = a->next)
        if (a->by == NULL)
            tell_ask(d, a);
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
    for (struct drop_ask *a = d->asks; a != NULL; a = a->next)
        detach(a);
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
