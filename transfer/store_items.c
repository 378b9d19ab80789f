/*
 * An array of items that doubles.  A worker fills one, or a parser; the answer takes it
 * over as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/store_impl.h"

struct store_item *store_items_add(struct store_items *items)
{
    struct store_item *item;

    if (items->n == items->room) {
        items->room = items->room > 0 ? 2 * items->room : 16;
        items->items = mem_resize(items->items, items->room, sizeof items->items[0]);
    }
    item = &items->items[items->n++];
    memset(item, 0, sizeof *item);
    return item;
}

void store_items_free(struct store_items *items)
{
    for (size_t i = 0; i < items->n; i++) {
        free(items->items[i].key);
        free(items->items[i].upload_id);
    }
    free(items->items);
    *items = (struct store_items){0};
}

void store_items_answer(struct store_items *items, struct store_op *op)
{
    struct store_items old = {op->answer.items, op->answer.n_items, 0};

    store_items_free(&old);
    op->answer.items = items->items;
    op->answer.n_items = items->n;
    *items = (struct store_items){0};
}
