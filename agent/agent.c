/*
 * agent_do() is the only place that waits for the store.  A signal cancels what is
 * awaited and lets every later wait end at once, so that linear code unwinds by its
 * error returns.
 */
#include "agent/agent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "agent/console.h"
#include "agent/gauge.h"
#include "base/mem.h"
#include "transfer/memory_body.h"

enum {
    SMALL_OBJECT_MAX = 64 << 20,
    /* Of what payload may take: with the program's own some 17 MiB both stay below the
     * resident size aimed at, which is four times the payload. */
    CONNECTION_FIFTHS = 8,
    HURRY_CONTACT_MS = 15 * 1000, /* more than the 10 s that a connection may take */
    HURRY_OUTAGE_MS = 5 * 60 * 1000
};

int agent_open(struct agent *a, uint64_t max_memory, struct error *err)
{
    int status;

    memset(a, 0, sizeof *a);
    status = loop_open(&a->loop);
    if (status != 0)
        return error_set(err, ERROR_INTERNAL, status, "libuv: %s", uv_strerror(status));
    a->budget = budget_new(&a->loop, (size_t)max_memory);
    return 0;
}

static void say_away(void *ctx, const struct error *err)
{
    struct agent *a = ctx;

    gauge_give_way(a->gauge, false);
    if (err != NULL)
        console_print_waiting(err);
}

static void stop_search(void *ctx)
{
    live_keys_interrupt(ctx);
}

int agent_open_store(struct agent *a, const struct cluster *cluster,
                     const struct paths *paths, const struct store_options *wanted,
                     struct error *err)
{
    struct store_options options = *wanted;
    int status;

    if (options.away == say_away)
        options.away_ctx = a;
    options.loop = &a->loop;
    options.budget = a->budget;
    options.connection_memory = budget_limit(a->budget) / 5 * CONNECTION_FIFTHS;
    a->cluster = cluster->name;
    a->on_interrupt = stop_search;
    a->interrupt_ctx = &a->cluster_store.keys;
    status =
        cluster_store_open(&a->cluster_store, &a->store, &options, cluster, paths, err);
    a->on_interrupt = NULL;
    return status;
}

void agent_hurry(struct store_options *wanted)
{
    wanted->first_contact_ms = HURRY_CONTACT_MS;
    wanted->outage_ms = HURRY_OUTAGE_MS;
    wanted->away = say_away;
}

void agent_close(struct agent *a)
{
    if (a->store != NULL) {
        cluster_store_note(&a->cluster_store, a->store);
        store_close(a->store);
    }
    cluster_store_stop(&a->cluster_store);
    /* What was closed on the way out (descriptors, timers) ends first. */
    while (uv_run(&a->loop.uv, UV_RUN_NOWAIT) != 0 && a->loop.first != NULL)
        continue;
    loop_close(&a->loop);
    cluster_store_free(&a->cluster_store);
    budget_free(a->budget);
}

void agent_interrupt(struct agent *a, int signal)
{
    if (a->signal == 0)
        a->signal = signal;
    if (a->awaited != NULL)
        store_cancel(a->awaited);
    if (a->on_interrupt != NULL)
        a->on_interrupt(a->interrupt_ctx);
}

struct wait {
    bool is_over;
};

static void on_awaited(struct store_op *op, void *ctx)
{
    struct wait *wait = ctx;

    (void)op;
    wait->is_over = true;
}

int agent_do(struct agent *a, struct store_op *op, struct error *err)
{
    return agent_do_at(a, a->store, op, err);
}

int agent_do_at(struct agent *a, struct store *store, struct store_op *op,
                struct error *err)
{
    struct wait wait = {false};

    if (a->signal != 0)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    op->done = on_awaited;
    op->ctx = &wait;
    a->awaited = op;
    store_start(store, op);
    loop_run_until(&a->loop, &wait.is_over);
    a->awaited = NULL;
    if (op->err.kind == ERROR_NONE)
        return 0;
    *err = op->err;
    return -1;
}

const char agent_not_verified[] = "the store does not verify the bytes that it "
                                  "receives: what is damaged on the way is "
                                  "found only by `grid datastore verify --deep`";

bool agent_store_verifies(const struct agent *a)
{
    return strstr(store_traits(a->store), "checks=none") == NULL;
}

bool agent_has_probed(const struct agent *a)
{
    return a->cluster_store.traits == NULL && store_traits(a->store)[0] != '\0';
}

static void on_worked(void *ctx)
{
    struct wait *wait = ctx;

    wait->is_over = true;
}

struct work_pair {
    void (*work)(void *ctx);
    void *ctx;
    struct wait wait;
};

static void run_pair(void *ctx)
{
    struct work_pair *pair = ctx;

    pair->work(pair->ctx);
}

static void on_pair_done(void *ctx)
{
    struct work_pair *pair = ctx;

    on_worked(&pair->wait);
}

void agent_work(struct agent *a, void (*work)(void *ctx), void *ctx)
{
    struct work_pair pair = {.work = work, .ctx = ctx};
    struct work w;

    loop_work(&a->loop, &w, run_pair, on_pair_done, &pair);
    loop_run_until(&a->loop, &pair.wait.is_over);
}

struct pause {
    uv_timer_t timer;
    bool is_over, is_closed;
};

static void end_pause(void *ctx)
{
    struct pause *pause = ctx;

    pause->is_over = true;
}

static void on_pause_over(uv_timer_t *timer)
{
    end_pause(timer->data);
}

static void on_pause_closed(uv_handle_t *timer)
{
    struct pause *pause = timer->data;

    pause->is_closed = true;
}

int agent_pause(struct agent *a, uint64_t ms, struct error *err)
{
    struct pause pause = {.is_over = a->signal != 0};

    uv_timer_init(&a->loop.uv, &pause.timer);
    pause.timer.data = &pause;
    uv_timer_start(&pause.timer, on_pause_over, ms, 0);
    a->on_interrupt = end_pause;
    a->interrupt_ctx = &pause;
    loop_run_until(&a->loop, &pause.is_over);
    a->on_interrupt = NULL;
    uv_close((uv_handle_t *)&pause.timer, on_pause_closed);
    loop_run_until(&a->loop, &pause.is_closed);
    return a->signal == 0 ? 0 : error_set(err, ERROR_CANCELLED, 0, "interrupted");
}

/* ---- small objects ---- */

int agent_get(struct agent *a, const char *key, struct text *out,
              struct object_answer *answer, struct error *err)
{
    struct memory_sink sink;
    struct store_op op = {.verb = STORE_GET, .key = key, .size = UINT64_MAX};
    int status;

    memory_sink_init(&sink, &a->loop, SMALL_OBJECT_MAX);
    op.sink = &sink.sink;
    op.want_date = answer != NULL;
    status = agent_do(a, &op, err);
    if (status == 0)
        text_add_bytes(out, sink.bytes.data, sink.bytes.size);
    if (status == 0 && answer != NULL) {
        answer->modified_ms = op.answer.modified_ms;
        answer->date_ms = op.answer.date_ms;
    }
    free(sink.bytes.data);
    store_op_clear(&op);
    return status;
}

int agent_put(struct agent *a, const char *key, const char *bytes, size_t size,
              bool if_absent, struct error *err)
{
    struct memory_body body;
    struct store_op op = {.verb = STORE_PUT, .key = key, .if_absent = if_absent};
    char *copy = mem_copy_bytes(bytes, size);
    int status;

    memory_body_init(&body, &a->loop, (struct span){(uint8_t *)copy, size});
    op.body = &body.body;
    status = agent_do(a, &op, err);
    store_op_clear(&op);
    free(copy);
    return status;
}

int agent_has(struct agent *a, const char *key, struct error *err)
{
    struct store_op op = {.verb = STORE_HEAD, .key = key};
    int status = agent_do(a, &op, err);

    store_op_clear(&op);
    if (status == 0)
        return 1;
    return err->kind == ERROR_NOT_FOUND ? 0 : -1;
}

int agent_delete(struct agent *a, const char *key, struct error *err)
{
    const char *keys[] = {key};
    struct store_op op = {.verb = STORE_DELETE, .key = key, .keys = keys, .n_keys = 1};
    int status = agent_do(a, &op, err);

    store_op_clear(&op);
    return status;
}

static int each_item(struct store_op *op, size_t skip, agent_each_fn *each, void *ctx,
                     struct error *err)
{
    for (size_t i = 0; i < op->answer.n_items; i++) {
        const struct store_item *item = &op->answer.items[i];
        if (each(ctx, item->key + skip, item, err) != 0)
            return -1;
    }
    return 0;
}

int agent_list(struct agent *a, const char *prefix, bool is_flat, agent_each_fn *each,
               void *ctx, struct error *err)
{
    struct store_op op = {.verb = STORE_LIST, .key = prefix, .is_flat = is_flat};
    int status;

    do {
        status = agent_do(a, &op, err);
        if (status == 0)
            status = each_item(&op, strlen(prefix), each, ctx, err);
    } while (status == 0 && op.cursor != NULL);
    store_end_list(a->store, &op);
    store_op_clear(&op);
    if (status != 0 && err->kind == ERROR_NOT_FOUND)
        return 0; /* nothing there is an empty list */
    return status;
}

/* ---- chance and time ---- */

void agent_random_hex(char *out, size_t n_bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t byte;

    for (size_t i = 0; i < n_bytes; i++) {
        while (getrandom(&byte, 1, 0) != 1)
            continue;
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * n_bytes] = '\0';
}

int64_t agent_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
