#ifndef MANIFEST_CHECKPOINT_H
#define MANIFEST_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "manifest/digest.h"
#include "manifest/entry.h"
#include "manifest/manifest.h"

/*
 * One session's SQLite database: the plan (every entry of the source), and what the
 * store has acknowledged (uploads, parts, whole files).
 *
 * The one law: it may lag behind the truth but never runs ahead of it.  Note only what
 * the store has confirmed; a note lost in a crash costs sending again, no more.
 *
 * A thread of its own does all the SQL, in the order of the calls.  Notes return at
 * once; they are committed within half a second, many to a transaction.  Calls with a
 * done() answer through it, exactly once, later, on the loop.  One process at a time
 * has a checkpoint open. The first failed write (a full disk) is kept: from then on
 * flush and every done() report it, and nothing more is written; the data base stays as
 * the last commit left it.
 */
struct checkpoint;

enum checkpoint_state {
    CHECKPOINT_PLANNED, /* to be sent */
    CHECKPOINT_STORED,  /* the store has it: bytes, digests and stamp agree */
    CHECKPOINT_RECHECK, /* the store has it, or parts of it, but the source may have
                           changed since: compare digests, send only what differs */
    CHECKPOINT_FAILED   /* could not be read in this run: planned again by the next open
                         */
};

/*
 * A file to be RECHECKed was read when it may have been another: its stamp has changed,
 * or it was changed less than 2 s before it was read, perhaps within a tick of the
 * clock. checkpoint_read_upload() says what there is to compare with: upload_id is
 * open: no part may be relied on before its digests have been compared with the bytes
 * as they are now; a part without digests is to be sent again; has_object: where every
 * digest agrees it need not be sent: note_stored() with the new stamp and read_at_ns.
 * Else note_lost() before it is written over.
 */
enum { CHECKPOINT_ETAG_MAX = 96, CHECKPOINT_UPLOAD_ID_MAX = 1100 };

/* A part that the store has acknowledged, or the digests of a part of a stored object.
 */
struct part_record {
    uint32_t number; /* from 1 */
    uint64_t size;
    char etag[CHECKPOINT_ETAG_MAX];
    uint32_t crc32c;
    const struct digest *blocks; /* of the part's blocks, owned by whoever made this */
    uint32_t n_blocks;           /* 0: known by its ETag only, as the store lists it */
};

/* How a file is cut, and what the store has of it.  Zeroed: nothing. */
struct upload_record {
    char upload_id[CHECKPOINT_UPLOAD_ID_MAX]; /* "" unless a multipart upload is open */
    uint64_t part_size, block_size;
    struct part_record *parts; /* in order of number */
    size_t n_parts;
    struct digest *digests; /* what parts[].blocks point into */

    /* The whole object under the file's key, where there is one with a known digest.
     * The parts are its own if upload_id is "" (one part, if it was put in one go). */
    bool has_object;
    uint64_t object_size;
    struct digest object_hash;
    char etag[CHECKPOINT_ETAG_MAX];
};
void upload_record_free(struct upload_record *record);

/* One entry to work on. */
struct plan_item {
    struct entry entry;
    enum checkpoint_state state; /* PLANNED or RECHECK */
    bool has_upload; /* ask checkpoint_read_upload() before starting: an upload is open
                        (PLANNED: its parts may be relied on), or RECHECK */
};

struct plan_batch { /* zeroed: empty */
    struct plan_item *items;
    size_t n_items;
    struct entry_batch strings; /* private: memory of the items */
};
void plan_batch_free(struct plan_batch *batch);

struct checkpoint_totals {
    uint64_t files, bytes; /* planned in all, regular files only */
    uint64_t directories, symlinks;
    uint64_t files_stored, bytes_stored; /* in state STORED */
    uint64_t part_bytes_stored; /* in acknowledged parts of files not yet stored */
    uint64_t files_failed;      /* what checkpoint_failures() names */
};

typedef void checkpoint_done_fn(void *ctx, const struct error *err); /* NULL: success */

/*
 * Open or make the data base at path.  Blocks (a worker's job, or start-up's).
 * ERROR_CONFLICT: another process has it.  ERROR_CORRUPT: damaged or foreign: move it
 * away and open a new one.  lock_works is set to false where the file system has no
 * locks (ENOLCK); it is then opened without.  What FAILED is PLANNED or RECHECK again.
 */
int checkpoint_open(struct checkpoint **out, struct loop *loop, const char *path,
                    bool *lock_works, struct error *err);

/* Writes what is pending, answers every done(), then closed() runs, later, on the loop,
 * and the checkpoint is gone.  Whether the last writes succeeded only a flush before it
 * tells. */
void checkpoint_close(struct checkpoint *cp, void (*closed)(void *ctx), void *ctx);

/* Small values by name: session id, options, run.  get answers at once, also for what
 * was just set; the caller frees; NULL if there is none.  set is a note. */
char *checkpoint_get(struct checkpoint *cp, const char *name);
void checkpoint_set(struct checkpoint *cp, const char *name, const char *value);

/* As of the last answered call; cheap, for progress. Kept up to date by plan and notes.
 */
void checkpoint_totals(struct checkpoint *cp, struct checkpoint_totals *out);

/* Notes whose SQL has not run yet: a pipeline pauses above some thousand. */
size_t checkpoint_backlog(struct checkpoint *cp);

/* ---- the plan ---- */

/*
 * The walk of one run, batch by batch in path order, is merged into the plan: new
 * entries are added; equal ones (type, stamp), and what has FAILED in this run, stay as
 * they are; a stored file whose stamp differs, or whose mtime or ctime is less than 2 s
 * older than the moment it was read, becomes RECHECK; entries that the walk has passed
 * by without naming are dropped, and what the store has of them is listed as garbage.
 * The first call after open or plan_end begins at the start.  What the batch says could
 * not be read, or was not found, counts as failed until the next walk or open.  A batch
 * out of order is ERROR_INTERNAL, and not merged.  The batch is the caller's again at done().
 */
void checkpoint_plan(struct checkpoint *cp, const struct entry_batch *batch,
                     checkpoint_done_fn *done, void *ctx);
void checkpoint_plan_end(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx);

/*
 * The same for a source that is in no order and told entry by entry, as an archive is, in
 * place of plan and plan_end.  begin forgets which entries an earlier reading has named; of
 * a name that comes more than once the last counts; end drops what this reading has not
 * named, and the folders that are not empty.  Without end (the reading broke off) all
 * stays.  entry is copied; out is lent until done().
 */
struct checkpoint_arrival {
    bool
        has_size; /* in: entry's size is known; else that of the plan is taken, if any */

    enum checkpoint_state state; /* of a file, as it is planned now */
    bool has_upload;             /* as in struct plan_item */
    uint64_t size;               /* as it is planned now */
    bool is_again;   /* it was named before in this reading: nothing of that is known */
    bool is_blocked; /* not planned: it lies below a file or link, or the reverse */
};
void checkpoint_arrive_begin(struct checkpoint *cp);
void checkpoint_arrive(struct checkpoint *cp, const struct entry *entry,
                       struct checkpoint_arrival *out, checkpoint_done_fn *done,
                       void *ctx);
void checkpoint_arrive_end(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx);

/* A note: what is no entry, as its name is none that may be, counts as failed. */
void checkpoint_note_refused(struct checkpoint *cp, const char *path,
                             const char *reason);

/*
 * The next entries in state PLANNED or RECHECK behind the path `after` ("" for the
 * first), at most `most` and about 256 KiB; none: there are no more at present.
 * Symlinks and directories never appear: they are stored by being planned.  While a
 * walk is under way, what lies behind its last batch is as the last run left it: it may
 * have changed or gone. out: zeroed, or of an earlier call (it is emptied first); the
 * caller frees it.
 */
void checkpoint_next(struct checkpoint *cp, const char *after, size_t most,
                     struct plan_batch *out, checkpoint_done_fn *done, void *ctx);

/* What is known of one file's upload or stored object; out is zeroed where nothing is.
 * The caller frees it. */
void checkpoint_read_upload(struct checkpoint *cp, const char *path,
                            struct upload_record *out, checkpoint_done_fn *done,
                            void *ctx);

/* ---- notes: strings and records are copied ---- */

/*
 * A multipart upload was opened, or found.  Older parts of this path are forgotten, and
 * an older upload that is still open becomes garbage.  The file is PLANNED, unless the
 * walk has found a later ctime meanwhile: then RECHECK.
 */
struct upload_note {
    const char *upload_id;
    uint64_t part_size, block_size;
    struct stamp stamp; /* of the file as it was opened; all parts are of that */
    int64_t read_at_ns; /* no part was read before; by the clock of the files' mtime. 0:
                           not known, as of an upload found in the store */
    bool is_unread;     /* nobody has opened it: the stamp is what the plan said */
    const struct part_record
        *parts; /* that were found with it: noted in one go with it,
                                        so that a kill leaves both or neither */
    size_t n_parts;
};
void checkpoint_note_upload(struct checkpoint *cp, const char *path,
                            const struct upload_note *note);

/* Replaces a part of the same number.  Without an open upload it is forgotten. */
void checkpoint_note_part(struct checkpoint *cp, const char *path,
                          const struct part_record *part);

/* An open upload is no more (aborted, swept by the store): its parts are forgotten, and
 * the file is PLANNED, unless it has FAILED.  Nothing happens where none is open. */
void checkpoint_note_upload_gone(struct checkpoint *cp, const char *path);

struct stored_note {
    struct stamp stamp; /* as it was before and after reading */
    int64_t read_at_ns; /* when reading began, by the clock of the files' mtime; of an
                           object copied within the store: of the look at the stamp */
    bool is_unread;     /* nobody has opened it: the stamp is what the plan said */
    struct digest hash;
    bool has_hash;
    const char *etag; /* "" where the store has none */
    uint64_t block_size;
    const struct digest *blocks; /* NULL: one block, or the noted parts hold them; else
                                    an upload that is still open becomes garbage */
    size_t n_blocks;
};
/*
 * The whole file is in the store, under its key.  Its upload is no longer open; the
 * parts' digests are kept.  An entry that was dropped from the plan meanwhile becomes
 * garbage; one that the walk found with a later ctime is to be RECHECKed.
 */
void checkpoint_note_stored(struct checkpoint *cp, const char *path,
                            const struct stored_note *note);
void checkpoint_note_failed(struct checkpoint *cp, const char *path,
                            const char *reason);

/* The store turns out not to have this object, or it is about to be written over:
 * nothing of it is relied on, and the file is PLANNED (an open upload of it stays). */
void checkpoint_note_lost(struct checkpoint *cp, const char *path);

/* done(): every note made before this call is committed. */
void checkpoint_flush(struct checkpoint *cp, checkpoint_done_fn *done, void *ctx);

/* ---- garbage: what the store holds of entries that are no more ---- */

struct garbage {
    char *path;
    char *upload_id; /* "" : a whole object */
};
/* Up to `most` of them into out[]; *n says how many (none on an error); the caller
 * frees the strings.  Delete them while nothing is being sent, lest the same path is on
 * its way again; a path that is planned again is struck off the list. */
void checkpoint_garbage(struct checkpoint *cp, struct garbage *out, size_t most,
                        size_t *n, checkpoint_done_fn *done, void *ctx);
void checkpoint_note_garbage_gone(struct checkpoint *cp, const char *path,
                                  const char *upload_id);

/* ---- reading it all ---- */

/*
 * Every entry in path order as manifest lines, to `each` ON THE CHECKPOINT'S THREAD:
 * each() must touch nothing that belongs to the loop.  Failed entries are left out and
 * can be had by checkpoint_failures.  prefix_bytes: see entry_add_key().  Ends early
 * when each() fails. Files that are neither stored nor failed are left out, and done()
 * has ERROR_INTERNAL at the end: such a list is not to be published.  entry.stamp is
 * whole; a line has an etag only where it has no hash.
 */
void checkpoint_export(struct checkpoint *cp, size_t prefix_bytes,
                       manifest_each_fn *each, void *each_ctx, checkpoint_done_fn *done,
                       void *ctx);

/*
 * Regular files of more than `above` bytes behind the path `after` ("" for the first),
 * in order, up to `most` of them into files[]; n says how many (none on an error); the
 * caller frees the paths.  The query is lent until done().
 */
struct large_file {
    char *path;
    uint64_t size; /* as planned */
};
struct large_query {
    const char *after;
    uint64_t above;
    struct large_file *files;
    size_t most, n;
};
void checkpoint_large(struct checkpoint *cp, struct large_query *query,
                      checkpoint_done_fn *done, void *ctx);

/* Paths and reasons of the FAILED entries, and of what the walk could not read, in
 * order, on the checkpoint's thread. */
void checkpoint_failures(struct checkpoint *cp,
                         void (*each)(void *ctx, const char *path, const char *reason),
                         void *each_ctx, checkpoint_done_fn *done, void *ctx);

/*
 * Which objects of data/ and odd/ the store really has, from a listing: begin, then
 * each (path order is fastest), then end: files in state STORED or RECHECK that were
 * not seen, or whose size or (where both are known) ETag differs, are lost (as by
 * checkpoint_note_lost); *n_lost counts them.  For when nothing is being sent.
 */
void checkpoint_seen_begin(struct checkpoint *cp);
void checkpoint_seen(struct checkpoint *cp, const char *key, uint64_t size,
                     const char *etag);
void checkpoint_seen_end(struct checkpoint *cp, size_t prefix_bytes, uint64_t *n_lost,
                         checkpoint_done_fn *done, void *ctx);

/*
 * After seen_end: keys of the listing that belong to no entry, or to one that has
 * FAILED; each is handed out once.  Up to `most` into out[]; *n says how many; the
 * caller frees.
 */
void checkpoint_strays(struct checkpoint *cp, char **out, size_t most, size_t *n,
                       checkpoint_done_fn *done, void *ctx);

#endif
