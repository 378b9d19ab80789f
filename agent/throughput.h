#ifndef AGENT_THROUGHPUT_H
#define AGENT_THROUGHPUT_H

#include "agent/agent.h"

/*
 * How fast is a store, roughly: some seconds of puts and then of gets, four at once, of
 * objects below `prefix` that stay there (throughput_key()).  Objects grow while they
 * take no time, so that a slow line is not held up by a large one.
 */
enum { THROUGHPUT_LANES = 4 };

struct throughput {
    double put_bytes_s, get_bytes_s;
    double round_trip_ms; /* of the smallest request */
};

int throughput_measure(struct agent *a, const char *prefix, struct throughput *out,
                       struct error *err);

/* The object of a lane, 0 to THROUGHPUT_LANES - 1. */
void throughput_key(struct text *out, const char *prefix, unsigned lane);

#endif
