#ifndef TRANSFER_S3_TRIAL_H
#define TRANSFER_S3_TRIAL_H

#include "transfer/memory_body.h"
#include "transfer/s3_payload.h"
#include "transfer/s3_request.h"

/*
 * Which rung holds (ARCHITECTURE, "How a part gets its integrity"), for one of the two ways
 * in which bytes go out: streamed, into the parts of an upload, or whole, by a put; with
 * puts also whether one can be made conditional.  It writes only to its key and cleans up.
 *
 * The right bytes and the wrong ones are sent at the same time: to parts of their own, or
 * to keys of their own.  Private to s3_probe.c, in which two of them run side by side.
 */
enum { S3_TRIAL_BUFFER = 16 << 10 /* of a part: at least 8 KiB a chunk (AWS) */ };
enum {
    S3_TRIAL_BYTES = S3_TRIAL_BUFFER + 777
}; /* two chunks, of which the last is shorter */
enum { S3_TRIAL_KEY_MAX = 48 };

struct s3_sample {
    struct s3_trial *trial;
    bool is_wrong, is_sent;
    struct s3_request *request; /* NULL: none under way */
    struct error err;
    bool is_unimplemented;
    struct memory_body body;
    struct s3_payload payload;
    uint8_t buffer[S3_TRIAL_BUFFER];
};

enum s3_trial_step {
    S3_TRIAL_CREATING, /* parts: an upload */
    S3_TRIAL_SENDING,  /* right and wrong */
    S3_TRIAL_LISTING,  /* parts: do they have the sizes that were sent? */
    S3_TRIAL_AGAIN,    /* puts: once more, if absent */
    S3_TRIAL_REMOVING, /* what was made */
    S3_TRIAL_OVER
};

struct s3_trial {
    struct s3 *s3;
    bool is_streamed;
    bool is_narrow;       /* one request at a time */
    const uint8_t *bytes; /* S3_TRIAL_BYTES */
    char key[S3_TRIAL_KEY_MAX], wrong_key[S3_TRIAL_KEY_MAX];

    /* From the loop.  known: the outcome is (at most once); over: the end, with or without
     * one. */
    void (*known)(void *ctx);
    void (*over)(void *ctx);
    void *ctx;

    /* The outcome. */
    struct error err;
    enum s3_rung rung;
    bool has_if_none_match;

    /* Private. */
    enum s3_trial_step step;
    enum s3_rung rungs[S3_RUNGS];
    unsigned n_tried, n_out, n_cleanups;
    struct s3_sample right, wrong;
    struct s3_request *requests[2]; /* of the other steps */
    bool has_right, has_wrong;      /* objects, perhaps */
    bool is_cancelled;
    char *upload_id; /* NULL: none is open */
};

/* s3, is_streamed, bytes, keys and callbacks are set; the rest is zeroed. */
void s3_trial_start(struct s3_trial *t);

/* over() follows when it has cleaned up; without that where the store is closing. */
void s3_trial_cancel(struct s3_trial *t);

void s3_trial_free(struct s3_trial *t); /* after over() */

#endif
