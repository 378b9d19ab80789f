#ifndef TRANSFER_MEMBER_H
#define TRANSFER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/checkpoint.h"
#include "transfer/archive_reader.h"
#include "transfer/budget.h"
#include "transfer/store.h"

/*
 * One file of an archive on its way into a store: as upload.h, but of bytes that come once
 * and in order.  They are held, under leases, for a part's length: a small file is one put
 * from memory, a larger one is sent in parts while the next is read.
 *
 * What an earlier run achieved is compared as the bytes come by: parts that the store has
 * are not sent again, and an object that is still the file is left as it is.  An object
 * that turns out to differ behind bytes that are gone already is given up, and the archive
 * has to be read again for it.
 */
struct member;

struct member_outcome {
    struct error err;        /* ERROR_NONE: the object is in the store, whole */
    bool source_failed;      /* err is the archive's, not the store's */
    bool must_read_again;    /* no error: but the bytes are needed once more */
    bool is_unchanged;       /* compared, and nothing had to be sent */
    struct stored_note note; /* for checkpoint_note_stored(); valid during done() */
};

/* All on the loop; none from within member_start(). */
struct member_events {
    /* For the checkpoint, as in upload.h. */
    void (*created)(void *ctx, const struct upload_note *note);
    void (*part_stored)(void *ctx, const struct part_record *part);
    void (*upload_gone)(void *ctx);
    void (*object_lost)(void *ctx);

    /* member_step() may have something to start again. */
    void (*moved)(void *ctx);

    /* Its bytes have been read: the reader is free.  Before done(), or not at all. */
    void (*has_read)(void *ctx);

    /* The end, exactly once; the member is freed afterwards. */
    void (*done)(void *ctx, const struct member_outcome *outcome);
};

struct member_options {
    struct loop *loop;
    struct store *store;
    struct budget *budget;
    struct archive_reader *reader; /* stands at it */
    const char *path, *key;        /* valid until done() */
    struct stamp stamp;
    bool has_size;      /* else stamp's means nothing */
    bool is_size_sure;  /* it is the archive's own word */
    uint64_t part_size; /* the user's wish; 0: none */
    const struct member_events *events;
    void *ctx;
};

/* known: zeroed for nothing; its memory is the member's from here on. */
struct member *member_start(const struct member_options *options,
                            const struct upload_record *known);

/* Read one more part; false where there is none to read at present. */
bool member_step(struct member *member);

void member_cancel(struct member *member); /* done() follows */

/* Bytes that the store has confirmed plus those in memory. */
uint64_t member_bytes(const struct member *member);

#endif
