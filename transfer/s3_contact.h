#ifndef TRANSFER_S3_CONTACT_H
#define TRANSFER_S3_CONTACT_H

#include "transfer/s3_request.h"

/*
 * The first request to an endpoint that brought nothing that is HTTP: is it that plain
 * HTTP was spoken to a TLS port, or the reverse?  Part of s3_request.c.
 */

/* Could that be?  Asked at most once a store. */
bool s3_contact_is_doubtful(const struct s3_request *r);

/* Ask with the other scheme, without credentials.  done(&r->http, r) runs later, as
 * after any http_send(). */
void s3_contact_ask(struct s3_request *r,
                    void (*done)(struct http_request *http, void *ctx));

/* What came of it, into r->err. */
void s3_contact_judge(struct s3_request *r);

/* ERROR_UNUSABLE where the first words that ever came from there were no HTTP: trying
 * again would not change it. */
void s3_contact_settle(struct s3_request *r);

#endif
