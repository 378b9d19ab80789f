#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/cluster_store.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "transfer/store.h"

/*
 * What every command stands on: the loop, the memory budget, and the store of the
 * chosen cluster.
 *
 * Commands are linear code at the top of the program.  Where one has to wait it runs
 * the loop until the answer is there: timers, signals, heartbeats and uploads go on
 * meanwhile.  None of the functions below may therefore be called from a callback.
 */
struct agent {
    struct loop loop;
    struct budget *budget;
    struct store *store; /* NULL for commands that need none */
    const char *cluster; /* its name, for people and events */
    int signal;          /* the first SIGINT or SIGTERM, 0 before that */
    struct gauge *gauge; /* how far a long command is; NULL: nothing is shown */

    /* Private. */
    struct cluster_store cluster_store;
    struct store_op *awaited;
    void (*on_interrupt)(void *ctx); /* of what else is waited for; NULL: nothing */
    void *interrupt_ctx;
};

/* Memory for payload under --max-memory; the rest of it is the program's own. */
int agent_open(struct agent *a, uint64_t max_memory, struct error *err);

/* Of wanted, what the store needs besides the cluster: jobs, how long to wait for an
 * answer, and whom to tell.  See agent_hurry(). */
int agent_open_store(struct agent *a, const struct cluster *cluster,
                     const struct paths *paths, const struct store_options *wanted,
                     struct error *err);

/* For commands that people wait for: they do not wait long for a store that may be
 * misspelt, and say on stderr what they wait for. */
void agent_hurry(struct store_options *wanted);

void agent_close(struct agent *a);

/* A signal came: what is awaited is cancelled, and nothing more will be waited for. */
void agent_interrupt(struct agent *a, int signal);

/* Start op and wait for it.  0, or -1 with *err set to what the store said. */
int agent_do(struct agent *a, struct store_op *op, struct error *err);

/* The same of another store. */
int agent_do_at(struct agent *a, struct store *store, struct store_op *op,
                struct error *err);

/* Does the store check the bytes that it takes?  False only where probing (STORE_PROBE)
 * has found that it does not: then people are to be warned. */
bool agent_store_verifies(const struct agent *a);
extern const char agent_not_verified[]; /* what to tell them; kind
                                           "store_does_not_verify" */

/* Was the store probed by this run, as once a day? */
bool agent_has_probed(const struct agent *a);

/* work(ctx) on a worker thread, waited for. */
void agent_work(struct agent *a, void (*work)(void *ctx), void *ctx);

/* Wait so long.  ERROR_CANCELLED when a signal comes. */
int agent_pause(struct agent *a, uint64_t ms, struct error *err);

/* ---- small objects ---- */

/* The whole object as text (at most 64 MiB); answer may be NULL. ERROR_NOT_FOUND. */
struct object_answer {
    int64_t modified_ms, date_ms;
};
int agent_get(struct agent *a, const char *key, struct text *out,
              struct object_answer *answer, struct error *err);
int agent_put(struct agent *a, const char *key, const char *bytes, size_t size,
              bool if_absent, struct error *err);

/* 1: it is there, 0: it is not, -1: error. */
int agent_has(struct agent *a, const char *key, struct error *err);
int agent_delete(struct agent *a, const char *key, struct error *err);

/* One level below prefix, in order of names: each() gets the rest of the key (a
 * folder's ends in '/'). */
typedef int agent_each_fn(void *ctx, const char *name, const struct store_item *item,
                          struct error *err);
int agent_list(struct agent *a, const char *prefix, bool is_flat, agent_each_fn *each,
               void *ctx, struct error *err);

/* Random hexadecimal digits, 2 for a byte, with a NUL. */
void agent_random_hex(char *out, size_t n_bytes);

/* Milliseconds since the epoch by this machine's clock: for people, not for decisions.
 */
int64_t agent_clock_ms(void);

#endif
