/*
 * A grant is at least a hundredth of a second's worth, or what is wanted: crumbs would
 * cost a system call each.
 */
#include "transfer/bandwidth.h"

enum { BURSTS_PER_S = 20, GRANTS_PER_S = 100, GRANT_MIN = 512 };

static double max_tokens(const struct bandwidth *b)
{
    double burst = (double)b->rate / BURSTS_PER_S;

    return burst < GRANT_MIN ? GRANT_MIN : burst;
}

static double grant(const struct bandwidth *b)
{
    double grant = (double)b->rate / GRANTS_PER_S;

    return grant < GRANT_MIN ? GRANT_MIN : grant;
}

void bandwidth_init(struct bandwidth *b, uint64_t rate, uint64_t now_ms)
{
    *b = (struct bandwidth){.rate = rate, .at_ms = now_ms};
}

static void refill(struct bandwidth *b, uint64_t now_ms)
{
    b->tokens += (double)b->rate * (double)(now_ms - b->at_ms) / 1000;
    if (b->tokens > max_tokens(b))
        b->tokens = max_tokens(b);
    b->at_ms = now_ms;
}

size_t bandwidth_take(struct bandwidth *b, size_t want, uint64_t now_ms)
{
    size_t n;

    if (b->rate == 0)
        return want;
    if (now_ms > b->at_ms)
        refill(b, now_ms);
    if (b->tokens < grant(b) && b->tokens < (double)want)
        return 0;
    n = b->tokens < (double)want ? (size_t)b->tokens : want;
    b->tokens -= (double)n;
    return n;
}

uint64_t bandwidth_wait_ms(const struct bandwidth *b)
{
    double missing = grant(b) - b->tokens;

    return missing <= 0 ? 1 : 1 + (uint64_t)(missing * 1000 / (double)b->rate);
}
