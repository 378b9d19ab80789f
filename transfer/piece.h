#ifndef TRANSFER_PIECE_H
#define TRANSFER_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "transfer/budget.h"
#include "transfer/source.h"
#include "transfer/store.h"

/*
 * One part of a file under way: read in chunks, hashed, and either sent (as the body of
 * a store operation) or only hashed, to be compared; or copied inside the store.  Belongs to its upload, which
 * fills the first block of fields and starts it once.
 */
struct piece {
    struct loop *loop;
    struct store *store;
    struct source *source;
    struct budget *budget;
    const char *path;
    struct source_file *file; /* NULL: a small file, opened by the read itself */
    struct stamp stamp;       /* expected; after a failure: as it is */
    uint32_t number;
    uint64_t offset, size, block_size;
    struct digest *digests; /* room for those of this part */
    bool wants_md5;         /* of a comparison */
    bool is_known;      /* the upload's: compared with what an earlier run has sent */
    struct store_op op; /* sent, copied: all but body, done and ctx */
    void (*done)(struct piece *piece, void *ctx); /* exactly once, from the loop */
    void *ctx;
    struct piece *next; /* the upload's list */

    /* The outcome, valid from done() on. */
    struct error err;
    bool source_failed;
    int64_t read_at_ns; /* of a small file */
    bool has_md5;
    uint8_t md5_bytes[DIGEST_MD5_BYTES];

    /* Private. */
    uint64_t position; /* bytes read in this attempt */
    struct body body;
    struct digester digester;
    struct md5 md5;
    struct source_op read;
    struct lease lease; /* of a comparison: a send's chunk is the store's */
    size_t chunk;
    bool is_comparing, is_cancelled;
    body_done_fn *body_done;
    void *body_ctx;
    struct deferred soon;
};

void piece_send(struct piece *piece);
void piece_compare(struct piece *piece);
void piece_copy(struct piece *piece); /* op may copy the whole object */

/* A wish: done() follows. */
void piece_cancel(struct piece *piece);

/* Nothing under way. */
void piece_free(struct piece *piece);

#endif
