#ifndef AGENT_UI_GUARD_H
#define AGENT_UI_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Who may talk to the page's server.  Any program of this machine can connect to it, and
 * any web page can make a browser do so; so that neither gets anywhere:
 *
 *   * the link that is printed carries a token that works once and becomes a cookie
 *     (SameSite=Strict, HttpOnly), without which there is nothing but 403;
 *   * Host must name this server, or a foreign name was made to point at 127.0.0.1;
 *   * Origin, which browsers send with whatever changes something, must be our own.
 *
 * Pure.
 */
enum { GUARD_SECRET_BYTES = 32, GUARD_SECRET_MAX = 2 * GUARD_SECRET_BYTES + 1 };

struct guard {
    uint16_t port;
    char token[GUARD_SECRET_MAX];  /* "" once it is spent */
    char cookie[GUARD_SECRET_MAX]; /* its value */
    char cookie_name[32];          /* with the port: cookies know none */
};

/* What a request says of itself; NULL: nothing. */
struct guard_request {
    const char *method, *host, *origin, *fetch_site, *cookie, *token;
};

enum guard_verdict {
    GUARD_REFUSED,
    GUARD_WELCOME, /* the token was right, and is spent: give the cookie */
    GUARD_PASSED
};

/* why: of a refusal, for people. */
enum guard_verdict guard_check(struct guard *g, const struct guard_request *r,
                               const char **why);

#endif
