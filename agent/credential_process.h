#ifndef AGENT_CREDENTIAL_PROCESS_H
#define AGENT_CREDENTIAL_PROCESS_H

#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"

/*
 * A program that prints keys, run without a shell (credential_process of a profile); at
 * most 64 KiB.  Lives inside whoever asks; starting cannot fail.
 */
struct credential_process {
    /* The question.  Owned by the caller, unchanged until done(). */
    struct loop *loop;
    const char *command;
    unsigned limit_ms;       /* how long it may take; 0: a minute */
    void (*done)(void *ctx); /* exactly once, later, from the loop */
    void *ctx;

    /* The answer, until credential_process_clear(). */
    struct error
        err; /* ERROR_AUTH: what is wrong with it, with the last line that it had
                         to say on stderr; ERROR_CANCELLED */
    struct text out; /* what it printed */

    /* Private. */
    struct text said;
    uv_process_t process;
    uv_pipe_t pipes[2];
    uv_timer_t limit;
    char chunks[2][4096];
    unsigned n_open; /* handles */
    bool is_running, is_ended[2];
    int64_t exit_code;
    int exit_signal;
    struct deferred soon;
};

void credential_process_start(struct credential_process *p);
void credential_process_cancel(struct credential_process *p); /* a wish */
void credential_process_clear(struct credential_process *p);  /* and wipe */

#endif
