/*
 * Put and upload part: the bytes, with what lets the store check them.
 *
 *     put                       PUTTING ---> end
 *     part                      [ASKING for the upload's checksum -->] PUTTING ---> end
 *     put, if absent            PUTTING with If-None-Match ---> end
 *     the same, not honoured    LOOKING --not there--> PUTTING ---> end
 *
 * The last is for stores on which a put cannot be made conditional: better than
 * nothing, but two at once may both succeed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transfer/s3_attempt.h"
#include "transfer/s3_header.h"
#include "transfer/s3_ladder.h"

/* Attempts whose bytes arrived otherwise than they were sent.  On a line that damages one
 * body of four, three would end a run every hundred bodies, and ten do every million. */
enum { DAMAGED_MAX = 10 };

void s3_attempt_object_headers(struct s3_attempt *a, struct s3_request *r)
{
    const struct s3_options *o = &a->s3->options;

    if (o->storage_class != NULL)
        s3_request_header(r, "x-amz-storage-class: %s", o->storage_class);
    if (o->sse != NULL)
        s3_request_header(r, "x-amz-server-side-encryption: %s", o->sse);
    if (o->sse != NULL && o->sse_key_id != NULL)
        s3_request_header(r, "x-amz-server-side-encryption-aws-kms-key-id: %s",
                          o->sse_key_id);
}

bool s3_attempt_is_in_memory(const struct store_op *op)
{
    return op->body->whole.data != NULL || op->body->size <= op->buffer.bytes.size;
}

void s3_attempt_attach_body(struct s3_attempt *a, struct s3_request *r)
{
    struct store_op *op = a->op;
    const struct s3_traits *traits = &a->s3->traits;

    a->payload = (struct s3_payload){
        .loop = a->s3->loop,
        .body = op->body,
        .buffer = op->buffer.bytes,
        .rung = s3_attempt_is_in_memory(op) ? traits->whole : traits->streamed,
        .signs = s3_ladder_signs(a->s3),
        .op = op,
    };
    a->trusts_note = a->s3->traits_are_noted;
    r->payload = &a->payload;
}

/* The way of sending that another run found good is refused: is it no good any more? */
static bool refutes_note(const struct s3_attempt *a, const struct s3_request *r)
{
    return a->trusts_note && !r->body_failed &&
           (r->err.kind == ERROR_CORRUPT || r->status == 501);
}

/* What arrived damaged is sent again, not for ever. */
static void end_sent(struct s3_attempt *a, struct s3_request *r)
{
    struct error err = r->err;

    if (refutes_note(a, r)) {
        if (a->s3->traits_are_noted) /* else somebody was faster */
            s3_forget_traits(a->s3);
        err.kind = ERROR_TRANSIENT;
    }
    if (err.kind == ERROR_NONE)
        s3_header_etag(&r->http.answer, a->op->answer.etag);
    if (err.kind == ERROR_CORRUPT && !r->body_failed && ++a->op->damaged < DAMAGED_MAX)
        err.kind = ERROR_TRANSIENT;
    a->op->body_failed = r->body_failed;
    s3_attempt_end(a, &err);
}

/* ---- put ---- */

static void put(struct s3_attempt *a)
{
    struct s3_request *r = s3_attempt_request(a, "PUT", a->op->key);

    r->needs_etag = true;
    s3_request_header(r, "Content-Type: application/octet-stream");
    if (a->op->if_absent && a->s3->traits.has_if_none_match)
        s3_request_header(r, "If-None-Match: *");
    s3_attempt_object_headers(a, r);
    s3_attempt_attach_body(a, r);
    s3_attempt_send(a, end_sent);
}

static void on_looked(struct s3_attempt *a, struct s3_request *r)
{
    struct error err;

    if (r->err.kind == ERROR_NOT_FOUND) {
        put(a);
    } else if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
    } else {
        error_set(&err, ERROR_CONFLICT, EEXIST, "s3://%s/%s%s exists",
                  a->s3->address.bucket, a->s3->address.prefix, a->op->key);
        s3_attempt_end(a, &err);
    }
}

void s3_put_start(struct s3_attempt *a)
{
    if (!a->op->if_absent || a->s3->traits.has_if_none_match) {
        put(a);
        return;
    }
    s3_attempt_look(a, on_looked);
}

/* ---- upload part ---- */

static bool is_crc(enum s3_rung rung)
{
    return rung == S3_RUNG_TRAILER || rung == S3_RUNG_HEADER;
}

/* Does the store say that it has the digest?  Only then may it be told to it again. */
static uint32_t confirmed_crc(const struct s3_attempt *a, const struct s3_request *r)
{
    char value[16];
    uint8_t bytes[4];
    size_t size;
    uint32_t crc;

    s3_header_text(&r->http.answer, "x-amz-checksum-crc32c", value, sizeof value);
    if (text_parse_base64(value, strlen(value), bytes, sizeof bytes, &size) != 0 ||
        size != sizeof bytes)
        return 0;
    crc = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
          (uint32_t)bytes[2] << 8 | bytes[3];
    return crc == a->payload.crc32c ? crc : 0;
}

static void on_part(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE)
        a->op->answer.crc32c = confirmed_crc(a, r);
    end_sent(a, r);
}

static void send_part(struct s3_attempt *a)
{
    struct s3_request *r = s3_attempt_request(a, "PUT", a->op->key);
    const struct s3_memo *memo = s3_memo_find(a->s3, a->op->upload_id);
    char number[12];

    snprintf(number, sizeof number, "%u", a->op->part.number);
    s3_request_query(r, "partNumber", number);
    s3_request_query(r, "uploadId", a->op->upload_id);
    r->needs_etag = true;
    s3_attempt_attach_body(a, r);
    if (is_crc(a->payload.rung) &&
        (memo == NULL || memo->checksum != S3_CHECKSUM_CRC32C)) {
        a->payload.rung = s3_ladder_without_crc(a->s3);
        a->trusts_note = false; /* it is about another rung */
    }
    s3_attempt_send(a, on_part);
}

/* Who may not list the parts sends them without. */
static void on_checksum(struct s3_attempt *a, struct s3_request *r)
{
    struct s3_memo *memo;

    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_AUTH) {
        s3_attempt_end_as(a, r);
        return;
    }
    memo = s3_memo_make(a->s3, a->op->upload_id);
    memo->checksum = strcmp(r->answer.algorithm, "CRC32C") == 0 ? S3_CHECKSUM_CRC32C
                                                                : S3_CHECKSUM_NONE;
    send_part(a);
}

/* An upload of another run may have been created for another rung, and AWS refuses a
 * part with a checksum where the upload has none (400, "Checksum Type mismatch"). */
void s3_part_start(struct s3_attempt *a)
{
    const struct s3_memo *memo = s3_memo_find(a->s3, a->op->upload_id);
    bool is_known = memo != NULL && memo->checksum != S3_CHECKSUM_UNKNOWN;

    if (!is_known && (is_crc(a->s3->traits.streamed) || is_crc(a->s3->traits.whole)))
        s3_attempt_ask_for_parts(a, on_checksum);
    else
        send_part(a);
}
