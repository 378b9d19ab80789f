#ifndef MANIFEST_DIGEST_MD5_H
#define MANIFEST_DIGEST_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MD5, for stores that check nothing better, and for their ETags.  Where the system's
 * policy forbids it (FIPS), all of it fails.  May be handed from thread to thread. */
enum { DIGEST_MD5_BYTES = 16 };

struct md5 {
    void *state; /* private; NULL: cannot be had */
};
void md5_init(struct md5 *m);
void md5_add(struct md5 *m, const void *bytes, size_t size);
bool md5_end(struct md5 *m, uint8_t out[DIGEST_MD5_BYTES]); /* and frees */
void md5_free(struct md5 *m); /* without a result; harmless on a zeroed one */

#endif
