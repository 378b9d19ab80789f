#ifndef TRANSFER_STS_H
#define TRANSFER_STS_H

#include <stdbool.h>
#include <stdint.h>

#include "transfer/http.h"
#include "transfer/s3_address.h"
#include "transfer/s3_options.h"
#include "transfer/sigv4.h"

/*
 * Whose keys are these?  One question to the STS of an endpoint, GetCallerIdentity ("AWS
 * Security Token Service API Reference"): sts.REGION.amazonaws.com, or the endpoint
 * itself where it is not AWS's.  Lives inside whoever asks; starting cannot fail.
 */
enum { STS_ACCOUNT_MAX = 41 };

struct sts {
    /* The question: endpoint, region, ca_file and keys count.  Owned by the caller. */
    struct loop *loop;
    const struct s3_options *options;
    void (*done)(struct sts *sts, void *ctx); /* exactly once, later, from the loop */
    void *ctx;

    /*
     * The answer.  ERROR_NOT_FOUND: nobody there names an account, as most that are not
     * AWS do not; ERROR_AUTH, ERROR_EXPIRED: it does not know these keys; others as of a
     * request to a store, but tried once only.
     */
    struct error err;
    char account[STS_ACCOUNT_MAX]; /* lower case letters, digits and '-' */
    char region[48];               /* that it was asked for */

    /* Private. */
    struct http *http;
    struct http_request request;
    struct s3_address address;
    struct sigv4 signer;
    struct sigv4_signed signature;
    struct text url, lines[3];
    const char *headers[5]; /* the type, the lines, NULL */
    int64_t clock_offset_s;
    bool has_signer, has_learnt_clock;
    struct deferred soon;
};

/* The answer stays where it is until *sts is used again; nothing is to be freed. */
void sts_start(struct sts *sts);

#endif
