/* Secrets are compared in a time that does not depend on where they differ. */
#include "agent/ui/guard.h"

#include <stdio.h>
#include <string.h>

static bool is_secret(const char *secret, const char *given)
{
    size_t size = strlen(secret);
    unsigned char difference = 0;

    if (given == NULL || size == 0 || strlen(given) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        difference = (unsigned char)(difference | (secret[i] ^ given[i]));
    return difference == 0;
}

static bool is_ours(const struct guard *g, const char *scheme, const char *given)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    char expected[64];

    for (unsigned i = 0; i < 2; i++) {
        snprintf(expected, sizeof expected, "%s%s:%u", scheme, hosts[i], g->port);
        if (given != NULL && strcmp(given, expected) == 0)
            return true;
    }
    return false;
}

static bool is_reading(const char *method)
{
    return strcmp(method, "GET") == 0;
}

/* Browsers leave Origin out where a page only reads from its own server. */
static bool is_from_our_page(const struct guard *g, const struct guard_request *r)
{
    if (r->origin != NULL)
        return is_ours(g, "http://", r->origin);
    return is_reading(r->method);
}

/* A link that is opened has no page of its own ("none"); one that is followed has, but
 * brings the token.  Cookies know no ports: a page of another server of this machine
 * would have ours sent. */
static bool is_same_site(const struct guard_request *r)
{
    return r->fetch_site == NULL || strcmp(r->fetch_site, "same-origin") == 0 ||
           strcmp(r->fetch_site, "none") == 0;
}

enum guard_verdict guard_check(struct guard *g, const struct guard_request *r,
                               const char **why)
{
    if (!is_ours(g, "", r->host)) {
        *why = "this server goes by another name";
        return GUARD_REFUSED;
    }
    if (!is_from_our_page(g, r) || (!is_same_site(r) && r->token == NULL)) {
        *why = "the request comes from another page";
        return GUARD_REFUSED;
    }
    if (is_same_site(r) && is_secret(g->cookie, r->cookie))
        return GUARD_PASSED;
    if (is_reading(r->method) && is_secret(g->token, r->token)) {
        g->token[0] = '\0';
        return GUARD_WELCOME;
    }
    *why = r->token != NULL ? "this link has been used already" : "there is no token";
    return GUARD_REFUSED;
}
