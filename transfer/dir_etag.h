#ifndef TRANSFER_DIR_ETAG_H
#define TRANSFER_DIR_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest/digest.h"

/*
 * The ETag of a file:// store: the XXH3-128 of the bytes (manifest/digest.h), in hex.
 * Summed up as they come by; may be handed from thread to thread, but not copied.
 */
enum { DIR_ETAG_BYTES = DIGEST_BYTES, DIR_ETAG_HEX = 2 * DIR_ETAG_BYTES + 1 };

struct dir_etag {
    bool is_begun; /* between init and end or free */

    /* Private. */
    struct digester digester;
    struct digest sum;
};

void dir_etag_init(struct dir_etag *e);
void dir_etag_add(struct dir_etag *e, const void *bytes, size_t size);
void dir_etag_end(struct dir_etag *e, uint8_t out[DIR_ETAG_BYTES]); /* and frees */
void dir_etag_free(struct dir_etag *e); /* harmless on a zeroed one */

void dir_etag_hex(char out[DIR_ETAG_HEX], const uint8_t bytes[DIR_ETAG_BYTES]);

/* Of a few bytes at once: a checksum. */
void dir_etag_of(uint8_t out[DIR_ETAG_BYTES], const void *bytes, size_t size);

#endif
