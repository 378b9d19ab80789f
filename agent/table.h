#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include "base/text.h"

/*
 * Rows under headings, for people: columns as wide as their widest cell (in cells of a
 * terminal), two spaces between.  Cells are made harmless for a terminal.  Scripts use
 * --json.
 */
struct table;

struct table *table_new(const char *const *columns, unsigned n_columns); /* copied */
void table_free(struct table *t);

void table_align_right(struct table *t, unsigned column);

/* n_columns cells, copied; NULL is empty. */
void table_add(struct table *t, const char *const *cells);

/* To stdout.  Blocks. */
void table_print(const struct table *t);

/* What table_print() would print for stdout as it is. */
void table_format(const struct table *t, struct text *out);

#endif
