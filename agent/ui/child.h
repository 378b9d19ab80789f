#ifndef AGENT_UI_CHILD_H
#define AGENT_UI_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

/*
 * One run of this same program, `grid ...`: what the page asks for is done by the
 * commands, and by nothing else.
 */
struct child;

enum { CHILD_ERRORS_MAX = 8 << 10, CHILDREN_AT_ONCE = 4 };

/* All that there are.  Of those that are no sessions so many run at once; the others
 * wait for their turn.  Zeroed but for the loop is empty. */
struct children {
    struct loop *loop;
    struct child *first,
        **last;         /* in the order of their coming; last: NULL while empty */
    unsigned n_running; /* that are no sessions */
    struct deferred soon;
    bool is_deferred;
};

/* Each ends for us, with -1; sessions go on. */
void children_end(struct children *all);

struct child_events {
    /* A line of its stdout, without its end (longer ones than 1 MiB are cut off); or, where
     * that is NULL, its stdout as it comes. */
    void (*line)(void *ctx, const char *line, size_t size);
    void (*bytes)(void *ctx, const char *bytes, size_t size);

    /* The end, once, later: its exit code, 128 + n where signal n has ended it, and how
     * its stderr began.  What could not be started ends so, too.  The child is gone. */
    void (*ended)(void *ctx, int code, const char *errors);
};

struct child_options {
    struct children *all;
    const char *const *arguments; /* behind "grid"; NULL ends them */
    const char *input;            /* for its stdin; NULL: nothing */
    const char *variable;         /* "NAME=value" more in its environment; NULL: none */
    bool is_session; /* in a session of its own: it may outlive this program */
    const struct child_events *events;
    void *ctx;
};

/* All of it is copied but events and ctx. */
struct child *child_start(const struct child_options *options);

/* Its lines are, or are not, wanted now. */
void child_hold(struct child *c, bool is_held);

/* Nobody is interested any more: no more is told.  Unless it is_session it is asked to
 * end, too. */
void child_abandon(struct child *c);

#endif
