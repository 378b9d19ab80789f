/* What a request says of itself, and whether that lets it in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/ui/guard.h"
#include "base/span.h"

#define TOKEN  "b7d0c1"
#define COOKIE "5e11a4"

static struct guard guard_of_test(void)
{
    return (struct guard){.port = 8080, .token = TOKEN, .cookie = COOKIE};
}

/* What a browser that has the cookie says on our page. */
static struct guard_request reading(void)
{
    return (struct guard_request){.method = "GET",
                                  .host = "127.0.0.1:8080",
                                  .fetch_site = "same-origin",
                                  .cookie = COOKIE};
}

static struct guard_request writing(void)
{
    struct guard_request r = reading();

    r.method = "POST";
    r.origin = "http://127.0.0.1:8080";
    return r;
}

/* The link, opened in a browser that has no cookie. */
static struct guard_request opening(void)
{
    struct guard_request r = reading();

    r.fetch_site = "none";
    r.cookie = NULL;
    r.token = TOKEN;
    return r;
}

static enum guard_verdict verdict(struct guard_request r)
{
    struct guard g = guard_of_test();
    const char *why = NULL;
    enum guard_verdict verdict = guard_check(&g, &r, &why);

    assert_true((verdict == GUARD_REFUSED) == (why != NULL));
    assert_true((verdict == GUARD_WELCOME) == (g.token[0] == '\0'));
    return verdict;
}

static void test_what_passes(void **state)
{
    struct guard_request r = reading();

    (void)state;
    assert_int_equal(verdict(reading()), GUARD_PASSED);
    assert_int_equal(verdict(writing()), GUARD_PASSED);
    r.host = "localhost:8080";
    assert_int_equal(verdict(r), GUARD_PASSED);
    r = writing();
    r.host = "localhost:8080";
    r.origin = "http://localhost:8080";
    assert_int_equal(verdict(r), GUARD_PASSED);
    r.fetch_site = NULL; /* browsers that do not tell */
    assert_int_equal(verdict(r), GUARD_PASSED);
    r = reading();
    r.token = "any"; /* a link that has been used, in the browser that used it */
    assert_int_equal(verdict(r), GUARD_PASSED);
}

/* A foreign name that was made to point here. */
static void test_hosts(void **state)
{
    static const char *const hosts[] = {
        NULL,
        "",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:80800",
        "127.0.0.1:08080",
        "127.0.0.1:8080.evil.test",
        "evil.test:8080",
        "localhost",
        "LOCALHOST:8080",
        "localhost.:8080",
        "0.0.0.0:8080",
        "[::1]:8080",
        "http://127.0.0.1:8080",
        " 127.0.0.1:8080",
        "a-very-long-name-that-does-not-fit-in-what-is-compared-with-it-at-all:8080",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        struct guard_request r = reading(), link = opening();

        r.host = link.host = hosts[i];
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(link), GUARD_REFUSED);
    }
}

static void test_origins(void **state)
{
    static const char *const origins[] = {
        "",
        "null",
        "127.0.0.1:8080",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:8081",
        "http://evil.test:8080",
        "http://127.0.0.1:8080/",
        "http://127.0.0.1:8080.evil.test",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
        struct guard_request r = reading(), change = writing(), link = opening();

        r.origin = change.origin = link.origin = origins[i];
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(change), GUARD_REFUSED);
        assert_int_equal(verdict(link), GUARD_REFUSED);
    }
}

/* Only what reads may leave it out, and only GET reads. */
static void test_methods_without_origin(void **state)
{
    static const char *const methods[] = {"HEAD",  "POST",    "PUT",     "DELETE",
                                          "PATCH", "OPTIONS", "CONNECT", "get",
                                          "GETS",  ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        struct guard_request r = reading(), link = opening();

        r.method = link.method = methods[i];
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(link), GUARD_REFUSED);
        r.origin = link.origin = "http://127.0.0.1:8080";
        assert_int_equal(verdict(r), GUARD_PASSED);
        assert_int_equal(verdict(link), GUARD_REFUSED); /* a token is for a GET */
    }
}

static void test_cookies(void **state)
{
    static const char *const cookies[] = {
        NULL, "", "5e11a", "5e11a4 ", "5E11A4", "5e11a44", "6e11a4", "5e11a5", TOKEN};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cookies); i++) {
        struct guard_request r = reading(), change = writing();

        r.cookie = change.cookie = cookies[i];
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(change), GUARD_REFUSED);
    }
}

static void test_the_token_works_once(void **state)
{
    static const char *const wrong[] = {"", "b7d0c", "b7d0c11", "b7d0c2", COOKIE};
    struct guard g = guard_of_test();
    struct guard_request r = opening();
    const char *why;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        r.token = wrong[i];
        assert_int_equal(guard_check(&g, &r, &why), GUARD_REFUSED);
        assert_string_equal(why, "this link has been used already");
    }
    r.token = TOKEN;
    assert_int_equal(guard_check(&g, &r, &why), GUARD_WELCOME);
    assert_int_equal(guard_check(&g, &r, &why), GUARD_REFUSED);
    assert_string_equal(why, "this link has been used already");
    r.token = ""; /* what a spent one looks like */
    assert_int_equal(guard_check(&g, &r, &why), GUARD_REFUSED);
    r.token = NULL;
    assert_int_equal(guard_check(&g, &r, &why), GUARD_REFUSED);
    assert_string_equal(why, "there is no token");
    r.cookie = COOKIE;
    assert_int_equal(guard_check(&g, &r, &why), GUARD_PASSED);
}

/* A spent token, and secrets that were never made, are no secrets. */
static void test_empty_secrets(void **state)
{
    struct guard g = {.port = 8080};
    struct guard_request r = opening();
    const char *why;

    (void)state;
    r.token = r.cookie = "";
    assert_int_equal(guard_check(&g, &r, &why), GUARD_REFUSED);
}

/* A link may be followed from anywhere.  But what another page asks for, which may be one
 * of this machine too, with the cookie then, is refused whatever it calls itself. */
static void test_other_sites(void **state)
{
    static const char *const sites[] = {"cross-site", "same-site", "", "NONE"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
        struct guard_request r = reading(), change = writing(), link = opening();

        r.fetch_site = change.fetch_site = link.fetch_site = sites[i];
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(change), GUARD_REFUSED);
        assert_int_equal(verdict(link), GUARD_WELCOME);
        r.token = change.token = link.token = "any";
        assert_int_equal(verdict(r), GUARD_REFUSED);
        assert_int_equal(verdict(change), GUARD_REFUSED);
        assert_int_equal(verdict(link), GUARD_REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_methods_without_origin),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_the_token_works_once),
        cmocka_unit_test(test_empty_secrets),
        cmocka_unit_test(test_other_sites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
