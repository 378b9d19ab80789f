#ifndef AGENT_BLOCK_H
#define AGENT_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "manifest/manifest.h"
#include "transfer/store.h"

/*
 * One block of a file that is downloaded: held against the bytes that lie there from an
 * earlier run, else fetched, and verified as it is written.  A file without block
 * digests is one block.
 *
 * The caller fills the first group of a zeroed block and keeps what it points to until
 * done(), which runs once, later, on the loop; also after block_cancel().
 */
struct block {
    struct loop *loop;
    struct store *store;
    const struct manifest_line *line;
    const char *key;
    size_t index;
    int fd;         /* read where is_there, written where may_fetch */
    bool is_there;  /* all its bytes may lie in fd */
    bool is_hole;   /* none does: zeros need not be written */
    bool may_fetch; /* else a difference is ERROR_CONFLICT */
    void (*moved)(void *ctx, uint64_t bytes); /* fetched and written */
    void (*done)(struct block *b, void *ctx);
    void *ctx;

    /* The answer: ERROR_NONE, ERROR_CORRUPT where it was not right twice, or what the
     * store or the system said. */
    struct error err;
    unsigned fetches; /* 0: it was there */
    uint64_t size;

    /* For the owner's list. */
    struct block *prev, *next;

    /* Private. */
    enum { BLOCK_CHECKING, BLOCK_FETCHING, BLOCK_ENDED } phase;
    bool is_cancelled;
    uint64_t offset, position; /* position: in the block, of the next byte */
    struct digester digester;
    struct digest digest;
    struct store_op op;
    struct sink sink;
    struct span chunk;
    body_done_fn *chunk_done;
    void *chunk_ctx;
    struct work work;
    struct error work_err;
};

/* Where a block lies. */
size_t block_count(const struct manifest_line *line);
uint64_t block_offset(const struct manifest_line *line, size_t index);

void block_start(struct block *b);
void block_cancel(struct block *b);

#endif
