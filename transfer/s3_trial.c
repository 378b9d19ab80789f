/*
 *   parts:  CREATING --> SENDING right part and wrong --> LISTING --> known --+
 *                          ^ |                              |not as sent      |
 *                          +-+------- next rung ------------+                 +--> REMOVING
 *                          v |                                                |     --> OVER
 *   puts:                SENDING right put and wrong --> AGAIN ----> known ---+
 *
 * A rung holds where the right digest is taken and the wrong one refused.  All answers to
 * what was sent together are awaited before they are judged.  Whatever fails on the way,
 * what was made is removed.
 */
#include "transfer/s3_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/s3_ladder.h"

enum { WHOLE = 512, CLEANUPS_MAX = 3, RIGHT_PART = 1, WRONG_PART = 2 };

static enum s3_rung rung(const struct s3_trial *t)
{
    return t->rungs[t->n_tried];
}

static void enter(struct s3_trial *t, enum s3_trial_step step);

/* ---- the end ---- */

static bool has_left(const struct s3_trial *t)
{
    return t->has_right || t->has_wrong || t->upload_id != NULL;
}

static void clean_up(struct s3_trial *t)
{
    enter(t, has_left(t) ? S3_TRIAL_REMOVING : S3_TRIAL_OVER);
}

static void fail(struct s3_trial *t, const struct error *err)
{
    error_keep_first(&t->err, err);
    clean_up(t);
}

static void succeed(struct s3_trial *t, enum s3_rung found)
{
    t->rung = found;
    t->known(t->ctx);
    clean_up(t);
}

/* ---- requests ---- */

static void on_answer(struct s3_request *r, void *ctx);

static struct s3_request *request(struct s3_trial *t, unsigned slot,
                                  enum store_verb verb, const char *method,
                                  const char *key)
{
    struct s3_request *r = s3_request_new(t->s3, verb, method, key);

    r->done = on_answer;
    r->ctx = t;
    t->requests[slot] = r;
    t->n_out++;
    return r;
}

static void create(struct s3_trial *t)
{
    struct s3_request *r = request(t, 0, STORE_CREATE_UPLOAD, "POST", t->key);

    s3_request_query(r, "uploads", NULL);
    if (s3_ladder_allows(t->s3, true, S3_RUNG_HEADER)) {
        s3_request_header(r, "x-amz-checksum-algorithm: CRC32C");
        s3_request_header(r, "x-amz-checksum-type: FULL_OBJECT");
    }
    r->root = "InitiateMultipartUploadResult";
    s3_request_send(r);
}

static void on_sample(struct s3_request *r, void *ctx);

/* With the rung's digest, or with a wrong one. */
static void send_bytes(struct s3_sample *s, struct s3_request *r)
{
    struct s3_trial *t = s->trial;
    size_t size = t->is_streamed ? S3_TRIAL_BYTES : WHOLE;

    memory_body_init(&s->body, t->s3->loop, (struct span){(uint8_t *)t->bytes, size});
    if (t->is_streamed)
        s->body.body.whole = (struct span){NULL, 0}; /* as if it came from a file */
    s3_payload_free(&s->payload);
    s->payload = (struct s3_payload){
        .loop = t->s3->loop,
        .body = &s->body.body,
        .buffer = {s->buffer, sizeof s->buffer},
        .rung = rung(t),
        .signs = s3_ladder_signs(t->s3),
        .is_wrong = s->is_wrong,
    };
    r->payload = &s->payload;
    r->needs_etag = true;
    r->done = on_sample;
    r->ctx = s;
    s->request = r;
    t->n_out++;
    s3_request_send(r);
}

static void send_part(struct s3_sample *s)
{
    struct s3_trial *t = s->trial;
    struct s3_request *r = s3_request_new(t->s3, STORE_UPLOAD_PART, "PUT", t->key);
    char number[12];

    snprintf(number, sizeof number, "%d", s->is_wrong ? WRONG_PART : RIGHT_PART);
    s3_request_query(r, "partNumber", number);
    s3_request_query(r, "uploadId", t->upload_id);
    send_bytes(s, r);
}

static void send_put(struct s3_sample *s, bool if_absent)
{
    struct s3_trial *t = s->trial;
    struct s3_request *r =
        s3_request_new(t->s3, STORE_PUT, "PUT", s->is_wrong ? t->wrong_key : t->key);

    if (if_absent)
        s3_request_header(r, "If-None-Match: *");
    t->has_right = true; /* even where the answer is lost */
    send_bytes(s, r);
}

static void send_sample(struct s3_sample *s)
{
    error_clear(&s->err);
    s->is_unimplemented = false;
    s->is_sent = true;
    if (s->trial->is_streamed)
        send_part(s);
    else
        send_put(s, false);
}

static void send_both(struct s3_trial *t)
{
    t->wrong.is_sent = rung(t) == S3_RUNG_NONE; /* there is nothing to be wrong */
    send_sample(&t->right);
    if (!t->wrong.is_sent && !t->is_narrow)
        send_sample(&t->wrong);
}

static void list_sizes(struct s3_trial *t)
{
    struct s3_request *r = request(t, 0, STORE_LIST_PARTS, "GET", t->key);

    s3_request_query(r, "uploadId", t->upload_id);
    r->root = "ListPartsResult";
    s3_request_send(r);
}

static void remove_all(struct s3_trial *t)
{
    if (t->upload_id != NULL) {
        struct s3_request *r = request(t, 0, STORE_ABORT_UPLOAD, "DELETE", t->key);
        s3_request_query(r, "uploadId", t->upload_id);
        s3_request_send(r);
    }
    if (t->has_right)
        s3_request_send(request(t, 0, STORE_DELETE, "DELETE", t->key));
    if (t->has_wrong && (!t->is_narrow || !t->has_right))
        s3_request_send(request(t, 1, STORE_DELETE, "DELETE", t->wrong_key));
}

static void enter(struct s3_trial *t, enum s3_trial_step step)
{
    t->step = step;
    switch (step) {
    case S3_TRIAL_CREATING:
        create(t);
        break;
    case S3_TRIAL_SENDING:
        send_both(t);
        break;
    case S3_TRIAL_LISTING:
        list_sizes(t);
        break;
    case S3_TRIAL_AGAIN:
        send_put(&t->right, true);
        break;
    case S3_TRIAL_REMOVING:
        remove_all(t);
        break;
    case S3_TRIAL_OVER:
        t->over(t->ctx); /* may free it */
        break;
    }
}

/* ---- answers ---- */

/* It says nothing about the digest. */
static bool is_unrelated(const struct error *err)
{
    return err->kind == ERROR_NETWORK || err->kind == ERROR_TRANSIENT ||
           err->kind == ERROR_THROTTLED || err->kind == ERROR_CANCELLED ||
           err->kind == ERROR_EXPIRED || err->kind == ERROR_FULL;
}

static void keep_upload(struct s3_trial *t, const struct s3_request *r)
{
    const char *id = r->answer.upload_id;

    if (id != NULL && *id != '\0')
        t->upload_id = mem_copy_string(id);
}

static void forget_upload(struct s3_trial *t)
{
    free(t->upload_id);
    t->upload_id = NULL;
}

static void next_rung(struct s3_trial *t)
{
    t->n_tried++;
    if (t->is_streamed && rung(t) == S3_RUNG_NONE)
        succeed(t, S3_RUNG_NONE);
    else
        enter(t, S3_TRIAL_SENDING);
}

static void on_created(struct s3_trial *t, const struct s3_request *r)
{
    if (r->err.kind != ERROR_NONE) {
        fail(t, &r->err);
        return;
    }
    keep_upload(t, r);
    if (t->upload_id == NULL || rung(t) == S3_RUNG_NONE)
        succeed(t, S3_RUNG_NONE);
    else
        enter(t, S3_TRIAL_SENDING);
}

static void on_both(struct s3_trial *t)
{
    const struct error *right = &t->right.err, *wrong = &t->wrong.err;
    bool is_last = rung(t) == S3_RUNG_NONE;

    if (right->kind != ERROR_NONE) {
        if ((is_unrelated(right) && !t->right.is_unimplemented) || is_last)
            fail(t, right);
        else
            next_rung(t);
    } else if (!is_last && wrong->kind == ERROR_NONE) {
        next_rung(t); /* it does not look at the digest */
    } else if (!is_last && is_unrelated(wrong)) {
        fail(t, wrong);
    } else {
        enter(t, t->is_streamed ? S3_TRIAL_LISTING : S3_TRIAL_AGAIN);
    }
}

/* Some take the frames of a body in chunks for bytes of the part. */
static void on_sizes(struct s3_trial *t, const struct s3_request *r)
{
    const struct store_items *items = &r->answer.items;
    bool is_as_sent = false;

    for (size_t i = 0; i < items->n; i++)
        is_as_sent |= items->items[i].number == RIGHT_PART &&
                      items->items[i].size == S3_TRIAL_BYTES;
    if (r->err.kind != ERROR_NONE && is_unrelated(&r->err))
        fail(t, &r->err);
    else if (r->err.kind == ERROR_NONE && !is_as_sent)
        next_rung(t);
    else
        succeed(t, rung(t));
}

static void on_again(struct s3_trial *t)
{
    const struct s3_sample *s = &t->right;

    t->has_if_none_match = s->err.kind == ERROR_CONFLICT;
    if (s->err.kind != ERROR_NONE && s->err.kind != ERROR_CONFLICT &&
        is_unrelated(&s->err) && !s->is_unimplemented)
        fail(t, &s->err);
    else
        succeed(t, rung(t));
}

/* What could not be removed is told, and no reason to stop. */
static void on_removed(struct s3_trial *t, const struct s3_request *r)
{
    if (error_is_retryable(&r->err) && t->n_cleanups < CLEANUPS_MAX) {
        t->n_cleanups++;
        return; /* once more */
    }
    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_NOT_FOUND)
        log_line(LOG_WARNING, LOG_STORE, "left behind by probing: %s", r->err.text);
    if (r->verb == STORE_ABORT_UPLOAD)
        forget_upload(t);
    else if (r == t->requests[1])
        t->has_wrong = false;
    else
        t->has_right = false;
}

/* Of a step with one request. */
static void step_on(struct s3_trial *t, const struct s3_request *r)
{
    if (t->step == S3_TRIAL_CREATING)
        on_created(t, r);
    else
        on_sizes(t, r);
}

static void fail_cancelled(struct s3_trial *t)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "cancelled");
    fail(t, &cancelled);
}

static void note(const struct s3_trial *t, const struct s3_request *r)
{
    log_line(LOG_DEBUG, LOG_STORE, "probe: %s, step %u, %s: %d %s",
             t->is_streamed ? "parts" : "puts", t->step, s3_rung_name(rung(t)),
             r->status, r->answer.fault.code);
}

/* The store is closing: nothing more is sent. */
static void end_now(struct s3_trial *t, const struct error *err)
{
    error_keep_first(&t->err, err);
    if (t->n_out == 0)
        enter(t, S3_TRIAL_OVER);
}

static void on_answer(struct s3_request *r, void *ctx)
{
    struct s3_trial *t = ctx;

    note(t, r);
    t->n_out--;
    if (t->step == S3_TRIAL_REMOVING)
        on_removed(t, r);
    t->requests[r == t->requests[1]] = NULL;
    if (t->s3->is_closing) {
        end_now(t, &r->err);
    } else if (t->step == S3_TRIAL_REMOVING) {
        if (t->n_out == 0)
            clean_up(t);
    } else if (t->is_cancelled) {
        if (t->step == S3_TRIAL_CREATING && r->err.kind == ERROR_NONE)
            keep_upload(t, r);
        fail_cancelled(t);
    } else {
        step_on(t, r);
    }
    s3_request_free(r);
}

static void on_sample(struct s3_request *r, void *ctx)
{
    struct s3_sample *s = ctx;
    struct s3_trial *t = s->trial;

    note(t, r);
    s->request = NULL;
    s->err = r->err;
    s->is_unimplemented =
        r->status == 501 || strcmp(r->answer.fault.code, "NotImplemented") == 0;
    t->has_wrong |= s->is_wrong && !t->is_streamed &&
                    (s->err.kind == ERROR_NONE || is_unrelated(&s->err));
    s3_request_free(r);
    if (--t->n_out > 0)
        return;
    if (t->s3->is_closing)
        end_now(t, &s->err);
    else if (t->is_cancelled)
        fail_cancelled(t);
    else if (t->step == S3_TRIAL_SENDING && !t->wrong.is_sent)
        send_sample(&t->wrong);
    else if (t->step == S3_TRIAL_SENDING)
        on_both(t);
    else
        on_again(t);
}

/* ---- the face ---- */

void s3_trial_start(struct s3_trial *t)
{
    t->right.trial = t->wrong.trial = t;
    t->wrong.is_wrong = true;
    s3_ladder(t->s3, t->is_streamed, t->rungs);
    enter(t, t->is_streamed ? S3_TRIAL_CREATING : S3_TRIAL_SENDING);
}

static void cancel(struct s3_request *r)
{
    if (r != NULL)
        s3_request_cancel(r);
}

void s3_trial_cancel(struct s3_trial *t)
{
    t->is_cancelled = true;
    if (t->step >= S3_TRIAL_REMOVING && !t->s3->is_closing)
        return;
    cancel(t->right.request);
    cancel(t->wrong.request);
    cancel(t->requests[0]);
    cancel(t->requests[1]);
}

void s3_trial_free(struct s3_trial *t)
{
    s3_payload_free(&t->right.payload);
    s3_payload_free(&t->wrong.payload);
    forget_upload(t);
}
