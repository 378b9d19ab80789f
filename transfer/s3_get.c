/*
 * Head and get.
 *
 *     get    GETTING --bytes--> sink --...--> end
 *               +--416--> LOOKING: at its end, or beyond?  --> end
 *
 * A get that was interrupted goes on where it was, of the same object: If-Match.  An
 * answer to HEAD has no body and so no code; where that leaves open what is wrong, the
 * bucket is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/s3_attempt.h"
#include "transfer/s3_header.h"
#include "transfer/s3_judge.h"

static void answer_object(struct s3_attempt *a, const struct s3_request *r)
{
    struct store_op *op = a->op;
    char sse[16];

    s3_header_etag(&r->http.answer, op->answer.etag);
    (void)s3_header_date_ms(&r->http.answer, "Last-Modified", &op->answer.modified_ms);
    (void)s3_header_date_ms(&r->http.answer, "Date", &op->answer.date_ms);
    s3_header_text(&r->http.answer, "x-amz-version-id", op->answer.version_id,
                   sizeof op->answer.version_id);
    s3_header_text(&r->http.answer, "x-amz-server-side-encryption", sse, sizeof sse);
    op->answer.is_opaque_etag = strncmp(sse, "aws:", 4) == 0; /* under keys of KMS */
    if (strcmp(op->answer.version_id, "null") == 0)
        op->answer.version_id[0] = '\0'; /* of before it kept several */
}

static void query_version(const struct s3_attempt *a, struct s3_request *r)
{
    if (a->op->version_id != NULL && a->op->version_id[0] != '\0')
        s3_request_query(r, "versionId", a->op->version_id);
}

/* ---- head ---- */

/* What asks the bucket may be forbidden where a HEAD is not: of a 400, of which some
 * pass, that says nothing.  Nor does a listing ever say that an object is not there. */
static bool tells_more(const struct s3_attempt *a, const struct error *reason)
{
    return reason->kind != ERROR_NONE && reason->kind != ERROR_NOT_FOUND &&
           !(reason->kind == ERROR_AUTH && error_is_retryable(&a->bare_err));
}

static void on_reason(struct s3_attempt *a, struct s3_request *r)
{
    if (!tells_more(a, &r->err))
        r->err = a->bare_err;
    a->on_look(a, r);
}

static void ask_for_reason(struct s3_attempt *a, const struct error *err)
{
    struct s3_request *r;

    a->bare_err = *err;
    r = s3_attempt_request(a, "GET", NULL);
    s3_request_query(r, "list-type", "2");
    s3_request_query(r, "max-keys", "1");
    r->verb = STORE_LIST;
    r->root = "ListBucketResult";
    s3_attempt_send(a, on_reason);
}

static void on_head(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind != ERROR_NONE && (r->status == 400 || r->status == 403))
        ask_for_reason(a, &r->err);
    else
        a->on_look(a, r);
}

void s3_attempt_look(struct s3_attempt *a,
                     void (*on_look)(struct s3_attempt *a, struct s3_request *r))
{
    struct s3_request *r = s3_attempt_request(a, "HEAD", a->op->key);

    a->on_look = on_look;
    r->verb = STORE_HEAD;
    query_version(a, r);
    s3_attempt_send(a, on_head);
}

static void on_found(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE) {
        answer_object(a, r);
        if (s3_header_number(&r->http.answer, "Content-Length", &a->op->answer.size) !=
            0)
            error_set(&r->err, ERROR_TRANSIENT, r->status,
                      "s3://%s/%s%s: the answer does not say its size",
                      a->s3->address.bucket, a->s3->address.prefix, a->op->key);
    }
    s3_attempt_end_as(a, r);
}

void s3_head_start(struct s3_attempt *a)
{
    s3_attempt_look(a, on_found);
}

/* ---- get ---- */

static int corrupt(struct s3_attempt *a, const char *why)
{
    return error_set(&a->err, ERROR_CORRUPT, 0, "s3://%s/%s%s: %s",
                     a->s3->address.bucket, a->s3->address.prefix, a->op->key, why);
}

/* "bytes 0-99/1234": the size of the whole, and where this begins. */
static int read_range(const struct s3_request *r, uint64_t *begin, uint64_t *size)
{
    char value[80], *slash, *dash;

    s3_header_text(&r->http.answer, "Content-Range", value, sizeof value);
    slash = strchr(value, '/');
    dash = strchr(value, '-');
    if (strncmp(value, "bytes ", 6) != 0 || slash == NULL || dash == NULL)
        return -1;
    *dash = '\0';
    return text_parse_u64(value + 6, begin) != 0 || text_parse_u64(slash + 1, size) != 0
               ? -1
               : 0;
}

/* The headers are here: what will come?  Once an attempt. */
static int begin_taking(struct s3_attempt *a, struct s3_request *r)
{
    struct store_op *op = a->op;
    uint64_t begin = 0, size = 0, from = op->offset + op->taken, wanted;
    char etag[STORE_ETAG_MAX];

    s3_header_etag(&r->http.answer, etag);
    if (etag[0] == '\0') { /* every object has one */
        s3_judge_broken(r, "has no ETag");
        a->err = r->err;
        return -1;
    }
    if (r->http.answer.status == 206
            ? read_range(r, &begin, &size) != 0
            : s3_header_number(&r->http.answer, "Content-Length", &size) != 0)
        return corrupt(a, "the answer does not say its size");
    if (begin != from || size < from)
        return corrupt(a, "the store does not send the range that was asked for");
    answer_object(a, r);
    op->answer.size = size;
    wanted = op->size - op->taken;
    a->end = op->taken + (size - from < wanted ? size - from : wanted);
    return 0;
}

static void on_given(void *ctx, const struct error *err)
{
    struct s3_attempt *a = ctx;

    if (err == NULL)
        a->op->taken += a->chunk.size;
    http_took(&a->request->http, err);
}

static void on_bytes(struct s3_request *r, struct span bytes)
{
    struct s3_attempt *a = r->ctx;

    if (a->end == 0 && begin_taking(a, r) != 0) {
        http_took(&r->http, &a->err);
        return;
    }
    if (bytes.size > a->end - a->op->taken) {
        corrupt(a, "more bytes came than were asked for");
        http_took(&r->http, &a->err);
        return;
    }
    a->chunk = bytes;
    store_received(a->op, bytes.size);
    a->op->sink->write(a->op->sink, bytes, on_given, a);
}

static void on_looked(struct s3_attempt *a, struct s3_request *r)
{
    struct store_op *op = a->op;

    if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
        return;
    }
    answer_object(a, r);
    if (s3_header_number(&r->http.answer, "Content-Length", &op->answer.size) != 0 ||
        op->offset + op->taken > op->answer.size)
        corrupt(a, "it has fewer bytes than expected");
    s3_attempt_end(a, &a->err);
}

static void on_got(struct s3_attempt *a, struct s3_request *r)
{
    if (r->status == 416) {
        s3_attempt_look(a, on_looked);
        return;
    }
    if (a->err.kind != ERROR_NONE) { /* our own, given to http */
        s3_attempt_end(a, &a->err);
        return;
    }
    if (r->err.kind == ERROR_NONE && a->end == 0 && begin_taking(a, r) != 0) {
        s3_attempt_end(a, &a->err); /* an empty object */
        return;
    }
    if (r->err.kind == ERROR_NONE && a->op->taken < a->end)
        error_set(&r->err, ERROR_TRANSIENT, r->status,
                  "s3://%s/%s%s: the answer ended early", a->s3->address.bucket,
                  a->s3->address.prefix, a->op->key);
    if (r->err.kind == ERROR_CONFLICT)
        r->err.kind =
            ERROR_CORRUPT; /* another object than the one that we began with */
    a->op->body_failed = r->body_failed;
    s3_attempt_end_as(a, r);
}

static void add_range(struct s3_attempt *a, struct s3_request *r)
{
    const struct store_op *op = a->op;
    uint64_t from = op->offset + op->taken;

    if (op->size <= UINT64_MAX - op->offset && op->size != UINT64_MAX)
        s3_request_header(r, "Range: bytes=%llu-%llu", (unsigned long long)from,
                          (unsigned long long)(op->offset + op->size - 1));
    else if (from > 0)
        s3_request_header(r, "Range: bytes=%llu-", (unsigned long long)from);
    if (op->taken > 0 && op->answer.etag[0] != '\0')
        s3_request_header(r, "If-Match: \"%s\"", op->answer.etag);
}

void s3_get_start(struct s3_attempt *a)
{
    struct s3_request *r;

    if (a->op->size == a->op->taken) { /* nothing (more) is wanted */
        s3_attempt_look(a, on_looked);
        return;
    }
    r = s3_attempt_request(a, "GET", a->op->key);
    query_version(a, r);
    add_range(a, r);
    r->needs_etag = true;
    r->take = on_bytes;
    r->into = a->op->buffer.bytes;
    if (r->into.size < HTTP_INTO_MIN) {
        a->own_chunk = mem_buffer(HTTP_INTO_MIN);
        r->into = (struct span){a->own_chunk, HTTP_INTO_MIN};
    }
    s3_attempt_send(a, on_got);
}
