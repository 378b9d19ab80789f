#ifndef TRANSFER_HTTP_URL_H
#define TRANSFER_HTTP_URL_H

#include <stdbool.h>

#include "base/error.h"

/* Addresses of HTTP, taken apart and put together.  Pure. */
struct http_url {
    char *url;     /* without user, password and fragment: to ask for */
    char *shown;   /* the same without the query, which may hold a signature: for people
                     and logs */
    char *lasting; /* url, without a query that holds a signature or token: the same
                      for every address that was signed for the same file */
    char *origin;  /* "https://host:port" */
    char *user;    /* "user:password", decoded; NULL: none */
};

/* ERROR_USAGE: it is none, or neither http nor https. */
int http_url_parse(struct http_url *out, const char *url, struct error *err);

/* Where a redirect leads, which may be relative. */
int http_url_join(struct http_url *out, const struct http_url *base,
                  const char *location, struct error *err);
void http_url_free(struct http_url *url);

#endif
