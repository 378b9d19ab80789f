#ifndef TRANSFER_SOURCE_H
#define TRANSFER_SOURCE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/span.h"
#include "manifest/digest.h"
#include "manifest/digest_md5.h"
#include "manifest/entry.h"
#include "manifest/walk.h"
#include "transfer/store.h"

/*
 * Where files come from.  A source lists its entries in path order, and its files can
 * be read at any offset, several at once.  All operations follow the four rules of
 * store.h; there is nothing to cancel: each is one short piece of work.
 */
struct source;
struct source_file; /* an open file */

/* What to read. */
struct source_read {
    uint64_t offset;
    uint64_t until;            /* the reader goes on to here, in order */
    struct span into;          /* to be filled to the last byte */
    struct stamp expected;     /* the file that is meant */
    struct digester *digester; /* gets the bytes; may be NULL */
    struct md5 *md5;           /* likewise */
    void (*look)(
        void *ctx); /* when all has gone well, on the reading thread; or NULL */
    void *look_ctx;
};

struct source_op {
    struct error err;         /* the outcome */
    bool at_end;              /* next */
    struct stamp stamp;       /* open, read, read_whole: of the file as it is now */
    int64_t read_at_ns;       /* open, read_whole: when it began, by the wall clock */
    struct source_file *file; /* open */
    const char *etag, *version_id; /* open: of an object, as long as the file is open;
                                      else NULL */

    /* Private. */
    struct source *source;
    void (*done)(struct source_op *op, void *ctx);
    void *ctx;
    struct work work;
    const char *path;
    struct entry_batch *batch;
    struct source_read read;
};

typedef void source_done_fn(struct source_op *op, void *ctx);

/* A local tree or file.  The options and what they point to must outlive the source. */
int source_open_tree(struct source **out, struct loop *loop,
                     const struct walk_options *options, struct error *err);

/* What is under way, and all that is asked from now on, ends soon with ERROR_CANCELLED,
 * where it could take longer. */
void source_stop(struct source *source);

/*
 * Where the store reaches this source by itself: what it is to copy for the file at
 * path.  from->key lies in *key.  False: it does not reach it, or has been found not to
 * (source_refuse_copies).
 */
bool source_from(const struct source *source, const char *path, struct store_from *from,
                 struct text *key);
bool source_can_copy(const struct source *source);

/* The store's keys may not read this file: where none has been copied yet, no other is
 * tried. */
void source_refuse_copies(struct source *source);
void source_has_copied(struct source *source);

/* No operation may be under way, no file open. */
void source_close(struct source *source);

/* The next entries into *batch (cleared first).  Over again from the start:
 * source_rewind, with no next under way. */
void source_next(struct source *source, struct source_op *op, struct entry_batch *batch,
                 source_done_fn *done, void *ctx);
int source_rewind(struct source *source, struct error *err);

/* Errors: ERROR_NOT_FOUND (vanished, or no regular file any more), ERROR_IO. */
void source_open_file(struct source *source, struct source_op *op, const char *path,
                      source_done_fn *done, void *ctx);

/*
 * Fill read->into from read->offset.  Then look again: ERROR_CHANGED if the file is not
 * the one of read->expected, or ends early.  op->source must be set: pieces of one file
 * use ops that were zeroed but for it.
 */
void source_read(struct source_op *op, struct source_file *file,
                 const struct source_read *read, source_done_fn *done, void *ctx);

/* Whoever has read up to there does not go on with it, at least not now: what is held
 * ready for that goes.  No such read is under way. */
void source_rest(struct source *source, struct source_file *file, uint64_t until);

/*
 * Open, read all of a small file, look again and close, in one go: read->into is as
 * large as read->expected says.  ERROR_CHANGED where the file is another by now.
 */
void source_read_whole(struct source *source, struct source_op *op, const char *path,
                       const struct source_read *read, source_done_fn *done, void *ctx);

/* Nothing under way on it.  Closing happens on a worker; nobody waits for it. */
void source_close_file(struct source *source, struct source_file *file);

uint64_t source_links_outside(const struct source *source);

#endif
