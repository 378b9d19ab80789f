#ifndef MANIFEST_CRC32C_H
#define MANIFEST_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC32C (Castagnoli; RFC 3720, appendix B.4) in plain C, about 2 GB/s: what
 * digest_crc32c() falls back to where the build found no ISA-L.  Any thread.
 */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size);

#endif
