/*
 *     asked --> OPEN --begun--> answered by a request --all of it--> gone
 *                ^-- told again ---- broken off
 *
 * A request's owner is the question that it answers, NULL once that is not asked any
 * more.
 */
#include "agent/ui/asks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "agent/ui/answer_json.h"
#include "base/mem.h"

enum {
    LINE_BYTES = 64 << 10, /* with a path in it */
    QUEUED_MAX = 1 << 20   /* bytes that the session has not taken */
};

/* A question that is not answered. */
struct ask {
    struct asks *all;
    uint64_t id;
    char *json;          /* as it was asked */
    struct exchange *by; /* that answers it now, or NULL */
    struct ask *next;
};

struct asks {
    const struct asks_events *events;
    void *ctx;
    uv_pipe_t peer;
    struct ask *first;
    struct text line;
    char buffer[16 << 10];
};

static const char not_asked[] = "this is not asked for any more";

/* ---- the end ---- */

/* What still comes of its answer counts no more. */
static void detach(struct ask *a)
{
    if (a->by == NULL)
        return;
    a->by->owner = NULL;
    exchange_take_on(a->by); /* to be refused */
    a->by = NULL;
}

static void ask_free(struct ask *a)
{
    detach(a);
    free(a->json);
    free(a);
}

static void on_closed(uv_handle_t *peer)
{
    struct asks *all = peer->data;

    all->events->closed(all->ctx);
    text_free(&all->line);
    free(all);
}

void asks_close(struct asks *all)
{
    while (all->first != NULL) {
        struct ask *next = all->first->next;

        ask_free(all->first);
        all->first = next;
    }
    uv_close((uv_handle_t *)&all->peer, on_closed);
}

/* ---- what the session asks ---- */

static void tell(const struct ask *a)
{
    a->all->events->asked(a->all->ctx, a->json);
}

static void take_line(struct asks *all, const char *line)
{
    cJSON *json = cJSON_Parse(line);
    const cJSON *id = cJSON_GetObjectItem(json, "ask");
    struct ask *a, **last = &all->first;

    if (cJSON_IsNumber(id)) {
        a = mem_new(1, sizeof *a);
        a->all = all;
        a->id = (uint64_t)id->valuedouble;
        a->json = mem_copy_string(line);
        while (*last != NULL)
            last = &(*last)->next;
        *last = a;
        tell(a);
    }
    cJSON_Delete(json);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct asks *all = handle->data;

    (void)size;
    *buffer = uv_buf_init(all->buffer, sizeof all->buffer);
}

static void on_asked(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct asks *all = stream->data;
    const char *bytes = buffer->base, *end;

    if (n < 0 || all->line.size > LINE_BYTES) {
        uv_read_stop(stream);
        all->events->lost(all->ctx);
        return;
    }
    while (n > 0 && (end = memchr(bytes, '\n', (size_t)n)) != NULL) {
        text_add_bytes(&all->line, bytes, (size_t)(end - bytes));
        take_line(all, text_string(&all->line));
        text_clear(&all->line);
        n -= end + 1 - bytes;
        bytes = end + 1;
    }
    if (n > 0)
        text_add_bytes(&all->line, bytes, (size_t)n);
}

struct asks *asks_new(const struct asks_events *events, void *ctx)
{
    struct asks *all = mem_new(1, sizeof *all);

    all->events = events;
    all->ctx = ctx;
    return all;
}

void asks_accept(struct asks *all, uv_stream_t *listener)
{
    uv_pipe_init(listener->loop, &all->peer, 0);
    all->peer.data = all;
    if (uv_accept(listener, (uv_stream_t *)&all->peer) != 0 ||
        uv_read_start((uv_stream_t *)&all->peer, give_room, on_asked) != 0)
        all->events->lost(all->ctx);
}

void asks_tell(const struct asks *all)
{
    for (const struct ask *a = all->first; a != NULL; a = a->next)
        if (a->by == NULL)
            tell(a);
}

void asks_detach(struct asks *all)
{
    for (struct ask *a = all->first; a != NULL; a = a->next)
        detach(a);
}

/* ---- what the page answers ---- */

struct writing {
    uv_write_t request;
    struct text bytes;
};

static struct ask *find(const struct asks *all, const char *id)
{
    struct ask *a = all != NULL ? all->first : NULL;
    uint64_t number;

    if (id == NULL || text_parse_u64(id, &number) != 0)
        return NULL;
    while (a != NULL && a->id != number)
        a = a->next;
    return a;
}

static void on_written(uv_write_t *request, int status)
{
    struct writing *w = request->data;
    struct asks *all = request->handle->data;

    (void)status; /* where it is lost, reading tells */
    text_free(&w->bytes);
    free(w);
    for (struct ask *a = all->first; a != NULL; a = a->next)
        if (a->by != NULL)
            exchange_take_on(a->by);
}

static void send_bytes(struct asks *all, struct text *bytes)
{
    struct writing *w = mem_new(1, sizeof *w);
    uv_buf_t out;

    w->bytes = *bytes;
    w->request.data = w;
    out = uv_buf_init(w->bytes.data, (unsigned)w->bytes.size);
    if (uv_write(&w->request, (uv_stream_t *)&all->peer, &out, 1, on_written) != 0) {
        text_free(&w->bytes);
        free(w);
    }
}

static size_t on_body(struct exchange *x, const void *bytes, size_t n)
{
    const struct ask *a = x->owner;
    struct text out = {0};

    if (a == NULL)
        return n; /* nobody waits for it any more */
    if (uv_stream_get_write_queue_size((uv_stream_t *)&a->all->peer) > QUEUED_MAX)
        return 0;
    text_add_format(&out, "%" PRIu64 " bytes %zu\n", a->id, n);
    text_add_bytes(&out, bytes, n);
    send_bytes(a->all, &out);
    return n;
}

static void on_gone(struct exchange *x)
{
    struct ask *a = x->owner;

    if (a == NULL)
        return;
    a->by = NULL; /* it broke off: once more */
    tell(a);
}

/* A number of the query, 0 where there is none.  What else stood there would be taken by
 * the session for its own lines. */
static int number_of(const struct exchange *x, const char *name, uint64_t *out)
{
    const char *value = exchange_query(x, name);

    *out = 0;
    return value == NULL ? 0 : text_parse_u64(value, out);
}

void asks_begin_answer(struct asks *all, struct exchange *x)
{
    struct ask *a = find(all, exchange_query(x, "ask"));
    struct text out = {0};
    uint64_t size, modified;

    if (a == NULL) {
        answer_refusal(x, 410, not_asked);
        return;
    }
    if (number_of(x, "size", &size) != 0 || number_of(x, "modified", &modified) != 0) {
        answer_refusal(x, 400, "size and modified are numbers");
        return;
    }
    detach(a); /* a page that begins anew has given up what it had begun */
    a->by = x;
    x->owner = a;
    x->take = on_body;
    x->gone = on_gone;
    text_add_format(&out, "%" PRIu64 " begin %" PRIu64 " %" PRIu64 "\n", a->id, size,
                    modified);
    send_bytes(all, &out);
}

static void add_end(struct text *out, const struct exchange *x)
{
    const char *fail = exchange_query(x, "fail");
    const char *message = exchange_query(x, "message");
    struct text shown = {0};

    if (fail == NULL) {
        text_add(out, "end\n");
        return;
    }
    text_add_printable(&shown, message, message != NULL ? strlen(message) : 0);
    text_add_format(out, "fail %s %.200s\n",
                    strcmp(fail, "gone") == 0 ? "gone" : "unreadable",
                    text_string(&shown));
    text_free(&shown);
}

static void forget(struct ask *gone)
{
    struct ask **link = &gone->all->first;

    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    gone->by->owner = NULL;
    gone->by = NULL;
    ask_free(gone);
}

void asks_end_answer(struct exchange *x)
{
    struct ask *a = x->owner;
    struct text out = {0};

    if (a == NULL) {
        answer_refusal(x, 410, not_asked);
        return;
    }
    text_add_format(&out, "%" PRIu64 " ", a->id);
    add_end(&out, x);
    send_bytes(a->all, &out);
    forget(a);
    answer_json(x, "{}\n");
}
