/* Every second each page gets something, be it a comment: else nobody would notice that
 * it has gone. */
#include "agent/ui/broadcast.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PENDING_MAX = 2 << 20, SIGN_OF_LIFE_MS = 1000 };

struct page {
    struct broadcast *all;
    struct exchange *x;
    char *id;
    struct page *prev, *next;
};

struct broadcast {
    struct page *first;
    unsigned n_pages;
    uv_timer_t timer;
    const struct broadcast_events *events;
    void *ctx;
};

static void on_tick(uv_timer_t *timer)
{
    struct broadcast *b = timer->data;

    for (struct page *p = b->first; p != NULL; p = p->next)
        exchange_write(p->x, ":\n\n", 3);
}

struct broadcast *broadcast_open(struct loop *loop,
                                 const struct broadcast_events *events, void *ctx)
{
    struct broadcast *b = mem_new(1, sizeof *b);

    b->events = events;
    b->ctx = ctx;
    uv_timer_init(&loop->uv, &b->timer);
    b->timer.data = b;
    uv_timer_start(&b->timer, on_tick, SIGN_OF_LIFE_MS, SIGN_OF_LIFE_MS);
    return b;
}

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void broadcast_close(struct broadcast *b)
{
    uv_close((uv_handle_t *)&b->timer, on_closed);
}

static void on_gone(struct exchange *x)
{
    struct page *p = x->owner;
    struct broadcast *b = p->all;

    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        b->first = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    b->n_pages--;
    b->events->went(b->ctx, p);
    free(p->id);
    free(p);
}

void broadcast_join(struct broadcast *b, struct exchange *x, const char *id)
{
    struct page *p = mem_new(1, sizeof *p);

    p->all = b;
    p->x = x;
    p->id = mem_copy_string(id);
    p->next = b->first;
    if (p->next != NULL)
        p->next->prev = p;
    b->first = p;
    b->n_pages++;
    x->owner = p;
    x->gone = on_gone;
    exchange_stream(x, 200, "text/event-stream");
    b->events->came(b->ctx, p);
}

struct page *broadcast_find(const struct broadcast *b, const char *id)
{
    struct page *p = b->first;

    while (p != NULL && strcmp(p->id, id) != 0)
        p = p->next;
    return p;
}

const char *page_id(const struct page *p)
{
    return p->id;
}

void page_tell(struct page *p, const char *event, const char *json)
{
    struct text out = {0};

    if (exchange_pending(p->x) > PENDING_MAX) {
        exchange_end(p->x);
        return;
    }
    text_add_format(&out, "event: %s\ndata: ", event);
    text_add_bytes(&out, json, strcspn(json, "\n"));
    text_add(&out, "\n\n");
    exchange_write(p->x, out.data, out.size);
    text_free(&out);
}

void broadcast_tell(struct broadcast *b, const char *event, const char *json)
{
    for (struct page *p = b->first; p != NULL; p = p->next)
        page_tell(p, event, json);
}

unsigned broadcast_pages(const struct broadcast *b)
{
    return b->n_pages;
}
