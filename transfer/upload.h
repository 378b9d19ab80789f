#ifndef TRANSFER_UPLOAD_H
#define TRANSFER_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/checkpoint.h"
#include "transfer/budget.h"
#include "transfer/delta.h"
#include "transfer/source.h"
#include "transfer/store.h"

/*
 * One file on its way into a store: by a single put, or in parts.
 *
 * Every part is read, hashed and sent in chunks; a retry reads it again.  What an
 * earlier run achieved is taken up: parts that the store has are not sent again, and
 * where the file may have changed since, a part is first compared with the digests that
 * were noted of it.
 *
 * What the previous version has is copied inside the store: the whole object, where the
 * file is known, or found by its digests, to be the same; else those parts that it has.
 * What cannot be copied is sent.
 *
 * An upload does its work in pieces (one request with its reading, one copy, or one
 * comparison).
 * It starts none by itself: whoever shares out the room calls upload_step().
 */
struct upload;

struct upload_outcome {
    struct error err;   /* ERROR_NONE: the object is in the store, whole */
    bool source_failed; /* err is the file's, not the store's */
    bool is_refused;    /* a copy: the store cannot, and the bytes are to be sent */
    struct stamp stamp; /* of the file as it is now; where err is ERROR_CHANGED too */
    bool is_unchanged;  /* compared, and nothing had to be sent */
    struct stored_note note; /* for checkpoint_note_stored(); valid during done() */
};

/* All on the loop; none from within upload_start(). */
struct upload_events {
    /* For the checkpoint. The store has confirmed it. */
    void (*created)(void *ctx, const struct upload_note *note);
    void (*part_stored)(void *ctx, const struct part_record *part);
    void (*upload_gone)(void *ctx);

    /* For the checkpoint. The object under this key is not the file's content any more,
     * and is about to be replaced. */
    void (*object_lost)(void *ctx);

    /* Where delta.may_have_moved, else NULL: which file of the previous version has this size and
     * begins with this block?  upload_found() is to follow. */
    void (*look_for)(void *ctx, uint64_t size, const struct digest *first);

    /* A piece has ended, or a phase: upload_step() may have something to start again.
     */
    void (*moved)(void *ctx);

    /* The end, exactly once; the upload is freed afterwards. */
    void (*done)(void *ctx, const struct upload_outcome *outcome);
};

struct upload_options {
    struct loop *loop;
    struct store *store;
    struct source *source;
    struct budget *budget;
    const char *path; /* in the source; this and key must stay valid until done() */
    const char *key;
    struct stamp stamp;   /* as it was planned */
    bool must_compare;    /* what is known may be of another content */
    uint64_t part_size;   /* the user's wish; 0: none */
    bool is_data;         /* counts as bytes sent: a file of the data set */
    const char *previous; /* of the keys of the previous version: "NAME/v1/"; NULL where
                             nothing is known of one */
    const struct upload_events *events;
    void *ctx;
};

/* known: zeroed for nothing; delta: NULL for nothing.  Their memory is the upload's from
 * here on. */
struct upload *upload_start(const struct upload_options *options,
                            const struct upload_record *known,
                            const struct delta *delta);

/* The answer to look_for(), later; zeroed: none.  Its memory moves here. */
void upload_found(struct upload *upload, const struct previous_file *file);

/* It holds no more than its place in the store: no descriptor, and no memory to compare
 * what it reads. */
bool upload_is_light(const struct upload *upload);

/* Start one more piece; false where there is none to start at present. */
bool upload_step(struct upload *upload);

/*
 * End as soon as possible, with ERROR_CANCELLED unless it was done already.  What the
 * store has is kept there for a later resume.
 */
void upload_cancel(struct upload *upload);

/* Bytes that the store has confirmed plus those that are on their way, and the size. */
void upload_progress(const struct upload *upload, uint64_t *bytes, uint64_t *size);

#endif
