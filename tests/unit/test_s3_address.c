/*
 * Urls, endpoints and regions of s3:// stores, as a table; the notes of what a store
 * can, and the table of quirks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/span.h"
#include "transfer/s3_address.h"
#include "transfer/s3_traits.h"

static const struct {
    const char *url;
    struct s3_options options;
    const char *origin, *path; /* of the key "v1/a b.txt" */
    const char *bucket_path, *region;
} addresses[] = {
    {"s3://data/some/prefix",
     {0},
     "https://data.s3.us-east-1.amazonaws.com",
     "/some/prefix/v1/a%20b.txt",
     "/",
     "us-east-1"},
    {"s3://data//some/",
     {.region = "eu-west-1"},
     "https://data.s3.eu-west-1.amazonaws.com",
     "/some/v1/a%20b.txt",
     "/",
     "eu-west-1"},
    {"s3://data",
     {.region = "cn-north-1"},
     "https://data.s3.cn-north-1.amazonaws.com.cn",
     "/v1/a%20b.txt",
     "/",
     "cn-north-1"},
    {"s3://my.data",
     {0},
     "https://s3.us-east-1.amazonaws.com",
     "/my.data/v1/a%20b.txt",
     "/my.data",
     "us-east-1"},
    {"s3://data",
     {.addressing = S3_ADDRESSING_PATH},
     "https://s3.us-east-1.amazonaws.com",
     "/data/v1/a%20b.txt",
     "/data",
     "us-east-1"},
    {"s3://data/p",
     {.endpoint = "http://127.0.0.1:8000"},
     "http://127.0.0.1:8000",
     "/data/p/v1/a%20b.txt",
     "/data",
     "us-east-1"},
    {"s3://Data_1/p",
     {.endpoint = "https://ceph.example.org/"},
     "https://ceph.example.org",
     "/Data_1/p/v1/a%20b.txt",
     "/Data_1",
     "us-east-1"},
    {"s3://data",
     {.endpoint = "ceph.example.org:8443/s3/"},
     "https://ceph.example.org:8443",
     "/s3/data/v1/a%20b.txt",
     "/s3/data",
     "us-east-1"},
    {"s3://data",
     {.endpoint = "http://[::1]:9000", .region = "here_1"},
     "http://[::1]:9000",
     "/data/v1/a%20b.txt",
     "/data",
     "here_1"},
    {"s3://data/p",
     {.endpoint = "https://s3.example.org", .addressing = S3_ADDRESSING_VIRTUAL},
     "https://data.s3.example.org",
     "/p/v1/a%20b.txt",
     "/",
     "us-east-1"},
    {"s3://data",
     {.endpoint = "https://s3.eu-central-1.amazonaws.com"},
     "https://s3.eu-central-1.amazonaws.com",
     "/data/v1/a%20b.txt",
     "/data",
     "eu-central-1"},
    {"s3://data",
     {.endpoint = "", .region = ""},
     "https://data.s3.us-east-1.amazonaws.com",
     "/v1/a%20b.txt",
     "/",
     "us-east-1"},
};

static void what_is_an_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct s3_address a;
        struct error err;
        struct text path = {0};

        if (s3_address_init(&a, addresses[i].url, &addresses[i].options, &err) != 0)
            fail_msg("%s: %s", addresses[i].url, err.text);
        assert_string_equal(a.origin, addresses[i].origin);
        assert_string_equal(a.region, addresses[i].region);
        s3_address_path(&a, "v1/a b.txt", &path);
        assert_string_equal(text_string(&path), addresses[i].path);
        text_clear(&path);
        s3_address_path(&a, NULL, &path);
        assert_string_equal(text_string(&path), addresses[i].bucket_path);
        assert_string_equal(s3_address_host(&a), strstr(a.origin, "//") + 2);
        text_free(&path);
        s3_address_free(&a);
    }
}

static void addresses_of_the_sts(void **state)
{
    static const struct {
        struct s3_options options;
        const char *origin, *path, *region;
    } cases[] = {
        {{0}, "https://sts.us-east-1.amazonaws.com", "/", "us-east-1"},
        {{.region = "eu-west-1"},
         "https://sts.eu-west-1.amazonaws.com",
         "/",
         "eu-west-1"},
        {{.endpoint = "https://s3.eu-west-1.amazonaws.com"},
         "https://sts.eu-west-1.amazonaws.com",
         "/",
         "eu-west-1"},
        {{.endpoint = "https://s3.cn-north-1.amazonaws.com.cn", .region = "cn-north-1"},
         "https://sts.cn-north-1.amazonaws.com.cn",
         "/",
         "cn-north-1"},
        {{.endpoint = "http://127.0.0.1:8000"}, "http://127.0.0.1:8000", "/", NULL},
        {{.endpoint = "https://s3.lab.example/base/",
          .addressing = S3_ADDRESSING_VIRTUAL},
         "https://s3.lab.example",
         "/base/",
         NULL},
        {{.endpoint = "https://amazonaws.com.example"},
         "https://amazonaws.com.example",
         "/",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct s3_address a;
        struct text path = {0};
        struct error err;

        assert_int_equal(s3_address_init_sts(&a, &cases[i].options, &err), 0);
        s3_address_path(&a, NULL, &path);
        assert_string_equal(a.origin, cases[i].origin);
        assert_string_equal(text_string(&path), cases[i].path);
        if (cases[i].region != NULL)
            assert_string_equal(a.region, cases[i].region);
        text_free(&path);
        s3_address_free(&a);
    }
}

static void what_is_no_address(void **state)
{
    static const struct {
        const char *url;
        struct s3_options options;
        const char *words;
    } cases[] = {
        {"s3://", {0}, "no bucket"},
        {"s3:///prefix", {0}, "no bucket"},
        {"s3://ab", {0}, "3 to 63"},
        {"s3://Data", {0}, "lower case"},
        {"s3://da_ta", {0}, "lower case"},
        {"s3://-data", {0}, "begins and ends"},
        {"s3://data-", {0}, "begins and ends"},
        {"s3://da..ta", {0}, "single '.'"},
        {"s3://192.168.1.1", {0}, "IP address"},
        {"s3://Data",
         {.endpoint = "https://x", .addressing = S3_ADDRESSING_VIRTUAL},
         "lower case"},
        {"s3://da ta", {.endpoint = "https://x.org"}, "no bucket name"},
        {"s3://..", {.endpoint = "https://x.org"}, "no bucket name"},
        {"s3://...", {.endpoint = "https://x.org"}, "no bucket name"},
        {"s3://da?ta", {.endpoint = "https://x.org"}, "no bucket name"},
        {"s3://data/a//b", {0}, "empty"},
        {"s3://data/a/../b", {0}, "'..'"},
        {"s3://data/.", {0}, "'.'"},
        {"s3://data/a\nb", {0}, "control"},
        {"s3://data/a\xff", {0}, "UTF-8"},
        {"s3://data", {.endpoint = "ftp://x.org"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org?y"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://us er@x.org"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://u:p@x.org"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org:65536"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org:0"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org:"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org:4294967297"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://x.org:80:90"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://:80"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://::1"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://[::1"}, "no endpoint"},
        {"s3://data", {.endpoint = "https://[]:80"}, "no endpoint"},
        {"s3://data", {.region = "eu west"}, "no region"},
        {"s3://data", {.region = "x/../y"}, "no region"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct s3_address a;
        struct error err;

        if (s3_address_init(&a, cases[i].url, &cases[i].options, &err) == 0)
            fail_msg("taken: %s", cases[i].url);
        assert_int_equal(err.kind, ERROR_USAGE);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].url, err.text);
    }
}

static void moving(void **state)
{
    const struct s3_options aws = {0}, other = {.endpoint = "https://x.org"};
    struct s3_address a;
    struct error err;

    (void)state;
    assert_int_equal(s3_address_init(&a, "s3://data", &aws, &err), 0);
    s3_address_move(&a, "ap-south-1");
    assert_string_equal(a.origin, "https://data.s3.ap-south-1.amazonaws.com");
    s3_address_move(&a, "evil.org/"); /* a server's word is no host name */
    assert_string_equal(a.origin, "https://data.s3.ap-south-1.amazonaws.com");
    assert_string_equal(a.region, "ap-south-1");
    s3_address_free(&a);

    assert_int_equal(s3_address_init(&a, "s3://data", &other, &err), 0);
    s3_address_move(&a, "there");
    assert_string_equal(a.origin, "https://x.org");
    assert_string_equal(a.region, "there");
    s3_address_free(&a);
}

static void encoding(void **state)
{
    struct text text = {0};

    (void)state;
    s3_address_encode(&text, "aZ09-._~/ +%\xc3\xa4\n", true);
    assert_string_equal(text_string(&text), "aZ09-._~/%20%2B%25%C3%A4%0A");
    text_clear(&text);
    s3_address_encode(&text, "a/b", false);
    assert_string_equal(text_string(&text), "a%2Fb");
    text_free(&text);
}

static void traits_are_remembered(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "2 checks=sha256 if-none-match=yes",
                                      "1 checks= if-none-match=yes",
                                      "1 checks=unknown if-none-match=yes",
                                      "1 checks=sha256,x if-none-match=no",
                                      "1 checks=sha256"};
    struct s3_traits back, traits = {.streamed = S3_RUNG_CHUNK_SIGNED,
                                     .whole = S3_RUNG_SHA256,
                                     .has_if_none_match = true};
    struct text text = {0};

    (void)state;
    for (unsigned i = S3_RUNG_UNKNOWN + 1; i < S3_RUNGS; i++) {
        traits.streamed = (enum s3_rung)i;
        traits.has_if_none_match = i % 2 == 0;
        text_clear(&text);
        s3_traits_put(&traits, &text);
        assert_int_equal(s3_traits_parse(&back, text_string(&text)), 0);
        assert_int_equal(back.streamed, traits.streamed);
        assert_int_equal(back.whole, traits.whole);
        assert_int_equal(back.has_if_none_match, traits.has_if_none_match);
    }
    traits = (struct s3_traits){.streamed = S3_RUNG_NONE, .whole = S3_RUNG_NONE};
    text_clear(&text);
    s3_traits_put(&traits, &text);
    assert_string_equal(text_string(&text), "1 checks=none if-none-match=no");
    text_free(&text);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(s3_traits_parse(&back, bad[i]), -1);
        assert_int_equal(back.streamed, S3_RUNG_UNKNOWN);
    }
}

static void quirks(void **state)
{
    (void)state;
    assert_string_equal(s3_quirks_find("b.s3.eu-west-1.amazonaws.com", "")->name,
                        "aws");
    assert_true(s3_quirks_find("gateway.storjshare.io", "")->part_min == 64 << 20);
    assert_true(s3_quirks_find("127.0.0.1:9000", "MinIO/RELEASE")->lists_exact_key);
    assert_string_equal(s3_quirks_find("127.0.0.1:9000", "Ceph")->name, "any");
    assert_true((s3_quirks_find("oss-cn-beijing.aliyuncs.com", "")->broken_rungs &
                 1u << S3_RUNG_TRAILER) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_an_address),
        cmocka_unit_test(addresses_of_the_sts),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(moving),
        cmocka_unit_test(encoding),
        cmocka_unit_test(traits_are_remembered),
        cmocka_unit_test(quirks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
