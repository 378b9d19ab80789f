/*
 * libcurl's parser does it: what it asks for is then what was understood here.
 */
#include "transfer/http_url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

void http_url_free(struct http_url *u)
{
    free(u->url);
    free(u->shown);
    free(u->lasting);
    free(u->origin);
    free(u->user);
    memset(u, 0, sizeof *u);
}

/* NULL: it has no such part. */
static char *part(CURLU *h, CURLUPart which, unsigned flags)
{
    char *value = NULL, *copy;

    if (curl_url_get(h, which, &value, flags) != CURLUE_OK)
        return NULL;
    copy = mem_copy_string(value);
    curl_free(value);
    return copy;
}

static char *user_of(CURLU *h)
{
    char *user = part(h, CURLUPART_USER, CURLU_URLDECODE);
    char *password = part(h, CURLUPART_PASSWORD, CURLU_URLDECODE);
    struct text both = {0};

    if (user != NULL || password != NULL) {
        text_add(&both, user != NULL ? user : "");
        text_add(&both, ":");
        text_add(&both, password != NULL ? password : "");
    }
    free(user);
    free(password);
    return both.size > 0 ? text_take(&both) : NULL;
}

static char *origin_of(CURLU *h)
{
    char *scheme = part(h, CURLUPART_SCHEME, 0), *host = part(h, CURLUPART_HOST, 0);
    char *port = part(h, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    struct text origin = {0};

    text_add_format(&origin, "%s://%s:%s", scheme != NULL ? scheme : "",
                    host != NULL ? host : "", port != NULL ? port : "");
    free(scheme);
    free(host);
    free(port);
    return text_take(&origin);
}

static bool begins(const char *text, const char *word)
{
    return strncasecmp(text, word, strlen(word)) == 0;
}

/* As the large stores and CDNs sign addresses. */
static bool is_signed(const char *query)
{
    static const char *const names[] = {
        "X-Amz-Signature=", "X-Goog-Signature=",     "Signature=", "sig=", "token=",
        "access_token=",    "X-Amz-Security-Token=", "key="};

    for (const char *p = query; p != NULL; p = strchr(p, '&')) {
        p += *p == '&';
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (begins(p, names[i]))
                return true;
    }
    return false;
}

static void take(struct http_url *out, CURLU *h)
{
    char *query;

    out->user = user_of(h);
    curl_url_set(h, CURLUPART_USER, NULL, 0);
    curl_url_set(h, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(h, CURLUPART_FRAGMENT, NULL, 0);
    out->url = part(h, CURLUPART_URL, 0);
    out->origin = origin_of(h);
    query = part(h, CURLUPART_QUERY, 0);
    curl_url_set(h, CURLUPART_QUERY, NULL, 0);
    out->shown = part(h, CURLUPART_URL, 0);
    out->lasting = mem_copy_string(is_signed(query) ? out->shown : out->url);
    free(query);
}

static bool is_http(CURLU *h)
{
    char *scheme = part(h, CURLUPART_SCHEME, 0);
    bool is_http =
        scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    free(scheme);
    return is_http;
}

/* location: NULL, or relative to url. */
static int parse(struct http_url *out, const char *url, const char *location,
                 struct error *err)
{
    CURLU *h = curl_url();
    CURLUcode code =
        h == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(h, CURLUPART_URL, url, 0);
    int status = 0;

    memset(out, 0, sizeof *out);
    if (code == CURLUE_OK && location != NULL)
        code = curl_url_set(h, CURLUPART_URL, location, 0);
    if (code == CURLUE_OK && !is_http(h))
        code = CURLUE_UNSUPPORTED_SCHEME;
    if (code == CURLUE_OK)
        take(out, h);
    else
        status =
            error_set(err, ERROR_USAGE, 0, "it is no http:// or https:// address: %s",
                      curl_url_strerror(code));
    curl_url_cleanup(h);
    return status;
}

int http_url_parse(struct http_url *out, const char *url, struct error *err)
{
    return parse(out, url, NULL, err);
}

int http_url_join(struct http_url *out, const struct http_url *base,
                  const char *location, struct error *err)
{
    return parse(out, base->url, location, err);
}
