#ifndef TRANSFER_ETAG_H
#define TRANSFER_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest/digest_md5.h"
#include "transfer/store.h"

/*
 * What the ETag of an S3 store says of the bytes (AWS, "Checking object integrity"):
 * of an object that was put in one go, and of a part, their MD5; of an object in N
 * parts the MD5 of the parts' MD5s, and "-N" behind it.  Under KMS keys, and in some
 * stores, it is neither: nothing agrees with it then.  Pure.
 */
struct etag {
    uint32_t n_parts; /* 0: not made of parts */
    uint8_t md5[DIGEST_MD5_BYTES];
};

/* false: it is no MD5 of anything. */
bool etag_parse(struct etag *out, const char *text);

void etag_format(char out[STORE_ETAG_MAX], const struct etag *etag);

/* Of the object in parts; false where MD5 cannot be had (FIPS). */
bool etag_of_parts(struct etag *out, const struct etag *parts, uint32_t n);

#endif
