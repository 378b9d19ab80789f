/*
 * What providers answer with, good and bad; and good documents with bytes of them
 * changed, of which nothing secret may be told (test_credential_json SEED: one story).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/credential_impl.h"

#include "dice.h"

enum { STORIES = 2000 };

static const char process[] =
    "{\"Version\": 1, \"AccessKeyId\": \"AKIA1\", \"SecretAccessKey\": \"hush-hush\", "
    "\"SessionToken\": \"token-hush\", \"Expiration\": \"2030-01-02T03:04:05Z\"}";
static const char instance[] =
    "{\"Code\": \"Success\", \"LastUpdated\": \"2026-11-30T00:00:00Z\", \"Type\": "
    "\"AWS-HMAC\", \"AccessKeyId\": \"ASIA1\", \"SecretAccessKey\": \"hush-hush\", "
    "\"Token\": \"token-hush\", \"Expiration\": \"2030-01-02T03:04:05Z\"}";
static const char portal[] =
    "{\"roleCredentials\": {\"accessKeyId\": \"ASIA2\", \"secretAccessKey\": "
    "\"hush-hush\", \"sessionToken\": \"token-hush\", \"expiration\": 1893553445000}}";

static const int64_t ends_ms = 1893553445000;

typedef int parse_fn(struct credentials *out, const struct text *json,
                     struct error *err);

static int parse_process(struct credentials *out, const struct text *json,
                         struct error *err)
{
    return credential_json_keys(out, json, "SessionToken", err);
}

static int parse_instance(struct credentials *out, const struct text *json,
                          struct error *err)
{
    return credential_json_keys(out, json, "Token", err);
}

static int parse(parse_fn *fn, struct credentials *out, const char *json,
                 struct error *err)
{
    struct text text = {0};
    int status;

    memset(out, 0, sizeof *out);
    text_add(&text, json);
    status = fn(out, &text, err);
    text_free(&text);
    return status;
}

static void reads_each(void **state)
{
    static const struct {
        parse_fn *fn;
        const char *json, *key;
    } rows[] = {{parse_process, process, "AKIA1"},
                {parse_instance, instance, "ASIA1"},
                {credential_json_sso, portal, "ASIA2"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct credentials keys;
        struct error err;

        assert_int_equal(parse(rows[i].fn, &keys, rows[i].json, &err), 0);
        assert_string_equal(keys.access_key, rows[i].key);
        assert_string_equal(keys.secret_key, "hush-hush");
        assert_string_equal(keys.session_token, "token-hush");
        assert_true(keys.expires_at_ms == ends_ms);
        credentials_free(&keys);
    }
}

static void reads_what_has_no_end(void **state)
{
    struct credentials keys;
    struct error err;

    (void)state;
    assert_int_equal(
        parse(parse_process, &keys,
              "{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}", &err),
        0);
    assert_null(keys.session_token);
    assert_true(keys.expires_at_ms == 0);
    credentials_free(&keys);
}

static void reads_a_token(void **state)
{
    static const char *const times[] = {
        "2030-01-02T03:04:05Z", "2030-01-02T03:04:05UTC", "2030-01-02T04:04:05+01:00"};
    static const char *const bad[] = {
        "{\"accessToken\":\"t\"}",
        "{\"expiresAt\":\"2030-01-02T03:04:05Z\"}",
        "{\"accessToken\":\"a\\nb\",\"expiresAt\":\"2030-01-02T03:04:05Z\"}",
        "{\"accessToken\":1,\"expiresAt\":\"soon\"}",
        "",
    };
    struct error err;
    char *token;
    int64_t at_ms;

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct text json = {0};

        text_add_format(&json, "{\"accessToken\": \"t\", \"expiresAt\": \"%s\"}",
                        times[i]);
        assert_int_equal(
            credential_json_token(&token, &at_ms, text_string(&json), &err), 0);
        assert_string_equal(token, "t");
        assert_true(at_ms == ends_ms);
        free(token);
        text_free(&json);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(credential_json_token(&token, &at_ms, bad[i], &err), -1);
}

/* A few bytes of a good document are others, or it ends early. */
static void tell(unsigned seed)
{
    static const char *const documents[] = {process, instance, portal};
    static parse_fn *const fns[] = {parse_process, parse_instance, credential_json_sso};
    struct credentials keys = {0};
    struct error err = {0};
    struct text json = {0};
    unsigned which;

    dice_seed(seed);
    which = roll(3);
    text_add(&json, documents[which]);
    for (unsigned n = roll(4); n > 0; n--)
        json.data[roll((unsigned)json.size)] = (char)roll(256);
    if (roll(3) == 0)
        json.size = roll((unsigned)json.size);
    if (fns[which](&keys, &json, &err) == 0) {
        assert_non_null(keys.access_key);
        assert_non_null(keys.secret_key);
    } else {
        assert_int_equal(err.kind, ERROR_AUTH);
        assert_null(strstr(err.text, "hush"));
    }
    credentials_free(&keys);
    text_free(&json);
}

static void stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each), cmocka_unit_test(reads_what_has_no_end),
        cmocka_unit_test(reads_a_token), cmocka_unit_test(stories)};

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
