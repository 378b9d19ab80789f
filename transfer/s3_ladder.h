#ifndef TRANSFER_S3_LADDER_H
#define TRANSFER_S3_LADDER_H

#include "transfer/s3.h"

/*
 * Which rungs of integrity may be used (ARCHITECTURE, "How a part gets its integrity"):
 * it follows from the options, from TLS, and from what is known of the store without
 * asking.
 *
 *   --sign-payload auto, TLS     all
 *   auto, no TLS; always         those whose bytes are signed
 *   never, or no keys            those whose bytes are not
 *
 * MD5 and nothing at all stand at the end of each.  Bodies in chunks are for what is
 * streamed: what lies in memory has its digest in front.
 */

/* Best first; the last is S3_RUNG_NONE. */
void s3_ladder(const struct s3 *s3, bool is_streamed, enum s3_rung out[S3_RUNGS]);
bool s3_ladder_allows(const struct s3 *s3, bool is_streamed, enum s3_rung rung);

/* Must the signature cover the bytes, whatever the rung? */
bool s3_ladder_signs(const struct s3 *s3);

/* The best that every store understands, for parts that must not bring a CRC32C. */
enum s3_rung s3_ladder_without_crc(const struct s3 *s3);

/* What another run has found out: may it still be used? */
bool s3_ladder_fits(const struct s3 *s3, const struct s3_traits *traits);

#endif
