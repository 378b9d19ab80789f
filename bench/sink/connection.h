#ifndef BENCH_SINK_CONNECTION_H
#define BENCH_SINK_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "bench/sink/verbs.h"

/* Of all threads together. */
struct counts {
    _Atomic uint64_t get, head, put, post, delete, other; /* requests by method */
    _Atomic uint64_t bytes_in, bytes_out;                 /* of bodies */
    _Atomic uint64_t connections, open, most_open;
};

enum { SCRATCH_BYTES = 256 << 10 };

/* One thread's connections, and what they share.  Zeroed but for the first three. */
struct lane {
    const struct verbs *verbs;
    struct counts *counts;
    uint64_t latency_ms;
    int epoll;
    char *scratch; /* SCRATCH_BYTES */
    char *zeros;   /* as many, never written */
    /* Answers that are not due yet, in the order of time: all wait equally long. */
    struct connection *first_due, *last_due;
};

/* Takes the socket (non-blocking) and the TLS session (NULL: plain HTTP), and adds it to
 * the lane's epoll, edge-triggered, with the connection as its data. */
void connection_open(struct lane *lane, int fd, SSL *ssl);

/* Something may have become possible.  Frees the connection at its end. */
void connection_advance(struct connection *c);

/* Send what is due.  Returns how many ms until the next; -1: nothing is waiting. */
int lane_send_due(struct lane *lane);

#endif
