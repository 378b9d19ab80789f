/*
 * An endpoint that the user gave is never replaced: its host stays, whatever region the
 * bucket turns out to be in.  AWS's own hosts are made from the region, again after
 * each move.
 */
#include "transfer/s3_address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/span.h"

static const char default_region[] = "us-east-1";

enum {
    PORT_MAX = 65535,
    PREFIX_MAX = 512, /* leaves room for names and paths in the 1,024 bytes of a key */
    BUCKET_MIN = 3,
    BUCKET_AWS_MAX = 63,
    BUCKET_MAX = 255 /* Ceph and others still know the old rules of us-east-1 */
};

/* ---- the url ---- */

/* Of AWS: "Bucket naming rules".  Others allow more. */
static int check_bucket(const char *bucket, bool is_aws, struct error *err)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char all[] =
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";
    static const char aws[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    size_t n = strlen(bucket);

    if (n == 0)
        return error_set(err, ERROR_USAGE, 0,
                         "the store's url names no bucket; it is s3://BUCKET/PREFIX");
    if (n < BUCKET_MIN || n > (is_aws ? BUCKET_AWS_MAX : BUCKET_MAX))
        return error_set(err, ERROR_USAGE, 0,
                         "'%.80s' is no bucket name: it must have %d to %d characters",
                         bucket, BUCKET_MIN, is_aws ? BUCKET_AWS_MAX : BUCKET_MAX);
    if (is_aws &&
        (strspn(bucket, aws) != n || strstr(bucket, "..") != NULL ||
         strchr(lower, bucket[0]) == NULL || strchr(lower, bucket[n - 1]) == NULL))
        return error_set(
            err, ERROR_USAGE, 0,
            "'%s' is no bucket name: it may have lower case letters, "
            "digits, '-' and single '.', and begins and ends with a letter "
            "or digit",
            bucket);
    if (is_aws && strspn(bucket, "0123456789.") == n && strchr(bucket, '.') != NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "'%s' is no bucket name: it looks like an IP address", bucket);
    if (strspn(bucket, all) != n || bucket[0] == '.')
        return error_set(err, ERROR_USAGE, 0,
                         "'%.80s' is no bucket name: it may have letters, digits, '-', "
                         "'_' and '.'",
                         bucket);
    return 0;
}

/* Components that a key may have. */
static int check_prefix(const char *prefix, struct error *err)
{
    const char *at = prefix;

    if (strlen(prefix) > PREFIX_MAX)
        return error_set(err, ERROR_USAGE, 0,
                         "the prefix in the store's url has more than %d bytes",
                         PREFIX_MAX);
    while (*at != '\0') {
        size_t n = strcspn(at, "/");

        if (n == 0 || (n <= 2 && strspn(at, ".") >= n))
            return error_set(
                err, ERROR_USAGE, 0,
                "'%.100s' is no prefix: a part of it is empty, '.' or '..'", prefix);
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f)
                return error_set(
                    err, ERROR_USAGE, 0,
                    "the prefix in the store's url has control characters");
        at += n + (at[n] == '/');
    }
    return text_is_utf8(prefix, strlen(prefix))
               ? 0
               : error_set(err, ERROR_USAGE, 0,
                           "the prefix in the store's url is not UTF-8");
}

static void split_url(struct s3_address *a, const char *url)
{
    const char *bucket = url + strlen("s3://");
    size_t n = strcspn(bucket, "/");
    const char *prefix = bucket + n;
    struct text text = {0};
    size_t size;

    a->bucket = mem_copy_bytes(bucket, n);
    prefix += strspn(prefix, "/");
    size = strlen(prefix);
    while (size > 0 && prefix[size - 1] == '/')
        size--;
    text_add_bytes(&text, prefix, size);
    if (size > 0)
        text_add(&text, "/");
    a->prefix = text_take(&text);
}

/* ---- the endpoint ---- */

static void set(char **field, struct text *value)
{
    free(*field);
    *field = text_take(value);
}

static bool is_port(const char *digits, size_t n)
{
    unsigned port = 0;

    for (size_t i = 0; i < n && port <= PORT_MAX; i++) {
        if (!isdigit((unsigned char)digits[i]))
            return false;
        port = port * 10 + (unsigned)(digits[i] - '0');
    }
    return port > 0 && port <= PORT_MAX;
}

/* "[::1]" or "host", and perhaps ":port". */
static bool is_host(const char *host, size_t n)
{
    size_t name = 0;

    if (n > 0 && host[0] == '[') {
        name = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (name < 4 || name >= n || host[name++] != ']')
            return false;
    } else {
        while (name < n && (isalnum((unsigned char)host[name]) ||
                            strchr(".-_", host[name]) != NULL))
            name++;
    }
    return name > 0 &&
           (name == n || (host[name] == ':' && is_port(host + name + 1, n - name - 1)));
}

/* The host alone may be followed by a port; nothing else that a url could have. */
static int check_host(const char *host, size_t n, const char *endpoint,
                      struct error *err)
{
    if (is_host(host, n))
        return 0;
    if (strchr(endpoint, '@') != NULL) /* a password is not repeated */
        return error_set(err, ERROR_USAGE, 0,
                         "this is no endpoint: there is a user name in it; it is "
                         "https://HOST or https://HOST:PORT");
    return error_set(err, ERROR_USAGE, 0,
                     "'%.100s' is no endpoint; it is https://HOST or "
                     "https://HOST:PORT, with a port up to 65535",
                     endpoint);
}

/* An endpoint that the user gave; without a scheme it is https. */
static int take_endpoint(struct s3_address *a, const char *endpoint, struct error *err)
{
    struct text text = {0};
    const char *host = endpoint;
    size_t n, path;

    a->is_tls = strncasecmp(endpoint, "http://", 7) != 0;
    if (strstr(endpoint, "://") != NULL)
        host = strstr(endpoint, "://") + 3;
    if (host != endpoint && strncasecmp(endpoint, "http", 4) != 0)
        return check_host("", 0, endpoint, err);
    n = strcspn(host, "/?#");
    if (host[n] == '?' || host[n] == '#' || check_host(host, n, endpoint, err) != 0)
        return check_host("", 0, endpoint, err);
    path = strlen(host);
    while (path > n && host[path - 1] == '/')
        path--;
    text_add_bytes(&text, host + n, path - n);
    set(&a->base, &text);
    text_add(&text, a->is_tls ? "https://" : "http://");
    if (a->is_virtual)
        text_add_format(&text, "%s.", a->bucket);
    text_add_bytes(&text, host, n);
    set(&a->origin, &text);
    text_add(&text, a->is_tls ? "https://" : "http://");
    text_add_bytes(&text, host, path);
    set(&a->endpoint, &text);
    return 0;
}

static const char *aws_domain(const struct s3_address *a)
{
    return strncmp(a->region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
}

/* AWS's own, from bucket and region. */
static void make_endpoint(struct s3_address *a)
{
    struct text text = {0};
    const char *domain = aws_domain(a);

    text_add_format(&text, "https://%s%ss3.%s.%s", a->is_virtual ? a->bucket : "",
                    a->is_virtual ? "." : "", a->region, domain);
    set(&a->origin, &text);
    text_add_format(&text, "https://s3.%s.%s", a->region, domain);
    set(&a->endpoint, &text);
}

/* "https://s3.eu-west-1.amazonaws.com": the region that the user did not give. */
static char *region_of(const char *endpoint)
{
    const char *at = endpoint != NULL ? strstr(endpoint, "//s3.") : NULL;
    const char *end = at != NULL ? strstr(at, ".amazonaws.com") : NULL;

    if (end == NULL || end < at + 6)
        return mem_copy_string(default_region);
    at += strlen("//s3.");
    return mem_copy_bytes(at, (size_t)(end - at));
}

static bool is_virtual(const struct s3_address *a, const struct s3_options *o)
{
    if (o->addressing != S3_ADDRESSING_AUTO)
        return o->addressing == S3_ADDRESSING_VIRTUAL;
    return a->is_aws && strchr(a->bucket, '.') == NULL;
}

static bool is_empty(const char *string)
{
    return string == NULL || *string == '\0';
}

static bool is_region(const char *region)
{
    size_t n = strlen(region);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)region[i]) && region[i] != '-' && region[i] != '_')
            return false;
    return n > 0 && n < 48;
}

static void take_region(struct s3_address *a, const struct s3_options *o)
{
    a->region =
        is_empty(o->region) ? region_of(o->endpoint) : mem_copy_string(o->region);
}

static int check_region(const struct s3_address *a, struct error *err)
{
    return is_region(a->region)
               ? 0
               : error_set(err, ERROR_USAGE, 0, "'%.80s' is no region", a->region);
}

int s3_address_init(struct s3_address *a, const char *url, const struct s3_options *o,
                    struct error *err)
{
    bool is_given = !is_empty(o->endpoint);

    memset(a, 0, sizeof *a);
    split_url(a, url);
    a->is_aws = !is_given;
    a->is_tls = true;
    a->is_virtual = is_virtual(a, o);
    take_region(a, o);
    a->base = mem_copy_string("");
    if (check_bucket(a->bucket, a->is_aws || a->is_virtual, err) != 0 ||
        check_prefix(a->prefix, err) != 0 ||
        (is_given && take_endpoint(a, o->endpoint, err) != 0) ||
        check_region(a, err) != 0) {
        s3_address_free(a);
        return -1;
    }
    if (!is_given)
        make_endpoint(a);
    return 0;
}

static bool is_host_of_aws(const char *endpoint)
{
    static const char *const domains[] = {".amazonaws.com", ".amazonaws.com.cn"};
    const char *host = strstr(endpoint, "://");
    size_t n;

    host = host != NULL ? host + 3 : endpoint;
    n = strcspn(host, ":/?#");
    for (size_t i = 0; i < ARRAY_SIZE(domains); i++) {
        size_t m = strlen(domains[i]);
        if (n > m && strncasecmp(host + n - m, domains[i], m) == 0)
            return true;
    }
    return false;
}

int s3_address_init_sts(struct s3_address *a, const struct s3_options *o,
                        struct error *err)
{
    struct text text = {0};

    memset(a, 0, sizeof *a);
    a->bucket = mem_copy_string("");
    a->prefix = mem_copy_string("");
    a->base = mem_copy_string("");
    a->is_aws = is_empty(o->endpoint) || is_host_of_aws(o->endpoint);
    a->is_tls = true;
    take_region(a, o);
    if (check_region(a, err) != 0 ||
        (!a->is_aws && take_endpoint(a, o->endpoint, err) != 0)) {
        s3_address_free(a);
        return -1;
    }
    if (a->is_aws) {
        text_add_format(&text, "https://sts.%s.%s", a->region, aws_domain(a));
        a->endpoint = mem_copy_string(text_string(&text));
        set(&a->origin, &text);
    }
    return 0;
}

void s3_address_free(struct s3_address *a)
{
    free(a->bucket);
    free(a->prefix);
    free(a->region);
    free(a->endpoint);
    free(a->origin);
    free(a->base);
    memset(a, 0, sizeof *a);
}

void s3_address_move(struct s3_address *a, const char *region)
{
    if (!is_region(region))
        return; /* it becomes part of a host name */
    free(a->region);
    a->region = mem_copy_string(region);
    if (a->is_aws)
        make_endpoint(a);
}

const char *s3_address_host(const struct s3_address *a)
{
    return strstr(a->origin, "://") + 3;
}

/* ---- paths ---- */

void s3_address_encode(struct text *out, const char *string, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;
        char escaped[] = {'%', digits[c >> 4], digits[c & 15]};
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("-._~", c) != NULL ||
                        (keep_slash && c == '/');

        if (is_plain)
            text_add_bytes(out, string, 1);
        else
            text_add_bytes(out, escaped, sizeof escaped);
    }
}

void s3_address_path(const struct s3_address *a, const char *key, struct text *path)
{
    text_add(path, a->base);
    text_add(path, "/");
    if (!a->is_virtual)
        s3_address_encode(path, a->bucket, false);
    if (key == NULL)
        return;
    if (!a->is_virtual)
        text_add(path, "/");
    s3_address_encode(path, a->prefix, true);
    s3_address_encode(path, key, true);
}
