#ifndef TRANSFER_STORE_TROUBLE_H
#define TRANSFER_STORE_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A store that answers, but only to say no for now (5xx, SlowDown): how long to bear it.
 *
 *   * While no operation of a kind succeeds, it is an outage like one of the network: it
 *     lasts as long as it lasts, or as store_options.outage_ms allows.
 *   * Where others of its kind succeed meanwhile, the fault is the operation's own: after
 *     a hundred such failures it ends, since one object that the store will never take
 *     must not be tried for ever.  One that is only told to slow down has outage_ms.
 *
 * Part of store.c.  On the loop; times are loop_now_ms().
 */
struct store;
struct store_op;

enum { STORE_VERBS = 16 };

struct store_trouble {
    uint64_t success_ms[STORE_VERBS]; /* the last of each; 0: none yet */
    uint64_t since_ms;                /* 0: none worth a word */
    bool is_told;                     /* options.away knows of it */
    int verb;
    struct error err;
};

enum store_verdict { VERDICT_RETRY, VERDICT_END, VERDICT_GIVE_UP };

/* op has failed with an error that may pass.  VERDICT_END: op does, with err;
 * VERDICT_GIVE_UP: the store is to be given up. */
enum store_verdict store_trouble_on_failure(struct store *store, struct store_op *op,
                                            const struct error *err);

void store_trouble_on_success(struct store *store, const struct store_op *op);

/* op tries no more, whatever has come of it. */
void store_trouble_on_end(struct store *store, const struct store_op *op);

/* For how long op, which has failed, is borne from now on; UINT64_MAX: for ever. */
uint64_t store_trouble_left_ms(const struct store *store, const struct store_op *op);

#endif
