/*
 * Multipart uploads: create, complete, abort.
 *
 *     complete    COMPLETING --200--> LOOKING --size as expected-----------------> end
 *                     |                  +--other size--> corrupt
 *                     |                  +--not there--> transient; LOOKING again
 *                     +--doubtful--> LOOKING --it is our object--> end
 *                                       +--no answer--> that error, to be tried again
 *                                       +--else--> ASKING for the parts (5xx only)
 *                                                    +--no such upload--> LOOKING
 *                                                    |    +--it is our object--> end
 *                                                    |    +--else--> not found
 *                                                    +--else--> the first error
 *
 *     abort       ABORTING --> ASKING for the parts --gone--> end
 *                    ^              |
 *                    +-- there -----+  a part may have been under way
 *
 * A completion is doubtful where it may have been carried out although its answer says
 * otherwise: repeated after an answer was lost, stores differ in what they say.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "transfer/etag.h"
#include "transfer/s3_attempt.h"
#include "transfer/s3_header.h"

enum {
    COMPLETE_STALL_MS = 20 * 60 * 1000, /* ARCHITECTURE: at least 10 min */
    LOOKS_MAX = 10,                     /* with the pauses between them half a minute */
    ABORT_ROUNDS = 5
};

/* ---- create ---- */

static const char crc32c_header[] = "x-amz-checksum-algorithm: CRC32C";

static void draw_token(char token[S3_TOKEN_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[(S3_TOKEN_MAX - 1) / 2];

    while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        continue;
    for (size_t i = 0; i < sizeof bytes; i++) {
        token[2 * i] = digits[bytes[i] >> 4];
        token[2 * i + 1] = digits[bytes[i] & 15];
    }
    token[2 * sizeof bytes] = '\0';
}

/* What the upload was asked for with. */
static void remember(struct s3_attempt *a, const struct s3_request *r)
{
    struct s3_memo *memo = s3_memo_make(a->s3, r->answer.upload_id);
    size_t n = strlen(s3_token_header);

    memo->checksum = S3_CHECKSUM_NONE;
    for (unsigned i = 0; i < r->n_headers; i++) {
        if (strncmp(r->headers[i], s3_token_header, n) == 0)
            memcpy(memo->token, r->headers[i] + n + 2, S3_TOKEN_MAX);
        if (strcmp(r->headers[i], crc32c_header) == 0)
            memo->checksum = S3_CHECKSUM_CRC32C;
    }
}

static void on_created(struct s3_attempt *a, struct s3_request *r)
{
    const char *id = r->answer.upload_id;

    if (r->err.kind == ERROR_NONE && (id == NULL || *id == '\0'))
        error_set(&r->err, ERROR_TRANSIENT, r->status,
                  "s3://%s at %s: a new multipart upload has no id",
                  a->s3->address.bucket, a->s3->address.endpoint);
    if (r->err.kind == ERROR_NONE) {
        a->op->answer.upload_id = mem_copy_string(id);
        remember(a, r);
    }
    s3_attempt_end_as(a, r);
}

static bool has_crc32c(const struct s3 *s3)
{
    return s3->traits.streamed == S3_RUNG_TRAILER ||
           s3->traits.streamed == S3_RUNG_HEADER;
}

void s3_create_start(struct s3_attempt *a)
{
    struct s3_request *r = s3_attempt_request(a, "POST", a->op->key);
    char token[S3_TOKEN_MAX];

    draw_token(token);
    s3_request_query(r, "uploads", NULL);
    s3_request_header(r, "Content-Type: application/octet-stream");
    s3_request_header(r, "%s: %s", s3_token_header, token);
    if (has_crc32c(a->s3)) {
        s3_request_header(r, "%s", crc32c_header);
        s3_request_header(r, "x-amz-checksum-type: FULL_OBJECT");
    }
    s3_attempt_object_headers(a, r);
    r->root = "InitiateMultipartUploadResult";
    s3_attempt_send(a, on_created);
}

void s3_attempt_ask_for_parts(struct s3_attempt *a,
                              void (*on_answer)(struct s3_attempt *a,
                                                struct s3_request *r))
{
    struct s3_request *r = s3_attempt_request(a, "GET", a->op->key);

    r->verb = STORE_LIST_PARTS;
    r->root = "ListPartsResult";
    s3_request_query(r, "max-parts", "1");
    s3_request_query(r, "uploadId", a->op->upload_id);
    s3_attempt_send(a, on_answer);
}

/* ---- complete ---- */

/* What a store makes of the parts' MD5s; "" where their ETags are no MD5s. */
static void expected_etag(const struct store_op *op, char out[STORE_ETAG_MAX])
{
    struct etag *parts = mem_new(op->n_parts, sizeof *parts);
    struct etag whole;
    bool is_known = true;

    out[0] = '\0';
    for (size_t i = 0; i < op->n_parts && is_known; i++)
        is_known = etag_parse(&parts[i], op->parts[i].etag) && parts[i].n_parts == 0;
    if (is_known && etag_of_parts(&whole, parts, (uint32_t)op->n_parts))
        etag_format(out, &whole);
    free(parts);
}

/* Is what HEAD has found the object that this completion makes? */
static bool is_ours(const struct s3_attempt *a, const struct s3_request *r)
{
    const struct s3_memo *memo = s3_memo_find(a->s3, a->op->upload_id);
    char found[S3_TOKEN_MAX + 1], etag[STORE_ETAG_MAX], expected[STORE_ETAG_MAX];
    uint64_t size;

    if (s3_header_number(&r->http.answer, "Content-Length", &size) != 0 ||
        size != a->op->size)
        return false;
    s3_header_text(&r->http.answer, s3_token_header, found, sizeof found);
    if (memo != NULL && memo->token[0] != '\0' && found[0] != '\0')
        return strcmp(found, memo->token) == 0;
    s3_header_etag(&r->http.answer, etag);
    expected_etag(a->op, expected);
    return expected[0] != '\0' && strcmp(etag, expected) == 0;
}

static void end_complete(struct s3_attempt *a, struct s3_request *r)
{
    s3_header_etag(&r->http.answer, a->op->answer.etag);
    s3_memo_drop(a->s3, a->op->upload_id);
    s3_attempt_end(a, NULL);
}

/* The object may have come between our look at it and the listing of the parts. */
static void on_looked_at_last(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE && is_ours(a, r))
        end_complete(a, r);
    else if (r->err.kind == ERROR_NONE || r->err.kind == ERROR_NOT_FOUND)
        s3_attempt_end(a, &a->err);
    else
        s3_attempt_end_as(a, r);
}

/* ListParts may say: no such upload. */
static void on_asked(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind != ERROR_NOT_FOUND) {
        s3_attempt_end(a, &a->first_err);
        return;
    }
    a->err = r->err;
    s3_attempt_look(a, on_looked_at_last);
}

/* The completion's answer was no clear success. */
static void on_looked_after_doubt(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE && is_ours(a, r))
        end_complete(a, r);
    else if (r->err.kind == ERROR_CANCELLED || error_is_retryable(&r->err))
        s3_attempt_end_as(a, r); /* nothing is known yet: all of it once more */
    else if (a->first_err.kind == ERROR_TRANSIENT)
        s3_attempt_ask_for_parts(a, on_asked);
    else
        s3_attempt_end(a, &a->first_err);
}

/* Listings and HEAD of some stores lag: it is looked for again, later, and the
 * completion is not repeated. */
static bool may_come(struct s3_attempt *a, struct s3_request *r)
{
    struct s3_memo *memo = s3_memo_make(a->s3, a->op->upload_id);

    if (r->err.kind != ERROR_NOT_FOUND || ++memo->n_missed >= LOOKS_MAX)
        return false;
    error_set(&a->err, ERROR_TRANSIENT, r->status,
              "s3://%s/%s%s: put together from its parts it is not to be seen yet",
              a->s3->address.bucket, a->s3->address.prefix, a->op->key);
    return true;
}

static void on_looked(struct s3_attempt *a, struct s3_request *r)
{
    uint64_t size = 0;

    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_NOT_FOUND) {
        s3_attempt_end_as(a, r);
        return;
    }
    if (r->err.kind == ERROR_NONE &&
        s3_header_number(&r->http.answer, "Content-Length", &size) == 0 &&
        size == a->op->size) {
        end_complete(a, r);
        return;
    }
    if (!may_come(a, r)) {
        s3_memo_drop(a->s3, a->op->upload_id);
        error_set(
            &a->err, ERROR_CORRUPT, r->status,
            "s3://%s/%s%s: put together from its parts it has %llu bytes, not %llu",
            a->s3->address.bucket, a->s3->address.prefix, a->op->key,
            (unsigned long long)size, (unsigned long long)a->op->size);
    }
    s3_attempt_end(a, &a->err);
}

/* Not: a refusal that says that nothing was done. */
static bool is_doubtful(const struct s3_request *r)
{
    if (r->status == 0)
        return false; /* not answered: it will be repeated, and the answer looked at */
    return r->err.kind == ERROR_NOT_FOUND || r->err.kind == ERROR_TRANSIENT ||
           r->err.kind == ERROR_CONFLICT;
}

static void on_completed(struct s3_attempt *a, struct s3_request *r)
{
    text_free(&r->document); /* it is the largest of all */
    if (r->err.kind == ERROR_NONE) {
        s3_attempt_look(a, on_looked);
    } else if (is_doubtful(r)) {
        a->first_err = r->err;
        s3_attempt_look(a, on_looked_after_doubt);
    } else {
        s3_attempt_end_as(a, r);
    }
}

static bool all_have_crc(const struct store_op *op)
{
    for (size_t i = 0; i < op->n_parts; i++)
        if (op->parts[i].crc32c == 0)
            return false;
    return true;
}

static void complete(struct s3_attempt *a)
{
    struct store_op *op = a->op;
    struct s3_request *r = s3_attempt_request(a, "POST", op->key);
    bool with_crc = has_crc32c(a->s3) && all_have_crc(op);

    s3_request_query(r, "uploadId", op->upload_id);
    s3_xml_put_parts(&r->document, op->parts, op->n_parts, with_crc);
    if (with_crc) {
        s3_request_header(r, "x-amz-checksum-type: FULL_OBJECT");
        s3_request_header(r, "x-amz-mp-object-size: %llu",
                          (unsigned long long)op->size);
    }
    r->root = "CompleteMultipartUploadResult";
    r->stall_ms = COMPLETE_STALL_MS;
    s3_attempt_send(a, on_completed);
}

void s3_complete_start(struct s3_attempt *a)
{
    const struct s3_memo *memo = s3_memo_find(a->s3, a->op->upload_id);

    if (memo != NULL && memo->n_missed > 0)
        s3_attempt_look(a, on_looked); /* completed by an earlier attempt */
    else
        complete(a);
}

/* ---- abort ---- */

static void abort_upload(struct s3_attempt *a);

static void on_asked_after_abort(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE && ++a->n_rounds < ABORT_ROUNDS) {
        abort_upload(a);
        return;
    }
    if (r->err.kind == ERROR_NONE)
        error_set(&r->err, ERROR_TRANSIENT, r->status,
                  "s3://%s/%s%s: its upload is still there after it was aborted",
                  a->s3->address.bucket, a->s3->address.prefix, a->op->key);
    else if (r->err.kind == ERROR_NOT_FOUND || r->err.kind == ERROR_AUTH)
        error_clear(&r->err); /* gone; or we may abort, but not look */
    s3_attempt_end_as(a, r);
}

static void on_aborted(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NOT_FOUND) {
        error_clear(&r->err);
        s3_attempt_end_as(a, r);
    } else if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
    } else {
        s3_memo_drop(a->s3, a->op->upload_id);
        s3_attempt_ask_for_parts(a, on_asked_after_abort);
    }
}

static void abort_upload(struct s3_attempt *a)
{
    struct s3_request *r = s3_attempt_request(a, "DELETE", a->op->key);

    s3_request_query(r, "uploadId", a->op->upload_id);
    s3_attempt_send(a, on_aborted);
}

void s3_abort_start(struct s3_attempt *a)
{
    abort_upload(a);
}
