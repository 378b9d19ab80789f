#ifndef TRANSFER_UNPACK_IMPL_H
#define TRANSFER_UNPACK_IMPL_H

#include "transfer/archive_reader.h"
#include "transfer/http_url.h"
#include "transfer/lookup.h"
#include "transfer/member.h"
#include "transfer/remote_file.h"
#include "transfer/sweep.h"
#include "transfer/twin.h"
#include "transfer/unpack.h"

/*
 * What the files of unpack share: the way through an archive (unpack.c), what its items
 * become (unpack_item.c), and its files on their way into the store (unpack_file.c).
 */
enum { UNPACK_READINGS_MAX = 4 /* of the archive, for bytes that are needed again */ };

enum unpack_phase {
    PHASE_OPENING,
    PHASE_READING,
    PHASE_SETTLING,
    PHASE_CONCLUDING,
    PHASE_SWEEPING,
    PHASE_STOPPING,
    PHASE_CLOSING,
    PHASE_FLUSHING,
    PHASE_OVER
};

enum unpack_step {
    STEP_NEXT,
    STEP_ORIGIN, /* of a hard link: what is it a link to? */
    STEP_ARRIVE,
    STEP_KNOW,
    STEP_START,
    STEP_MEMBER
};

struct arrival { /* a file that is read or sent */
    struct unpack *unpack;
    struct arrival *prev, *next;
    struct member *member; /* NULL: not begun */
    struct text path, key;
    struct stamp stamp;
    bool has_size, is_size_sure;
    struct upload_record known;

    /* A hard link: copied from its origin, whose record this is. */
    bool is_twin;
    struct twin twin;
    struct text origin_key;
    struct upload_record origin;
};

struct unpack {
    struct unpack_options o;
    struct http_url url;
    enum unpack_phase phase;
    struct error err;
    struct remote_file *file;
    struct archive_reader *reader;
    struct remote_file_info info;
    struct text validator;
    bool is_trusted; /* the archive is the one that the notes are of */
    bool must_read_again;
    unsigned n_readings;

    enum unpack_step step;
    bool is_busy; /* an answer is awaited */
    struct text path, target;
    struct entry entry;
    struct checkpoint_arrival planned;
    bool is_hard_link;
    struct text origin; /* then: the path of what it is a link to, */
    struct upload_record origin_record;
    struct lookup *lookup;
    struct arrival *current;  /* known of, or read */
    struct arrival *arrivals; /* all of them */
    unsigned n_arrivals;
    struct sweep *sweep;
    bool is_flushing, is_backlogged;

    uint64_t n_parts, n_compared;
    uint64_t bytes_unpacked;
    uint64_t fetched_before, retries_before; /* by the readings before this one */
    bool ratio_told;
    struct deferred soon;
    bool is_woken;
};

/* ---- unpack.c ---- */

void unpack_wake(struct unpack *u);
void unpack_fail(struct unpack *u, const struct error *err); /* the first one counts */

/* The archive's trouble, in the entry `where` (NULL: between two). */
void unpack_fail_by_archive(struct unpack *u, const struct error *err,
                            const char *where);

/* To people; path may be NULL, but for one that counts as unreadable. */
void unpack_tell(struct unpack *u, enum issue_kind kind, const char *path,
                 const char *message);

/* Bytes that were unpacked; would so many more be too much? */
void unpack_note_size(struct unpack *u, uint64_t bytes);
bool unpack_is_too_much(const struct unpack *u, uint64_t more);
void unpack_refuse_too_much(struct unpack *u);

void unpack_step_over(struct unpack *u); /* to the next item */

/* ---- unpack_item.c: what becomes of the item that the reader stands at ---- */

void unpack_item_judge(struct unpack *u);
void unpack_item_find_origin(struct unpack *u); /* STEP_ORIGIN */
void unpack_item_arrive(struct unpack *u);      /* STEP_ARRIVE */

/* ---- unpack_file.c ---- */

/* The file at path is u->current now, as it was planned. */
void unpack_file_add(struct unpack *u);
void unpack_file_learn(struct unpack *u); /* STEP_KNOW */
void unpack_file_start(struct unpack *u); /* STEP_START */
void unpack_file_drop(struct unpack *u, struct arrival *a);
bool unpack_file_is_under_way(const struct unpack *u, const char *path);

#endif
