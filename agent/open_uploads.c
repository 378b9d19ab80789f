/*
 * By exact key it is one request a key, so several keys are asked for at once, each in a
 * slot of its own:
 *
 *   LISTING --some--> ABORTING one by one --> LISTING the next page, or the next key
 */
#include "agent/open_uploads.h"

#include <stdlib.h>
#include <string.h>

#include "agent/answer.h"
#include "base/mem.h"
#include "manifest/entry.h"
#include "transfer/layout.h"

enum {
    SLOTS = 16, /* requests at once: half of what a store is given by default */
    PLAN_BATCH = 500
};

/* ---- by exact key ---- */

struct slot {
    struct hunt *hunt;
    struct store_op list, abort;
    size_t next_item;
};

struct hunt {
    struct agent *agent;
    const char *const *keys;
    size_t n_keys, next_key;
    struct slot slots[SLOTS];
    unsigned n_busy;
    bool is_over;
    struct error err;
};

static void take_key(struct slot *slot);

static void end_slot(struct slot *slot)
{
    struct hunt *h = slot->hunt;

    store_end_list(h->agent->store, &slot->list);
    store_op_clear(&slot->list);
    h->is_over = --h->n_busy == 0;
}

static void abort_next(struct slot *slot);

static void on_aborted(struct store_op *op, void *ctx)
{
    struct slot *slot = ctx;

    error_keep_first(&slot->hunt->err, &op->err);
    store_op_clear(op);
    slot->next_item++;
    abort_next(slot);
}

static void abort_next(struct slot *slot)
{
    struct hunt *h = slot->hunt;
    const struct store_item *item = &slot->list.answer.items[slot->next_item];

    if (h->err.kind != ERROR_NONE) {
        end_slot(slot);
    } else if (slot->next_item < slot->list.answer.n_items) {
        memset(&slot->abort, 0, sizeof slot->abort);
        slot->abort.verb = STORE_ABORT_UPLOAD;
        slot->abort.key = item->key;
        slot->abort.upload_id = item->upload_id;
        slot->abort.done = on_aborted;
        slot->abort.ctx = slot;
        store_start(h->agent->store, &slot->abort);
    } else if (slot->list.cursor != NULL) {
        store_start(h->agent->store, &slot->list);
    } else {
        take_key(slot);
    }
}

static void on_listed(struct store_op *op, void *ctx)
{
    struct slot *slot = ctx;

    if (op->err.kind != ERROR_NOT_FOUND)
        error_keep_first(&slot->hunt->err, &op->err);
    slot->next_item = 0;
    abort_next(slot);
}

static void take_key(struct slot *slot)
{
    struct hunt *h = slot->hunt;

    if (h->next_key == h->n_keys || h->err.kind != ERROR_NONE) {
        end_slot(slot);
        return;
    }
    store_op_clear(&slot->list);
    slot->list.verb = STORE_LIST_UPLOADS;
    slot->list.key = h->keys[h->next_key++];
    slot->list.done = on_listed;
    slot->list.ctx = slot;
    store_start(h->agent->store, &slot->list);
}

static void on_interrupt(void *ctx)
{
    struct hunt *h = ctx;

    for (unsigned i = 0; i < SLOTS; i++) {
        store_cancel(&h->slots[i].list);
        store_cancel(&h->slots[i].abort);
    }
}

int open_uploads_abort_keys(struct agent *a, const char *const *keys, size_t n,
                            struct error *err)
{
    struct hunt *h;
    int status;

    if (a->signal != 0)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    if (n == 0)
        return 0;
    h = mem_new(1, sizeof *h);
    h->agent = a;
    h->keys = keys;
    h->n_keys = n;
    a->on_interrupt = on_interrupt;
    a->interrupt_ctx = h;
    for (unsigned i = 0; i < SLOTS && i < n; i++) {
        h->slots[i].hunt = h;
        h->n_busy++;
        take_key(&h->slots[i]);
    }
    loop_run_until(&a->loop, &h->is_over);
    a->on_interrupt = NULL;
    *err = h->err;
    status = err->kind == ERROR_NONE ? 0 : -1;
    free(h);
    return status;
}

bool open_uploads_are_hidden(const struct agent *a, uint64_t size)
{
    const struct store_limits *limits = store_limits(a->store);

    return limits->lists_exact_key && size > limits->part_min;
}

/* ---- of the plan ---- */

struct plan {
    struct agent *agent;
    const char *prefix;
    struct checkpoint *checkpoint;
    uint64_t part_size;
    struct large_file files[PLAN_BATCH];
    struct large_query query;
};

static bool has_parts(const struct plan *p, const struct large_file *file)
{
    const struct layout none = {0};
    struct layout layout;
    struct error ignored;

    return layout_of(&layout, file->size, store_limits(p->agent->store), p->part_size,
                     &none, &ignored) == 0 &&
           layout.n_parts > 1;
}

/* Their keys, in place of the paths. */
static int abort_files(struct plan *p, struct error *err)
{
    size_t prefix = store_limits(p->agent->store)->key_prefix_bytes + strlen(p->prefix);
    const char *keys[PLAN_BATCH];
    size_t n = 0;
    int status;

    for (size_t i = 0; i < p->query.n; i++) {
        struct text key = {0};

        if (!has_parts(p, &p->files[i]))
            continue;
        text_add(&key, p->prefix);
        entry_add_key(&key, p->files[i].path, prefix);
        keys[n++] = text_take(&key);
    }
    status = open_uploads_abort_keys(p->agent, keys, n, err);
    while (n > 0)
        free((char *)keys[--n]);
    return status;
}

static int ask_plan(struct plan *p, struct error *err)
{
    struct answer answer = {0};

    checkpoint_large(p->checkpoint, &p->query, answer_done, &answer);
    return answer_wait(&answer, &p->agent->loop, err);
}

static int abort_planned(struct plan *p, struct error *err)
{
    char *after = mem_copy_string("");
    int status;

    p->query.above = store_limits(p->agent->store)->part_min;
    p->query.files = p->files;
    p->query.most = PLAN_BATCH;
    do {
        p->query.after = after;
        status = ask_plan(p, err);
        if (status == 0)
            status = abort_files(p, err);
        if (p->query.n > 0) {
            free(after);
            after = mem_copy_string(p->files[p->query.n - 1].path);
        }
        for (size_t i = 0; i < p->query.n; i++)
            free(p->files[i].path);
    } while (status == 0 && p->query.n == PLAN_BATCH);
    free(after);
    return status;
}

/* ---- by prefix ---- */

static int abort_page(struct agent *a, const struct store_op *list, const char *prefix,
                      struct error *err)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < list->answer.n_items; i++) {
        const struct store_item *item = &list->answer.items[i];
        struct store_op op = {.verb = STORE_ABORT_UPLOAD,
                              .key = item->key[0] != '\0' ? item->key : prefix,
                              .upload_id = item->upload_id};
        status = agent_do(a, &op, err);
        store_op_clear(&op);
    }
    return status;
}

int open_uploads_abort_listed(struct agent *a, struct question *listed,
                              struct error *err)
{
    struct store_op *list = &listed->op;
    int status = question_has(listed, err);

    if (status <= 0)
        return status; /* nothing there is an empty list */
    status = abort_page(a, list, list->key, err);
    while (status == 0 && list->cursor != NULL) {
        status = agent_do(a, list, err);
        if (status == 0)
            status = abort_page(a, list, list->key, err);
    }
    return status;
}

static int abort_below(struct agent *a, const char *prefix, struct error *err)
{
    struct question list;
    int status;

    question_init(&list, STORE_LIST_UPLOADS, mem_copy_string(prefix));
    question_start(a, &list, 1);
    question_wait(a, &list, 1);
    status = open_uploads_abort_listed(a, &list, err);
    question_free(a, &list, 1);
    return status;
}

int open_uploads_abort(struct agent *a, const char *prefix,
                       struct checkpoint *checkpoint, uint64_t part_size,
                       struct error *err)
{
    struct plan *p;
    int status;

    if (!store_limits(a->store)->lists_exact_key)
        return abort_below(a, prefix, err);
    if (checkpoint == NULL)
        return 0;
    p = mem_new(1, sizeof *p);
    p->agent = a;
    p->prefix = prefix;
    p->checkpoint = checkpoint;
    p->part_size = part_size;
    status = abort_planned(p, err);
    free(p);
    return status;
}
