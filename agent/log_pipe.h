#ifndef AGENT_LOG_PIPE_H
#define AGENT_LOG_PIPE_H

#include <stddef.h>

#include "base/loop.h"

/*
 * A pipe into which any thread logs (log_open() takes its descriptor) and whose lines
 * arrive on the loop.  Full, it loses lines and never blocks who logs.
 */
struct log_pipe;

/* line: without its end, NUL behind it, valid during the call. */
typedef void log_pipe_line_fn(void *ctx, const char *line);

/* NULL where there are no descriptors left. */
struct log_pipe *log_pipe_open(struct loop *loop, log_pipe_line_fn *on_line, void *ctx);

int log_pipe_fd(const struct log_pipe *p);

/* Hands out what is still in the pipe.  Nobody may log into it any more.  Takes effect
 * while the loop runs on. */
void log_pipe_close(struct log_pipe *p);

#endif
