#ifndef TRANSFER_PATIENCE_H
#define TRANSFER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * For how long a server may say nothing, from what is usual with it: RFC 6298, the
 * retransmission timer of TCP, at another scale.  Mean and deviation of the silences
 * before answers; each silence that was too long doubles what is allowed, until an
 * answer comes: a server that needs three minutes for each is waited for in the end.
 * Pure arithmetic.  Zeroed means nothing is known.
 */
struct patience {
    bool has_answer;
    uint64_t mean_ms, deviation_ms;
    unsigned doublings;
};

enum {
    PATIENCE_LEAST_MS = 120 * 1000, /* to stand still for a minute is forgiven */
    PATIENCE_MOST_MS = 20 * 60 * 1000
};

/* How long it may be now. */
uint64_t patience_ms(const struct patience *p);

/* There was an answer, after so long a silence. */
void patience_on_answer(struct patience *p, uint64_t silence_ms);

/* There was none, for as long as it might be when the request was sent. */
void patience_on_silence(struct patience *p, uint64_t allowed_ms);

#endif
