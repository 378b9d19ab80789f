/*
 * A frame is put together as lines, each at most columns - 1 cells wide (a full last
 * column would leave the cursor in doubt), at most rows - 1 of them (the cursor has the
 * last).  Then the cursor goes up over the old frame, every line is overwritten and its
 * rest cleared, so that nothing flickers.
 *
 * When the window became narrower meanwhile, the terminal has folded the old lines: how
 * many rows they take now follows from the widths that we remember.
 *
 * With few rows the order of sacrifice is: files in flight, facts, headline; the bar
 * (or, without totals or while we wait, the headline) stays.
 */
#include "agent/display.h"

#include <stdlib.h>
#include <string.h>

#include "agent/figure.h"
#include "agent/progress.h"
#include "base/mem.h"

enum { BAR_MAX = 60, SIZE_COLUMN = 10, SIZE_FROM_COLUMNS = 60 };

struct line {
    struct text text; /* printable */
    enum color color;
};

struct frame {
    const struct terminal *terminal;
    const struct event_progress *now;
    unsigned columns, rows; /* that may be filled */
    struct line lines[DISPLAY_LINES_MAX];
    unsigned n_lines;
};

void display_init(struct display *d, const struct terminal *terminal)
{
    memset(d, 0, sizeof *d);
    d->terminal = terminal;
}

void display_free(struct display *d)
{
    free(d->title);
    d->title = NULL;
}

void display_set_title(struct display *d, const char *title)
{
    free(d->title);
    d->title = mem_copy_string(title);
}

/* ---- the lines of a frame ---- */

static struct text *add_line(struct frame *f, enum color color)
{
    struct line *line = &f->lines[f->n_lines++];

    line->color = color;
    return &line->text;
}

static unsigned rows_left(const struct frame *f)
{
    return f->rows - f->n_lines;
}

static bool is_waiting(const struct event_progress *now)
{
    return now->state == STATE_WAITING_NETWORK ||
           now->state == STATE_WAITING_CREDENTIALS;
}

/* How much of p goes on a line: up to a blank, if there is one. */
static size_t wrap(const struct frame *f, const char *p)
{
    const struct cells *cells = &f->terminal->cells;
    struct text clipped = {0};
    size_t size;

    cells_add_clipped(cells, &clipped, p, f->columns);
    size = clipped.size;
    if (p[size] != '\0' && p[size] != ' ')
        for (size_t i = size; i-- > 1;)
            if (p[i] == ' ') {
                size = i;
                break;
            }
    text_free(&clipped);
    return size;
}

/* Printable words on as many lines as they need, but at most max_lines. */
static void add_wrapped(struct frame *f, enum color color, const char *p,
                        unsigned max_lines)
{
    for (unsigned i = 0; i < max_lines && *p != '\0'; i++) {
        struct text *line = add_line(f, color);
        size_t size = i + 1 < max_lines ? wrap(f, p) : strlen(p);

        if (size == 0)
            return;                    /* narrower than the next character */
        text_add_bytes(line, p, size); /* the last one is clipped when it is shown */
        p += size;
        p += *p == ' ';
    }
}

static void add_headline(struct frame *f, const char *title)
{
    const struct cells *cells = &f->terminal->cells;
    struct text words = {0}, shown = {0};
    unsigned max_lines = f->rows >= 16 ? 4 : f->rows >= 4 ? f->rows / 4 : 1;

    progress_add_headline(&words, f->now);
    cells_add(cells, &shown, text_string(&words));
    if (title != NULL && !is_waiting(f->now) &&
        strlen(title) + 2 + cells_width(cells, text_string(&shown)) <= f->columns) {
        text_clear(&words);
        text_add_format(&words, "%s: %s", title, text_string(&shown));
        text_clear(&shown);
        text_add(&shown, text_string(&words));
    }
    add_wrapped(f, is_waiting(f->now) ? COLOR_YELLOW : COLOR_BOLD, text_string(&shown),
                max_lines);
    text_free(&words);
    text_free(&shown);
}

static void add_bar(struct frame *f)
{
    bool is_utf8 = f->terminal->cells.is_utf8;
    const char *full = is_utf8 ? "\xe2\x96\x88" : "#"; /* full block, light shade */
    const char *empty = is_utf8 ? "\xe2\x96\x91" : ".";
    unsigned percent = progress_percent(f->now);
    struct text *line = add_line(f, COLOR_GREEN);
    unsigned room = f->columns > 9 ? f->columns - 9 : 0; /* "[", "]  100 %" */
    unsigned width = room < BAR_MAX ? room : BAR_MAX;

    if (width > 0) {
        text_add(line, "[");
        for (unsigned i = 0; i < width; i++)
            text_add(line, i * 100 < percent * width ? full : empty);
        text_add(line, "] ");
    }
    text_add_format(line, "%3u %%", percent);
}

/* Facts side by side, as many as fit in each of at most max_lines lines.  The less
 * important ones only fill up a line. */
static void add_facts(struct frame *f, unsigned max_lines)
{
    const struct cells *cells = &f->terminal->cells;
    const char *between = cells->is_utf8 ? " \xc2\xb7 " : " | ";
    struct text facts[PROGRESS_FACTS_MAX];
    unsigned n_main, n = progress_facts(facts, &n_main, f->now);
    unsigned first = f->n_lines, used = 0;

    for (unsigned i = 0; i < n; i++) {
        const char *fact = text_string(&facts[i]);
        unsigned width = cells_width(cells, fact);

        if (f->n_lines > first && used + 3 + width <= f->columns) {
            struct text *line = &f->lines[f->n_lines - 1].text;

            text_add(line, between);
            text_add(line, fact);
            used += 3 + width;
        } else if (f->n_lines - first < max_lines && i < n_main) {
            text_add(add_line(f, COLOR_NONE), fact);
            used = width;
        }
    }
    for (unsigned i = 0; i < PROGRESS_FACTS_MAX; i++)
        text_free(&facts[i]);
}

static void add_right(struct text *line, const char *words, unsigned width)
{
    unsigned size = (unsigned)strlen(words);

    if (size < width)
        cells_add_spaces(line, width - size);
    text_add(line, words);
}

static void add_file(struct frame *f, unsigned i)
{
    struct text *line = add_line(f, COLOR_DIM);
    uint64_t size = f->now->files[i].size;
    unsigned used = 7;

    text_add_format(line, "%3u %%  ", figure_percent(f->now->files[i].done, size));
    if (f->columns >= SIZE_FROM_COLUMNS) {
        struct text words = {0};

        text_add_size(&words, size);
        add_right(line, text_string(&words), SIZE_COLUMN);
        text_add(line, "  ");
        text_free(&words);
        used += SIZE_COLUMN + 2;
    }
    if (f->columns > used && f->now->files[i].path != NULL)
        cells_add_fitted(&f->terminal->cells, line, f->now->files[i].path,
                         f->columns - used);
}

static void fill(struct frame *f, const char *title)
{
    bool has_bar = progress_has_total(f->now);
    bool has_room = f->rows >= 2;

    if (has_room || !has_bar || is_waiting(f->now))
        add_headline(f, title);
    if (has_bar && rows_left(f) > 0)
        add_bar(f);
    add_facts(f, rows_left(f) < 4 ? rows_left(f) : 4);
    for (unsigned i = 0; i < f->now->n_files && rows_left(f) > 0; i++)
        add_file(f, i);
}

/* ---- on the screen ---- */

static unsigned rows_of_old(const struct display *d, unsigned columns)
{
    unsigned rows = 0;

    for (unsigned i = 0; i < d->n_lines; i++)
        rows += d->widths[i] > columns ? (d->widths[i] + columns - 1) / columns : 1;
    return rows;
}

static void go_to_top(struct display *d, struct text *out, unsigned columns,
                      unsigned rows)
{
    unsigned up = rows_of_old(d, columns);

    text_add(out, "\r");
    if (up >= rows)
        up = rows - 1; /* what has scrolled off is out of reach */
    if (up > 0)
        text_add_format(out, "\033[%uA", up);
}

void display_erase(struct display *d, struct text *out)
{
    unsigned columns, rows;

    if (d->n_lines == 0)
        return;
    terminal_size(d->terminal, &columns, &rows);
    go_to_top(d, out, columns, rows);
    text_add(out, "\033[J");
    d->n_lines = 0;
}

static void put_line(struct display *d, struct text *out, const struct frame *f,
                     unsigned i)
{
    const struct cells *cells = &d->terminal->cells;
    const struct line *line = &f->lines[i];
    struct text clipped = {0};

    cells_add_clipped(cells, &clipped, text_string(&line->text), f->columns);
    d->widths[i] = cells_width(cells, text_string(&clipped));
    text_add(out, terminal_color_on(d->terminal, line->color));
    text_add(out, text_string(&clipped));
    text_add(out, terminal_color_off(d->terminal, line->color));
    text_add(out, "\033[K\r\n");
    text_free(&clipped);
}

static void frame_init(struct frame *f, const struct display *d, unsigned columns,
                       unsigned rows)
{
    memset(f, 0, sizeof *f);
    f->terminal = d->terminal;
    f->columns = columns > 1 ? columns - 1 : 1;
    f->rows = rows - 1;
    if (f->rows > DISPLAY_LINES_MAX)
        f->rows = DISPLAY_LINES_MAX;
}

void display_draw(struct display *d, struct text *out, const struct event_progress *now)
{
    struct frame frame;
    unsigned columns, rows;

    terminal_size(d->terminal, &columns, &rows);
    if (rows < 2) {
        display_erase(d, out); /* one line cannot be drawn over: it would scroll */
        return;
    }
    frame_init(&frame, d, columns, rows);
    frame.now = now;
    fill(&frame, d->title);
    if (columns != d->columns)
        display_erase(d, out); /* folded lines are not overwritten cell by cell */
    else if (d->n_lines > 0)
        go_to_top(d, out, columns, rows);
    for (unsigned i = 0; i < frame.n_lines; i++) {
        put_line(d, out, &frame, i);
        text_free(&frame.lines[i].text);
    }
    text_add(out, "\033[J");
    d->n_lines = frame.n_lines;
    d->columns = columns;
}
