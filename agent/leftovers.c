/* One page of the open uploads; the oldest of them is asked for its end. */
#include "agent/leftovers.h"

#include <inttypes.h>

#include "agent/figure.h"

static const struct store_item *oldest(const struct store_op *list)
{
    const struct store_item *found = NULL;

    for (size_t i = 0; i < list->answer.n_items; i++) {
        const struct store_item *item = &list->answer.items[i];

        if (found == NULL || item->modified_ms < found->modified_ms)
            found = item;
    }
    return found;
}

/* One that has gone meanwhile says nothing. */
static int ask_end(struct agent *a, const struct store_item *item, int64_t *swept_ms,
                   struct error *err)
{
    struct store_op op = {
        .verb = STORE_LIST_PARTS, .key = item->key, .upload_id = item->upload_id};
    int status = agent_do(a, &op, err);

    *swept_ms = op.answer.swept_ms;
    store_end_list(a->store, &op);
    store_op_clear(&op);
    return status != 0 && err->kind == ERROR_NOT_FOUND ? 0 : status;
}

int leftovers_look(struct agent *a, const struct version *v, struct leftovers *out,
                   struct error *err)
{
    struct text prefix = {0};
    struct store_op list = {.verb = STORE_LIST_UPLOADS};
    const struct store_item *first;
    int status;

    *out = (struct leftovers){0};
    if (store_folder(a->store) != NULL || store_limits(a->store)->lists_exact_key)
        return 0;
    text_add_format(&prefix, "%s/v%" PRIu64 "/", v->name, v->number);
    list.key = text_string(&prefix);
    status = agent_do(a, &list, err);
    first = oldest(&list);
    if (status == 0 && first != NULL) {
        out->n_uploads = list.answer.n_items;
        out->has_more = list.cursor != NULL;
        out->begun_ms = first->modified_ms;
        status = ask_end(a, first, &out->swept_ms, err);
    }
    store_end_list(a->store, &list);
    store_op_clear(&list);
    text_free(&prefix);
    return status;
}

static void add_time(struct text *out, int64_t ms)
{
    char time[TEXT_TIME_MAX];

    text_time(time, ms);
    text_add_format(out, "%.10s %.5s UTC", time, time + 11);
}

void leftovers_add(struct text *out, const struct leftovers *l)
{
    if (l->n_uploads == 0)
        return;
    figure_add_noun(out, l->n_uploads, "open upload", "open uploads");
    if (l->has_more)
        text_add(out, " and more");
    if (l->begun_ms != 0) {
        text_add(out, l->n_uploads == 1 ? ", begun on " : ", the first begun on ");
        add_time(out, l->begun_ms);
    }
    if (l->swept_ms != 0) {
        text_add(out, ", which the store itself removes on ");
        add_time(out, l->swept_ms);
    }
}
