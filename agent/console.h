#ifndef AGENT_CONSOLE_H
#define AGENT_CONSOLE_H

#include <stdbool.h>

#include "agent/event.h"
#include "base/error.h"
#include "base/loop.h"

/*
 * What a person or a script sees of an upload: a live display on a terminal, plain
 * lines elsewhere, JSON lines on stdout with --json (then stderr has only errors and
 * how to resume); and the session's log file, which gets the events as JSON lines too.
 *
 * Never blocks the loop: stdout, stderr and the log are written by threads of the
 * console's own from bounded queues (one thread where stdout and stderr are the same
 * file, so that order is kept).  When a reader does not read, `progress` and `scan`
 * lines are dropped; warnings, and errors that belong to one path, are counted when a
 * queue is full, and the count is said when there is room; nothing else is dropped.
 * When stderr fails (EIO, EPIPE: the terminal went away) the display goes to the log
 * only.  SIGPIPE must be ignored.
 */
struct console;

enum console_mode { CONSOLE_AUTO, CONSOLE_JSON };

struct console_options {
    struct loop *loop;
    enum console_mode mode;
    bool quiet;           /* errors and the result only, that as "NAME:VERSION URL" */
    bool verbose;         /* log lines on stderr too */
    bool plain;           /* no live display, on a terminal too */
    const char *log_file; /* NULL: none; appended to, mode 0600, rotated above 8 MiB */
    int out, err;         /* 0: STDOUT_FILENO, STDERR_FILENO */
};

struct console *console_open(const struct console_options *options);

/* Once the session is known. */
void console_set_log(struct console *c, const char *log_file);

/*
 * A descriptor for log_open(): lines go to the log file, and to stderr if verbose,
 * without disturbing the display.  -1 if there is none.  log_open(-1, ...) before
 * console_close().
 */
int console_log_fd(struct console *c);

/* Progress may come as often as it likes; it is thinned here (terminal: 10 a second;
 * lines: one in 10 s, and each change of state; JSON: one a second).  Everything else
 * is shown at once. */
void console_event(struct console *c, const struct event *event);

/* SIGUSR1: the last progress as a line on stderr. */
void console_show_now(struct console *c);

/* SIGHUP: the terminal is gone. */
void console_detach(struct console *c);

/* --detach: when this returns what was said so far is out (or two seconds have passed),
 * stdin, stdout and stderr are nobody's terminal any more, and all else goes to the log
 * alone. */
void console_leave(struct console *c, const char *log_file);

/* Drains the queues for at most two seconds, takes the display off the terminal.  The
 * handle of console_log_fd() closes while the loop runs on. */
void console_close(struct console *c);

/* "error: <message>" and an indented hint (may be NULL) on stderr, for where there is
 * no console. */
void console_print_error(const char *message, const char *hint);
void console_print_warning(const char *message);

/* "waiting for the network: <why>", or for what else, on stderr, likewise. */
void console_print_waiting(const struct error *why);

#endif
