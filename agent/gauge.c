/*
 * The rate is the average since the start: what reads or deletes goes on evenly, unlike
 * an upload, and nobody takes decisions by it.
 */
#include "agent/gauge.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/figure.h"
#include "agent/progress.h"
#include "agent/terminal.h"
#include "base/mem.h"

enum { TICK_MS = 200, QUIET_MS = 1000, LINE_MS = 10 * 1000 };

struct gauge {
    struct agent *agent;
    struct terminal terminal;
    char *title;
    struct event_progress now;
    uv_timer_t timer;
    uint64_t started_ms, line_ms; /* when the last plain line was due */
    bool is_drawn, is_closed;
};

static void put(const struct text *out)
{
    ssize_t ignored = write(STDERR_FILENO, out->data, out->size);

    (void)ignored; /* nobody looks */
}

/* ---- the line ---- */

static void take_rate(struct gauge *g)
{
    uint64_t ms = loop_now_ms(&g->agent->loop) - g->started_ms;
    struct event_progress *now = &g->now;

    now->eta_s = -1;
    if (ms < QUIET_MS)
        return;
    now->rate = now->bytes_done * 1000 / ms;
    if (now->bytes_total > now->bytes_done && now->rate > 0)
        now->eta_s = (int64_t)((now->bytes_total - now->bytes_done) / now->rate) + 1;
}

static void add_facts(struct text *out, const struct event_progress *now)
{
    struct text facts[PROGRESS_FACTS_MAX];
    unsigned n_main, n = progress_facts(facts, &n_main, now);

    text_add_format(out, "%u %%", progress_percent(now));
    for (unsigned i = 0; i < n; i++)
        text_add_format(out, ", %s", text_string(&facts[i]));
    for (unsigned i = 0; i < PROGRESS_FACTS_MAX; i++)
        text_free(&facts[i]);
}

static void add_line(struct text *out, struct gauge *g)
{
    text_add_format(out, "%s: ", g->title);
    take_rate(g);
    if (g->now.files_total > 0)
        add_facts(out, &g->now);
    else
        figure_add_noun(out, g->now.files_done, "object", "objects");
}

static void draw(struct gauge *g)
{
    struct text line = {0}, out = {0};
    unsigned columns, rows;

    if (!terminal_is_foreground(&g->terminal))
        return;
    terminal_size(&g->terminal, &columns, &rows);
    add_line(&line, g);
    text_add(&out, "\r");
    cells_add_clipped(&g->terminal.cells, &out, text_string(&line), columns - 1);
    text_add(&out, "\033[K");
    put(&out);
    g->is_drawn = true;
    text_free(&line);
    text_free(&out);
}

static void print(struct gauge *g)
{
    char time[TEXT_TIME_MAX];
    struct text out = {0};

    text_time(time, agent_clock_ms());
    text_add_format(&out, "%.19sZ ", time); /* without the milliseconds */
    add_line(&out, g);
    text_add(&out, "\n");
    put(&out);
    text_free(&out);
}

static void on_tick(uv_timer_t *timer)
{
    struct gauge *g = timer->data;
    uint64_t now_ms = loop_now_ms(&g->agent->loop);

    if (store_away(g->agent->store) != NULL || now_ms - g->started_ms < QUIET_MS)
        return; /* what is waited for has been said */
    if (g->terminal.can_redraw) {
        draw(g);
    } else if (now_ms - g->line_ms >= LINE_MS) {
        g->line_ms = now_ms;
        print(g);
    }
}

/* ---- from outside ---- */

void gauge_start(struct agent *a, const struct gauge_options *options)
{
    struct gauge *g = mem_new(1, sizeof *g);

    g->agent = a;
    g->title = mem_copy_string(options->title);
    terminal_open(&g->terminal, STDERR_FILENO);
    g->now.files_total = options->files;
    g->now.bytes_total = options->bytes;
    g->now.scan_done = true;
    g->now.state = STATE_UPLOADING; /* something moves */
    g->started_ms = g->line_ms = loop_now_ms(&a->loop);
    uv_timer_init(&a->loop.uv, &g->timer);
    g->timer.data = g;
    uv_timer_start(&g->timer, on_tick, TICK_MS, TICK_MS);
    a->gauge = g;
}

/* What changed under our hands may be more than was announced. */
static void add(uint64_t *done, uint64_t n, uint64_t total)
{
    *done += n;
    if (total > 0 && *done > total)
        *done = total;
}

void gauge_add_files(struct gauge *g, uint64_t n)
{
    if (g != NULL)
        add(&g->now.files_done, n, g->now.files_total);
}

void gauge_add_bytes(struct gauge *g, uint64_t n)
{
    if (g != NULL)
        add(&g->now.bytes_done, n, g->now.bytes_total);
}

void gauge_give_way(struct gauge *g, bool is_stdout)
{
    struct text out = {0};

    if (g == NULL || !g->is_drawn || (is_stdout && isatty(STDOUT_FILENO) != 1))
        return;
    text_add(&out, "\r\033[K");
    put(&out);
    text_free(&out);
    g->is_drawn = false;
}

void gauge_show(struct gauge *g)
{
    if (g == NULL)
        return;
    gauge_give_way(g, false);
    print(g);
}

static void on_closed(uv_handle_t *timer)
{
    struct gauge *g = timer->data;

    g->is_closed = true;
}

void gauge_end(struct agent *a)
{
    struct gauge *g = a->gauge;

    if (g == NULL)
        return;
    a->gauge = NULL;
    gauge_give_way(g, false);
    uv_close((uv_handle_t *)&g->timer, on_closed);
    loop_run_until(&a->loop, &g->is_closed);
    terminal_close(&g->terminal);
    free(g->title);
    free(g);
}
