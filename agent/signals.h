#ifndef AGENT_SIGNALS_H
#define AGENT_SIGNALS_H

#include "base/loop.h"

/*
 * The signals of a running upload (CLI.md, "Output"): SIGINT and SIGTERM ask it to
 * stop, and it leaves within five seconds whatever hangs; a second one leaves at once.
 * SIGHUP takes the terminal away, SIGUSR1 wants a line of progress.  SIGPIPE is
 * ignored.
 */
struct signals;

struct signals_handlers {
    void (*stop)(void *ctx, int signal); /* at most once */
    void (*hangup)(void *ctx);
    void (*show)(void *ctx);
    void *ctx;
};

struct signals *signals_start(struct loop *loop,
                              const struct signals_handlers *handlers);
void signals_stop(struct signals *s);

/* 130 for SIGINT, 75 for SIGTERM. */
int signals_exit_code(int signal);

#endif
