/*
 * A second's timer looks whether the time is up, and whether it has itself been late: a
 * process that was stopped finds its connections dead, or full of what it meant to say
 * long ago.
 */
#include "transfer/store_fence.h"

#include "base/log.h"
#include "transfer/store_impl.h"

enum { TICK_MS = 1000, STOOD_STILL_MS = 10 * 1000 };

static bool changes_the_store(enum store_verb verb)
{
    switch (verb) {
    case STORE_PUT:
    case STORE_CREATE_UPLOAD:
    case STORE_UPLOAD_PART:
    case STORE_COPY:
    case STORE_COPY_PART:
    case STORE_COMPLETE_UPLOAD:
    case STORE_ABORT_UPLOAD:
    case STORE_DELETE:
        return true;
    default:
        return false;
    }
}

bool store_fence_holds(const struct store *store, const struct store_op *op)
{
    const struct store_fence *f = &store->fence;
    uint64_t now_ms;

    if ((f->until_ms == 0 && f->from_ms == 0) || op->is_claim ||
        !changes_the_store(op->verb))
        return false;
    now_ms = loop_boot_ms();
    return now_ms < f->from_ms || (f->until_ms > 0 && now_ms >= f->until_ms);
}

static void drop(struct store *store)
{
    if (store->kind->drop != NULL)
        store->kind->drop(store);
}

static void on_tick(uv_timer_t *timer)
{
    struct store *store = timer->data;
    struct store_fence *f = &store->fence;
    uint64_t now_ms = loop_boot_ms();
    bool stood_still = now_ms - f->seen_ms > STOOD_STILL_MS;
    bool is_late = !f->is_up && f->until_ms > 0 && now_ms >= f->until_ms;
    bool may_begin = f->from_ms > f->seen_ms && f->from_ms <= now_ms;

    if (stood_still)
        log_line(LOG_WARNING, LOG_STORE, "stood still for %llu s",
                 (unsigned long long)(now_ms - f->seen_ms) / 1000);
    if (is_late)
        log_line(LOG_WARNING, LOG_STORE,
                 "nothing is written until it is known whose this version is");
    f->seen_ms = now_ms;
    f->is_up = f->is_up || is_late;
    if (stood_still || is_late)
        drop(store);
    else if (may_begin)
        store_advance(store);
}

static void watch(struct store *store)
{
    struct store_fence *f = &store->fence;

    f->seen_ms = loop_boot_ms();
    if (f->until_ms == 0 && f->from_ms <= f->seen_ms)
        uv_timer_stop(&f->timer);
    else if (!uv_is_active((uv_handle_t *)&f->timer))
        uv_timer_start(&f->timer, on_tick, TICK_MS, TICK_MS);
}

void store_fence_init(struct store *store)
{
    uv_timer_init(&store->loop->uv, &store->fence.timer);
    store->fence.timer.data = store;
}

uint64_t store_write_until(struct store *store, uint64_t boot_ms)
{
    struct store_fence *f = &store->fence;
    uint64_t now_ms = loop_boot_ms();
    uint64_t late_ms =
        f->until_ms > 0 && now_ms >= f->until_ms ? now_ms - f->until_ms : 0;

    f->until_ms = boot_ms;
    f->is_up = false;
    watch(store);
    store_advance(store);
    return late_ms;
}

void store_write_from(struct store *store, uint64_t boot_ms)
{
    store->fence.from_ms = boot_ms;
    watch(store);
}
