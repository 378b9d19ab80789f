#ifndef BENCH_SINK_VERBS_H
#define BENCH_SINK_VERBS_H

#include <stdbool.h>

#include "base/text.h"
#include "bench/sink/bucket.h"
#include "bench/sink/wire.h"

/* What all requests are answered from. */
struct verbs {
    struct bucket *bucket;
    const char
        *secret;       /* of any access key: signatures of chunks are checked with it */
    const char *serve; /* a folder with the bytes of what was not kept; NULL: zeros */
};

struct request {
    struct wire_head head;
    uint64_t body_size; /* of the payload */
    struct text body;   /* as it came, where verbs_keeps() */
};

/* Head and body in text; where stream_size > 0, that many bytes follow, from offset of
 * the file, or zeros (file -1).  Whoever sends it closes the file. */
struct answer {
    struct text text;
    int file;
    uint64_t offset, stream_size;
};

/*
 * Is the body of this request taken in?  Not what is put below data/, at the bucket's
 * front or deeper: of that nothing but the size is remembered, and no digest checked,
 * so that the sink costs little beside the client that is measured.
 */
bool verbs_keeps(const struct wire_head *head);

/* answer->text is empty, file is -1. */
void verbs_answer(const struct verbs *v, const struct request *r,
                  struct answer *answer);

#endif
