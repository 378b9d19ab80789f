/*
 * What the other side says to the wrong protocol differs: OpenSSL's servers hang up,
 * nginx answers with a page and status 400, others are silent until we give up.  Only
 * the other scheme tells for certain.  That TLS is spoken there is clear from a
 * certificate, whether it convinces or not.
 */
#include "transfer/s3_contact.h"

#include <string.h>

#include "transfer/http_error.h"

enum { STALL_MS = 5 * 1000, ANSWER_MAX = 64 << 10 };

static const char *scheme(bool is_tls)
{
    return is_tls ? "https" : "http";
}

static bool is_first(const struct s3_request *r)
{
    return r->s3->readiness == S3_NEW && r->payload == NULL;
}

/* An HTTP server's page about a bad request, as nginx sends it to who speaks plainly to
 * its TLS port. */
static bool is_bad_request(const struct s3_request *r)
{
    return r->status == 400 && !r->s3->address.is_tls &&
           strcmp(r->answer.root, "Error") != 0;
}

bool s3_contact_is_doubtful(const struct s3_request *r)
{
    if (!is_first(r) || r->s3->is_contact_asked || r->is_cancelled)
        return false;
    return is_bad_request(r) || (r->status == 0 && error_is_retryable(&r->err) &&
                                 r->http.answer.is_connected);
}

void s3_contact_ask(struct s3_request *r,
                    void (*done)(struct http_request *http, void *ctx))
{
    const struct s3_address *a = &r->s3->address;

    r->s3->is_contact_asked = true;
    text_clear(&r->url);
    text_add_format(&r->url, "%s://%s/", scheme(!a->is_tls), s3_address_host(a));
    http_request_clear(&r->http);
    r->http = (struct http_request){
        .method = "GET",
        .url = text_string(&r->url),
        .stall_ms = STALL_MS,
        .answer_max = ANSWER_MAX,
        .done = done,
        .ctx = r,
    };
    http_send(r->s3->http, &r->http);
}

static bool speaks_other(const struct s3_request *r)
{
    return r->http.answer.status != 0 || http_error_is_trust(&r->http.err);
}

void s3_contact_judge(struct s3_request *r)
{
    const struct s3_address *a = &r->s3->address;

    if (r->http.err.kind == ERROR_CANCELLED)
        r->err = r->http.err;
    else if (speaks_other(r))
        error_set(&r->err, ERROR_UNUSABLE, 0,
                  "%s speaks %s, not %s; the endpoint must be %s://%s",
                  s3_address_host(a), a->is_tls ? "plain HTTP" : "TLS (https)",
                  a->is_tls ? "TLS (https)" : "plain HTTP", scheme(!a->is_tls),
                  strstr(a->endpoint, "://") + strlen("://"));
    else
        s3_contact_settle(r);
}

void s3_contact_settle(struct s3_request *r)
{
    struct error what = r->err;

    if (!is_first(r) || r->status != 0 || what.kind != ERROR_TRANSIENT)
        return;
    error_set(&r->err, ERROR_UNUSABLE, what.code,
              "%.230s; this is no S3 service: check the endpoint", what.text);
}
