#ifndef AGENT_GAUGE_H
#define AGENT_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"

/*
 * How far a long command other than an upload has come, on stderr: on a terminal one
 * line, rewritten, and gone in the end; elsewhere a plain line every 10 s.  A command
 * that is done within a second shows nothing.  On the loop; a gauge that is NULL is
 * harmless everywhere, so that who does the work need not know whether one is shown.
 */
struct gauge;

struct gauge_options {
    const char *title;     /* "verifying train:1"; copied */
    uint64_t files, bytes; /* how many there are; files 0: not known, then objects are
                              counted; bytes 0: none are read */
};

/* It is a->gauge until it ends. */
void gauge_start(struct agent *a, const struct gauge_options *options);

void gauge_add_files(struct gauge *g, uint64_t n);
void gauge_add_bytes(struct gauge *g, uint64_t n);

/* SIGUSR1: the line, now. */
void gauge_show(struct gauge *g);

/* Something else will be written: to stderr, or (is_stdout) to what may be the same
 * terminal. */
void gauge_give_way(struct gauge *g, bool is_stdout);

/* Takes it off the terminal.  Harmless where none was started. */
void gauge_end(struct agent *a);

#endif
