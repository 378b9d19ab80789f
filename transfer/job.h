#ifndef TRANSFER_JOB_H
#define TRANSFER_JOB_H

#include "base/text.h"
#include "manifest/checkpoint.h"
#include "transfer/pipeline.h"
#include "transfer/upload.h"

/*
 * One file of the plan under way, for the pipeline: what the previous version has of it
 * and what earlier runs know of it is read or looked up, then it is uploaded, anew when it changes meanwhile; everything that the
 * store confirms goes to the checkpoint.  All on the loop.
 */
struct job;
struct copy;
struct lookup;
struct reference;

enum job_end {
    JOB_STORED,
    JOB_CANCELLED,
    JOB_VANISHED, /* it is no more as the plan has it, and the walk has yet to come by */
    JOB_UNREADABLE, /* err: why, or that it keeps changing */
    JOB_BLOCKED,    /* err: something else stands in its place in the store */
    JOB_REFUSED     /* err: what the store said */
};

struct job_events {
    void (*ready)(void *ctx, struct job *job); /* job_step() may start something */
    void (*part_stored)(void *ctx);

    /* Exactly once; the job is freed afterwards.  err: as above, else NULL. */
    void (*ended)(void *ctx, struct job *job, enum job_end how,
                  const struct error *err);
};

struct job {
    /* The pipeline's. */
    struct job *prev, *next;
    struct job *next_ready;
    bool is_ready;     /* in the ready queue */
    bool is_preparing; /* it has started no piece yet */
    bool is_large;     /* counts as such */

    /* To be read. */
    char *path;
    struct stamp stamp;
    bool is_small;     /* one piece, and nothing is known of it */
    bool is_unchanged; /* ended: compared, and nothing had to be sent */

    /* Private. */
    const struct pipeline_options *o;
    const struct job_events *events;
    void *ctx;
    struct text key;
    bool must_compare, has_upload, is_cancelled;
    bool is_unconfirmed;
    unsigned n_changes;
    struct previous_answer previous;
    struct previous_file found; /* being looked for */
    struct upload_record known;
    struct lookup *lookup; /* while the store is asked what it has */
    struct upload *upload; /* at most one of these; all NULL while `known` is read */
    struct copy *copy;
    struct reference *reference;
    bool must_send; /* the store has refused to copy it */
};

/* options and events must outlive it.  is_unconfirmed: the walk of this run may not have
 * come by the item. */
struct job *job_start(const struct pipeline_options *options,
                      const struct plan_item *item, bool is_unconfirmed,
                      const struct job_events *events, void *ctx);

/* Start one more piece; false where there is none to start at present. */
bool job_step(struct job *job);

void job_cancel(struct job *job); /* ended() follows */

/* See upload_is_light(): so many of them as the store has room for may be under way. */
bool job_is_light(const struct job *job);

/* Bytes that are confirmed or on their way. */
uint64_t job_bytes(const struct job *job);

#endif
