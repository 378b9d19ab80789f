#ifndef AGENT_DETACH_H
#define AGENT_DETACH_H

#include "base/error.h"

/*
 * `--detach`: the upload in a process of its own, which has no terminal and outlives the
 * one that was started.  That one waits until the session is owned, or has failed, and
 * ends with the exit code that this deserves; until then the two look like one program:
 * they write to the same terminal, and SIGINT and SIGTERM are handed on.
 *
 * To be called before the process has a thread.
 */
struct detach {
    int pipe; /* to the one that waits; -1: nobody does */
};

enum detach_side { DETACH_FAILED = -1, DETACH_BACKGROUND, DETACH_FOREGROUND };

/* In the background: *d is to be let go of.  In the foreground it returns when the other
 * has let go or has ended, with the exit code of this process in *code. */
enum detach_side detach_fork(struct detach *d, int *code, struct error *err);

/* The command is done, successfully, for who waits for it.  Harmless when nobody does. */
void detach_let_go(struct detach *d);

#endif
