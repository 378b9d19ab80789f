#ifndef MANIFEST_MANIFEST_ORDER_H
#define MANIFEST_MANIFEST_ORDER_H

#include <stddef.h>

#include "base/text.h"
#include "manifest/entry.h"

/*
 * What one entry of a list may demand of the next: the order of path bytes, no path
 * twice, and nothing that lies below a symbolic link of the same list (a reader that
 * restored such a list would write through the link).  Zeroed: at the start.
 */
struct manifest_order {
    /* Private. */
    struct text last; /* path of the last entry */
    size_t *links;    /* lengths of those beginnings of it that are symlinks */
    size_t n_links, links_room;
};

/* NULL, and the entry is the last one from now on; or what is wrong with it. */
const char *manifest_order_next(struct manifest_order *order,
                                const struct entry *entry);

void manifest_order_free(struct manifest_order *order);

#endif
