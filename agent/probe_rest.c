/*
 * Two listings, objects first: their answer tells the store's time.  What is younger than
 * an hour may be another's, at work.
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

/* One page: more than a thousand are not left by a few that were killed. */
static int remove_objects(struct agent *a, int64_t *now_ms, unsigned *n,
                          struct error *err)
{
    struct store_op list = {
        .verb = STORE_LIST, .key = place, .is_flat = true, .want_date = true};
    int status = agent_do(a, &list, err);

    *now_ms = list.answer.date_ms;
    if (status == 0 && *now_ms != 0)
        status = delete_old(a, &list, *now_ms, n, err);
    store_end_list(a->store, &list);
    store_op_clear(&list);
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

static int remove_uploads(struct agent *a, int64_t now_ms, unsigned *n,
                          struct error *err)
{
    struct store_op list = {.verb = STORE_LIST_UPLOADS, .key = place};
    int status = agent_do(a, &list, err);

    for (size_t i = 0; status == 0 && i < list.answer.n_items; i++)
        if (is_old(&list.answer.items[i], now_ms))
            status = abort_old(a, &list.answer.items[i], n, err);
    store_end_list(a->store, &list);
    store_op_clear(&list);
    return status;
}

int probe_rest_remove(struct agent *a, unsigned *n, struct error *err)
{
    int64_t now_ms = 0;
    int status;

    *n = 0;
    if (store_folder(a->store) != NULL)
        return 0; /* a folder is not probed */
    status = remove_objects(a, &now_ms, n, err);
    if (status == 0 && now_ms != 0 && !store_limits(a->store)->lists_exact_key)
        status = remove_uploads(a, now_ms, n, err);
    return status;
}
