/*
 * Windows of about one round trip each are compared with the one before:
 *
 *     STARTING   four times as many while that brings a good part of as much more; the
 *        |       step that did not is taken back to what it has brought
 *        v
 *     STEADY     one more (a sixteenth more of a large limit) while nothing is wrong; a
 *                quarter fewer when requests take twice the best latency and the rate
 *                has not grown
 *
 * Latency is not measured but follows from Little's law: what is under way divided by
 * what is done a second.  Throttling halves the limit and ends STARTING.
 */
#include "transfer/concurrency.h"

enum {
    START_LIMIT = 8,
    STEP = 4, /* on a path of 100 ms doubling takes a third of a second longer to 512 */
    WINDOW_LEAST_MS = 200,  /* shorter ones are noise */
    STARTING_LEAST_MS = 40, /* but it is to double, and that shows */
    WINDOW_MOST_MS = 5000, /* with slow, large parts a round trip is longer than this */
    THROTTLED_ONCE_MS = 1000
};
static const double gain = 1.10; /* less than that is noise (PERF-NOTES: 15 %) */

/* Of what a step could bring: half of its first window may go by before the new
 * connections are made. */
static const double far_off = 0.4;
static const double spare = 1.5;
static const double congestion = 2.0; /* times the best latency */

static unsigned clamp(const struct concurrency *c, unsigned limit)
{
    if (limit < c->least)
        return c->least;
    return limit > c->most ? c->most : limit;
}

static void window_begin(struct concurrency *c, uint64_t now_ms)
{
    c->window_start_ms = now_ms;
    c->window_bytes = c->window_requests = c->in_use_sum = 0;
    c->was_full = false;
}

void concurrency_init(struct concurrency *c, unsigned least, unsigned most,
                      uint64_t now_ms)
{
    *c = (struct concurrency){.least = least > 0 ? least : 1,
                              .phase = CONCURRENCY_STARTING};
    c->most = most > c->least ? most : c->least;
    c->limit = clamp(c, START_LIMIT);
    window_begin(c, now_ms);
}

void concurrency_init_fixed(struct concurrency *c, unsigned n)
{
    n = n > 0 ? n : 1;
    *c = (struct concurrency){
        .limit = n, .least = n, .most = n, .phase = CONCURRENCY_FIXED};
}

/* What a step brings shows in the second window behind it at the latest: in the first the
 * new connections are made.  Where it was too wide, what it has brought says how many
 * would have done. */
static void adapt_start(struct concurrency *c, double growth)
{
    unsigned limit = c->limit, before = c->stepped_from;
    bool was_stepped = before != 0 && before != limit;
    double step = was_stepped ? (double)limit / before : 1;

    if (growth > gain && growth > far_off * step) {
        c->limit = clamp(c, limit * STEP);
        c->stepped_from = limit;
        c->n_flat = 0;
        return;
    }
    if (was_stepped && ++c->n_flat < 2)
        return;
    if (was_stepped && growth <= gain)
        c->limit = before;
    else if (was_stepped)
        c->limit = clamp(c, (unsigned)(before * growth * spare));
    c->phase = CONCURRENCY_STEADY;
}

/* Let the limit follow from how this window compares with the last. */
static void adapt(struct concurrency *c, double growth, double latency_ms)
{
    bool is_congested = c->least_latency_ms > 0 && growth <= gain &&
                        latency_ms > congestion * c->least_latency_ms;

    if (c->phase == CONCURRENCY_STARTING) {
        adapt_start(c, growth);
    } else if (is_congested) {
        c->limit = clamp(c, c->limit - (c->limit + 3) / 4);
    } else {
        c->limit = clamp(c, c->limit + 1 + c->limit / 16);
    }
}

/* How many times the rates of before, of bytes or of requests. */
static double growth_of(const struct concurrency *c, double bytes_rate,
                        double requests_rate)
{
    double growth = requests_rate / c->last_requests_rate;

    if (c->last_bytes_rate > 0 && bytes_rate / c->last_bytes_rate > growth)
        growth = bytes_rate / c->last_bytes_rate;
    return growth;
}

static void window_end(struct concurrency *c, uint64_t now_ms)
{
    double seconds = (double)(now_ms - c->window_start_ms) / 1000;
    double bytes_rate = (double)c->window_bytes / seconds;
    double requests_rate = (double)c->window_requests / seconds;
    double at_once = (double)c->in_use_sum / (double)c->window_requests;
    double latency_ms = 1000 * at_once / requests_rate;
    double growth = c->has_last ? growth_of(c, bytes_rate, requests_rate) : 2 * gain;

    if (c->was_full)
        adapt(c, growth, latency_ms);
    if (c->least_latency_ms <= 0 || latency_ms < c->least_latency_ms)
        c->least_latency_ms = latency_ms;
    if (c->phase != CONCURRENCY_STARTING ||
        (c->was_full && c->n_flat == 0 && growth > gain)) {
        c->last_bytes_rate = bytes_rate;
        c->last_requests_rate = requests_rate;
        c->has_last = true;
    }
    window_begin(c, now_ms);
}

/* What went before, one question after the other, says nothing of what there is to gain. */
void concurrency_on_start(struct concurrency *c, unsigned in_use, uint64_t now_ms)
{
    if (c->phase != CONCURRENCY_STARTING || c->has_last || c->was_full ||
        in_use < c->limit)
        return;
    window_begin(c, now_ms);
    c->was_full = true;
}

void concurrency_on_done(struct concurrency *c, size_t bytes, unsigned in_use,
                         uint64_t now_ms)
{
    uint64_t elapsed_ms, least_ms;

    if (c->phase == CONCURRENCY_FIXED)
        return;
    c->window_bytes += bytes;
    c->window_requests++;
    c->in_use_sum += in_use;
    c->was_full = c->was_full || in_use >= c->limit;

    elapsed_ms = now_ms - c->window_start_ms;
    least_ms = c->phase == CONCURRENCY_STARTING ? STARTING_LEAST_MS : WINDOW_LEAST_MS;
    if (elapsed_ms >= WINDOW_MOST_MS ||
        (elapsed_ms >= least_ms && c->window_requests >= c->limit))
        window_end(c, now_ms);
}

void concurrency_on_throttled(struct concurrency *c, uint64_t now_ms)
{
    if (c->phase == CONCURRENCY_FIXED)
        return;
    if (c->has_throttled && now_ms - c->throttled_at_ms < THROTTLED_ONCE_MS)
        return;
    c->has_throttled = true;
    c->throttled_at_ms = now_ms;
    c->limit = clamp(c, c->limit / 2);
    c->phase = CONCURRENCY_STEADY;
    c->has_last = false; /* what follows is not to be compared with the burst before */
    window_begin(c, now_ms);
}
