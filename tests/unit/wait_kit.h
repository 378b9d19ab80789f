#ifndef TESTS_WAIT_KIT_H
#define TESTS_WAIT_KIT_H

#include "transfer/store_impl.h"

/*
 * A store that answers, is away, takes the question and says nothing, or refuses for
 * now, as a test has it; and a few operations on it.
 */
enum { OPS = 4 };

enum mood { ANSWERS, IS_AWAY, IS_SILENT, ANSWERS_TOO_LATE };

struct place {
    enum mood mood;
    const char *refused; /* it is 503 whatever is asked of this key, or of all ("") */
    const char *cut_off; /* the line is dead for what is asked of this key */
    unsigned n_attempts, n_cancels;
};

struct wait_kit {
    struct loop loop;
    struct budget *budget;
    struct store *store;
    struct place place;
    uv_timer_t timer;
    struct store_op ops[OPS];
    unsigned n_done;
    unsigned n_told_away, n_told_back, n_freed;
    char told[320];
};

/* Setup and teardown of a test; *state is the kit, its store not open yet. */
int wait_begin(void **state);
int wait_end(void **state);

void wait_open(struct wait_kit *f, uint64_t first_contact_ms, uint64_t outage_ms);
void wait_start(struct wait_kit *f, unsigned i); /* ops[i], of the key "k" */
void wait_start_key(struct wait_kit *f, unsigned i, const char *key);

/* Run the loop until so many have ended, in all, or for so long. */
void wait_until_done(struct wait_kit *f, unsigned n);
void wait_for(struct wait_kit *f, uint64_t ms);

#endif
