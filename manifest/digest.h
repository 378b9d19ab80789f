#ifndef MANIFEST_DIGEST_H
#define MANIFEST_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The digests of the product (FORMATS, "Hashes").
 *
 * A file is cut into blocks of one size.  A block's digest is its XXH3-128, seed 0,
 * canonical (big-endian).  A file of one block or less has that as its hash, a longer
 * one the XXH3-128 of its concatenated block digests.
 */
enum { DIGEST_BYTES = 16, DIGEST_SHA256_BYTES = 32 };
enum {
    DIGEST_BLOCK = 16 << 20,
    DIGEST_BLOCKS_MAX = 65536,
    DIGEST_OLD_BLOCKS_MAX = 262144
};

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/*
 * The size of the blocks of a file of `size` bytes: 16 MiB, doubled until there are at
 * most 65,536.  previous (0: none) is what the file had in the previous version: kept
 * while that makes at most 262,144, unless it is no size that this function gives.
 */
uint64_t digest_block_size(uint64_t size, uint64_t previous);

/* How many blocks; an empty file has one, of no bytes. */
uint64_t digest_block_count(uint64_t size, uint64_t block_size);

/*
 * Blocks of a run of bytes that begins at a block boundary, as they come by.  The
 * digests go to `out`, which has room for all of them; digester_end() closes the last,
 * shorter one.  May be handed from thread to thread, not used by two at once.
 */
struct digester {
    struct digest *out;
    size_t n_done;

    /* Private. */
    uint64_t block_size;
    uint64_t in_block;
    void *state;
};

void digester_init(struct digester *d, uint64_t block_size, struct digest *out);
void digester_add(struct digester *d, const void *bytes, size_t size);
void digester_end(struct digester *d);  /* of no bytes at all: one digest */
void digester_free(struct digester *d); /* harmless on a zeroed one */

/* The file's hash from its blocks' digests. */
struct digest digest_of_blocks(const struct digest *blocks, size_t n);

struct digest digest_of_bytes(const void *bytes, size_t size);
bool digest_is_same(const struct digest *a, const struct digest *b);

/* CRC32C (Castagnoli); crc is 0 at first, then what the last call returned. */
uint32_t digest_crc32c(uint32_t crc, const void *bytes, size_t size);

/* SHA-256, in one go and in pieces. */
void digest_sha256(uint8_t out[DIGEST_SHA256_BYTES], const void *bytes, size_t size);

struct sha256 {
    void *state; /* private */
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t size);
void sha256_end(struct sha256 *s, uint8_t out[DIGEST_SHA256_BYTES]); /* and frees */
void sha256_free(struct sha256 *s); /* without a result; harmless on a zeroed one */

#endif
