#ifndef MANIFEST_LISTING_H
#define MANIFEST_LISTING_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * The names in one folder, in the order of their bytes: in memory while there is room,
 * else as sorted runs on disk.  Names may be any strings, equal ones are kept.
 *
 * All listings of a walk share one space, which bounds their memory.  They are used
 * like a stack: only the newest is read, and it is freed first.  Everything here
 * blocks.
 */
struct listing_space;
struct listing;

struct listing_name {
    const char *name;
    size_t length;
    char kind; /* whatever was added; not NUL */
};

/* About so many bytes of memory are used by all listings together. */
struct listing_space *listing_space_new(const char *scratch_folder, uint64_t bytes);
void listing_space_free(struct listing_space *space); /* after all its listings */

/* Add a name to the listing that is being made; end makes it: NULL where it has no
 * names. */
int listing_add(struct listing_space *space, char kind, const char *name, size_t length,
                struct error *err);
int listing_end(struct listing_space *space, struct listing **out, struct error *err);
void listing_free(struct listing *listing);

/*
 * The first name that is left: 1, 0 at the end, -1 on an error.  It is valid until the
 * next call for any listing of the space.
 */
int listing_peek(struct listing *listing, struct listing_name *out, struct error *err);

/* Go on to the name behind the one that was looked at. */
int listing_next(struct listing *listing, struct error *err);

#endif
