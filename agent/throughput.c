/*
 *   lane: put --done--> put, twice as large where it took no time --> ... --> time is up
 *
 * All lanes send from one buffer.  What is read back is thrown away.
 */
#include "agent/throughput.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/memory_body.h"

enum {
    FIRST_BYTES = 256 << 10,
    LARGEST_BYTES = 8 << 20,
    QUICK_MS = 250, /* an object that takes less grows */
    LAST_MS = 2000, /* then nothing more is begun */
    ROUND_TRIPS = 3
};

struct lane {
    struct race *race;
    struct text key;
    struct store_op op;
    struct memory_body body;
    struct sink sink;
    struct deferred soon;
    body_done_fn *written;
    void *written_ctx;
    size_t size; /* of its object */
    uint64_t begun_ms;
};

/* One direction. */
struct race {
    struct agent *agent;
    struct lane lanes[THROUGHPUT_LANES];
    enum store_verb verb;
    uint8_t *bytes;
    uint64_t begun_ms, moved;
    unsigned n_running;
    bool is_over;
    struct error err;
};

void throughput_key(struct text *out, const char *prefix, unsigned lane)
{
    text_add_format(out, "%s-speed-%u", prefix, lane);
}

/* ---- what is read ---- */

static void on_thrown_away(void *ctx)
{
    struct lane *lane = ctx;

    lane->written(lane->written_ctx, NULL);
}

static void throw_away(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct lane *lane = (struct lane *)((char *)sink - offsetof(struct lane, sink));

    (void)bytes;
    lane->written = done;
    lane->written_ctx = ctx;
    loop_defer(&lane->race->agent->loop, &lane->soon, on_thrown_away, lane);
}

/* ---- a lane ---- */

static void on_done(struct store_op *op, void *ctx);

static void begin(struct lane *lane)
{
    struct race *race = lane->race;

    lane->begun_ms = loop_now_ms(&race->agent->loop);
    lane->op = (struct store_op){.verb = race->verb, .key = text_string(&lane->key)};
    if (race->verb == STORE_PUT) {
        memory_body_init(&lane->body, &race->agent->loop,
                         (struct span){race->bytes, lane->size});
        lane->op.body = &lane->body.body;
    } else {
        lane->op.sink = &lane->sink;
        lane->op.size = UINT64_MAX;
    }
    lane->op.done = on_done;
    lane->op.ctx = lane;
    store_start(race->agent->store, &lane->op);
}

static void on_done(struct store_op *op, void *ctx)
{
    struct lane *lane = ctx;
    struct race *race = lane->race;
    uint64_t now_ms = loop_now_ms(&race->agent->loop);
    bool is_last = now_ms - race->begun_ms >= LAST_MS;

    error_keep_first(&race->err, &op->err);
    if (op->err.kind == ERROR_NONE)
        race->moved += lane->size;
    store_op_clear(op);
    if (is_last || race->err.kind != ERROR_NONE) {
        race->is_over = --race->n_running == 0;
        return;
    }
    if (race->verb == STORE_PUT && now_ms - lane->begun_ms < QUICK_MS &&
        lane->size < LARGEST_BYTES)
        lane->size *= 2;
    begin(lane);
}

/* Bytes a second, or -1. */
static double run(struct race *race, enum store_verb verb, struct error *err)
{
    uint64_t took_ms;

    race->verb = verb;
    race->begun_ms = loop_now_ms(&race->agent->loop);
    race->moved = 0;
    race->is_over = false;
    race->n_running = THROUGHPUT_LANES;
    for (unsigned i = 0; i < THROUGHPUT_LANES; i++)
        begin(&race->lanes[i]);
    loop_run_until(&race->agent->loop, &race->is_over);
    if (race->err.kind != ERROR_NONE) {
        *err = race->err;
        return -1;
    }
    took_ms = loop_now_ms(&race->agent->loop) - race->begun_ms;
    return (double)race->moved * 1000 / (double)(took_ms > 0 ? took_ms : 1);
}

/* ---- the whole ---- */

static int measure_round_trip(struct agent *a, const char *key, double *out_ms,
                              struct error *err)
{
    double best = 1e9;

    for (unsigned i = 0; i < ROUND_TRIPS; i++) {
        struct store_op op = {.verb = STORE_HEAD, .key = key};
        uint64_t begun = uv_hrtime();
        int status = agent_do(a, &op, err);
        double took_ms = (double)(uv_hrtime() - begun) / 1e6;

        store_op_clear(&op);
        if (status != 0)
            return -1;
        best = took_ms < best ? took_ms : best;
    }
    *out_ms = best;
    return 0;
}

int throughput_measure(struct agent *a, const char *prefix, struct throughput *out,
                       struct error *err)
{
    struct race *race = mem_new(1, sizeof *race);
    int status = -1;

    race->agent = a;
    race->bytes = mem_new(LARGEST_BYTES, 1);
    for (size_t i = 0; i < LARGEST_BYTES; i++)
        race->bytes[i] = (uint8_t)(i * 2654435761U >> 11); /* not to be compressed */
    for (unsigned i = 0; i < THROUGHPUT_LANES; i++) {
        race->lanes[i].race = race;
        race->lanes[i].size = FIRST_BYTES;
        race->lanes[i].sink.write = throw_away;
        throughput_key(&race->lanes[i].key, prefix, i);
    }
    out->put_bytes_s = run(race, STORE_PUT, err);
    if (out->put_bytes_s >= 0)
        out->get_bytes_s = run(race, STORE_GET, err);
    if (out->put_bytes_s >= 0 && out->get_bytes_s >= 0)
        status = measure_round_trip(a, text_string(&race->lanes[0].key),
                                    &out->round_trip_ms, err);
    for (unsigned i = 0; i < THROUGHPUT_LANES; i++)
        text_free(&race->lanes[i].key);
    free(race->bytes);
    free(race);
    return status;
}
