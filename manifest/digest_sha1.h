#ifndef MANIFEST_DIGEST_SHA1_H
#define MANIFEST_DIGEST_SHA1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SHA-1, for the names that the AWS tools give to files; it protects nothing. */
enum { DIGEST_SHA1_BYTES = 20 };

/* False where the system's policy forbids it. */
bool digest_sha1(uint8_t out[DIGEST_SHA1_BYTES], const void *bytes, size_t size);

#endif
