#ifndef TRANSFER_SOURCE_S3_H
#define TRANSFER_SOURCE_S3_H

#include "manifest/filter.h"
#include "transfer/source.h"
#include "transfer/store.h"

/*
 * The objects below a prefix of an S3 bucket as a source, or one object.
 *
 * The stamp of an object is its size, the time of its last change in whole seconds (all
 * that a HEAD tells) and, as the inode, a hash of its ETag: that alone tells whether it
 * is the same.  Of keys that cannot be paths an issue is made (ISSUE_BAD_KEY); an empty
 * one that ends in '/', with nothing below it, is an empty folder.
 */
struct source_s3_options {
    struct store *store; /* that the objects are read from: keys relative to it are the
                            paths.  It has a budget of its own (object_stream.h), and
                            must outlive the source and what it has begun */
    const char *bucket, *prefix; /* of that store: for copies */
    const char *single;          /* the one object; NULL: all below the prefix */
    const struct filter *filter; /* NULL: everything */
    const char *leave_out; /* keys that begin so (ISSUE_STORE_INSIDE); NULL: none */
    bool can_copy;         /* the store that they go to reaches them */
};

/* options and what they point to must outlive the source. */
struct source *source_open_s3(struct loop *loop,
                              const struct source_s3_options *options);

/* Of what was read or copied: so long after its last change it was looked at, for
 * checkpoint_note_stored().  An ETag needs no look at the clock. */
#define SOURCE_S3_LONG_AGO_NS ((int64_t)60 * 1000000000)

/* What stands for an ETag in a stamp; never 0 but for "". */
uint64_t source_s3_etag_hash(const char *etag);

#endif
