/*
 * An attempt ends in the next round of the loop, or when it is cancelled.
 */
#include "wait_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- the kind ---- */

struct attempt {
    struct store_op *op;
    struct deferred soon;
    enum error_kind outcome;
};

static void on_attempt_end(void *ctx)
{
    struct attempt *a = ctx;
    struct store_op *op = a->op;
    struct error err;

    error_set(&err, a->outcome, 0, "the line is dead");
    free(a);
    store_attempt_done(op, err.kind != ERROR_NONE ? &err : NULL);
}

static bool is_refused(const struct place *place, const char *key)
{
    return place->refused != NULL &&
           (place->refused[0] == '\0' || strcmp(place->refused, key) == 0);
}

static bool is_away(const struct place *place, const char *key)
{
    return place->mood == IS_AWAY ||
           (place->cut_off != NULL && strcmp(place->cut_off, key) == 0);
}

static void attempt(struct store *store, struct store_op *op)
{
    struct place *place = store->impl;
    struct attempt *a = mem_new(1, sizeof *a);

    place->n_attempts++;
    a->op = op;
    a->outcome = is_away(place, op->key)      ? ERROR_NETWORK
                 : is_refused(place, op->key) ? ERROR_TRANSIENT
                                              : ERROR_NONE;
    op->attempt = a;
    if (place->mood < IS_SILENT)
        loop_defer(store->loop, &a->soon, on_attempt_end, a);
}

static void cancel(struct store *store, struct store_op *op)
{
    struct place *place = store->impl;
    struct attempt *a = op->attempt;

    place->n_cancels++;
    if (place->mood != ANSWERS_TOO_LATE)
        a->outcome = ERROR_CANCELLED;
    if (place->mood >= IS_SILENT)
        loop_defer(store->loop, &a->soon, on_attempt_end, a);
}

static int open_place(struct store *store, const char *url, struct error *err)
{
    (void)url, (void)err;
    store->place = mem_copy_string("https://there");
    return 0;
}

static void close_place(struct store *store)
{
    (void)store;
}

static const struct store_kind kind = {.scheme = "test://",
                                       .jobs = OPS,
                                       .is_remote = true,
                                       .open = open_place,
                                       .close = close_place,
                                       .attempt = attempt,
                                       .cancel = cancel};

static int64_t soon_again(const struct error *err, unsigned attempts, uint32_t random,
                          unsigned retry_after_s)
{
    (void)err, (void)attempts, (void)random, (void)retry_after_s;
    return 5;
}

/* ---- the fixture ---- */

static void on_away(void *ctx, const struct error *err)
{
    struct wait_kit *f = ctx;

    if (err == NULL) {
        f->n_told_back++;
        return;
    }
    f->n_told_away++;
    memcpy(f->told, err->text, sizeof f->told);
}

static void on_freed(void *ctx)
{
    struct wait_kit *f = ctx;

    f->n_freed++;
}

void wait_open(struct wait_kit *f, uint64_t first_contact_ms, uint64_t outage_ms)
{
    struct store_options options = {.loop = &f->loop,
                                    .first_contact_ms = first_contact_ms,
                                    .outage_ms = outage_ms,
                                    .away = on_away,
                                    .away_ctx = f};
    struct error err;

    options.budget = f->budget;
    assert_int_equal(store_open_kind(&f->store, &options, &kind, "test://", &err), 0);
    f->store->impl = &f->place;
    f->store->delay_ms = soon_again;
    store_on_room(f->store, on_freed, f);
}

int wait_begin(void **state)
{
    struct wait_kit *f = mem_new(1, sizeof *f);

    loop_open(&f->loop);
    uv_timer_init(&f->loop.uv, &f->timer);
    f->budget = budget_new(&f->loop, STORE_CHUNK);
    *state = f;
    return 0;
}

int wait_end(void **state)
{
    struct wait_kit *f = *state;

    uv_close((uv_handle_t *)&f->timer, NULL);
    store_close(f->store);
    loop_close(&f->loop);
    budget_free(f->budget);
    free(f);
    return 0;
}

static void on_done(struct store_op *op, void *ctx)
{
    struct wait_kit *f = ctx;

    (void)op;
    f->n_done++;
}

void wait_start_key(struct wait_kit *f, unsigned i, const char *key)
{
    f->ops[i] =
        (struct store_op){.verb = STORE_HEAD, .key = key, .done = on_done, .ctx = f};
    store_start(f->store, &f->ops[i]);
}

void wait_start(struct wait_kit *f, unsigned i)
{
    wait_start_key(f, i, "k");
}

void wait_until_done(struct wait_kit *f, unsigned n)
{
    while (f->n_done < n)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static void on_time(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

void wait_for(struct wait_kit *f, uint64_t ms)
{
    bool is_over = false;

    f->timer.data = &is_over;
    uv_timer_start(&f->timer, on_time, ms, 0);
    loop_run_until(&f->loop, &is_over);
}
