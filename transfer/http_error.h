#ifndef TRANSFER_HTTP_ERROR_H
#define TRANSFER_HTTP_ERROR_H

#include <stdbool.h>

#include "base/error.h"

/*
 * What libcurl says of a request that failed, as one of our errors (see http.h).
 */
struct http_trouble {
    int code;           /* CURLcode, not CURLE_OK */
    const char *reason; /* what libcurl wrote into its error buffer; may be "" */
    const char *url;
    const char *ca_file;  /* NULL: the system's */
    const char *ca_names; /* what names another */
    int proxy_status;     /* of a proxy's answer to CONNECT; 0: none */
    bool is_connected;    /* a connection was there */
    bool was_kept;        /* that connection had served before, and broke now */
    bool is_answered;     /* some of the answer came */
};

void http_error_set(struct error *err, const struct http_trouble *trouble);

/* Did it fail because TLS is spoken there, but by somebody who is not trusted? */
bool http_error_is_trust(const struct error *err);

/* A connection that broke or fell silent, for a reason of our own. */
void http_error_broken(struct error *err, const char *url, bool is_answered,
                       const char *reason);

/* An answer that cannot be meant. */
void http_error_useless(struct error *err, const char *url, const char *reason);

#endif
