#ifndef MANIFEST_TRAIL_H
#define MANIFEST_TRAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "manifest/walk.h"

/*
 * The folders from the root down to the one that is being walked: their names,
 * identities and descriptors.  However many there are, only a few dozen descriptors are
 * open; others are opened again when the trail comes back to them.
 *
 * The path of the trail is that of a name in the newest folder, relative to the root.
 */
struct trail;

/* Takes the descriptor of the root. */
struct trail *trail_new(int root_fd, struct walk_place place);
void trail_free(struct trail *trail);

/* Go down to the folder that the path names; takes its descriptor. */
void trail_push(struct trail *trail, int fd, struct walk_place place);
void trail_pop(struct trail *trail);

/* Of the newest folder, valid until the next call; -1 with errno where it is lost. */
int trail_fd(struct trail *trail);

bool trail_has(const struct trail *trail, struct walk_place place);

/* The path becomes that of this name in the newest folder; length 0: of the folder. */
void trail_set_name(struct trail *trail, const char *name, size_t length);

/* Valid until the path changes. */
const char *trail_path(const struct trail *trail);
const char *trail_name(const struct trail *trail); /* the end of the path */

/* How many bytes of the path lead to a name in the newest folder, '/' included. */
size_t trail_base(const struct trail *trail);

#endif
