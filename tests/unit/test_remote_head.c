/*
 * Heads of answers, and addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"
#include "transfer/http_url.h"
#include "transfer/remote_head.h"

static struct remote_head head(int status, const char *lines)
{
    struct http_answer answer = {.status = status};
    struct remote_head out;

    text_add(&answer.headers, lines);
    remote_head_read(&out, &answer);
    text_free(&answer.headers);
    return out;
}

static void ranges(void **state)
{
    struct remote_head h =
        head(206, "HTTP/1.1 206 Partial Content\ncontent-range: bytes "
                  "500-999/8000\nContent-Length: 500\nETag: \"x\"\n");

    (void)state;
    assert_true(h.is_partial && h.has_size);
    assert_int_equal(h.first, 500);
    assert_int_equal(h.size, 8000);
    assert_string_equal(remote_head_validator(&h), "\"x\"");
    h = head(206, "HTTP/1.1 206 x\nContent-Range: bytes 0-9/*\n");
    assert_true(h.is_partial && !h.has_size);
    h = head(206, "HTTP/1.1 206 x\nContent-Range: lines 0-9/20\n");
    assert_false(h.is_partial);
    h = head(206, "HTTP/1.1 206 x\nContent-Range: bytes /-\n");
    assert_false(h.is_partial);
    h = head(200, "HTTP/1.1 200 OK\nContent-Length: 12\nContent-Range: bytes 5-9/20\n");
    assert_false(h.is_partial);
    assert_int_equal(h.size, 12);
    h = head(200, "HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8\n");
    assert_true(h.is_page && !h.has_size);
}

static void validators(void **state)
{
    struct remote_head a =
        head(200, "HTTP/1.1 200 OK\nETag: W/\"x\"\nLast-Modified: Tue, 1 Jan\n");
    struct remote_head b = a, none = head(200, "HTTP/1.1 200 OK\n");

    (void)state;
    assert_string_equal(remote_head_validator(&a),
                        "Tue, 1 Jan"); /* a weak one is none */
    assert_true(remote_head_is_same(&a, &b));
    b.etag[3] = 'y';
    assert_false(remote_head_is_same(&a, &b));
    assert_false(remote_head_is_same(&none, &none)); /* nothing could tell */
    b = none;
    b.has_size = true;
    assert_true(remote_head_is_same(&b, &b));
    assert_false(remote_head_is_same(&b, &none));
}

static void addresses(void **state)
{
    static const struct {
        const char *url, *asked, *shown, *lasting, *origin, *user;
    } rows[] = {
        {"http://h/a%20b.zip?x=1#f", "http://h/a%20b.zip?x=1", "http://h/a%20b.zip",
         "http://h/a%20b.zip?x=1", "http://h:80", NULL},
        {"HTTPS://u:p%40w@H:8443/a", "https://H:8443/a", "https://H:8443/a",
         "https://H:8443/a", "https://H:8443", "u:p@w"},
        {"https://h/a?id=1&X-Amz-Signature=ab", "https://h/a?id=1&X-Amz-Signature=ab",
         "https://h/a", "https://h/a", "https://h:443", NULL},
        {"https://h/a?mytoken=1", "https://h/a?mytoken=1", "https://h/a",
         "https://h/a?mytoken=1", "https://h:443", NULL},
        {"https://u@h/a", "https://h/a", "https://h/a", "https://h/a", "https://h:443",
         "u:"},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_url u;

        assert_int_equal(http_url_parse(&u, rows[i].url, &err), 0);
        assert_string_equal(u.url, rows[i].asked);
        assert_string_equal(u.shown, rows[i].shown);
        assert_string_equal(u.lasting, rows[i].lasting);
        assert_string_equal(u.origin, rows[i].origin);
        if (rows[i].user == NULL)
            assert_null(u.user);
        else
            assert_string_equal(u.user, rows[i].user);
        http_url_free(&u);
    }
}

static void joined(void **state)
{
    static const struct {
        const char *location, *url;
    } rows[] = {
        {"/b", "http://h/b"},
        {"b?c", "http://h/x/b?c"},
        {"//other/b", "http://other/b"},
        {"https://o/p", "https://o/p"},
        {"ftp://o/p", NULL},
        {"file:///etc/passwd", NULL},
    };
    struct http_url base, next;
    struct error err;

    (void)state;
    assert_int_equal(http_url_parse(&base, "http://u:p@h/x/a.zip?q", &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int status = http_url_join(&next, &base, rows[i].location, &err);

        assert_int_equal(status, rows[i].url == NULL ? -1 : 0);
        if (rows[i].url != NULL)
            assert_string_equal(next.url, rows[i].url);
        assert_null(next.user); /* they are for the first host alone */
        http_url_free(&next);
    }
    http_url_free(&base);
    assert_int_equal(http_url_parse(&base, "ftp://h/", &err), -1);
    assert_int_equal(http_url_parse(&base, "http://", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(validators),
        cmocka_unit_test(addresses),
        cmocka_unit_test(joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
