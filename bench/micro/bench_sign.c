/* What each request costs before it is sent, and each chunk of a signed body. */
#include <stdio.h>

#include "bench/micro/bench.h"
#include "transfer/sigv4.h"

enum { ROUND = 1000 };

static void sign_one(struct sigv4 *signer, struct sigv4_signed *out, unsigned i)
{
    static const char *const headers[] = {"Content-Type: application/octet-stream",
                                          NULL};
    char path[80];

    snprintf(path, sizeof path, "/bucket/prefix/name/v1/data/train/%08u.jpg", i);
    sigv4_sign(signer,
               &(struct sigv4_request){.method = "PUT",
                                       .host = "127.0.0.1:9000",
                                       .path = path,
                                       .headers = headers,
                                       .payload = sigv4_unsigned,
                                       .time_s = 1795305600 + i / ROUND},
               out);
}

static void sign_chunk(struct sigv4_chunks *chunks)
{
    static const uint8_t sha256[DIGEST_SHA256_BYTES] = {1, 2, 3};
    char frame[SIGV4_FRAME_MAX + 1];

    sigv4_frame_signed(chunks, 256 << 10, sha256, frame);
}

void bench_sign(void)
{
    struct sigv4 signer;
    struct sigv4_signed out = {0};
    struct sigv4_chunks chunks;
    double begin = bench_thread_s(), spent = 0;
    unsigned n = 0;

    sigv4_init(&signer, "AKIAIOSFODNN7EXAMPLE", "secret", NULL, "us-east-1", "s3");
    while (spent < bench_long_s) {
        for (unsigned i = 0; i < ROUND; i++)
            sign_one(&signer, &out, n++);
        spent = bench_thread_s() - begin;
    }
    bench_print("signing a request", spent / n * 1e6, "CPU µs");
    sigv4_chunks_begin(&chunks, &signer, &out);
    begin = bench_thread_s();
    for (n = 0, spent = 0; spent < bench_long_s; n += ROUND) {
        for (unsigned i = 0; i < ROUND; i++)
            sign_chunk(&chunks);
        spent = bench_thread_s() - begin;
    }
    bench_print("signing a chunk, its digest known", spent / n * 1e6, "CPU µs");
    sigv4_signed_free(&out);
    sigv4_free(&signer);
}
