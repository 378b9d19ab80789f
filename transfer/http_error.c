/*
 * The kinds, in this order:
 *
 *   url                                    usage: there is no such thing
 *   certificate, CA file, not TLS          unusable: the user must change something
 *   a proxy that says no                   unusable, with 5xx network
 *   not HTTP, TLS that fails, ...          transient: perhaps something in between
 *   a kept connection that breaks          transient: the server may be there
 *   everything else                        network before the answer, transient within
 *
 * libcurl has one code for all failures of a handshake; whether the other side speaks
 * TLS at all can only be read from OpenSSL's words.
 */
#include "transfer/http_error.h"

#include <stddef.h>
#include <string.h>

#include <curl/curl.h>

#include "base/span.h"

/* Host and port. */
static const char *host_of(const char *url, int *length)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme != NULL ? scheme + strlen("://") : url;

    *length = (int)strcspn(host, "/?#");
    return host;
}

static bool says(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

/* What OpenSSL says when plain text comes back. */
static bool is_not_tls(const char *reason)
{
    static const char *const words[] = {"wrong version number", "http request",
                                        "packet length too long", "unknown protocol"};

    return says(reason, words, ARRAY_SIZE(words));
}

static bool is_about_trust(int code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR ||
           code == CURLE_SSL_CERTPROBLEM;
}

bool http_error_is_trust(const struct error *err)
{
    return err->kind == ERROR_UNUSABLE &&
           (err->code == CURLE_PEER_FAILED_VERIFICATION ||
            err->code == CURLE_SSL_ISSUER_ERROR);
}

static void set_trust(struct error *err, const struct http_trouble *t)
{
    int length;
    const char *host = host_of(t->url, &length);

    error_set(err, ERROR_UNUSABLE, t->code,
              "cannot trust the certificate of %.*s: %s; checked against %s, "
              "and %s names another file with its CA",
              length, host, t->reason,
              t->ca_file != NULL ? t->ca_file : "the system's CAs", t->ca_names);
}

void http_error_broken(struct error *err, const char *url, bool is_answered,
                       const char *reason)
{
    int length;
    const char *host = host_of(url, &length);

    if (is_answered)
        error_set(err, ERROR_TRANSIENT, 0, "the answer of %.*s broke off: %s", length,
                  host, reason);
    else
        error_set(err, ERROR_NETWORK, 0, "%.*s cannot be reached: %s", length, host,
                  reason);
}

void http_error_useless(struct error *err, const char *url, const char *reason)
{
    int length;
    const char *host = host_of(url, &length);

    error_set(err, ERROR_TRANSIENT, 0, "%.*s gives no usable answer: %s", length, host,
              reason);
}

static void set_proxy(struct error *err, const struct http_trouble *t)
{
    int length;
    const char *host = host_of(t->url, &length);

    error_set(err, t->proxy_status >= 500 ? ERROR_NETWORK : ERROR_UNUSABLE, t->code,
              "the proxy does not connect to %.*s: HTTP status %d", length, host,
              t->proxy_status);
}

/* Somebody is there, but it was no use this time. */
static bool is_garbage(const struct http_trouble *t)
{
    switch (t->code) {
    case CURLE_SSL_CONNECT_ERROR:
        return strstr(t->reason, "SSL routines") != NULL; /* not the connection's end */
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is what garbage looks like */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY:    /* a header line above libcurl's limit */
    case CURLE_SEND_FAIL_REWIND: /* a kept connection was dead */
        return true;
    default:
        return false;
    }
}

static bool is_bad_url(const struct http_trouble *t)
{
    return t->code == CURLE_URL_MALFORMAT ||
           (t->code == CURLE_UNSUPPORTED_PROTOCOL && !t->is_connected);
}

void http_error_set(struct error *err, const struct http_trouble *trouble)
{
    struct http_trouble t = *trouble;
    int length;
    const char *host = host_of(t.url, &length);

    if (*t.reason == '\0')
        t.reason = curl_easy_strerror((CURLcode)t.code);
    if (t.code == CURLE_SSL_CACERT_BADFILE)
        error_set(err, ERROR_UNUSABLE, t.code,
                  "cannot check the certificate of %.*s: the CA file %s (%s) is no PEM "
                  "file with certificates",
                  length, host, t.ca_file != NULL ? t.ca_file : "the system's",
                  t.ca_names);
    else if (is_about_trust(t.code))
        set_trust(err, &t);
    else if (is_bad_url(&t))
        error_set(err, ERROR_USAGE, t.code, "%.*s is no address: %s", length, host,
                  t.reason);
    else if (t.code == CURLE_SSL_CONNECT_ERROR && is_not_tls(t.reason))
        error_set(
            err, ERROR_UNUSABLE, t.code,
            "%.*s does not speak TLS (https): %.120s; if it speaks plain HTTP use "
            "http://%.*s",
            length, host, t.reason, length, host);
    else if (t.proxy_status >= 400)
        set_proxy(err, &t);
    else if (is_garbage(&t) || t.was_kept)
        http_error_useless(err, t.url, t.reason);
    else
        http_error_broken(err, t.url, t.is_answered, t.reason);
    err->code = t.code;
}
