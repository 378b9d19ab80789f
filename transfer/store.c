/*
 * The face of every store: who may begin, and with how much memory.  One attempt at a
 * verb is the kind's (store_impl.h); what follows when one fails: store_failure.c.
 *
 *     QUEUED --a slot--> LEASING --its chunk--> ATTEMPTING --outcome--> ENDING -->
 * done() ^                                           |                    ^ ^
 *       |<--------------- nobody answered ----------+                    | |
 *       +<---- time is up ---- PAUSING <--retryable-+                    | |
 *       |                         |                                      | |
 *       +-------------------------+----------- cancelled ----------------+ |
 *             LEASING (when withdrawn), ATTEMPTING (when the kind says so)-+
 *
 * A slot and a chunk are held in LEASING and ATTEMPTING only.  Who comes back from a
 * pause goes to the head of the queue: it has waited its turn already.
 *
 * While nobody answers nothing is admitted but one at a time: store_gate.c.  A request
 * that alone is not answered is no outage: it is retried like one that is refused.
 */
#include "transfer/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/store_failure.h"
#include "transfer/store_impl.h"

/* What is begun under --bwlimit is done after about so long. */
enum { LINE_S = 10 };

/* ---- the queue ---- */

static void queue_insert_before(struct store_op *at, struct store_op *op)
{
    op->prev = at->prev;
    op->next = at;
    op->prev->next = op->next->prev = op;
}

static void queue_remove(struct store_op *op)
{
    op->prev->next = op->next;
    op->next->prev = op->prev;
}

void store_requeue(struct store_op *op)
{
    op->phase = OP_QUEUED;
    op->store->counts.waiting++;
    queue_insert_before(op->store->queue.next, op);
}

void store_requeue_last(struct store_op *op)
{
    op->phase = OP_QUEUED;
    op->store->counts.waiting++;
    queue_insert_before(op->is_claim ? op->store->queue.next : &op->store->queue, op);
}

static bool queue_is_empty(const struct store *store)
{
    return store->queue.next == &store->queue;
}

/* ---- the end of an operation ---- */

static void on_fence_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;

    free(store->url);
    free(store->folder);
    free(store->place);
    free(store->traits);
    free(store);
}

static void on_gate_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;

    uv_close((uv_handle_t *)&store->fence.timer, on_fence_closed);
}

static void on_end(void *ctx)
{
    struct store_op *op = ctx;
    struct store *store = op->store;

    op->phase = OP_IDLE;
    store->is_in_done = true;
    op->done(op, op->ctx); /* may free op, start it again, close the store */
    store->is_in_done = false;
    if (store->is_closing)
        uv_close((uv_handle_t *)&store->gate.timer, on_gate_closed);
    else if (store->freed != NULL)
        store->freed(store->freed_ctx);
}

void store_end_op(struct store_op *op, const struct error *err)
{
    if (err != NULL)
        op->err = *err;
    else
        error_clear(&op->err);
    store_trouble_on_end(op->store, op);
    op->phase = OP_ENDING;
    loop_defer(op->store->loop, &op->soon, on_end, op);
}

void store_end_cancelled(struct store_op *op)
{
    struct error err;

    error_set(&err, ERROR_CANCELLED, 0, "cancelled");
    store_end_op(op, &err);
}

/* ---- attempts ---- */

/* What a connection has to bring out before the operation can be done. */
static uint64_t payload_bytes(const struct store_op *op)
{
    return op->body != NULL ? op->body->size : 0;
}

static void leave(struct store_op *op)
{
    budget_give(&op->buffer);
    op->store->counts.under_way--;
    op->store->payload_under_way -= payload_bytes(op);
}

static void note_move(struct store_op *op, uint64_t n)
{
    if (!op->is_claim)
        op->store->counts.moves += n;
}

static void begin_attempt(struct store_op *op)
{
    struct store *store = op->store;

    op->phase = OP_ATTEMPTING;
    op->retry_after_s = 0;
    op->moved = 0;
    op->body_failed = false;
    op->copy_refused = false;
    queue_insert_before(&store->attempting, op);
    store_gate_on_attempt(store);
    op->answer.attempts++;
    if (op->taken == 0)
        op->answer.asked_ms = loop_boot_ms();
    store->counts.requests++;
    note_move(op, 1);
    if (op->answer.attempts > 1)
        store->counts.retries++;
    if (op->body != NULL)
        op->body->rewind(op->body);
    store->kind->attempt(store, op);
}

static void on_lease(struct lease *lease, void *ctx)
{
    struct store_op *op = ctx;
    struct store *store = op->store;

    (void)lease;
    if (!op->is_cancelled && store_gate_lets(store, op) &&
        !store_fence_holds(store, op)) {
        begin_attempt(op);
        return;
    }
    leave(op);
    store_gate_forget(store, op);
    if (op->is_cancelled)
        store_end_cancelled(op);
    else
        store_requeue(op); /* an outage has begun meanwhile, or the fence is up */
    store_advance(store);
}

/* How much memory an attempt needs. */
static size_t chunk_size(const struct store_op *op)
{
    size_t limit = budget_limit(op->store->options.budget);
    uint64_t size = 0;

    if (op->verb == STORE_GET)
        size = op->size;
    else if (op->verb == STORE_COPY || op->verb == STORE_COPY_PART)
        size = op->store->kind->is_remote ? 0 : op->from.size;
    else if (op->body != NULL && op->body->whole.data == NULL)
        size = op->body->size;
    if (limit > STORE_CHUNK)
        limit = STORE_CHUNK;
    return size < limit ? (size_t)size : limit;
}

/* The slot is ours: memory next. */
static void admit(struct store_op *op)
{
    size_t size = chunk_size(op);

    op->store->counts.under_way++;
    op->store->payload_under_way += payload_bytes(op);
    op->phase = OP_LEASING;
    concurrency_on_start(&op->store->concurrency, op->store->counts.under_way,
                         loop_now_ms(op->store->loop));
    if (size > 0)
        budget_take(op->store->options.budget, &op->buffer, size, on_lease, op);
    else
        begin_attempt(op);
}

/* What waits for a store that was given up. */
static void end_waiting(struct store *store)
{
    while (!queue_is_empty(store)) {
        struct store_op *op = store->queue.next;

        queue_remove(op);
        store->counts.waiting--;
        store_end_op(op, &store->gate.reason);
    }
}

/* Of a rate that is limited all get a share: of too many large parts none would be done
 * for minutes, and an interruption would cost them all. */
static bool is_line_full(const struct store *store)
{
    uint64_t rate = store->options.send_rate;

    return rate > 0 && store->kind->rate_changed != NULL &&
           store->payload_under_way / LINE_S >= rate;
}

/* The first in the queue that may begin; NULL: none. */
static struct store_op *next_op(struct store *store)
{
    bool is_full =
        store->counts.under_way >= store->concurrency.limit || is_line_full(store);

    for (struct store_op *op = store->queue.next; op != &store->queue; op = op->next)
        if (op->is_claim || (!is_full && !store_fence_holds(store, op)))
            return op;
    return NULL;
}

/* Admit what may begin now.  Calling it once too often is harmless. */
void store_advance(struct store *store)
{
    struct store_op *op;

    if (store->gate.phase == GATE_GIVEN_UP)
        end_waiting(store);
    while ((op = next_op(store)) != NULL && store_gate_admits(store, op)) {
        queue_remove(op);
        store->counts.waiting--;
        admit(op);
    }
}

void store_cut(struct store *store)
{
    for (struct store_op *op = store->attempting.next; op != &store->attempting;
         op = op->next)
        if (!op->is_cancelled)
            store->kind->cancel(store, op);
}

static void on_success(struct store_op *op, unsigned in_use)
{
    struct store *store = op->store;

    concurrency_on_done(&store->concurrency, (size_t)op->moved, in_use,
                        loop_now_ms(store->loop));
    retry_bucket_on_success(&store->retries);
    store_trouble_on_success(store, op);
    store->gate.has_succeeded = true;
    store_gate_on_answer(store);
    store_end_op(op, NULL);
}

void store_attempt_done(struct store_op *op, const struct error *err)
{
    struct store *store = op->store;
    unsigned in_use = store->counts.under_way;
    bool is_pausing;

    assert(op->phase == OP_ATTEMPTING);
    queue_remove(op);
    leave(op);
    if (err == NULL)
        on_success(op, in_use);
    else
        store_failure_take(op, err);
    is_pausing = op->phase == OP_PAUSING;
    store_advance(store);
    if (is_pausing && store->freed != NULL)
        store->freed(store->freed_ctx);
}

void store_sent(struct store_op *op, size_t bytes)
{
    note_move(op, bytes);
    op->moved += bytes;
    if (op->is_data)
        op->store->counts.bytes_sent += bytes;
}

void store_received(struct store_op *op, size_t bytes)
{
    note_move(op, bytes);
    op->moved += bytes;
    op->store->counts.bytes_received += bytes;
}

/* Not op->moved: no line is any faster for it. */
void store_copied(struct store_op *op, uint64_t bytes)
{
    note_move(op, bytes);
    if (op->is_data)
        op->store->counts.bytes_copied += bytes;
}

/* ---- the public face ---- */

void store_close(struct store *store)
{
    assert(store->counts.under_way == 0 && store->counts.waiting == 0);
    store->kind->close(store);
    store->is_closing = true;
    if (!store->is_in_done)
        uv_close((uv_handle_t *)&store->gate.timer, on_gate_closed);
}

void store_start(struct store *store, struct store_op *op)
{
    assert(op->phase == OP_IDLE);
    store_op_clear(op);
    op->store = store;
    op->is_cancelled = false;
    op->failures = op->throttled = op->damaged = 0;
    op->failing_since_ms = op->away_since_ms = 0;
    op->taken = 0;
    op->attempt = NULL;
    op->phase = OP_QUEUED;
    queue_insert_before(op->is_claim ? store->queue.next : &store->queue, op);
    store->counts.waiting++;
    store_advance(store);
}

void store_cancel(struct store_op *op)
{
    struct store *store = op->store;

    if (op->phase == OP_IDLE || op->phase == OP_ENDING || op->is_cancelled)
        return;
    op->is_cancelled = true;
    switch (op->phase) {
    case OP_QUEUED:
        queue_remove(op);
        store->counts.waiting--;
        store_end_cancelled(op);
        break;
    case OP_LEASING:
        if (!budget_withdraw(&op->buffer))
            break; /* on_lease() is on its way */
        leave(op);
        store_gate_forget(store, op);
        store_end_cancelled(op);
        store_advance(store);
        break;
    case OP_ATTEMPTING:
        if (store->gate.phase != GATE_GIVEN_UP) /* else it was asked to end already */
            store->kind->cancel(store, op);
        break;
    case OP_PAUSING:
        store_failure_end_pause(op);
        store_end_cancelled(op);
        break;
    default:
        break;
    }
}

void store_op_clear(struct store_op *op)
{
    struct store_items items = {op->answer.items, op->answer.n_items,
                                op->answer.n_items};

    store_items_free(&items);
    free(op->answer.upload_id);
    memset(&op->answer, 0, sizeof op->answer);
    error_clear(&op->err);
    op->body_failed = false;
    op->copy_refused = false;
}

void store_end_list(struct store *store, struct store_op *op)
{
    assert(op->phase == OP_IDLE);
    if (op->cursor != NULL)
        store->kind->end_list(store, op);
    op->cursor = NULL;
}

/* Those that pause leave their places to others; but where so many do, nobody is to start
 * what would only be refused. */
unsigned store_room(const struct store *store)
{
    unsigned taken = store->counts.under_way + store->counts.waiting - store->pausing;

    if (store->gate.phase == GATE_ONE && store->counts.waiting == 0 &&
        taken < store->concurrency.limit)
        return 1;
    if (store->gate.phase != GATE_OPEN && store->gate.phase != GATE_GIVEN_UP)
        return 0;
    if (store->pausing > store->concurrency.limit || is_line_full(store))
        return 0;
    return taken < store->concurrency.limit ? store->concurrency.limit - taken : 0;
}

void store_on_room(struct store *store, void (*freed)(void *ctx), void *ctx)
{
    store->freed = freed;
    store->freed_ctx = ctx;
}

bool store_can_copy_from(const struct store *store, const struct store *from)
{
    return store->kind == from->kind && store->kind->can_copy_from != NULL &&
           store->kind->can_copy_from(store, from);
}

const struct store_limits *store_limits(const struct store *store)
{
    return &store->limits;
}

void store_set_send_rate(struct store *store, uint64_t rate)
{
    store->options.send_rate = rate;
    if (store->kind->rate_changed != NULL)
        store->kind->rate_changed(store);
}

const char *store_url(const struct store *store)
{
    return store->url;
}

int store_presign(struct store *store, const char *key, uint32_t seconds,
                  struct text *url, struct error *err)
{
    if (store->kind->presign == NULL)
        return error_set(err, ERROR_USAGE, 0, "%s has no links", store->url);
    return store->kind->presign(store, key, seconds, url, err);
}

const char *store_region(const struct store *store)
{
    return store->kind->region != NULL ? store->kind->region(store) : "";
}

void store_counts(const struct store *store, struct store_counts *out)
{
    *out = store->counts;
}

const char *store_traits(const struct store *store)
{
    return store->traits != NULL ? store->traits : "";
}

const char *store_folder(const struct store *store)
{
    return store->folder;
}
