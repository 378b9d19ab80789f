#ifndef TRANSFER_S3_OPTIONS_H
#define TRANSFER_S3_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What an s3:// store must know besides its url.  Strings may be NULL; they are copied.
 */

/* What requests are signed with.  access_key "" or NULL: they are not signed at all. */
struct s3_keys {
    const char *access_key, *secret_key;
    const char *session_token; /* NULL or "": none */
    int64_t expires_at_ms;     /* 0: never */
};

enum s3_addressing { S3_ADDRESSING_AUTO, S3_ADDRESSING_PATH, S3_ADDRESSING_VIRTUAL };
enum s3_sign_payload { S3_SIGN_AUTO, S3_SIGN_ALWAYS, S3_SIGN_NEVER };

struct s3_options {
    const char *endpoint; /* "https://host[:port]"; NULL: AWS */
    const char *region;   /* NULL: us-east-1, until the store says otherwise */
    const char *ca_file;  /* PEM; NULL: the system's */
    enum s3_addressing addressing;
    enum s3_sign_payload sign_payload;
    bool request_payer;
    const char
        *storage_class;     /* of data and records alike; NULL: the store's default */
    const char *sse;        /* "AES256" or "aws:kms" */
    const char *sse_key_id; /* of aws:kms; NULL: its default */
    const char *traits;     /* what store_traits() said at another time */

    /* The bucket is to belong to this account: another's of that name is refused, and
     * where there is none yet, what is looked for in it is ERROR_NOT_FOUND.  NULL: it
     * may be anybody's, and must be there. */
    const char *bucket_owner;

    /*
     * The keys to sign with now: asked before every request, on the loop, and must not
     * block.  They stay valid until the next call.  -1: the request ends with *err.
     * NULL: nothing is signed.
     */
    int (*keys)(void *ctx, struct s3_keys *out, struct error *err);

    /* The store says that these have run out; the request ends with ERROR_EXPIRED.  May
     * be NULL. */
    void (*expired)(void *ctx);
    void *keys_ctx;
};

#endif
