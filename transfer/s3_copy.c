/*
 * Copies inside the store: CopyObject and UploadPartCopy.
 *
 *     COPYING --200, <...Result>--> end
 *        +------200, <Error>, 4xx --> refused: the bytes may be sent instead
 *        +------5xx, no answer -----> to be tried again: a copy is as good the second time
 *
 * As a completion they may say 200 long before they know.  The ETag is pinned by
 * x-amz-copy-source-if-match; Ceph ignores that (S3-NOTES), but there a copy has the
 * ETag of what was copied, and of equal ETags nothing more need be known.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transfer/s3_attempt.h"
#include "transfer/s3_judge.h"

enum { COPY_STALL_MS = 20 * 60 * 1000 }; /* ARCHITECTURE: at least 10 min */

static bool is_given(const char *string)
{
    return string != NULL && *string != '\0';
}

/* "bucket/key?versionId=...", percent-encoded. */
static void source_header(struct s3_attempt *a, struct s3_request *r)
{
    const struct store_from *from = &a->op->from;
    const struct s3_address *address = &a->s3->address;
    struct text name = {0};

    s3_address_encode(&name, from->bucket != NULL ? from->bucket : address->bucket,
                      false);
    text_add(&name, "/");
    if (from->bucket == NULL)
        s3_address_encode(&name, address->prefix, true);
    s3_address_encode(&name, from->key, true);
    if (is_given(from->version_id)) {
        text_add(&name, "?versionId=");
        s3_address_encode(&name, from->version_id, false);
    }
    s3_request_header(r, "x-amz-copy-source: %s", text_string(&name));
    if (is_given(from->etag))
        s3_request_header(r, "x-amz-copy-source-if-match: \"%s\"", from->etag);
    text_free(&name);
}

/* No pause and no other key would help. */
static bool is_refusal(const struct s3_request *r)
{
    switch (r->err.kind) {
    case ERROR_NOT_FOUND:
    case ERROR_CONFLICT:
    case ERROR_AUTH:
    case ERROR_CORRUPT:
    case ERROR_UNUSABLE:
        return strcmp(r->answer.fault.code, "NoSuchUpload") != 0;
    default:
        return false;
    }
}

static void refuse(struct s3_attempt *a, struct s3_request *r)
{
    const struct store_from *from = &a->op->from;

    a->op->copy_refused = is_refusal(r);
    if (a->op->copy_refused)
        error_wrap(&r->err, "cannot copy s3://%.63s/%.200s",
                   from->bucket != NULL ? from->bucket : a->s3->address.bucket,
                   from->key);
    s3_attempt_end_as(a, r);
}

static void end_copy(struct s3_attempt *a, struct s3_request *r, uint64_t size)
{
    struct store_op *op = a->op;

    if (r->err.kind == ERROR_NONE && r->answer.etag[0] == '\0')
        s3_judge_broken(r, "has no ETag");
    if (r->err.kind != ERROR_NONE) {
        refuse(a, r);
        return;
    }
    memcpy(op->answer.etag, r->answer.etag, sizeof op->answer.etag);
    op->answer.crc32c = r->answer.crc32c;
    op->answer.is_pinned =
        is_given(op->from.etag) &&
        (a->s3->quirks->pins_copies || strcmp(op->from.etag, op->answer.etag) == 0);
    store_copied(op, size);
    s3_attempt_end(a, NULL);
}

/* ---- a whole object ---- */

static void on_copied(struct s3_attempt *a, struct s3_request *r)
{
    end_copy(a, r, a->op->from.size);
}

/* REPLACE: what somebody has noted on the source is none of the copy's, and whoever may
 * not read its tags may still copy it. */
void s3_copy_start(struct s3_attempt *a)
{
    struct s3_request *r = s3_attempt_request(a, "PUT", a->op->key);

    r->root = "CopyObjectResult";
    r->stall_ms = COPY_STALL_MS;
    s3_request_header(r, "Content-Type: application/octet-stream");
    source_header(a, r);
    s3_request_header(r, "x-amz-metadata-directive: REPLACE");
    s3_request_header(r, "x-amz-tagging-directive: REPLACE");
    s3_attempt_object_headers(a, r);
    s3_attempt_send(a, on_copied);
}

/* ---- a range of one, as a part ---- */

static void on_part_copied(struct s3_attempt *a, struct s3_request *r)
{
    end_copy(a, r, a->op->part.size);
}

static bool is_whole(const struct store_op *op)
{
    return op->from.offset == 0 && op->part.size == op->from.size;
}

void s3_copy_part_start(struct s3_attempt *a)
{
    const struct store_op *op = a->op;
    struct s3_request *r = s3_attempt_request(a, "PUT", op->key);
    uint64_t end = op->from.offset + op->part.size;
    char number[12];

    snprintf(number, sizeof number, "%u", op->part.number);
    s3_request_query(r, "partNumber", number);
    s3_request_query(r, "uploadId", op->upload_id);
    r->root = "CopyPartResult";
    r->stall_ms = COPY_STALL_MS;
    source_header(a, r);
    if (!is_whole(op)) /* of a small object AWS takes no range at all */
        s3_request_header(r, "x-amz-copy-source-range: bytes=%" PRIu64 "-%" PRIu64,
                          op->from.offset, end - 1);
    s3_attempt_send(a, on_part_copied);
}
