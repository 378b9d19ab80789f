#ifndef TRANSFER_DIR_COPY_H
#define TRANSFER_DIR_COPY_H

#include "transfer/dir_tree.h"
#include "transfer/dir_upload.h"

/*
 * Copies inside a file:// store, of an object or of a range of one into a part.  The two
 * share their bytes where the file system can do that (FICLONERANGE), without being one
 * file: each may go without harm to the other.  Else the kernel copies, or we do.
 *
 * All functions block and are for worker threads; between two steps a cancel is seen.
 */
struct dir_copy {
    bool is_open;
    struct dir_temp temp; /* of a whole object */
    struct dir_part part; /* of a range */

    /* Private. */
    int from, to;
    enum { DIR_COPY_CLONE, DIR_COPY_RANGE, DIR_COPY_BYTES } way;
    uint64_t at, to_at, left; /* of what is next */
    uint64_t size;
    bool to_is_hole; /* zeros need not be written */
};

/* op: a STORE_COPY or STORE_COPY_PART.  *is_refused: as copy_refused of store.h. */
int dir_copy_open(struct dir_copy *c, struct dir_tree *tree, const struct store_op *op,
                  bool *is_refused, struct error *err);

/* Some more, through buffer where need be; *n bytes are done (0: all was).  -1 and errno
 * on failure. */
int dir_copy_step(struct dir_copy *c, struct span buffer, uint64_t *n);
bool dir_copy_is_done(const struct dir_copy *c);

/* Sync it and give it its key, or note the part with an ETag. */
int dir_copy_finish(struct dir_copy *c, struct dir_tree *tree,
                    const struct store_op *op, char etag[STORE_ETAG_MAX],
                    struct error *err);

/* Give it up, or clean up after it was finished.  Harmless on none. */
void dir_copy_close(struct dir_copy *c, struct dir_tree *tree);

#endif
