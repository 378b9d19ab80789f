/*
 * Deleting: one key by a request of its own, several in one batch, except where XML
 * cannot hold a key or the store knows no batches.  What is not there is a success.
 *
 *     DELETING all in one --> end
 *         +-- not understood --> DELETING one --> the next --> ... --> end
 *
 * And the bucket itself, made.
 */
#include <string.h>

#include "base/log.h"
#include "transfer/s3_attempt.h"

static void delete_next(struct s3_attempt *a);

static void on_one(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_NOT_FOUND) {
        s3_attempt_end_as(a, r);
        return;
    }
    a->next_key++;
    delete_next(a);
}

static void delete_next(struct s3_attempt *a)
{
    if (a->next_key == a->op->n_keys) {
        s3_attempt_end(a, NULL);
        return;
    }
    /* That the key is not there is what a 404 means here, too. */
    s3_attempt_request(a, "DELETE", a->op->keys[a->next_key])->verb = STORE_DELETE;
    s3_attempt_send(a, on_one);
}

static bool is_not_understood(const struct s3_request *r)
{
    return r->status == 501 || r->status == 405 ||
           strcmp(r->answer.fault.code, "MalformedXML") == 0 ||
           strcmp(r->answer.fault.code, "NotImplemented") == 0;
}

/* Some of the keys are still there: as if they had been deleted one by one. */
static void end_refused(struct s3_attempt *a, const struct s3_answer *answer)
{
    struct s3_verdict verdict =
        s3_error_verdict(500, answer->refused.code, STORE_DELETE);
    struct s3_origin origin = {.bucket = a->s3->address.bucket,
                               .prefix = "", /* the key is whole */
                               .key = answer->refused_key,
                               .endpoint = a->s3->address.endpoint,
                               .verb = STORE_DELETE};

    if (verdict.kind == ERROR_NOT_FOUND) {
        delete_next(a); /* there may be others among them */
        return;
    }
    s3_error_set(&a->err, &verdict, &origin, 200, &answer->refused);
    s3_attempt_end(a, &a->err);
}

static void on_batch(struct s3_attempt *a, struct s3_request *r)
{
    if (r->err.kind != ERROR_NONE && is_not_understood(r)) {
        log_line(LOG_INFO, LOG_STORE, "%s: no deletion in batches (%d %s)",
                 a->s3->address.endpoint, r->status, r->answer.fault.code);
        a->s3->lacks_batch_delete = true;
        delete_next(a);
    } else if (r->err.kind == ERROR_NONE && r->answer.n_refused > 0) {
        end_refused(a, &r->answer);
    } else {
        s3_attempt_end_as(a, r);
    }
}

static bool can_batch(const struct s3_attempt *a)
{
    if (a->op->n_keys < 2 || a->s3->lacks_batch_delete)
        return false;
    for (size_t i = 0; i < a->op->n_keys; i++)
        if (!s3_xml_can_hold(a->op->keys[i]))
            return false;
    return true;
}

void s3_delete_start(struct s3_attempt *a)
{
    struct s3_request *r;

    if (!can_batch(a)) {
        delete_next(a);
        return;
    }
    r = s3_attempt_request(a, "POST", NULL);
    s3_request_query(r, "delete", NULL);
    s3_xml_put_keys(&r->document, a->s3->address.prefix, a->op->keys, a->op->n_keys);
    r->wants_md5 = true; /* it must have that, or another checksum */
    r->root = "DeleteResult";
    s3_attempt_send(a, on_batch);
}

/* ---- the bucket ---- */

static void make_bucket(struct s3_attempt *a, bool with_region);

static void on_bucket(struct s3_attempt *a, struct s3_request *r)
{
    const char *code = r->answer.fault.code;

    if (strcmp(code, "IllegalLocationConstraintException") == 0 && a->n_rounds++ == 0) {
        make_bucket(a, true);
        return;
    }
    if (strcmp(code, "BucketAlreadyOwnedByYou") == 0)
        error_clear(&r->err);
    s3_attempt_end_as(a, r);
}

static void make_bucket(struct s3_attempt *a, bool with_region)
{
    struct s3_request *r = s3_attempt_request(a, "PUT", NULL);

    if (with_region)
        s3_xml_put_location(&r->document, a->s3->address.region);
    s3_attempt_send(a, on_bucket);
}

/* us-east-1 is said by saying nothing; others than AWS mostly know no regions, and say
 * so where they do. */
void s3_bucket_start(struct s3_attempt *a)
{
    make_bucket(a, a->s3->address.is_aws &&
                       strcmp(a->s3->address.region, "us-east-1") != 0);
}
