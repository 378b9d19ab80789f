/*
 * XXH3-128 comes from libxxhash, SHA-256 from OpenSSL, CRC32C from ISA-L or crc32c.c.
 *
 * A digester is one streaming XXH3 state that is read out and reset at each block
 * boundary.  The state is on the heap: it is 576 bytes with an alignment of 64, which
 * the objects that embed a digester would have to keep.
 */
#include "manifest/digest.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#ifdef GRID_XXHASH_DISPATCHES
#include <xxh_x86dispatch.h> /* the same names, by what the processor can */
#else
#include <xxhash.h>
#endif
#ifdef GRID_HAVE_ISAL
#include <isa-l/crc.h>
#endif

#include "manifest/crc32c.h"

static _Noreturn void give_up(const char *library)
{
    fprintf(stderr, "grid: %s failed; out of memory?\n", library);
    _Exit(75); /* resumable, like any crash: see mem.c */
}

/* ---- blocks ---- */

uint64_t digest_block_size(uint64_t size, uint64_t previous)
{
    uint64_t block_size = DIGEST_BLOCK;

    /* A manifest may say anything: only sizes that this function made are kept. */
    if (previous >= DIGEST_BLOCK && (previous & (previous - 1)) == 0 &&
        digest_block_count(size, previous) <= DIGEST_OLD_BLOCKS_MAX)
        return previous;
    while (digest_block_count(size, block_size) > DIGEST_BLOCKS_MAX)
        block_size *= 2;
    return block_size;
}

uint64_t digest_block_count(uint64_t size, uint64_t block_size)
{
    return size == 0 ? 1 : (size - 1) / block_size + 1;
}

static struct digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t bytes;
    struct digest d;

    XXH128_canonicalFromHash(&bytes, hash);
    memcpy(d.bytes, bytes.digest, sizeof d.bytes);
    return d;
}

void digester_init(struct digester *d, uint64_t block_size, struct digest *out)
{
    assert(block_size > 0);
    *d = (struct digester){.out = out, .block_size = block_size};
    d->state = XXH3_createState();
    if (d->state == NULL)
        give_up("xxhash");
    XXH3_128bits_reset(d->state);
}

static void end_block(struct digester *d)
{
    d->out[d->n_done++] = canonical(XXH3_128bits_digest(d->state));
    d->in_block = 0;
    XXH3_128bits_reset(d->state);
}

void digester_add(struct digester *d, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        uint64_t left = d->block_size - d->in_block;
        size_t step = size < left ? size : (size_t)left;

        XXH3_128bits_update(d->state, at, step);
        at += step;
        size -= step;
        d->in_block += step;
        if (d->in_block == d->block_size)
            end_block(d);
    }
}

void digester_end(struct digester *d)
{
    if (d->in_block > 0 || d->n_done == 0)
        end_block(d);
}

void digester_free(struct digester *d)
{
    XXH3_freeState(d->state);
    d->state = NULL;
}

struct digest digest_of_blocks(const struct digest *blocks, size_t n)
{
    assert(n > 0);
    return n == 1 ? blocks[0] : digest_of_bytes(blocks, n * sizeof blocks[0]);
}

struct digest digest_of_bytes(const void *bytes, size_t size)
{
    return canonical(XXH3_128bits(bytes, size));
}

bool digest_is_same(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* ---- CRC32C ---- */

uint32_t digest_crc32c(uint32_t crc, const void *bytes, size_t size)
{
#ifdef GRID_HAVE_ISAL
    /* crc32_iscsi() leaves inversion before and after to its caller, does not change
     * the bytes that it fails to call const, and counts them in an int. */
    unsigned char *at = (unsigned char *)(uintptr_t)bytes;

    crc = ~crc;
    while (size > 0) {
        int step = size < INT_MAX ? (int)size : 1 << 30;

        crc = crc32_iscsi(at, step, crc);
        at += step;
        size -= (size_t)step;
    }
    return ~crc;
#else
    return crc32c_portable(crc, bytes, size);
#endif
}

/* ---- SHA-256 ---- */

void digest_sha256(uint8_t out[DIGEST_SHA256_BYTES], const void *bytes, size_t size)
{
    if (EVP_Digest(bytes, size, out, NULL, EVP_sha256(), NULL) != 1)
        give_up("SHA-256 of OpenSSL");
}

void sha256_init(struct sha256 *s)
{
    s->state = EVP_MD_CTX_new();
    if (s->state == NULL || EVP_DigestInit_ex(s->state, EVP_sha256(), NULL) != 1)
        give_up("SHA-256 of OpenSSL");
}

void sha256_add(struct sha256 *s, const void *bytes, size_t size)
{
    if (EVP_DigestUpdate(s->state, bytes, size) != 1)
        give_up("SHA-256 of OpenSSL");
}

void sha256_end(struct sha256 *s, uint8_t out[DIGEST_SHA256_BYTES])
{
    if (EVP_DigestFinal_ex(s->state, out, NULL) != 1)
        give_up("SHA-256 of OpenSSL");
    sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
    EVP_MD_CTX_free(s->state);
    s->state = NULL;
}
