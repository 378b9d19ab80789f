#ifndef TRANSFER_S3_ERROR_H
#define TRANSFER_S3_ERROR_H

#include "transfer/s3_xml.h"
#include "transfer/store.h"

/*
 * What an answer that is no success means: one table, by status, S3's code and verb.
 * Pure.
 */

/* What is to be learnt from it before the request is signed and sent again. */
enum s3_remedy {
    S3_REMEDY_NONE,
    S3_REMEDY_REGION, /* the bucket lies elsewhere */
    S3_REMEDY_CLOCK,  /* our clock is off */
    S3_REMEDY_DIGEST  /* the bytes were damaged on their way: once more, then corrupt */
};

struct s3_verdict {
    enum error_kind kind;
    enum s3_remedy remedy;
    const char *hint; /* what the user can do; NULL: nothing special */
};

/* code: "" where the answer had none. */
struct s3_verdict s3_error_verdict(int status, const char *code, enum store_verb verb);

/* Where the answer came from, and to what. */
struct s3_origin {
    const char *bucket;
    const char *prefix, *key; /* of the store, and relative to it; NULL: the bucket */
    const char *endpoint;     /* "https://host" */
    enum store_verb verb;
};

/*
 * The verdict as an error of one line that names request, bucket, key, endpoint, status
 * and code, and says what to do. err->code is the status; EEXIST with ERROR_CONFLICT.
 */
int s3_error_set(struct error *err, const struct s3_verdict *verdict,
                 const struct s3_origin *origin, int status,
                 const struct s3_fault *fault);

/* Is this an error that s3_error_set() made of S3's `code`? */
bool s3_error_says(const struct error *err, const char *code);

/* ERROR_UNUSABLE: whoever answered there is no S3. what: what it sent. */
int s3_error_foreign(struct error *err, const struct s3_origin *origin, int status,
                     const char *what);

/* "PUT", "listing of", ... for messages. */
const char *s3_error_verb_name(enum store_verb verb);

#endif
