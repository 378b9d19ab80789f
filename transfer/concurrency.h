#ifndef TRANSFER_CONCURRENCY_H
#define TRANSFER_CONCURRENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many requests to have under way: up while more of them bring more bytes or more
 * requests a second, down at once when throttled, down when each takes longer and
 * nothing is gained by it.  Pure arithmetic: time comes in as an argument, so a test
 * can run an hour of it in a millisecond.
 */
struct concurrency {
    unsigned limit; /* read this; least <= limit <= most */
    unsigned least, most;

    /* Private. */
    enum { CONCURRENCY_FIXED, CONCURRENCY_STARTING, CONCURRENCY_STEADY } phase;
    uint64_t window_start_ms;
    uint64_t window_bytes, window_requests;
    uint64_t
        in_use_sum; /* of the window's requests; / window_requests: how many at once */
    bool was_full;  /* the window has seen the limit reached */
    bool has_last;
    unsigned
        stepped_from; /* the limit before the last change in STARTING, 0: none yet */
    unsigned n_flat;  /* windows since, without a gain */
    double last_bytes_rate,
        last_requests_rate;  /* of the last full window; in STARTING of
                                                   the best */
    double least_latency_ms; /* the best window's, 0: none yet */
    bool has_throttled;
    uint64_t throttled_at_ms;
};

/* Adapts between least (at least 1) and most, from 8. */
void concurrency_init(struct concurrency *c, unsigned least, unsigned most,
                      uint64_t now_ms);

/* --jobs N: stays there. */
void concurrency_init_fixed(struct concurrency *c, unsigned n);

/* A request is begun; in_use, itself included, are under way. */
void concurrency_on_start(struct concurrency *c, unsigned in_use, uint64_t now_ms);

/* A request has brought an answer.  bytes of payload were moved; in_use, itself
 * included, were under way: a limit that nobody reaches is not raised. */
void concurrency_on_done(struct concurrency *c, size_t bytes, unsigned in_use,
                         uint64_t now_ms);

/* The store asked to slow down.  Several within a second count once: they come from the
 * same overload. */
void concurrency_on_throttled(struct concurrency *c, uint64_t now_ms);

#endif
