#ifndef TRANSFER_TWIN_H
#define TRANSFER_TWIN_H

#include "manifest/checkpoint.h"
#include "transfer/store.h"

/*
 * A file with the content of another that is stored already (a hard link in an archive):
 * copied inside the store.
 */
struct twin { /* lives inside whoever starts it, who fills the first block */
    struct store *store;
    const char *origin_key, *key;
    const struct upload_record *origin; /* has_object */
    struct stamp stamp;
    void (*done)(void *ctx, const struct error *err); /* NULL: it is stored */
    void *ctx;

    struct stored_note note; /* for checkpoint_note_stored(), valid from done() on */
    struct store_op op;
};

/* The note of a file with this stamp and the origin's content; etag is the caller's. */
void twin_note(struct stored_note *out, const struct upload_record *origin,
               const struct stamp *stamp, const char *etag);

/* Is the object that `known` is about of the origin's content already? */
bool twin_is_same(const struct upload_record *known,
                  const struct upload_record *origin);

/* All is lent until done(). */
void twin_start(struct twin *twin);
void twin_cancel(struct twin *twin); /* a wish */

#endif
