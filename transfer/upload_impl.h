#ifndef TRANSFER_UPLOAD_IMPL_H
#define TRANSFER_UPLOAD_IMPL_H

#include "transfer/known.h"
#include "transfer/part_table.h"
#include "transfer/piece.h"
#include "transfer/upload.h"

/*
 * What the phases of an upload (upload.c, upload_multipart.c, upload_delta.c) and its
 * pieces (upload_pieces.c) share.
 */
enum upload_phase {
    PHASE_OPENING,    /* the source file is opened and looked at */
    PHASE_COMPARING,  /* is the stored object still the file's content? */
    PHASE_SEARCHING,  /* which file of the previous version begins like this one? */
    PHASE_MATCHING,   /* is that the file's content, all of it? */
    PHASE_COPYING,    /* then it is copied whole */
    PHASE_PUTTING,    /* sent as one object */
    PHASE_CREATING,   /* asking the store for an upload id */
    PHASE_SENDING,    /* parts are compared, read and stored */
    PHASE_RESTARTING, /* the store has forgotten the upload: draining, then anew */
    PHASE_COMPLETING, /* all parts are stored, the store puts them together */
    PHASE_ENDING      /* done, failed or cancelled: waiting for what is under way */
};

struct upload {
    struct upload_options o;
    struct known known; /* of earlier runs */
    struct delta delta; /* of the previous version */
    struct text from;   /* the key of its object */
    enum upload_phase phase;
    struct error err; /* the first one; the rest are its consequences */
    bool source_failed;
    bool is_small; /* read whole by its one piece */
    bool is_unchanged;

    struct source_op open_op;
    struct source_file *file;
    struct stamp stamp;
    int64_t read_at_ns; /* the earliest reading that this object is made of */

    struct part_table parts;

    char *upload_id; /* "": none is open */
    char etag[STORE_ETAG_MAX];
    struct store_op op; /* create or complete: never two at a time */
    bool op_runs;

    struct piece *pieces; /* under way */
    unsigned n_running;   /* pieces, the open and the op */
    unsigned n_comparing; /* of the pieces */
    unsigned n_restarts;
    struct deferred soon;
};

/* ---- upload.c ---- */

/* Do what can be done now.  Calling it once too often is harmless. */
void upload_advance(struct upload *u);

/* The first error counts: the upload ends with it at the next upload_advance(). */
void upload_fail(struct upload *u, const struct error *err, bool by_source);

void upload_enter(struct upload *u, enum upload_phase phase);

/* It is put in one go. */
bool upload_is_single(const struct upload *u);

/* Look at the file; when it is open, go on. */
void upload_open_file(struct upload *u);

/* Has op failed because the store no longer knows the upload id? */
bool upload_is_gone(const struct upload *u, const struct store_op *op);

/* Begin anew, or fail with err where that has been done too often. */
void upload_on_gone(struct upload *u, const struct error *err);

/* ---- upload_multipart.c ---- */

void upload_set_id(struct upload *u, const char *id);

/* One request each; upload_advance() follows. */
void upload_create(struct upload *u);
void upload_complete(struct upload *u);

/* ---- upload_delta.c ---- */

/* Can the file be copied without being read? */
bool upload_delta_is_unread(const struct upload *u);

/* Nothing of the file is in the store, or an upload is open that goes on: what the
 * previous version has decides what comes next. */
void upload_delta_begin(struct upload *u);

/* A part was read that no earlier run has sent: is it to be copied? */
void upload_delta_on_read(struct upload *u, uint32_t number);

/* All parts are what the previous version has. */
void upload_delta_on_matched(struct upload *u);

/* The store does not copy it: it is sent. */
void upload_delta_refused(struct upload *u, const struct error *err);

/* ---- upload_pieces.c ---- */

/* Start a piece: it sends the part, compares it with what is known, or copies it. */
void upload_pieces_send(struct upload *u, uint32_t number);
void upload_pieces_compare(struct upload *u, uint32_t number);
void upload_pieces_copy(struct upload *u, uint32_t number);
void upload_pieces_copy_whole(struct upload *u);

void upload_pieces_cancel(struct upload *u); /* a wish: they end by and by */

/* Read or sent by the pieces under way. */
uint64_t upload_pieces_bytes(const struct upload *u);

#endif
