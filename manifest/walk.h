#ifndef MANIFEST_WALK_H
#define MANIFEST_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/entry.h"
#include "manifest/filter.h"

/*
 * A local tree as a stream of entries in the one global order of path bytes, in memory
 * that does not grow with the tree: a folder whose listing is long is sorted in runs on
 * disk, at most a few dozen folders are open at a time, paths may be longer than
 * PATH_MAX.
 *
 * The order makes everything behind the walk a merge of two sorted streams: the plan of
 * an interrupted session, the list of the previous version.  A folder that is empty on
 * disk is an entry of its own; others are implied by what lies in them.
 *
 * Everything here blocks and belongs on a worker thread, one call at a time.
 */
struct walk;

enum walk_symlinks { WALK_SYMLINKS_FOLLOW, WALK_SYMLINKS_KEEP, WALK_SYMLINKS_SKIP };

struct walk_place { /* a folder by identity, wherever its name stands */
    uint64_t device, inode;
};

struct walk_options {
    const char *root; /* a folder, or one file: then its name is the only path.  A link
                         here is always followed */
    const char *scratch; /* a folder for sorted runs, which are unlinked while in use */
    const struct filter *filter; /* NULL: everything; must outlive the walk */
    const char *files_from;      /* NULL, or a file of relative paths, one a line; a
                                    folder named there stands for all that lies below */
    enum walk_symlinks symlinks;
    const struct walk_place *leave_out; /* folders left out, with ISSUE_STORE_INSIDE */
    unsigned n_leave_out;
    uint64_t sort_bytes; /* listings above this are sorted on disk; 0: 4 MiB in all */
};

/*
 * Of the options only the filter is used later.  ERROR_NOT_FOUND: there is no such
 * root; ERROR_USAGE: it is neither a folder nor a file, a path in files_from is
 * absolute or has
 * ".." in it, or there are files_from below a file.
 */
int walk_open(struct walk **out, const struct walk_options *options, struct error *err);

/*
 * Clear batch and fill it with the next entries, at most about 1,000 or 256 KiB of
 * names. It may be empty before the end, where a filter dismisses much: the caller gets
 * a chance to stop.  *at_end is set when there are no more.  A file or folder that
 * cannot be read is an issue in the batch, not an error; what vanished under way is
 * neither.  An error here is the end of the walk (scratch is full, descriptors have run
 * out).
 */
int walk_next(struct walk *walk, struct entry_batch *batch, bool *at_end,
              struct error *err);

/* Followed links whose targets lie outside the root, counted so far. */
uint64_t walk_links_outside(const struct walk *walk);

void walk_close(struct walk *walk);

/*
 * Open a file below root_fd by a path of any length, for reading, following links.
 * Returns the descriptor or -1 with errno.  Never blocks on a pipe (O_NONBLOCK).
 */
int walk_open_file(int root_fd, const char *path);

#endif
