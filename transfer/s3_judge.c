/*
 * What an answer means is decided here, once.  In order: the whole answer of a success
 * must be what was asked for; a failure must be S3's <Error>, or an empty one, or
 * trouble of HTTP's own.  All else was sent by somebody who is not S3.
 */
#include "transfer/s3_judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "transfer/s3_header.h"

enum {
    CLOCK_OFF_S = 60, /* less is no reason for a refusal */
    BARE_REFUSALS_MAX = 20
};

static struct s3_origin origin(const struct s3_request *r)
{
    return (struct s3_origin){.bucket = r->s3->address.bucket,
                              .prefix = r->s3->address.prefix,
                              .key = r->key,
                              .endpoint = r->s3->address.endpoint,
                              .verb = r->verb};
}

/* What came instead of S3's XML, for a message. */
static void describe(struct s3_request *r, struct text *what)
{
    char type[80], location[120];

    s3_header_text(&r->http.answer, "Content-Type", type, sizeof type);
    s3_header_text(&r->http.answer, "Location", location, sizeof location);
    if (r->answer.root[0] != '\0')
        text_add_format(what, "a document <%s>", r->answer.root);
    else
        text_add(what, type[0] != '\0' ? type : "nothing that S3 would say");
    if (location[0] != '\0' && r->status / 100 == 3)
        text_add_format(what, " (redirect to %s)", location);
}

/* Not S3 has answered.  Where S3 has answered before, something stands between us now:
 * a proxy in trouble, the login page of a network.  That may pass. */
static int foreign(struct s3_request *r)
{
    struct s3_origin o = origin(r);
    struct text what = {0};

    describe(r, &what);
    s3_error_foreign(&r->err, &o, r->status, text_string(&what));
    text_free(&what);
    if (r->s3->keys_worked)
        r->err.kind =
            ERROR_NETWORK; /* it has been good before: somebody is in between */
    return -1;
}

/* For people: no store sends such. */
static bool is_page(const struct s3_request *r)
{
    char type[80];

    s3_header_text(&r->http.answer, "Content-Type", type, sizeof type);
    return strncmp(type, "text/html", strlen("text/html")) == 0;
}

/* A success that is none, of a store that is known to speak S3: something between us
 * has answered, or the answer was cut. */
static int broken(struct s3_request *r, const char *why)
{
    if (!r->s3->keys_worked || is_page(r))
        return foreign(r);
    return error_set(&r->err, ERROR_TRANSIENT, r->status,
                     "s3://%s at %s: the answer to %s, status %d, %s",
                     r->s3->address.bucket, r->s3->address.endpoint,
                     s3_error_verb_name(r->verb), r->status, why);
}

/* Of a bucket that is made where it is needed: that it is not there yet is no mistake
 * of the user's, and that it is another's is what the refusal most likely means. */
static void judge_own_bucket(struct s3_request *r)
{
    const char *code = r->answer.fault.code;

    if (r->s3->options.bucket_owner == NULL)
        return;
    if (strcmp(code, "NoSuchBucket") == 0)
        r->verdict.kind = ERROR_NOT_FOUND;
    else if (strcmp(code, "AccessDenied") == 0)
        r->verdict.hint = "this bucket is not the account's own, or its policy forbids "
                          "this: log in with another --store";
}

/* A HEAD is refused without a reason, and of those that have this status some pass: a
 * request that took too long, or keys of which other requests will hear that they have
 * run out. */
static void judge_bare_refusal(struct s3_request *r)
{
    if (r->is_quiet && r->status == 400 && r->s3->keys_worked &&
        ++r->s3->n_bare_refusals < BARE_REFUSALS_MAX)
        r->verdict.kind = ERROR_TRANSIENT;
}

/* New keys that have not been good once: what is written to a file in two steps is half
 * new in between. */
static bool are_half_new(const struct s3_request *r)
{
    return r->is_signed && r->signer_serial != r->s3->worked_serial &&
           strcmp(r->answer.fault.code, "SignatureDoesNotMatch") == 0;
}

/* Keys that were good have been taken out of use, as some stores do with those that
 * have expired; or what came in their place is not right yet. */
static void judge_worn_keys(struct s3_request *r)
{
    bool is_unknown = strcmp(r->answer.fault.code, "InvalidAccessKeyId") == 0;

    if (r->s3->keys_worked && (is_unknown || are_half_new(r)))
        r->verdict =
            (struct s3_verdict){ERROR_EXPIRED, S3_REMEDY_NONE,
                                "log in again with `grid login`, or renew them"};
}

static int refuse(struct s3_request *r, int status)
{
    struct s3_origin o = origin(r);

    r->verdict = s3_error_verdict(status, r->answer.fault.code, r->verb);
    judge_own_bucket(r);
    judge_worn_keys(r);
    judge_bare_refusal(r);
    s3_error_set(&r->err, &r->verdict, &o, r->status, &r->answer.fault);
    if (r->err.kind == ERROR_EXPIRED)
        s3_note_worn(r->s3, r->signer_serial, &r->err);
    return -1;
}

static bool is_xml_error(const struct s3_request *r)
{
    return strcmp(r->answer.root, "Error") == 0;
}

int s3_judge_broken(struct s3_request *r, const char *why)
{
    r->status = r->http.answer.status;
    return broken(r, why);
}

static int judge_success(struct s3_request *r)
{
    char etag[STORE_ETAG_MAX];

    if (r->root != NULL) {
        if (is_xml_error(r)) /* decided after the status was sent */
            return refuse(r, 500);
        if (r->xml_err.kind != ERROR_NONE)
            return broken(r, "is no XML of S3");
        if (strcmp(r->answer.root, r->root) != 0)
            return broken(r, "is another document");
    }
    if (r->verb == STORE_DELETE && r->root == NULL && r->http.answer.body.size > 0)
        return foreign(r);
    s3_header_etag(&r->http.answer, etag);
    if (r->needs_etag && etag[0] == '\0')
        return broken(r, "has no ETag");
    r->s3->keys_worked = true;
    if (r->is_signed && r->signer_serial > r->s3->worked_serial)
        r->s3->worked_serial = r->signer_serial;
    if (r->is_quiet)
        r->s3->n_bare_refusals = 0;
    return 0;
}

static bool is_plain_http_trouble(int status)
{
    return status >= 500 || status == 429 || status == 408 || status == 407;
}

static int judge_failure(struct s3_request *r)
{
    bool is_empty = r->http.answer.body.size == 0;

    if (!is_xml_error(r) && !is_empty && !is_plain_http_trouble(r->status))
        return foreign(r);
    if (!is_xml_error(r) && is_empty &&
        (r->status < 200 || r->status == 302 || r->status == 303))
        return foreign(r);
    return refuse(r, r->status);
}

void s3_judge(struct s3_request *r)
{
    memset(&r->verdict, 0, sizeof r->verdict);
    if (r->status / 100 == 2)
        judge_success(r);
    else
        judge_failure(r);
}

static bool learn_region(struct s3_request *r)
{
    char region[48];

    s3_header_text(&r->http.answer, "x-amz-bucket-region", region, sizeof region);
    if (region[0] == '\0')
        memcpy(region, r->answer.fault.region, sizeof region);
    if (region[0] == '\0' || strcmp(region, r->s3->address.region) == 0)
        return false;
    s3_address_move(&r->s3->address, region);
    log_line(LOG_INFO, LOG_STORE, "s3://%s is in region %s", r->s3->address.bucket,
             r->s3->address.region);
    return strcmp(region, r->s3->address.region) == 0;
}

static void measure_clock(struct s3_request *r)
{
    int64_t date_ms, offset_s;

    if (s3_header_date_ms(&r->http.answer, "Date", &date_ms) != 0)
        return;
    offset_s = date_ms / 1000 - (s3_now_s(r->s3) - r->s3->clock_offset_s);
    if (llabs(offset_s - r->s3->clock_offset_s) < CLOCK_OFF_S)
        return;
    log_line(LOG_WARNING, LOG_STORE, "this machine's clock is %lld s off the store's",
             (long long)-offset_s);
    r->s3->clock_offset_s = offset_s;
}

/* What counts is the time that it was signed with: of several requests under way the
 * first to be refused learns the offset for all, and one that was held up for long was
 * signed with a time that was right once. */
static bool learn_clock(struct s3_request *r)
{
    measure_clock(r);
    return llabs(r->signed_at_s - s3_now_s(r->s3)) >= CLOCK_OFF_S;
}

/* Another request may have learnt it while this one was under way. */
static bool has_moved_on(const struct s3_request *r)
{
    return r->is_signed && strcmp(r->s3->signer.region, r->s3->address.region) != 0;
}

bool s3_judge_learn(struct s3_request *r)
{
    if (r->n_learnt == S3_JUDGE_LEARN_MAX || r->is_cancelled)
        return false;
    if (r->verdict.remedy == S3_REMEDY_REGION || (r->is_quiet && r->status == 400)) {
        if (!has_moved_on(r) && !learn_region(r))
            return false;
    } else if (r->verdict.remedy != S3_REMEDY_CLOCK || !learn_clock(r)) {
        return false;
    }
    r->n_learnt++;
    return true;
}

/* Bytes that arrived damaged: worth another attempt.  A signature over the bytes that
 * does not match is of this sort where the same keys have been accepted before. */
void s3_judge_damage(struct s3_request *r)
{
    bool is_signature = strcmp(r->answer.fault.code, "SignatureDoesNotMatch") == 0;

    if (r->verdict.remedy != S3_REMEDY_DIGEST || r->payload == NULL)
        return;
    if (is_signature &&
        (r->s3->readiness == S3_NEW ||
         (r->payload->rung != S3_RUNG_CHUNK_SIGNED && !r->payload->signs)))
        return;
    r->err.kind = ERROR_CORRUPT;
}
