/*
 * A page that reads slowly holds the command up, not our memory.
 */
#include "agent/ui/relay.h"

#include <stdlib.h>
#include <string.h>

#include "agent/json_line.h"
#include "base/mem.h"

enum { PENDING_MAX = 256 << 10, SIGN_OF_LIFE_MS = 1000 };

struct relay {
    struct exchange *x;  /* NULL: the page has gone */
    struct child *child; /* NULL: it has ended */
    struct relay_options options;
    uv_timer_t timer;
    bool is_timer_open;
};

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void advance(struct relay *r)
{
    if (r->x != NULL || r->child != NULL || !r->is_timer_open)
        return;
    r->is_timer_open = false;
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

/* ---- from the command ---- */

static void write_text(struct relay *r, const char *line)
{
    struct text out = {0};

    json_line_begin(&out);
    json_line_string(&out, "event", "text");
    json_line_string(&out, "text", line);
    json_line_end(&out);
    exchange_write(r->x, out.data, out.size);
    text_free(&out);
}

static void on_line(void *ctx, const char *line, size_t size)
{
    struct relay *r = ctx;

    if (r->x == NULL || size == 0)
        return;
    if (line[0] == '{' && line[size - 1] == '}') {
        exchange_write(r->x, line, size);
        exchange_write(r->x, "\n", 1);
    } else {
        write_text(r, line);
    }
    uv_timer_again(&r->timer);
    if (exchange_pending(r->x) > PENDING_MAX)
        child_hold(r->child, true);
}

static void on_ended(void *ctx, int code, const char *errors)
{
    struct relay *r = ctx;
    struct text out = {0};

    r->child = NULL;
    if (r->options.ended != NULL)
        r->options.ended(r->options.ctx, code);
    if (r->x != NULL) {
        json_line_begin(&out);
        json_line_string(&out, "event", "exit");
        json_line_i64(&out, "code", code);
        json_line_string(&out, "errors", errors);
        json_line_end(&out);
        exchange_write(r->x, out.data, out.size);
        exchange_end(r->x);
        text_free(&out);
    }
    advance(r);
}

static const struct child_events child_events = {.line = on_line, .ended = on_ended};

/* ---- from the page ---- */

static void on_drained(struct exchange *x)
{
    struct relay *r = x->owner;

    if (r->child != NULL)
        child_hold(r->child, false);
}

static void on_gone(struct exchange *x)
{
    struct relay *r = x->owner;

    r->x = NULL;
    if (r->child != NULL && r->options.is_action)
        child_hold(r->child, false);
    else if (r->child != NULL) {
        child_abandon(r->child);
        r->child = NULL;
    }
    advance(r);
}

/* So that it is seen when the page has gone. */
static void on_quiet(uv_timer_t *timer)
{
    struct relay *r = timer->data;

    if (r->x != NULL && exchange_pending(r->x) == 0)
        exchange_write(r->x, "\n", 1);
}

void relay_start(struct exchange *x, const struct relay_options *options)
{
    struct relay *r = mem_new(1, sizeof *r);
    const struct child_options child = {
        .all = options->children,
        .arguments = options->arguments,
        .input = options->input,
        .events = &child_events,
        .ctx = r,
    };

    r->x = x;
    r->options = *options;
    r->is_timer_open = true;
    x->owner = r;
    x->drained = on_drained;
    x->gone = on_gone;
    uv_timer_init(&options->children->loop->uv, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_quiet, SIGN_OF_LIFE_MS, SIGN_OF_LIFE_MS);
    exchange_stream(x, 200, "application/x-ndjson");
    r->child = child_start(&child);
}
