#ifndef BENCH_SINK_PROOF_H
#define BENCH_SINK_PROOF_H

#include "base/text.h"
#include "bench/sink/wire.h"

/*
 * Are these the bytes that the client meant to send?  Takes aws-chunked framing off raw
 * into bytes, and checks what the request claims of them: x-amz-checksum-crc32c as a
 * header or a trailer, x-amz-content-sha256, Content-MD5, the signatures of chunks.
 * Other claims are taken on trust, the request's own signature too.
 *
 * Returns NULL, or S3's code of the error.
 */
const char *proof_check(const struct wire_head *head, const char *secret,
                        const struct text *raw, struct text *bytes);

#endif
