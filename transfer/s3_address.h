#ifndef TRANSFER_S3_ADDRESS_H
#define TRANSFER_S3_ADDRESS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "transfer/s3_options.h"

/*
 * From "s3://BUCKET/PREFIX", endpoint and region to the host and the path of a request.
 * Pure.
 *
 *   AWS                  bucket.s3.REGION.amazonaws.com/key
 *   other endpoints      host[:port]/bucket/key: names below a host often do not
 * resolve bucket with dots     as the others where TLS is used: no certificate covers
 * it
 */
struct s3_address {
    char *bucket;
    char *prefix;   /* of all keys: "", or with a '/' at its end */
    char *region;   /* to sign for */
    char *endpoint; /* "https://host[:port][/path]", for messages */
    char *origin;   /* "https://host[:port]", to connect to */
    bool is_tls, is_virtual;
    bool is_aws; /* AWS's own endpoints: the host follows from the region */

    /* Private. */
    char *base; /* path in front of all others, "" mostly */
};

/* options: endpoint, region and addressing count.  ERROR_USAGE. */
int s3_address_init(struct s3_address *a, const char *url,
                    const struct s3_options *options, struct error *err);

/* The same for the STS that belongs to it: sts.REGION.amazonaws.com where it is AWS,
 * else the endpoint itself.  The bucket is "". */
int s3_address_init_sts(struct s3_address *a, const struct s3_options *options,
                        struct error *err);
void s3_address_free(struct s3_address *a);

/* The bucket is in another region. */
void s3_address_move(struct s3_address *a, const char *region);

/* What the Host header says. */
const char *s3_address_host(const struct s3_address *a);

/* Percent-encoded path of a key relative to the store; NULL: of the bucket. */
void s3_address_path(const struct s3_address *a, const char *key, struct text *path);

/* Percent-encode all but A-Z a-z 0-9 - . _ ~ and, where keep_slash, '/'. */
void s3_address_encode(struct text *out, const char *string, bool keep_slash);

#endif
