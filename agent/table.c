/*
 * All cells lie in one array, printable and measured when they are added; the headings
 * are row 0.  Nothing follows the last cell of a row, so that a terminal that is too
 * narrow folds no blanks.
 */
#include "agent/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/terminal.h"
#include "base/mem.h"

struct table {
    struct terminal terminal;
    unsigned n_columns;
    unsigned *widths; /* [n_columns] */
    bool *right;      /* [n_columns] */
    char **cells;     /* row by row */
    size_t n_cells, cells_room;
};

struct table *table_new(const char *const *columns, unsigned n_columns)
{
    struct table *t = mem_new(1, sizeof *t);

    terminal_open(&t->terminal, STDOUT_FILENO);
    t->n_columns = n_columns;
    t->widths = mem_new(n_columns, sizeof *t->widths);
    t->right = mem_new(n_columns, sizeof *t->right);
    table_add(t, columns);
    return t;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->right);
    free(t->widths);
    terminal_close(&t->terminal);
    free(t);
}

void table_align_right(struct table *t, unsigned column)
{
    t->right[column] = true;
}

static char *printable(const struct table *t, const char *cell)
{
    struct text text = {0};

    cells_add(&t->terminal.cells, &text, cell != NULL ? cell : "");
    return text.data != NULL ? text_take(&text) : mem_copy_string("");
}

void table_add(struct table *t, const char *const *cells)
{
    if (t->n_cells + t->n_columns > t->cells_room) {
        t->cells_room = 2 * (t->n_cells + t->n_columns);
        t->cells = mem_resize(t->cells, t->cells_room, sizeof *t->cells);
    }
    for (unsigned i = 0; i < t->n_columns; i++) {
        char *cell = printable(t, cells[i]);
        unsigned width = cells_width(&t->terminal.cells, cell);

        t->cells[t->n_cells++] = cell;
        if (width > t->widths[i])
            t->widths[i] = width;
    }
}

static void add_cell(const struct table *t, struct text *out, const char *cell,
                     unsigned column)
{
    unsigned blanks = t->widths[column] - cells_width(&t->terminal.cells, cell);

    if (column > 0)
        cells_add_spaces(out, 2);
    if (t->right[column])
        cells_add_spaces(out, blanks);
    text_add(out, cell);
    if (!t->right[column] && column + 1 < t->n_columns)
        cells_add_spaces(out, blanks);
}

static void add_row(const struct table *t, struct text *out, size_t first)
{
    enum color color = first == 0 ? COLOR_BOLD : COLOR_NONE;

    text_add(out, terminal_color_on(&t->terminal, color));
    for (unsigned i = 0; i < t->n_columns; i++)
        add_cell(t, out, t->cells[first + i], i);
    text_add(out, terminal_color_off(&t->terminal, color));
    text_add(out, "\n");
}

void table_format(const struct table *t, struct text *out)
{
    for (size_t i = 0; i < t->n_cells; i += t->n_columns)
        add_row(t, out, i);
}

void table_print(const struct table *t)
{
    struct text out = {0};

    table_format(t, &out);
    fwrite(out.data, 1, out.size, stdout);
    fflush(stdout);
    text_free(&out);
}
