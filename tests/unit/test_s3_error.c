/*
 * What answers mean, as a table, and how it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "transfer/s3_error.h"

static void verdicts(void **state)
{
    static const struct {
        int status;
        const char *code;
        enum store_verb verb;
        enum error_kind kind;
        enum s3_remedy remedy;
    } cases[] = {
        {403, "AccessDenied", STORE_PUT, ERROR_AUTH, S3_REMEDY_NONE},
        {403, "InvalidAccessKeyId", STORE_LIST, ERROR_AUTH, S3_REMEDY_NONE},
        {403, "SignatureDoesNotMatch", STORE_LIST, ERROR_AUTH, S3_REMEDY_DIGEST},
        {403, "", STORE_HEAD, ERROR_AUTH, S3_REMEDY_NONE},
        {400, "ExpiredToken", STORE_PUT, ERROR_EXPIRED, S3_REMEDY_NONE},
        {403, "RequestTimeTooSkewed", STORE_PUT, ERROR_AUTH, S3_REMEDY_CLOCK},
        {301, "PermanentRedirect", STORE_LIST, ERROR_UNUSABLE, S3_REMEDY_REGION},
        {301, "", STORE_HEAD, ERROR_UNUSABLE, S3_REMEDY_REGION},
        {400, "AuthorizationHeaderMalformed", STORE_PUT, ERROR_UNUSABLE,
         S3_REMEDY_REGION},
        {404, "NoSuchBucket", STORE_PUT, ERROR_UNUSABLE, S3_REMEDY_NONE},
        {404, "NoSuchBucket", STORE_HEAD, ERROR_UNUSABLE, S3_REMEDY_NONE},
        {404, "NoSuchUpload", STORE_UPLOAD_PART, ERROR_NOT_FOUND, S3_REMEDY_NONE},
        {404, "NoSuchKey", STORE_LIST_PARTS, ERROR_NOT_FOUND, S3_REMEDY_NONE},
        {404, "", STORE_HEAD, ERROR_NOT_FOUND, S3_REMEDY_NONE},
        {404, "", STORE_PUT, ERROR_UNUSABLE, S3_REMEDY_NONE},
        {412, "PreconditionFailed", STORE_PUT, ERROR_CONFLICT, S3_REMEDY_NONE},
        {409, "ConditionalRequestConflict", STORE_PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {409, "ConditionalRequestConflict", STORE_COMPLETE_UPLOAD, ERROR_CONFLICT,
         S3_REMEDY_NONE},
        {409, "OperationAborted", STORE_CREATE_BUCKET, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {409, "BucketAlreadyExists", STORE_CREATE_BUCKET, ERROR_CONFLICT,
         S3_REMEDY_NONE},
        {400, "BadDigest", STORE_UPLOAD_PART, ERROR_CORRUPT, S3_REMEDY_DIGEST},
        {400, "XAmzContentSHA256Mismatch", STORE_PUT, ERROR_CORRUPT, S3_REMEDY_DIGEST},
        {403, "QuotaExceeded", STORE_PUT, ERROR_FULL, S3_REMEDY_NONE},
        {507, "", STORE_PUT, ERROR_FULL, S3_REMEDY_NONE},
        {503, "SlowDown", STORE_PUT, ERROR_THROTTLED, S3_REMEDY_NONE},
        {429, "", STORE_PUT, ERROR_THROTTLED, S3_REMEDY_NONE},
        {503, "", STORE_PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {400, "RequestTimeout", STORE_PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {500, "Whatever", STORE_PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {599, "", STORE_PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
        {400, "EntityTooSmall", STORE_COMPLETE_UPLOAD, ERROR_UNUSABLE, S3_REMEDY_NONE},
        {418, "", STORE_PUT, ERROR_UNUSABLE, S3_REMEDY_NONE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct s3_verdict v =
            s3_error_verdict(cases[i].status, cases[i].code, cases[i].verb);

        if (v.kind != cases[i].kind || v.remedy != cases[i].remedy)
            fail_msg("%d %s: %s, remedy %d", cases[i].status, cases[i].code,
                     error_kind_name(v.kind), v.remedy);
    }
}

static void errors_name_all_that_helps(void **state)
{
    const struct s3_origin origin = {.bucket = "data",
                                     .prefix = "p/",
                                     .key = "v1/a\nb",
                                     .endpoint = "https://x.org",
                                     .verb = STORE_PUT};
    struct s3_fault fault = {.code = "AccessDenied", .message = "No.\x1b[31m"};
    struct s3_verdict verdict = s3_error_verdict(403, fault.code, STORE_PUT);
    struct error err;

    (void)state;
    assert_int_equal(s3_error_set(&err, &verdict, &origin, 403, &fault), -1);
    assert_int_equal(err.kind, ERROR_AUTH);
    assert_int_equal(err.code, 403);
    assert_string_equal(
        err.text, "s3://data/p/v1/a\\nb at https://x.org: put was answered with "
                  "status 403 AccessDenied (No.\\x1b[31m); the credentials are valid "
                  "but may not do this: ask for the permission");

    verdict = s3_error_verdict(412, "PreconditionFailed", STORE_PUT);
    s3_error_set(&err, &verdict, &origin, 412, &fault);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_int_equal(err.code, EEXIST);
}

/* A key of the longest sort leaves room for what matters. */
static void long_keys_are_cut(void **state)
{
    char key[1025];
    const struct s3_origin origin = {.bucket = "data",
                                     .prefix = "",
                                     .key = key,
                                     .endpoint = "https://x.org",
                                     .verb = STORE_PUT};
    struct s3_fault fault = {.code = "AccessDenied"};
    struct s3_verdict verdict = s3_error_verdict(403, fault.code, STORE_PUT);
    struct error err;

    (void)state;
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    s3_error_set(&err, &verdict, &origin, 403, &fault);
    assert_non_null(strstr(err.text, "s3://data/kkk"));
    assert_non_null(strstr(err.text, "403 AccessDenied"));
    assert_non_null(strstr(err.text, "ask for the permission"));
}

static void foreign_servers_are_named(void **state)
{
    const struct s3_origin origin = {.bucket = "data",
                                     .prefix = "",
                                     .endpoint = "https://x.org",
                                     .verb = STORE_LIST};
    struct error err;

    (void)state;
    s3_error_foreign(&err, &origin, 302, "text/html (redirect to https://login/)");
    assert_int_equal(err.kind, ERROR_UNUSABLE);
    assert_non_null(strstr(err.text, "no S3 service"));
    assert_non_null(strstr(err.text, "login"));
    assert_non_null(strstr(err.text, "s3://data at https://x.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(errors_name_all_that_helps),
        cmocka_unit_test(long_keys_are_cut),
        cmocka_unit_test(foreign_servers_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
