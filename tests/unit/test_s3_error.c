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

/* Sets of verbs, told from the outside. */
enum {
    N_VERBS = STORE_CREATE_BUCKET + 1,
    ALL = (1 << N_VERBS) - 1,
    PUT = 1 << STORE_PUT,
    COMPLETE = 1 << STORE_COMPLETE_UPLOAD,
    BUCKET = 1 << STORE_CREATE_BUCKET,
    UPLOAD = 1 << STORE_UPLOAD_PART | 1 << STORE_COMPLETE_UPLOAD |
             1 << STORE_ABORT_UPLOAD | 1 << STORE_LIST_PARTS,
    OBJECT = 1 << STORE_HEAD | 1 << STORE_GET | 1 << STORE_DELETE | 1 << STORE_COPY |
             1 << STORE_COPY_PART
};

static const struct row {
    int status;       /* 0: whatever the server chose */
    const char *code; /* NULL: none, or one that nobody knows */
    unsigned verbs;
    enum error_kind kind;
    enum s3_remedy remedy;
} rows[] = {
    {0, "AccessDenied", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "AllAccessDisabled", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "AccountProblem", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "NotSignedUp", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "UserSuspended", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "InvalidPayer", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "InvalidAccessKeyId", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "InvalidSecurity", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "InvalidClientTokenId", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "KMS.DisabledException", ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {0, "SignatureDoesNotMatch", ALL, ERROR_AUTH, S3_REMEDY_DIGEST},
    {0, "RequestTimeTooSkewed", ALL, ERROR_AUTH, S3_REMEDY_CLOCK},
    {0, "InvalidToken", ALL, ERROR_EXPIRED, S3_REMEDY_NONE},
    {0, "ExpiredToken", ALL, ERROR_EXPIRED, S3_REMEDY_NONE},
    {0, "ExpiredTokenException", ALL, ERROR_EXPIRED, S3_REMEDY_NONE},
    {0, "TokenRefreshRequired", ALL, ERROR_EXPIRED, S3_REMEDY_NONE},
    {0, "RequestExpired", ALL, ERROR_TRANSIENT, S3_REMEDY_CLOCK},
    {0, "AuthorizationHeaderMalformed", ALL, ERROR_UNUSABLE, S3_REMEDY_REGION},
    {0, "PermanentRedirect", ALL, ERROR_UNUSABLE, S3_REMEDY_REGION},
    {0, "IncorrectEndpoint", ALL, ERROR_UNUSABLE, S3_REMEDY_REGION},
    {0, "IllegalLocationConstraintException", ALL, ERROR_UNUSABLE, S3_REMEDY_REGION},
    {0, "TemporaryRedirect", ALL, ERROR_TRANSIENT, S3_REMEDY_REGION},
    {0, "Redirect", ALL, ERROR_TRANSIENT, S3_REMEDY_REGION},
    {0, "NoSuchBucket", ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {0, "InvalidBucketName", ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {0, "InvalidObjectState", ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {0, "NoSuchUpload", ALL, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {0, "NoSuchKey", ALL, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {0, "NoSuchVersion", ALL, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {0, "NotFound", ALL, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {0, "PreconditionFailed", ALL, ERROR_CONFLICT, S3_REMEDY_NONE},
    {0, "BucketAlreadyExists", ALL, ERROR_CONFLICT, S3_REMEDY_NONE},
    {0, "OperationAborted", ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "IncompleteBody", ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "RequestTimeout", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "RequestTimeoutException", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "InternalError", ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "ServiceUnavailable", ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "UnknownError", ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "InvalidRange", ALL, ERROR_CORRUPT, S3_REMEDY_NONE},
    {0, "BadDigest", ALL, ERROR_CORRUPT, S3_REMEDY_DIGEST},
    {0, "InvalidDigest", ALL, ERROR_CORRUPT, S3_REMEDY_DIGEST},
    {0, "XAmzContentSHA256Mismatch", ALL, ERROR_CORRUPT, S3_REMEDY_DIGEST},
    {0, "XAmzContentChecksumMismatch", ALL, ERROR_CORRUPT, S3_REMEDY_DIGEST},
    {0, "QuotaExceeded", ALL, ERROR_FULL, S3_REMEDY_NONE},
    {0, "XMinioStorageFull", ALL, ERROR_FULL, S3_REMEDY_NONE},
    {0, "XMinioAdminBucketQuotaExceeded", ALL, ERROR_FULL, S3_REMEDY_NONE},
    {0, "InsufficientCapacity", ALL, ERROR_FULL, S3_REMEDY_NONE},
    {0, "SlowDown", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "SlowDownRead", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "SlowDownWrite", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "Throttling", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "ThrottlingException", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "RequestLimitExceeded", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "TooManyRequests", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "BandwidthLimitExceeded", ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {0, "ConditionalRequestConflict", PUT, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {0, "ConditionalRequestConflict", ALL & ~PUT, ERROR_CONFLICT, S3_REMEDY_NONE},
    {400, "InvalidPart", COMPLETE, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {400, "InvalidPart", ALL & ~COMPLETE, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {301, NULL, ALL, ERROR_UNUSABLE, S3_REMEDY_REGION},
    {307, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_REGION},
    {401, NULL, ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {403, NULL, ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {407, NULL, ALL, ERROR_AUTH, S3_REMEDY_NONE},
    {408, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {412, NULL, ALL, ERROR_CONFLICT, S3_REMEDY_NONE},
    {416, NULL, ALL, ERROR_CORRUPT, S3_REMEDY_NONE},
    {425, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {429, NULL, ALL, ERROR_THROTTLED, S3_REMEDY_NONE},
    {500, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {501, NULL, ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {502, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {503, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {504, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {507, NULL, ALL, ERROR_FULL, S3_REMEDY_NONE},
    {599, NULL, ALL, ERROR_TRANSIENT, S3_REMEDY_NONE},
    {400, NULL, ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {418, NULL, ALL, ERROR_UNUSABLE, S3_REMEDY_NONE},
    {404, NULL, OBJECT | UPLOAD, ERROR_NOT_FOUND, S3_REMEDY_NONE},
    {404, NULL, ALL & ~(OBJECT | UPLOAD), ERROR_UNUSABLE, S3_REMEDY_NONE},
    {409, NULL, PUT | COMPLETE | BUCKET, ERROR_CONFLICT, S3_REMEDY_NONE},
    {409, NULL, ALL & ~(PUT | COMPLETE | BUCKET), ERROR_TRANSIENT, S3_REMEDY_NONE},
};

static void expect(const struct row *row, int status, const char *code)
{
    for (unsigned verb = 0; verb < N_VERBS; verb++) {
        struct s3_verdict v;

        if ((row->verbs & 1u << verb) == 0)
            continue;
        v = s3_error_verdict(status, code, (enum store_verb)verb);
        if (v.kind != row->kind || v.remedy != row->remedy)
            fail_msg("%d %s of verb %u: %s, remedy %d", status, code, verb,
                     error_kind_name(v.kind), v.remedy);
    }
}

/* Every row, of the statuses that servers send with it, for each verb. */
static void verdicts(void **state)
{
    static const int statuses[] = {200, 301, 400, 403, 404, 409, 412, 416, 500, 503};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].code == NULL) {
            expect(&rows[i], rows[i].status, "");
            expect(&rows[i], rows[i].status, "NeverHeardOf");
        } else if (rows[i].status != 0) {
            expect(&rows[i], rows[i].status, rows[i].code);
        } else {
            for (size_t k = 0; k < ARRAY_SIZE(statuses); k++)
                expect(&rows[i], statuses[k], rows[i].code);
        }
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
    assert_true(s3_error_says(&err, "AccessDenied"));
    assert_false(s3_error_says(&err, "Access"));
    assert_false(s3_error_says(&err, "AccessDeniedTwice"));
    assert_false(s3_error_says(&err, "NoSuchBucket"));

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
    assert_true(s3_error_says(&err, "AccessDenied"));
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
