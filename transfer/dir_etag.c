/*
 * The whole of the bytes is one block to the digester.
 */
#include "transfer/dir_etag.h"

#include <string.h>

void dir_etag_init(struct dir_etag *e)
{
    digester_init(&e->digester, UINT64_MAX, &e->sum);
    e->is_begun = true;
}

void dir_etag_add(struct dir_etag *e, const void *bytes, size_t size)
{
    if (size > 0)
        digester_add(&e->digester, bytes, size);
}

void dir_etag_end(struct dir_etag *e, uint8_t out[DIR_ETAG_BYTES])
{
    digester_end(&e->digester);
    memcpy(out, e->sum.bytes, DIR_ETAG_BYTES);
    dir_etag_free(e);
}

void dir_etag_free(struct dir_etag *e)
{
    digester_free(&e->digester);
    e->is_begun = false;
}

void dir_etag_hex(char out[DIR_ETAG_HEX], const uint8_t bytes[DIR_ETAG_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIR_ETAG_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[DIR_ETAG_HEX - 1] = '\0';
}

void dir_etag_of(uint8_t out[DIR_ETAG_BYTES], const void *bytes, size_t size)
{
    struct digest digest = digest_of_bytes(bytes, size);

    memcpy(out, digest.bytes, DIR_ETAG_BYTES);
}
