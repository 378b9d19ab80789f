#ifndef TRANSFER_BANDWIDTH_H
#define TRANSFER_BANDWIDTH_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many bytes may go out now: a token bucket for all connections together
 * (--bwlimit).  It holds a twentieth of a second at most, so that an idle moment is not
 * made up for by a burst.  Pure: time comes in as an argument.
 */
struct bandwidth {
    uint64_t rate; /* bytes a second; 0: no limit */

    /* Private. */
    double tokens;
    uint64_t at_ms;
};

void bandwidth_init(struct bandwidth *b, uint64_t rate, uint64_t now_ms);

/* How many of `want` bytes may go now; they are taken.  0: none before
 * bandwidth_wait_ms() have passed. */
size_t bandwidth_take(struct bandwidth *b, size_t want, uint64_t now_ms);
uint64_t bandwidth_wait_ms(const struct bandwidth *b);

#endif
