#ifndef AGENT_LEFTOVERS_H
#define AGENT_LEFTOVERS_H

#include "agent/version.h"

/*
 * What an unfinished version has open in its store, and pays for: multipart uploads, when
 * the first of them was begun, and when the store itself will sweep it, where it says so
 * (x-amz-abort-date, of a bucket with a lifecycle rule).
 */
struct leftovers {
    uint64_t n_uploads; /* of a first page; where only exact keys are understood: 0 */
    bool has_more;
    int64_t begun_ms, swept_ms; /* 0: not known */
};

int leftovers_look(struct agent *a, const struct version *v, struct leftovers *out,
                   struct error *err);

/* "2 open uploads, begun on ..., which the store removes by itself on ..."; nothing where
 * there are none. */
void leftovers_add(struct text *out, const struct leftovers *l);

#endif
