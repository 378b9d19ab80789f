#ifndef TRANSFER_STORE_GATE_H
#define TRANSFER_STORE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/error.h"

/*
 * Whether anybody answers, for all operations of one store: an outage costs none of
 * them a retry, and one request at a time looks whether it is over.  It does not last
 * for ever where the options say so; then the store is given up, for good.
 *
 * Part of store.c, which is told through store_advance() and store_cut() when something
 * has changed.  On the loop.
 */
struct store;
struct store_op;

struct store_gate {
    enum { GATE_OPEN, GATE_SHUT, GATE_ONE, GATE_PROBING, GATE_GIVEN_UP } phase;
    struct store_op *probe;
    unsigned probes_failed;
    bool has_answered;       /* anybody, ever */
    bool has_succeeded;      /* our keys were good once */
    bool is_told;            /* options.away knows that we wait */
    uint64_t n_answers;      /* so far, to anybody */
    uint64_t tried_since_ms; /* the first attempt began; 0: none has */
    struct error reason;     /* why nobody answers; ERROR_NONE: not known yet */
    uv_timer_t timer;        /* its data is the store */
};

void store_gate_init(struct store *store);

/* May op be admitted?  Where one may look, op becomes the one. */
bool store_gate_admits(struct store *store, struct store_op *op);

/* Has that not changed, now that op has its memory? */
bool store_gate_lets(const struct store *store, const struct store_op *op);

/* An attempt begins. */
void store_gate_on_attempt(struct store *store);

/* Is this a matter for the gate: does it pass, and for all operations at once? */
bool store_gate_concerns(const struct store *store, const struct error *err);

/* Nobody answers op, or takes its keys: see above. */
void store_gate_on_away(struct store *store, const struct store_op *op,
                        const struct error *err);

/* op has come through, be it to a refusal. */
void store_gate_on_answer(struct store *store);

/* Somebody answers, but err is all that has come of it for too long. */
void store_gate_give_up(struct store *store, const struct error *err);

/* op leaves without having learnt anything about the network. */
void store_gate_forget(struct store *store, const struct store_op *op);

/* ---- what it tells store.c ---- */

/* Something may be admitted now, or nothing ever again. */
void store_advance(struct store *store);

/* What is under way would only go on waiting: it is to end. */
void store_cut(struct store *store);

#endif
