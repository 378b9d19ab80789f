/*
 * The questions one asks of a terminal, asked in one place.  The locale is looked at
 * without setlocale(): the program's own stays "C", so that numbers have a point.
 */
#include "agent/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool locale_is_utf8(void)
{
    locale_t user = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool is_utf8;

    if (user == (locale_t)0)
        return false;
    is_utf8 = strcmp(nl_langinfo_l(CODESET, user), "UTF-8") == 0;
    freelocale(user);
    return is_utf8;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? value : "";
}

void terminal_open(struct terminal *t, int fd)
{
    const char *term = variable("TERM");

    t->fd = fd;
    t->is_terminal = isatty(fd) == 1;
    t->can_redraw = t->is_terminal && term[0] != '\0' && strcmp(term, "dumb") != 0;
    t->has_color = t->can_redraw && variable("NO_COLOR")[0] == '\0';
    cells_open(&t->cells, !t->is_terminal || locale_is_utf8());
}

void terminal_close(struct terminal *t)
{
    cells_close(&t->cells);
}

void terminal_size(const struct terminal *t, unsigned *columns, unsigned *rows)
{
    struct winsize size = {0};

    if (ioctl(t->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        *columns = 80;
        *rows = 24;
        return;
    }
    *columns = size.ws_col;
    *rows = size.ws_row;
}

bool terminal_is_foreground(const struct terminal *t)
{
    pid_t owner = tcgetpgrp(t->fd);

    return owner < 0 || owner == getpgrp(); /* < 0: it controls no jobs of ours */
}

const char *terminal_color_on(const struct terminal *t, enum color color)
{
    static const char *const sequences[] = {
        [COLOR_NONE] = "",           [COLOR_RED] = "\033[31m",
        [COLOR_YELLOW] = "\033[33m", [COLOR_GREEN] = "\033[32m",
        [COLOR_BOLD] = "\033[1m",    [COLOR_DIM] = "\033[2m",
    };

    return t->has_color ? sequences[color] : "";
}

const char *terminal_color_off(const struct terminal *t, enum color color)
{
    return t->has_color && color != COLOR_NONE ? "\033[0m" : "";
}
