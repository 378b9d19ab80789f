#ifndef TRANSFER_DELTA_H
#define TRANSFER_DELTA_H

#include "manifest/checkpoint_previous.h"
#include "transfer/layout.h"

/*
 * What the previous version has of one file, held against the file as it is cut now:
 * which parts are worth being hashed before they are sent, and where a part that has
 * been hashed stands in the previous version's object.  Pure.
 */
struct delta { /* zeroed: nothing */
    struct previous_file file;
    bool may_have_moved; /* there may be one that is more like it: see upload_events */
    bool is_untouched;   /* the local file is the one that was read then */
};

/* Nothing will be copied. */
void delta_forget(struct delta *d);

/* The blocks are cut alike. */
bool delta_fits(const struct delta *d, const struct layout *layout);

/* The object can be the whole file. */
bool delta_has_whole(const struct delta *d, const struct layout *layout);

/* The object reaches so far that the part may stand there as it stood. */
bool delta_may_have(const struct delta *d, const struct layout *layout,
                    uint32_t number);

/* Where the part stands in the object, by the digests of its blocks: they lie there
 * contiguously and in order. */
bool delta_find(const struct delta *d, const struct layout *layout, uint32_t number,
                const struct digest *blocks, uint64_t *offset);

#endif
