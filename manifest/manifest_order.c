/*
 * In the order of path bytes all paths that begin with P stand together, right behind
 * P, though not only those below P: "a", "a-b", "a/b".  So the symlinks that the next
 * path could lie below are among the beginnings of the last path, and it is enough to
 * keep their lengths, shortest first; those the next path does not begin with are done
 * with.
 */
#include "manifest/manifest_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static size_t common_size(const char *a, const char *b)
{
    size_t size = 0;

    while (a[size] != '\0' && a[size] == b[size])
        size++;
    return size;
}

static void push_link(struct manifest_order *order, size_t size)
{
    if (order->n_links == order->links_room) {
        order->links_room = order->links_room > 0 ? 2 * order->links_room : 8;
        order->links =
            mem_resize(order->links, order->links_room, sizeof order->links[0]);
    }
    order->links[order->n_links++] = size;
}

const char *manifest_order_next(struct manifest_order *order, const struct entry *entry)
{
    const char *last = text_string(&order->last), *path = entry->path;
    size_t common = common_size(last, path);

    if ((unsigned char)last[common] >= (unsigned char)path[common])
        return "path out of order";
    while (order->n_links > 0 && order->links[order->n_links - 1] > common)
        order->n_links--;
    for (size_t i = 0; i < order->n_links; i++)
        if (path[order->links[i]] == '/')
            return "path below a symbolic link";
    order->last.size = common;
    text_add(&order->last, path + common);
    if (entry->type == ENTRY_SYMLINK)
        push_link(order, order->last.size);
    return NULL;
}

void manifest_order_free(struct manifest_order *order)
{
    text_free(&order->last);
    free(order->links);
    *order = (struct manifest_order){0};
}
