#ifndef TRANSFER_PART_TABLE_H
#define TRANSFER_PART_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/checkpoint.h"
#include "transfer/known.h"
#include "transfer/layout.h"
#include "transfer/store.h"

/*
 * The parts of one file: how it is cut, what the store has of each part, and which part
 * is next.  Belongs to the file's upload; does no work of its own.  Parts are numbered
 * from 1.
 */
enum part_state {
    PART_MISSING, /* to be sent */
    PART_KNOWN,   /* noted, but to be compared first */
    PART_UNREAD,  /* to be read first: the previous version may have it */
    PART_MATCHED, /* it has: to be copied */
    PART_BUSY,    /* a piece has it */
    PART_STORED,  /* the store has it, and it is the file's content */
};

struct part_table { /* zeroed: the file is not cut yet */
    struct layout layout;
    struct digest *digests;    /* of all blocks, filled by the pieces */
    struct store_part *stored; /* [layout.n_parts]: for the completion, once all are */
    uint64_t bytes_stored;

    /* Private. */
    enum part_state *states; /* [layout.n_parts] */
    uint32_t next;           /* no lower number waits for a piece */
    uint32_t n_stored, n_matched;
};

/* Cut the file, once; all parts are to be sent.  The arguments are layout_of()'s. */
int part_table_cut(struct part_table *t, uint64_t size,
                   const struct store_limits *limits, uint64_t wish,
                   const struct layout *previous, struct error *err);
void part_table_free(struct part_table *t);

/* Of a file whose size is not known yet, and is cut in whole parts: more of them. */
void part_table_grow(struct part_table *t, uint32_t n_parts);

/* The file turns out to end at size, which is in a part that was cut and not stored yet. */
void part_table_end(struct part_table *t, uint64_t size);

/* Relies on what known has of the parts, or, where it may be of another content, has it
 * compared.  known forgets an upload that is cut otherwise. */
void part_table_take_up(struct part_table *t, struct known *known, bool must_compare);

/* All parts are to be sent, whatever the store has. */
void part_table_reset(struct part_table *t);

/* A part to be sent is to be read first. */
void part_table_look_into(struct part_table *t, uint32_t number);

/* The lowest part that waits for a piece, 0 where none does.  may_send false: only those
 * to be read first count, the others are passed over until part_table_rewind(). */
uint32_t part_table_next(struct part_table *t, bool may_send);
enum part_state part_table_state(const struct part_table *t, uint32_t number);
void part_table_rewind(struct part_table *t);

/* A piece has the part that is next. */
void part_table_begin(struct part_table *t, uint32_t number);

/* The piece has ended and the part is to be sent. */
void part_table_give_back(struct part_table *t, uint32_t number);

/* The piece has ended, or the part's digests are known without: it is to be copied. */
void part_table_match(struct part_table *t, uint32_t number);

/* No part is to be copied, nor looked for: they are to be sent. */
void part_table_copy_none(struct part_table *t);

/* The piece has ended and the store has the part: as it was sent just now, or as it was
 * known.  Returned is what is to be noted of it; the blocks are the table's. */
struct part_record part_table_sent(struct part_table *t, uint32_t number,
                                   const char *etag, uint32_t crc32c);
struct part_record part_table_confirmed(struct part_table *t, uint32_t number);

/* No further part is begun, until one is given back or all are reset. */
void part_table_pass_over(struct part_table *t);

bool part_table_all_begun(const struct part_table *t);
bool part_table_all_stored(const struct part_table *t);
bool part_table_all_matched(const struct part_table *t);

#endif
