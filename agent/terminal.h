#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include <stdbool.h>

#include "agent/cells.h"

/*
 * What a file descriptor that people may be looking at can do: is it a terminal, may we
 * redraw (not with TERM=dumb), may we use colours (NO_COLOR), does it show UTF-8 (the
 * locale of LC_ALL, LC_CTYPE, LANG).
 */
struct terminal {
    int fd;
    bool is_terminal;
    bool can_redraw;
    bool has_color;
    struct cells cells; /* what is no terminal takes UTF-8 */
};

enum color { COLOR_NONE, COLOR_RED, COLOR_YELLOW, COLOR_GREEN, COLOR_BOLD, COLOR_DIM };

/* fd is borrowed. */
void terminal_open(struct terminal *t, int fd);
void terminal_close(struct terminal *t);

/* The window as it is now; 80 x 24 where nobody knows. */
void terminal_size(const struct terminal *t, unsigned *columns, unsigned *rows);

/* False while another job of the shell has the terminal: then do not draw over it. */
bool terminal_is_foreground(const struct terminal *t);

/* "" without colours. */
const char *terminal_color_on(const struct terminal *t, enum color color);
const char *terminal_color_off(const struct terminal *t, enum color color);

#endif
