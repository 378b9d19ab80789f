#ifndef TRANSFER_STS_H
#define TRANSFER_STS_H

#include <stdbool.h>
#include <stdint.h>

#include "transfer/http.h"
#include "transfer/s3_address.h"
#include "transfer/s3_options.h"
#include "transfer/sigv4.h"

/*
 * One question to the STS of an endpoint ("AWS Security Token Service API Reference"):
 * sts.REGION.amazonaws.com, or the endpoint itself where it is not AWS's.  Lives inside
 * whoever asks; starting cannot fail.
 */
enum sts_action {
    STS_GET_CALLER_IDENTITY, /* whose keys are these? */
    STS_ASSUME_ROLE,
    STS_ASSUME_ROLE_WITH_WEB_IDENTITY /* not signed: the token proves who asks */
};

/* Which role, and as whom.  Strings may be NULL but for the first. */
struct sts_role {
    const char *role_arn;
    const char *session_name; /* NULL: one is made up */
    const char *external_id;
    const char *web_identity; /* the token */
    unsigned duration_s;      /* 0: as long as the service gives */
};

enum { STS_ACCOUNT_MAX = 41 };

struct sts {
    /* The question: endpoint, region, ca_file and keys count.  Owned by the caller. */
    struct loop *loop;
    const struct s3_options *options;
    enum sts_action action;
    struct sts_role role;
    void (*done)(struct sts *sts, void *ctx); /* exactly once, later, from the loop */
    void *ctx;

    /*
     * The answer.  ERROR_NOT_FOUND (who asks for the caller only): nobody there names an
     * account, as most that are not AWS do not; ERROR_AUTH, ERROR_EXPIRED: it does not
     * know these keys, or does not give that role; others as of a request to a store, but
     * tried once only.
     */
    struct error err;
    char account[STS_ACCOUNT_MAX]; /* lower case letters, digits and '-' */
    char region[48];               /* that it was asked for */
    char *access_key, *secret_key, *session_token; /* the role's; see sts_clear() */
    int64_t expires_at_ms;

    /* Private. */
    struct http *http;
    struct http_request request;
    struct s3_address address;
    struct sigv4 signer;
    struct sigv4_signed signature;
    struct text form, url, lines[3];
    const char *headers[5]; /* the type, the lines, NULL */
    int64_t clock_offset_s;
    bool has_signer, has_learnt_clock;
    struct deferred soon;
};

/* The answer stays where it is until *sts is used again. */
void sts_start(struct sts *sts);

/* A wish: done() follows, with ERROR_CANCELLED or what was already on its way. */
void sts_cancel(struct sts *sts);

/* Wipe and free the keys of an answer. */
void sts_clear(struct sts *sts);

#endif
