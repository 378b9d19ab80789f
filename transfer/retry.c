/*
 * The delay is a random point below a ceiling that doubles: many clients that failed in
 * the same moment come back spread out.  An absent network is another matter: there one
 * request probes for all (store.c), so that its delay is fixed.
 */
#include "transfer/retry.h"

enum {
    FIRST_CEILING_MS = 100,
    LAST_CEILING_MS = 20 * 1000,
    FIRST_PROBE_MS = 1000,
    LAST_PROBE_MS = 10 * 1000,
    RETRY_AFTER_MAX_S = 5 * 60
};

/* first doubled for every attempt after the first, at most last. */
static uint32_t doubled(uint32_t first, uint32_t last, unsigned attempt)
{
    uint32_t value = first;

    while (attempt-- > 1 && value < last)
        value *= 2;
    return value < last ? value : last;
}

int64_t retry_delay_ms(const struct error *err, unsigned attempt, uint32_t random,
                       unsigned retry_after_s)
{
    int64_t delay, asked;

    if (err->kind == ERROR_EXPIRED)
        return attempt == 1 ? 0 : doubled(FIRST_PROBE_MS, LAST_PROBE_MS, attempt - 1);
    if (!error_is_retryable(err))
        return RETRY_GIVE_UP;
    if (err->kind == ERROR_NETWORK)
        delay = doubled(FIRST_PROBE_MS, LAST_PROBE_MS, attempt);
    else
        delay = random % (doubled(FIRST_CEILING_MS, LAST_CEILING_MS, attempt) + 1);

    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    asked = (int64_t)retry_after_s * 1000;
    return delay > asked ? delay : asked;
}

bool retry_bucket_take(struct retry_bucket *bucket)
{
    if (bucket->spent_tenths + 10 > RETRY_BUCKET_TOKENS * 10)
        return false;
    bucket->spent_tenths += 10;
    return true;
}

void retry_bucket_on_success(struct retry_bucket *bucket)
{
    if (bucket->spent_tenths > 0)
        bucket->spent_tenths--;
}
