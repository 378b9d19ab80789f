/*
 * Answers that come within the usual change mean and deviation by an eighth and a
 * quarter (RFC 6298, section 2).  Twice the mean is allowed, since to break off costs more
 * here than it does there.  Many requests that fall silent at once are one event:
 * only a silence as long as what is allowed now doubles that.
 */
#include "transfer/patience.h"

enum { DOUBLINGS_MAX = 5 };

void patience_on_answer(struct patience *p, uint64_t silence_ms)
{
    uint64_t off =
        silence_ms > p->mean_ms ? silence_ms - p->mean_ms : p->mean_ms - silence_ms;

    p->doublings = 0;
    if (!p->has_answer) {
        p->has_answer = true;
        p->mean_ms = silence_ms;
        p->deviation_ms = silence_ms / 2;
        return;
    }
    p->deviation_ms = (3 * p->deviation_ms + off) / 4;
    p->mean_ms = (7 * p->mean_ms + silence_ms) / 8;
}

void patience_on_silence(struct patience *p, uint64_t allowed_ms)
{
    if (allowed_ms >= patience_ms(p) && p->doublings < DOUBLINGS_MAX)
        p->doublings++;
}

uint64_t patience_ms(const struct patience *p)
{
    uint64_t ms = 2 * p->mean_ms + 4 * p->deviation_ms;

    if (ms < PATIENCE_LEAST_MS)
        ms = PATIENCE_LEAST_MS;
    ms <<= p->doublings;
    return ms < PATIENCE_MOST_MS ? ms : PATIENCE_MOST_MS;
}
