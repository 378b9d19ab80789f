#ifndef MANIFEST_CHECKPOINT_PREVIOUS_H
#define MANIFEST_CHECKPOINT_PREVIOUS_H

#include "manifest/checkpoint.h"

/*
 * What the previous version holds, in the session's checkpoint: its files with their
 * digests, filled in once from its manifest.  What can be copied inside the store need
 * not be sent, and where the stat cache tells that a file is still the one that was read
 * then, it need not even be read.
 *
 * The stat cache is the data base of an earlier session of the same source: it knows
 * which stamp a file had when it was read, and which digest that gave.  It counts only
 * where that is the digest of the version.
 */

/* A file of the previous version, as an object in the store.  Zeroed: none. */
struct previous_file {
    bool exists;
    char *path, *key; /* key: relative to the version */
    uint64_t size, block_size;
    struct digest hash;
    struct digest *blocks; /* of all blocks, at least one */
    size_t n_blocks;
    char etag[CHECKPOINT_ETAG_MAX]; /* of the object; "" where it is not known */

    /* A local file that has still this stamp is what the object holds: it was read, and
     * not within a tick of its clock since it was changed.  Else all is 0. */
    bool is_settled;
    struct stamp stamp;
    int64_t read_at_ns;
};
void previous_file_free(struct previous_file *file);

/* Files so large are looked for under other names, too. */
enum { PREVIOUS_MOVED_MIN = 1 << 20 };

/* ---- filling: begin, add in path order, end ---- */

/* Forgets what an earlier run may have left.  cache: the file of the stat cache, may be
 * missing; session: the one that published the version. */
void checkpoint_previous_begin(struct checkpoint *cp, const char *cache,
                               const char *session, checkpoint_done_fn *done,
                               void *ctx);

/* Lines without a hash, and what is no file, are passed over.  The lines are lent until
 * done(). */
void checkpoint_previous_add(struct checkpoint *cp, const struct manifest_line *lines,
                             size_t n_lines, checkpoint_done_fn *done, void *ctx);

/* It is complete, and noted as such: see checkpoint_previous_name(). */
void checkpoint_previous_end(struct checkpoint *cp, const char *name,
                             checkpoint_done_fn *done, void *ctx);

/* The name that was given at the end, NULL: it is not complete.  The caller frees. */
char *checkpoint_previous_name(struct checkpoint *cp);

/* ---- asking; the caller frees what is found ---- */

struct previous_answer {
    struct previous_file file; /* at the path */
    bool
        may_have_moved; /* others of the version have the size of the local file, and it
                            is large enough to be looked for among them */
};
void checkpoint_previous_at(struct checkpoint *cp, const char *path, uint64_t size,
                            struct previous_answer *out, checkpoint_done_fn *done,
                            void *ctx);

/* A file of this size, of PREVIOUS_MOVED_MIN bytes or more, that begins with this
 * block. */
void checkpoint_previous_like(struct checkpoint *cp, uint64_t size,
                              const struct digest *first, struct previous_file *out,
                              checkpoint_done_fn *done, void *ctx);

#endif
