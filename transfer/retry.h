#ifndef TRANSFER_RETRY_H
#define TRANSFER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { RETRY_GIVE_UP = -1 };

/*
 * Milliseconds to wait before the next attempt, or RETRY_GIVE_UP.  attempt counts
 * from 1: how many have failed so far.  random is any number; equal numbers give equal
 * delays.
 *
 *   transient   full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")
 *               between 0 and 100 ms doubled each time, at most 20 s
 *   throttled   the same
 *   expired     as network, but the first look at once: the keys are read again
 *   network     1 s doubled each time, at most 10 s, no jitter: this is how often one
 *               request looks whether an outage is over
 *   any other   given up at once
 *
 * How many attempts are enough is for store_trouble.h and store_gate.h.
 *
 * At least what the server asked for (retry_after_s, 0 if nothing, at most 5 min of
 * it).
 */
int64_t retry_delay_ms(const struct error *err, unsigned attempt, uint32_t random,
                       unsigned retry_after_s);

/*
 * What all requests together may spend on trying again, so that a store in trouble is
 * not sent many times the usual load.  Zeroed means full.  Throttled and transient
 * retries take one token each; ten successes bring one back; where none is left, the
 * wait is that of the tenth attempt, whatever the attempt.
 */
struct retry_bucket {
    unsigned spent_tenths;
};

enum {
    RETRY_BUCKET_TOKENS = 500, /* as in the AWS SDKs' standard mode */
    RETRY_SLOW_ATTEMPT = 9     /* the ceiling is reached */
};

/* True where there was a token. */
bool retry_bucket_take(struct retry_bucket *bucket);
void retry_bucket_on_success(struct retry_bucket *bucket);

#endif
