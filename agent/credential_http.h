#ifndef AGENT_CREDENTIAL_HTTP_H
#define AGENT_CREDENTIAL_HTTP_H

#include "base/error.h"
#include "base/loop.h"
#include "transfer/http.h"

/*
 * One small answer from a service that hands out keys.  Lives inside whoever asks;
 * starting cannot fail.
 */
enum { CREDENTIAL_HTTP_HEADERS_MAX = 3 };

struct credential_http {
    /* The question.  Owned by the caller, unchanged until done(). */
    struct loop *loop;
    const char *method;
    const char *url;
    const char *headers[CREDENTIAL_HTTP_HEADERS_MAX + 1]; /* NULL behind the last */
    struct span question;                                 /* the body of a POST */
    const char *ca_file;                                  /* or NULL */
    unsigned timeout_ms;     /* for the connection, and for each silence */
    bool is_direct;          /* it is beside us: through no proxy */
    void (*done)(void *ctx); /* exactly once, later, from the loop */
    void *ctx;

    /* The answer, until credential_http_clear(). */
    struct error err; /* of transport only, as in http.h */
    int status;
    struct text body;

    /* Private. */
    struct http *http;
    struct http_request request;
    struct deferred soon;
};

void credential_http_start(struct credential_http *h);
void credential_http_cancel(struct credential_http *h); /* a wish; done() follows */
void credential_http_clear(struct credential_http *h);  /* and wipe */

#endif
