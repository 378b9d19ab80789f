#ifndef TRANSFER_BYTE_PIPE_H
#define TRANSFER_BYTE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/span.h"

/*
 * The bytes of a file on their way from the loop, which must not wait, to one thread,
 * which may: a bounded queue.  The thread can ask to go on at another offset.
 *
 * What lies in the queue is at most BYTE_PIPE_SLOTS chunks.
 */
struct byte_pipe;

enum { BYTE_PIPE_CHUNK = 64 << 10, BYTE_PIPE_SLOTS = 8 };

/*
 * news(ctx) runs on the loop whenever there is room again after byte_pipe_put() found
 * none, and when the thread wants another offset.
 */
struct byte_pipe *byte_pipe_new(struct loop *loop, void (*news)(void *ctx), void *ctx);

/* Neither the thread nor news() on its way any more (byte_pipe_abort(), a turn of the
 * loop). */
void byte_pipe_free(struct byte_pipe *pipe);

/* ---- the loop's side ---- */

/* At most BYTE_PIPE_CHUNK bytes, which are copied.  False where there is no room: news()
 * follows.  What comes while another offset is wanted is dropped. */
bool byte_pipe_put(struct byte_pipe *pipe, struct span bytes);

/* Does the thread wait for bytes?  If not: news() once it does. */
bool byte_pipe_is_hungry(struct byte_pipe *pipe);

/* Behind what was put: the end of the file, or why there is no more. */
void byte_pipe_end(struct byte_pipe *pipe, const struct error *err);

/* Does the thread want another offset?  Then the next byte_pipe_put() is of it. */
bool byte_pipe_wanted(struct byte_pipe *pipe, uint64_t *offset);

/* The thread is not to wait any more: it gets err. */
void byte_pipe_abort(struct byte_pipe *pipe, const struct error *err);

/* ---- the thread's side ---- */

/* The next bytes, waited for, valid until the next call.  None at the end.  -1: err. */
int byte_pipe_get(struct byte_pipe *pipe, struct span *bytes, struct error *err);

/* Of the next byte. */
uint64_t byte_pipe_offset(const struct byte_pipe *pipe);

/*
 * Go on at offset.  What lies less than BYTE_PIPE_CHUNK ahead is read and dropped, which
 * costs less than asking for another place.
 */
int byte_pipe_seek(struct byte_pipe *pipe, uint64_t offset, struct error *err);

#endif
