/*
 * Codes first, then statuses.  A row may be for some verbs only; the first that fits
 * counts.  What servers send for one and the same trouble differs: the rows are what
 * AWS documents and what Ceph, Swift, MinIO and others were seen to send.
 */
#include "transfer/s3_error.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Sets of verbs. */
enum {
    ANY = 0,
    PUTS = 1 << STORE_PUT,
    UPLOADS = 1 << STORE_UPLOAD_PART | 1 << STORE_COMPLETE_UPLOAD |
              1 << STORE_ABORT_UPLOAD | 1 << STORE_LIST_PARTS,
    COMPLETES = 1 << STORE_COMPLETE_UPLOAD,
    COPIES = 1 << STORE_COPY | 1 << STORE_COPY_PART,
    OBJECTS = 1 << STORE_HEAD | 1 << STORE_GET | 1 << STORE_DELETE,
    MAKES = 1 << STORE_CREATE_BUCKET
};

static const char hint_policy[] =
    "the credentials are valid but may not do this: ask for the permission";
static const char hint_key_id[] = "check the access key id";
static const char hint_secret[] = "check the secret key";
static const char hint_bucket[] = "check the bucket's name and the endpoint";
static const char hint_region[] = "set the bucket's region";
static const char hint_quota[] = "free some space there, or have the quota raised";
static const char hint_expired[] = "log in again with `grid login`, or renew them";
static const char hint_clock[] = "set this machine's clock";
static const char hint_pay[] =
    "the bucket's reader pays: allow it with --request-payer";
static const char hint_archive[] = "the object is archived: restore it first";
static const char hint_proxy[] = "the proxy wants a login: set it in HTTPS_PROXY";
static const char hint_name[] = "choose another bucket name";
static const char hint_key[] =
    "the bucket is encrypted with a key that cannot be used now";

static const struct row {
    int status;     /* 0: any */
    unsigned verbs; /* that it is for */
    const char *code;
    struct s3_verdict verdict;
} rows[] = {
    /* who we are */
    {0, ANY, "AccessDenied", {ERROR_AUTH, S3_REMEDY_NONE, hint_policy}},
    {0, ANY, "AllAccessDisabled", {ERROR_AUTH, S3_REMEDY_NONE, hint_policy}},
    {0, ANY, "AccountProblem", {ERROR_AUTH, S3_REMEDY_NONE, NULL}},
    {0, ANY, "NotSignedUp", {ERROR_AUTH, S3_REMEDY_NONE, NULL}},
    {0, ANY, "UserSuspended", {ERROR_AUTH, S3_REMEDY_NONE, NULL}},
    {0, ANY, "InvalidPayer", {ERROR_AUTH, S3_REMEDY_NONE, hint_pay}},
    {0, ANY, "InvalidAccessKeyId", {ERROR_AUTH, S3_REMEDY_NONE, hint_key_id}},
    {0, ANY, "InvalidSecurity", {ERROR_AUTH, S3_REMEDY_NONE, hint_key_id}},
    {0, ANY, "SignatureDoesNotMatch", {ERROR_AUTH, S3_REMEDY_DIGEST, hint_secret}},
    {0, ANY, "InvalidToken", {ERROR_EXPIRED, S3_REMEDY_NONE, hint_expired}},
    {0, ANY, "ExpiredToken", {ERROR_EXPIRED, S3_REMEDY_NONE, hint_expired}},
    {0, ANY, "ExpiredTokenException", {ERROR_EXPIRED, S3_REMEDY_NONE, hint_expired}},
    {0, ANY, "TokenRefreshRequired", {ERROR_EXPIRED, S3_REMEDY_NONE, hint_expired}},
    {0, ANY, "InvalidClientTokenId", {ERROR_AUTH, S3_REMEDY_NONE, hint_key_id}},

    /* when and where */
    {0, ANY, "RequestTimeTooSkewed", {ERROR_AUTH, S3_REMEDY_CLOCK, hint_clock}},
    {0, ANY, "RequestExpired", {ERROR_TRANSIENT, S3_REMEDY_CLOCK, hint_clock}},
    {0,
     ANY,
     "AuthorizationHeaderMalformed",
     {ERROR_UNUSABLE, S3_REMEDY_REGION, hint_region}},
    {0, ANY, "PermanentRedirect", {ERROR_UNUSABLE, S3_REMEDY_REGION, hint_region}},
    {0, ANY, "TemporaryRedirect", {ERROR_TRANSIENT, S3_REMEDY_REGION, NULL}},
    {0, ANY, "Redirect", {ERROR_TRANSIENT, S3_REMEDY_REGION, NULL}},
    {0, ANY, "IncorrectEndpoint", {ERROR_UNUSABLE, S3_REMEDY_REGION, hint_region}},
    {0,
     ANY,
     "IllegalLocationConstraintException",
     {ERROR_UNUSABLE, S3_REMEDY_REGION, hint_region}},

    /* what is there */
    {0, ANY, "NoSuchBucket", {ERROR_UNUSABLE, S3_REMEDY_NONE, hint_bucket}},
    {0, ANY, "InvalidBucketName", {ERROR_UNUSABLE, S3_REMEDY_NONE, hint_bucket}},
    {0, ANY, "NoSuchUpload", {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {0, ANY, "NoSuchKey", {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {0, ANY, "NoSuchVersion", {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {0, ANY, "NotFound", {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {0, ANY, "PreconditionFailed", {ERROR_CONFLICT, S3_REMEDY_NONE, NULL}},
    /* of several at once: this one was not carried out, which says nothing of the key */
    {0, PUTS, "ConditionalRequestConflict", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {0, ANY, "ConditionalRequestConflict", {ERROR_CONFLICT, S3_REMEDY_NONE, NULL}},
    {0, ANY, "BucketAlreadyExists", {ERROR_CONFLICT, S3_REMEDY_NONE, hint_name}},
    {0, ANY, "OperationAborted", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {0, ANY, "InvalidObjectState", {ERROR_UNUSABLE, S3_REMEDY_NONE, hint_archive}},
    {0, ANY, "InvalidRange", {ERROR_CORRUPT, S3_REMEDY_NONE, NULL}},

    /* the bytes */
    {0, ANY, "BadDigest", {ERROR_CORRUPT, S3_REMEDY_DIGEST, NULL}},
    {0, ANY, "InvalidDigest", {ERROR_CORRUPT, S3_REMEDY_DIGEST, NULL}},
    {0, ANY, "XAmzContentSHA256Mismatch", {ERROR_CORRUPT, S3_REMEDY_DIGEST, NULL}},
    {0, ANY, "XAmzContentChecksumMismatch", {ERROR_CORRUPT, S3_REMEDY_DIGEST, NULL}},
    {0, ANY, "IncompleteBody", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {0, COMPLETES, "InvalidPart", {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {0, ANY, "QuotaExceeded", {ERROR_FULL, S3_REMEDY_NONE, hint_quota}},
    {0, ANY, "XMinioStorageFull", {ERROR_FULL, S3_REMEDY_NONE, hint_quota}},
    {0,
     ANY,
     "XMinioAdminBucketQuotaExceeded",
     {ERROR_FULL, S3_REMEDY_NONE, hint_quota}},
    {0, ANY, "InsufficientCapacity", {ERROR_FULL, S3_REMEDY_NONE, hint_quota}},
    {0, ANY, "KMS.DisabledException", {ERROR_AUTH, S3_REMEDY_NONE, hint_key}},

    /* not now */
    {0, ANY, "SlowDown", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "SlowDownRead", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "SlowDownWrite", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "Throttling", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "ThrottlingException", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "RequestLimitExceeded", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "TooManyRequests", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "BandwidthLimitExceeded", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    /* Too many streams share a slow line: each had to wait for its turn for too long. */
    {0, ANY, "RequestTimeout", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "RequestTimeoutException", {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {0, ANY, "InternalError", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {0, ANY, "ServiceUnavailable", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {0, ANY, "UnknownError", {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},

    /* no code that says more */
    {301, ANY, NULL, {ERROR_UNUSABLE, S3_REMEDY_REGION, hint_region}},
    {307, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_REGION, NULL}},
    {401, ANY, NULL, {ERROR_AUTH, S3_REMEDY_NONE, hint_secret}},
    {403, ANY, NULL, {ERROR_AUTH, S3_REMEDY_NONE, hint_policy}},
    {404, OBJECTS | UPLOADS | COPIES, NULL, {ERROR_NOT_FOUND, S3_REMEDY_NONE, NULL}},
    {404, ANY, NULL, {ERROR_UNUSABLE, S3_REMEDY_NONE, hint_bucket}},
    {407, ANY, NULL, {ERROR_AUTH, S3_REMEDY_NONE, hint_proxy}},
    {408, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {409, PUTS | COMPLETES | MAKES, NULL, {ERROR_CONFLICT, S3_REMEDY_NONE, NULL}},
    {409, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {412, ANY, NULL, {ERROR_CONFLICT, S3_REMEDY_NONE, NULL}},
    {416, ANY, NULL, {ERROR_CORRUPT, S3_REMEDY_NONE, NULL}},
    {425, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {429, ANY, NULL, {ERROR_THROTTLED, S3_REMEDY_NONE, NULL}},
    {500, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {501, ANY, NULL, {ERROR_UNUSABLE, S3_REMEDY_NONE, NULL}},
    {502, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {503, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {504, ANY, NULL, {ERROR_TRANSIENT, S3_REMEDY_NONE, NULL}},
    {507, ANY, NULL, {ERROR_FULL, S3_REMEDY_NONE, hint_quota}},
};

static bool fits(const struct row *row, int status, const char *code,
                 enum store_verb verb)
{
    return (row->status == 0 || row->status == status) &&
           (row->code == NULL || strcmp(row->code, code) == 0) &&
           (row->verbs == ANY || (row->verbs & 1u << verb) != 0);
}

struct s3_verdict s3_error_verdict(int status, const char *code, enum store_verb verb)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (fits(&rows[i], status, code, verb))
            return rows[i].verdict;
    if (status >= 500)
        return (struct s3_verdict){ERROR_TRANSIENT, S3_REMEDY_NONE, NULL};
    return (struct s3_verdict){ERROR_UNUSABLE, S3_REMEDY_NONE, NULL};
}

const char *s3_error_verb_name(enum store_verb verb)
{
    static const char *const names[] = {
        [STORE_PUT] = "put",
        [STORE_CREATE_UPLOAD] = "create multipart upload",
        [STORE_UPLOAD_PART] = "upload part",
        [STORE_COMPLETE_UPLOAD] = "complete multipart upload",
        [STORE_ABORT_UPLOAD] = "abort multipart upload",
        [STORE_LIST_PARTS] = "list parts",
        [STORE_LIST_UPLOADS] = "list multipart uploads",
        [STORE_LIST] = "list objects",
        [STORE_HEAD] = "head",
        [STORE_GET] = "get",
        [STORE_DELETE] = "delete",
        [STORE_COPY] = "copy",
        [STORE_COPY_PART] = "copy part",
        [STORE_SYNC] = "sync",
        [STORE_CREATE_BUCKET] = "create bucket",
    };

    return names[verb];
}

/* A server's words, for one line on a terminal. */
static void add_words(struct text *out, const char *words)
{
    if (*words == '\0')
        return;
    text_add(out, " (");
    text_add_printable(out, words, strlen(words));
    text_add(out, ")");
}

/* "s3://bucket/key at https://host: put" */
static void add_origin(struct text *out, const struct s3_origin *o)
{
    text_add_format(out, "s3://%s", o->bucket);
    if (o->key != NULL) {
        text_add_format(out, "/%s", o->prefix);
        text_add_printable(out, o->key, strlen(o->key));
    }
    text_add_format(out, " at %s: %s", o->endpoint, s3_error_verb_name(o->verb));
}

/* The hint survives where all does not fit: what comes before is cut, in its middle. */
static int set_with_hint(struct error *err, enum error_kind kind, int code,
                         const struct text *what, const char *hint)
{
    size_t room = sizeof err->text - 1 - (hint != NULL ? strlen(hint) + 2 : 0);
    size_t size = what->size;
    size_t head = room / 2, tail = room - head - 3;

    if (size <= room)
        error_set(err, kind, code, "%s%s%s", what->data, hint != NULL ? "; " : "",
                  hint != NULL ? hint : "");
    else
        error_set(err, kind, code, "%.*s...%s%s%s", (int)head, what->data,
                  what->data + size - tail, hint != NULL ? "; " : "",
                  hint != NULL ? hint : "");
    return -1;
}

int s3_error_set(struct error *err, const struct s3_verdict *verdict,
                 const struct s3_origin *origin, int status,
                 const struct s3_fault *fault)
{
    struct text what = {0};

    add_origin(&what, origin);
    text_add_format(&what, " was answered with status %d", status);
    if (fault->code[0] != '\0') {
        text_add(&what, " ");
        text_add_printable(&what, fault->code, strlen(fault->code));
    }
    add_words(&what, fault->message);
    set_with_hint(err, verdict->kind, verdict->kind == ERROR_CONFLICT ? EEXIST : status,
                  &what, verdict->hint);
    text_free(&what);
    return -1;
}

bool s3_error_says(const struct error *err, const char *code)
{
    static const char words[] = " was answered with status ";
    const char *at = strstr(err->text, words);

    if (at == NULL)
        return false;
    at += strlen(words);
    at += strspn(at, "0123456789 ");
    return strncmp(at, code, strlen(code)) == 0 &&
           strcspn(at + strlen(code), " ;(") == 0;
}

int s3_error_foreign(struct error *err, const struct s3_origin *origin, int status,
                     const char *what)
{
    struct text text = {0};

    add_origin(&text, origin);
    text_add_format(&text, " was answered with status %d and ", status);
    text_add_printable(&text, what, strlen(what));
    set_with_hint(
        err, ERROR_UNUSABLE, status, &text,
        "this is no S3 service: check the endpoint, and the proxy if there is "
        "one");
    text_free(&text);
    return -1;
}
