#include "transfer/s3_ladder.h"

static bool can_sign(const struct s3 *s3)
{
    return s3->has_signer && s3->options.sign_payload != S3_SIGN_NEVER;
}

bool s3_ladder_signs(const struct s3 *s3)
{
    return can_sign(s3) &&
           (s3->options.sign_payload == S3_SIGN_ALWAYS || !s3->address.is_tls);
}

bool s3_ladder_allows(const struct s3 *s3, bool is_streamed, enum s3_rung rung)
{
    if ((s3->quirks->broken_rungs & 1u << rung) != 0)
        return false;
    switch (rung) {
    case S3_RUNG_TRAILER:
        return is_streamed && !s3_ladder_signs(s3);
    case S3_RUNG_HEADER:
        return !s3_ladder_signs(s3);
    case S3_RUNG_CHUNK_SIGNED:
        return is_streamed && can_sign(s3);
    case S3_RUNG_SHA256:
        return can_sign(s3);
    default:
        return true;
    }
}

void s3_ladder(const struct s3 *s3, bool is_streamed, enum s3_rung out[S3_RUNGS])
{
    unsigned n = 0;

    for (unsigned rung = S3_RUNG_TRAILER; rung < S3_RUNGS; rung++)
        if (s3_ladder_allows(s3, is_streamed, (enum s3_rung)rung))
            out[n++] = (enum s3_rung)rung;
}

enum s3_rung s3_ladder_without_crc(const struct s3 *s3)
{
    enum s3_rung rung = S3_RUNG_SHA256;

    while (!s3_ladder_allows(s3, false, rung))
        rung++;
    return rung;
}

bool s3_ladder_fits(const struct s3 *s3, const struct s3_traits *traits)
{
    return traits->streamed != S3_RUNG_UNKNOWN &&
           s3_ladder_allows(s3, true, traits->streamed) &&
           s3_ladder_allows(s3, false, traits->whole);
}
