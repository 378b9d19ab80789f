#ifndef TRANSFER_S3_TRAITS_H
#define TRANSFER_S3_TRAITS_H

#include "base/text.h"
#include "transfer/s3_quirks.h"

/* What probing has found out about an endpoint and bucket.  As text:
 * "1 checks=chunk-signed,sha256 if-none-match=yes", where 1 is the format's number. */
struct s3_traits {
    enum s3_rung streamed; /* how bodies that go through a buffer are checked */
    enum s3_rung whole;    /* the same for those that lie in memory */
    bool has_if_none_match;
};

void s3_traits_put(const struct s3_traits *traits, struct text *out);

/* -1, and nothing known, for a text that is none, or of another format. */
int s3_traits_parse(struct s3_traits *traits, const char *text);

#endif
