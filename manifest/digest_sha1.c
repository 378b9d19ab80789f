#include "manifest/digest_sha1.h"

#include <openssl/evp.h>

bool digest_sha1(uint8_t out[DIGEST_SHA1_BYTES], const void *bytes, size_t size)
{
    unsigned length = 0;

    return EVP_Digest(bytes, size, out, &length, EVP_sha1(), NULL) == 1 &&
           length == DIGEST_SHA1_BYTES;
}
