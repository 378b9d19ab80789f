#ifndef AGENT_ANSWER_H
#define AGENT_ANSWER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/loop.h"
#include "manifest/checkpoint.h"

/*
 * An answer of the checkpoint, waited for: linear code over it, as agent_do() allows
 * over the store.  The loop runs on meanwhile.
 *
 *     struct answer answer = {0};
 *     checkpoint_flush(checkpoint, answer_done, &answer);
 *     return answer_wait(&answer, loop, err);
 */
struct answer {
    bool is_over;
    struct error err;
};

/* A checkpoint_done_fn; ctx is the answer. */
void answer_done(void *ctx, const struct error *err);

/* 0, or -1 with the checkpoint's error. */
int answer_wait(struct answer *answer, struct loop *loop, struct error *err);

/* Close a checkpoint, and wait until it is closed. */
void answer_close(struct checkpoint *checkpoint, struct loop *loop);

#endif
