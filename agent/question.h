#ifndef AGENT_QUESTION_H
#define AGENT_QUESTION_H

#include <stdbool.h>

#include "agent/agent.h"
#include "transfer/memory_body.h"

/*
 * Questions to the store that do not depend on each other, asked together: one that
 * waits for the answer to another costs a round trip more.  Linear code over the store
 * (see agent.h).
 *
 *     struct question q[2];
 *     question_init(&q[0], STORE_HEAD, key);     key is owned by the question from here on
 *     question_init(&q[1], STORE_GET, other_key);
 *     question_start(a, q, 2);
 *     ...                                        other work; no signal ends it
 *     question_wait(a, q, 2);                    q[i].op.err, q[i].op.answer
 *     question_free(a, q, 2);
 */
struct question {
    struct store_op op;
    struct memory_sink sink; /* get: the object, in sink.bytes */

    /* Private. */
    char *key;
    const char *keys[1]; /* delete */
    bool is_under_way, is_over;
};

/* Of a verb without a body.  Before question_start() op may be told more. */
void question_init(struct question *q, enum store_verb verb, char *key);

void question_start(struct agent *a, struct question *q, size_t n);

/* Until all have ended; with ERROR_CANCELLED, when a signal comes or has come. */
void question_wait(struct agent *a, struct question *q, size_t n);

/* 1: it is there, 0: it is not, -1: error. */
int question_has(const struct question *q, struct error *err);

/* What is under way is given up.  A question that was not asked, or is zeroed, is harmless. */
void question_free(struct agent *a, struct question *q, size_t n);

#endif
