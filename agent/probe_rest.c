/*
 * Two listings, asked together: the answer to that of the objects tells the store's time.
 * What is younger than an hour may be another's, at work.
 */
#include "agent/probe_rest.h"

#include <stdlib.h>

#include "base/mem.h"

static const char place[] = ".grid-probe/";

enum { OLD_MS = 60 * 60 * 1000 };

static bool is_old(const struct store_item *item, int64_t now_ms)
{
    return item->modified_ms != 0 && now_ms - item->modified_ms >= OLD_MS;
}

static int delete_old(struct agent *a, const struct store_op *list, int64_t now_ms,
                      unsigned *n, struct error *err)
{
    const char **keys = mem_new(list->answer.n_items + 1, sizeof *keys);
    struct store_op op = {.verb = STORE_DELETE, .keys = keys};
    int status = 0;

    for (size_t i = 0; i < list->answer.n_items; i++)
        if (is_old(&list->answer.items[i], now_ms))
            keys[op.n_keys++] = list->answer.items[i].key;
    if (op.n_keys > 0) {
        op.key = keys[0];
        status = agent_do(a, &op, err);
        store_op_clear(&op);
    }
    if (status == 0)
        *n += (unsigned)op.n_keys;
    free(keys);
    return status;
}

static int abort_old(struct agent *a, const struct store_item *item, unsigned *n,
                     struct error *err)
{
    struct store_op op = {
        .verb = STORE_ABORT_UPLOAD, .key = item->key, .upload_id = item->upload_id};
    int status = agent_do(a, &op, err);

    store_op_clear(&op);
    *n += status == 0;
    return status;
}

static int abort_all_old(struct agent *a, const struct store_op *list, int64_t now_ms,
                         unsigned *n, struct error *err)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < list->answer.n_items; i++)
        if (is_old(&list->answer.items[i], now_ms))
            status = abort_old(a, &list->answer.items[i], n, err);
    return status;
}

enum { OBJECTS, UPLOADS /* not where they are listed by exact key only */ };

/* One page of each: more than a thousand are not left by a few that were killed. */
void probe_rest_ask(struct agent *a, struct probe_rest *rest)
{
    if (store_folder(a->store) != NULL)
        return; /* a folder is not probed */
    rest->n = store_limits(a->store)->lists_exact_key ? UPLOADS : UPLOADS + 1;
    question_init(&rest->q[OBJECTS], STORE_LIST, mem_copy_string(place));
    rest->q[OBJECTS].op.is_flat = rest->q[OBJECTS].op.want_date = true;
    if (rest->n > UPLOADS)
        question_init(&rest->q[UPLOADS], STORE_LIST_UPLOADS, mem_copy_string(place));
    question_start(a, rest->q, rest->n);
}

static int remove_listed(struct agent *a, const struct probe_rest *rest, unsigned *n,
                         struct error *err)
{
    int64_t now_ms = rest->q[OBJECTS].op.answer.date_ms;
    int status = 0;

    for (size_t i = 0; i < rest->n; i++)
        if (question_has(&rest->q[i], err) != 1)
            return -1;
    if (now_ms == 0)
        return 0;
    status = delete_old(a, &rest->q[OBJECTS].op, now_ms, n, err);
    if (status == 0 && rest->n > UPLOADS)
        status = abort_all_old(a, &rest->q[UPLOADS].op, now_ms, n, err);
    return status;
}

int probe_rest_remove_found(struct agent *a, struct probe_rest *rest, unsigned *n,
                            struct error *err)
{
    int status = 0;

    *n = 0;
    question_wait(a, rest->q, rest->n);
    if (rest->n > 0)
        status = remove_listed(a, rest, n, err);
    question_free(a, rest->q, rest->n);
    rest->n = 0;
    return status;
}

int probe_rest_remove(struct agent *a, unsigned *n, struct error *err)
{
    struct probe_rest rest = {0};

    probe_rest_ask(a, &rest);
    return probe_rest_remove_found(a, &rest, n, err);
}
