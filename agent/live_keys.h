#ifndef AGENT_LIVE_KEYS_H
#define AGENT_LIVE_KEYS_H

#include "agent/credential_search.h"
#include "agent/credentials.h"
#include "transfer/s3_options.h"

/*
 * The keys that a store signs with, kept good: temporary ones are looked for again before
 * they end, in the background, while the old ones are used.  That this fails is told in
 * the log and tried again; requests go on for as long as the old keys live.  When the
 * store says that they have run out they are looked for, too.
 */
struct live_keys {
    struct credentials now;

    /* How they are looked for: loop, cluster, paths, how, role.  Without a loop they are
     * not looked for again. */
    struct credential_search search;

    /* Private. */
    bool is_searching;
    void (*found)(void *ctx);
    void *found_ctx;
    int64_t due_at_ms; /* when to look again, 0: never; by this machine's clock */
};

/* Look for them, running the loop meanwhile; for linear code.  0, or -1 with *err. */
int live_keys_find(struct live_keys *k, struct error *err);

/* The same without waiting: found(ctx) once, later, with search.err. */
void live_keys_start(struct live_keys *k, void (*found)(void *ctx), void *ctx);

/* For s3_options: ctx is a struct live_keys. */
int live_keys_give(void *ctx, struct s3_keys *out, struct error *err);
void live_keys_expired(void *ctx);

/* A signal came: a search that is waited for ends. */
void live_keys_interrupt(struct live_keys *k);

/* Nothing is under way afterwards; runs the loop.  For linear code. */
void live_keys_stop(struct live_keys *k);
void live_keys_free(struct live_keys *k);

#endif
