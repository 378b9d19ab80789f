#ifndef TRANSFER_STORE_IMPL_H
#define TRANSFER_STORE_IMPL_H

#include "transfer/retry.h"
#include "transfer/store.h"
#include "transfer/store_fence.h"
#include "transfer/store_gate.h"
#include "transfer/store_trouble.h"

/*
 * What a kind of store provides: one attempt at one operation.  Queueing, memory,
 * waiting and trying again are the face's (store.c).
 */
enum { STORE_CHUNK = 256 << 10 }; /* of op->buffer; PERF-NOTES: 128 to 512 KiB */
enum { STORE_PAGE = 1000 };       /* items of one answer, at most; parts: 10,000 */

struct store_kind {
    const char *scheme; /* "file://" */
    unsigned jobs;      /* at once, unless told; 0: adapt */
    unsigned jobs_max;  /* when adapting */
    bool is_remote;     /* there may be nobody who answers */

    /* Fill store->limits and store->impl.  url begins with the scheme. */
    int (*open)(struct store *store, const char *url, struct error *err);
    void (*close)(struct store *store);

    /*
     * One attempt.  op->buffer.bytes is a chunk to move the bytes through: STORE_CHUNK
     * or what the op needs, if less.  It holds nothing for verbs without payload, an
     * empty body, and a body that is whole in memory; for copies only where the store is not
     * remote.  Ends, later (never from inside
     * this call), with store_attempt_done() exactly once.  body->rewind has been
     * called; a get goes on at op->offset + op->taken.  It may keep its state in
     * op->attempt.
     *
     * As they move, payload bytes are told with store_sent() and store_received(); the
     * answer's fields are filled before store_attempt_done().  A failed read of the
     * body or write to the sink: op->body_failed, and their error.
     *
     * The error's kind decides what follows: transient and throttled are tried again
     * after a pause, with op->retry_after_s of the answer; network only when one
     * attempt has come through; all others are final.
     */
    void (*attempt)(struct store *store, struct store_op *op);

    /* A wish, at most once an attempt: store_attempt_done() follows, later. */
    void (*cancel)(struct store *store, struct store_op *op);

    /* What is under way ends soon with ERROR_NETWORK, its connections are given up.
     * NULL: attempts are short. */
    void (*drop)(struct store *store);

    /* As store_presign() has it; NULL: it has no links. */
    int (*presign)(struct store *store, const char *key, uint32_t seconds,
                   struct text *url, struct error *err);

    /* As store_region() has it; NULL: there are none. */
    const char *(*region)(const struct store *store);

    /* Both are of this kind.  NULL: never. */
    bool (*can_copy_from)(const struct store *store, const struct store *from);
    /* store->options.send_rate is another now.  NULL: there is no limit to what it
     * moves. */
    void (*rate_changed)(struct store *store);

    /* Free op->cursor, which is not NULL. */
    void (*end_list)(struct store *store, struct store_op *op);
};

/* Where a listing goes on.  A kind puts this first in a struct of its own. */
struct store_cursor {
    const struct store *store;
};

struct store {
    const struct store_kind *kind;
    struct store_options options;
    struct loop *loop;
    struct store_limits limits;
    char *url;
    char *folder; /* file:// only, else NULL; freed by the face */
    char *traits; /* NULL: none; freed by the face */
    char *place;  /* who is to answer, for messages; freed by the face */
    void *impl;
    struct store_counts counts;

    /* How long to wait: retry_delay_ms().  A test may put its own here. */
    int64_t (*delay_ms)(const struct error *err, unsigned attempt, uint32_t random,
                        unsigned retry_after_s);

    /* Private to the face. */
    struct concurrency concurrency;
    struct retry_bucket retries;
    unsigned pausing;           /* of counts.waiting: before another attempt */
    uint64_t payload_under_way; /* bytes of the bodies of counts.under_way */
    struct store_op queue;      /* sentinel of the ring of waiting ops */
    struct store_op attempting; /* the same of those whose attempt is under way */
    struct store_gate gate;
    struct store_fence fence;
    struct store_trouble trouble;
    bool is_in_done, is_closing;
    void (*freed)(void *ctx);
    void *freed_ctx;
    uint32_t random;
};

/* As store_open(), of this kind. */
int store_open_kind(struct store **out, const struct store_options *options,
                    const struct store_kind *kind, const char *url, struct error *err);

/* The attempt has ended: err NULL, or why. */
void store_attempt_done(struct store_op *op, const struct error *err);

/* Somebody is there: to be called with the first answer at the latest. */
void store_answered(struct store *store);

void store_sent(struct store_op *op, size_t bytes);
void store_received(struct store_op *op, size_t bytes);

/* So much of a copy is done, inside the store. */
void store_copied(struct store_op *op, uint64_t bytes);

/* Items in the making; zeroed means none.  A worker may fill its own. */
struct store_items {
    struct store_item *items;
    size_t n, room;
};

/* One more, zeroed; valid until the next. */
struct store_item *store_items_add(struct store_items *items);
void store_items_free(struct store_items *items);

/* They become the answer's. */
void store_items_answer(struct store_items *items, struct store_op *op);

/* ---- between the files of the face ---- */

/* done() follows; op holds nothing any more.  err NULL: success. */
void store_end_op(struct store_op *op, const struct error *err);
void store_end_cancelled(struct store_op *op);

/* Back to the head: it has waited its turn already. */
void store_requeue(struct store_op *op);

/* To the end: another looks next whether anybody answers, should it be this one's fault. */
void store_requeue_last(struct store_op *op);

extern const struct store_kind store_dir_kind;
extern const struct store_kind store_s3_kind;

#endif
