#ifndef AGENT_CELLS_H
#define AGENT_CELLS_H

#include <locale.h>
#include <stdbool.h>

#include "base/text.h"

/*
 * Text measured in the cells of a terminal: a letter takes one, an ideograph two, a
 * combining mark none.  Whatever is added here is harmless on a terminal, and its width
 * is what cells_width() says.
 */
struct cells {
    bool is_utf8; /* else everything beyond ASCII is written \xNN */

    /* Private. */
    locale_t locale; /* wcwidth() needs one that knows Unicode */
};

void cells_open(struct cells *cells, bool is_utf8);
void cells_close(struct cells *cells);

/* All of it, made printable. */
void cells_add(const struct cells *cells, struct text *out, const char *string);

/* The same in at most `width` cells: the middle gives way to an ellipsis. */
void cells_add_fitted(const struct cells *cells, struct text *out, const char *string,
                      unsigned width);

/* Printable text cut at the end to at most `width` cells. */
void cells_add_clipped(const struct cells *cells, struct text *out,
                       const char *printable, unsigned width);

/*
 * Lines of printable text, colours and line ends included, in lines of at most `width`
 * cells: broken at blanks where there are some, and what follows is indented.
 */
void cells_add_folded(const struct cells *cells, struct text *out, const char *lines,
                      unsigned width);

/* Of printable text, without escape sequences. */
unsigned cells_width(const struct cells *cells, const char *printable);

void cells_add_spaces(struct text *out, unsigned count);

/* "…" where the terminal can show it. */
const char *cells_ellipsis(const struct cells *cells);

#endif
