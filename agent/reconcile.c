/*
 * The listing goes into the data base page by page; both questions are answered there,
 * by a merge of it with the plan.
 */
#include "agent/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "agent/answer.h"
#include "base/log.h"
#include "base/mem.h"

enum { STRAYS_BATCH = 500, SEEN_BACKLOG_MAX = 4000 };

/* ---- listing ---- */

static int on_seen(void *ctx, const char *name, const struct store_item *item,
                   struct error *err)
{
    const struct reconcile_options *o = ctx;
    struct answer a = {0};

    (void)name;
    checkpoint_seen(o->checkpoint, item->key + strlen(o->prefix), item->size,
                    item->etag);
    if (checkpoint_backlog(o->checkpoint) < SEEN_BACKLOG_MAX)
        return 0;
    checkpoint_flush(o->checkpoint, answer_done, &a);
    return answer_wait(&a, &o->agent->loop, err);
}

static int list_objects(const struct reconcile_options *o, const char *folder,
                        struct error *err)
{
    struct text prefix = {0};
    int status;

    text_add_format(&prefix, "%s%s", o->prefix, folder);
    status = agent_list(o->agent, text_string(&prefix), true, on_seen, (void *)o, err);
    text_free(&prefix);
    return status;
}

int reconcile_objects(const struct reconcile_options *o, uint64_t *n_lost,
                      struct error *err)
{
    struct answer a = {0};
    size_t prefix = store_limits(o->agent->store)->key_prefix_bytes + strlen(o->prefix);

    *n_lost = 0;
    checkpoint_seen_begin(o->checkpoint);
    if (list_objects(o, "data/", err) != 0 || list_objects(o, "odd/", err) != 0)
        return -1;
    checkpoint_seen_end(o->checkpoint, prefix, n_lost, answer_done, &a);
    return answer_wait(&a, &o->agent->loop, err);
}

/* ---- strays ---- */

static int delete_objects(const struct reconcile_options *o, char **keys, size_t n,
                          struct error *err)
{
    const char *full[STRAYS_BATCH];
    struct store_op op = {
        .verb = STORE_DELETE, .key = o->prefix, .keys = full, .n_keys = n};
    int status;

    for (size_t i = 0; i < n; i++) {
        struct text key = {0};
        text_add_format(&key, "%s%s", o->prefix, keys[i]);
        log_line(LOG_INFO, LOG_SESSION, "removing %s: no file has it",
                 text_string(&key));
        free(keys[i]);
        full[i] = keys[i] = text_take(&key);
    }
    status = n == 0 ? 0 : agent_do(o->agent, &op, err);
    store_op_clear(&op);
    return status;
}

/* One batch.  1: there may be more. */
static int remove_some(const struct reconcile_options *o, struct error *err)
{
    char *keys[STRAYS_BATCH];
    size_t n = 0;
    struct answer a = {0};
    int status;

    checkpoint_strays(o->checkpoint, keys, STRAYS_BATCH, &n, answer_done, &a);
    status = answer_wait(&a, &o->agent->loop, err);
    if (status == 0)
        status = delete_objects(o, keys, n, err);
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    return status != 0 ? -1 : n == STRAYS_BATCH;
}

int reconcile_strays(const struct reconcile_options *o, struct error *err)
{
    int status;

    do
        status = remove_some(o, err);
    while (status == 1);
    return status;
}
