#ifndef TRANSFER_OBJECT_STREAM_H
#define TRANSFER_OBJECT_STREAM_H

#include "transfer/store.h"

/*
 * A range of one object that is read from its beginning on, piece by piece, whenever
 * there is room for a piece: one GET of the store, which waits between two reads.
 *
 * While it waits it holds a slot and a chunk of its store.  So whoever writes into
 * another store what is read here must give the two budgets of their own, or they would
 * wait for each other.
 */
struct object_stream;

struct object_stream *object_stream_open(struct loop *loop, struct store *store,
                                         const char *key, uint64_t offset,
                                         uint64_t until);

/* Fill `into` with the next bytes.  done() runs later, exactly once.  err NULL: all is
 * filled.  ERROR_CORRUPT: it ends early, or was replaced under way; else as the GET. */
typedef void object_stream_done_fn(void *ctx, const struct error *err);
void object_stream_read(struct object_stream *s, struct span into,
                        object_stream_done_fn *done, void *ctx);

/* Of the next byte, and of the last but one. */
uint64_t object_stream_position(const struct object_stream *s);
uint64_t object_stream_until(const struct object_stream *s);

/* What the store has answered: ETag, size, time; of use in done() and after it. */
const struct store_op *object_stream_answer(const struct object_stream *s);

/* Who waits, and who reads from now on, gets ERROR_CANCELLED, soon. */
void object_stream_stop(struct object_stream *s);

/* Nobody waits.  It is gone at once for the caller; the store may be
 * busy with it for a moment. */
void object_stream_close(struct object_stream *s);

#endif
