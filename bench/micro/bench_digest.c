/* What each byte that is sent costs: both digests over chunks as the uploads read them,
 * from a buffer that does not fit into the caches. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/micro/bench.h"
#include "manifest/digest.h"

enum { BUFFER = 64 << 20, CHUNK = 256 << 10 };

static const double gib = 1 << 30;

/* Over the whole buffer; the sum keeps the compiler from leaving it out. */
typedef uint32_t pass_fn(const uint8_t *buffer);

static uint32_t xxh3(const uint8_t *buffer)
{
    struct digest out[BUFFER / DIGEST_BLOCK + 1];
    struct digester d;

    digester_init(&d, DIGEST_BLOCK, out);
    for (size_t at = 0; at < BUFFER; at += CHUNK)
        digester_add(&d, buffer + at, CHUNK);
    digester_end(&d);
    digester_free(&d);
    return out[0].bytes[0];
}

static uint32_t crc32c(const uint8_t *buffer)
{
    uint32_t crc = 0;

    for (size_t at = 0; at < BUFFER; at += CHUNK)
        crc = digest_crc32c(crc, buffer + at, CHUNK);
    return crc;
}

static uint32_t both(const uint8_t *buffer)
{
    struct digest out[BUFFER / DIGEST_BLOCK + 1];
    struct digester d;
    uint32_t crc = 0;

    digester_init(&d, DIGEST_BLOCK, out);
    for (size_t at = 0; at < BUFFER; at += CHUNK) {
        digester_add(&d, buffer + at, CHUNK);
        crc = digest_crc32c(crc, buffer + at, CHUNK);
    }
    digester_end(&d);
    digester_free(&d);
    return crc ^ out[0].bytes[0];
}

static uint32_t sha256(const uint8_t *buffer)
{
    uint8_t out[DIGEST_SHA256_BYTES];
    struct sha256 s;

    sha256_init(&s);
    for (size_t at = 0; at < BUFFER; at += CHUNK)
        sha256_add(&s, buffer + at, CHUNK);
    sha256_end(&s, out);
    return out[0];
}

static void measure(const char *name, pass_fn *pass, const uint8_t *buffer)
{
    double begin = bench_thread_s(), spent = 0, bytes = 0;
    volatile uint32_t sum = 0;

    while (spent < bench_long_s) {
        sum = sum ^ pass(buffer);
        bytes += BUFFER;
        spent = bench_thread_s() - begin;
    }
    bench_print(name, spent / (bytes / gib), "CPU s/GiB");
}

void bench_digest(void)
{
    uint8_t *buffer = mem_buffer(BUFFER);

    for (size_t i = 0; i < BUFFER; i++)
        buffer[i] = (uint8_t)(i * 31 + (i >> 8));
    measure("XXH3-128", xxh3, buffer);
    measure("CRC32C", crc32c, buffer);
    measure("XXH3-128 and CRC32C", both, buffer);
    measure("SHA-256", sha256, buffer);
    free(buffer);
}
