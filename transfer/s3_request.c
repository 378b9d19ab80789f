/*
 *   PREPARING the payload --> SENDING --answer--> READING its XML --> judged --> done
 *                                ^                |                      |
 *                                |                +-- s3_contact.c ------|--> done
 *                                +---- region or clock learnt: signed ---+
 *                                      again, at most twice
 *
 * Small answers are read where they arrive, large ones on a worker.  What an answer
 * means is for s3_judge.c.
 */
#include "transfer/s3_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "manifest/digest_md5.h"
#include "transfer/s3_contact.h"
#include "transfer/s3_header.h"

enum {
    AT_ONCE = 8 << 10 /* XML of this size is not worth a trip to a worker */
};

/* ---- the question ---- */

struct s3_request *s3_request_new(struct s3 *s3, enum store_verb verb,
                                  const char *method, const char *key)
{
    struct s3_request *r = mem_new(1, sizeof *r);

    r->s3 = s3;
    r->verb = verb;
    r->method = method;
    r->key = key != NULL ? mem_copy_string(key) : NULL;
    if (s3->options.request_payer)
        s3_request_header(r, "x-amz-request-payer: requester");
    if (s3->options.bucket_owner != NULL && verb != STORE_CREATE_BUCKET)
        s3_request_header(r, "x-amz-expected-bucket-owner: %s",
                          s3->options.bucket_owner);
    return r;
}

static void drop_headers(struct s3_request *r, unsigned n_left)
{
    while (r->n_headers > n_left) {
        free(r->headers[--r->n_headers]);
        r->headers[r->n_headers] = NULL;
    }
}

void s3_request_free(struct s3_request *r)
{
    if (r == NULL)
        return;
    drop_headers(r, 0);
    free(r->key);
    text_free(&r->query);
    text_free(&r->url);
    text_free(&r->document);
    sigv4_signed_free(&r->signature);
    s3_answer_free(&r->answer);
    http_request_clear(&r->http);
    free(r);
}

void s3_request_query(struct s3_request *r, const char *name, const char *value)
{
    if (r->query.size > 0)
        text_add(&r->query, "&");
    s3_address_encode(&r->query, name, false);
    text_add(&r->query, "=");
    if (value != NULL)
        s3_address_encode(&r->query, value, false);
}

static void add_header(struct s3_request *r, char *line)
{
    if (r->n_headers == S3_REQUEST_HEADERS_MAX)
        abort(); /* the number of calls is fixed */
    r->headers[r->n_headers++] = line;
}

void s3_request_header(struct s3_request *r, const char *format, ...)
{
    char *line;
    va_list args;

    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        abort();
    va_end(args);
    add_header(r, line);
}

/* ---- the end ---- */

static void end(struct s3_request *r)
{
    r->phase = REQUEST_NEW;
    r->done(r, r->ctx);
}

static void on_end(void *ctx)
{
    end(ctx);
}

static void end_soon(struct s3_request *r)
{
    loop_defer(r->s3->loop, &r->soon, on_end, r);
}

/* Asked for while it was prepared. */
static void end_cancelled(struct s3_request *r)
{
    error_set(&r->err, ERROR_CANCELLED, 0, "cancelled");
    end(r);
}

/* ---- sending ---- */

static void send_signed(struct s3_request *r);

static void on_next(struct http_request *http, void *ctx)
{
    struct s3_request *r = ctx;

    (void)http;
    s3_payload_next(r->payload);
}

static void on_restart(struct http_request *http, void *ctx)
{
    struct s3_request *r = ctx;

    (void)http;
    s3_payload_restart(r->payload);
}

static void on_take(struct http_request *http, void *ctx, struct span bytes)
{
    struct s3_request *r = ctx;

    (void)http;
    r->take(r, bytes);
}

static void on_answer(struct http_request *http, void *ctx);

static void add_payload_headers(struct s3_request *r)
{
    char line[S3_PAYLOAD_HEADER_MAX];

    for (unsigned n = 0; s3_payload_header(r->payload, n, line); n++)
        s3_request_header(r, "%s", line);
}

static void add_document_headers(struct s3_request *r)
{
    struct text base64 = {0};

    s3_request_header(r, "Content-Type: application/xml");
    if (r->has_md5) {
        text_add_base64(&base64, r->document_md5, sizeof r->document_md5);
        s3_request_header(r, "Content-MD5: %s", text_string(&base64));
    }
    text_free(&base64);
}

static const char *payload_digest(struct s3_request *r, char hex[SIGV4_HEX_MAX])
{
    if (r->payload != NULL)
        return s3_payload_sha256(r->payload, hex);
    if (r->document.size == 0)
        return sigv4_empty;
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", r->document_sha256[i]);
    return hex;
}

static void sign(struct s3_request *r, const char *path)
{
    char hex[SIGV4_HEX_MAX];
    struct sigv4_request question = {
        .method = r->method,
        .host = s3_address_host(&r->s3->address),
        .path = path,
        .query = text_string(&r->query),
        .headers = (const char *const *)r->headers,
        .payload = payload_digest(r, hex),
        .time_s = s3_now_s(r->s3),
    };

    r->signed_at_s = question.time_s;
    sigv4_sign(&r->s3->signer, &question, &r->signature);
    s3_request_header(r, "x-amz-date: %s", r->signature.date);
    s3_request_header(r, "x-amz-content-sha256: %s", question.payload);
    if (r->s3->signer.session_token != NULL)
        s3_request_header(r, "x-amz-security-token: %s", r->s3->signer.session_token);
    s3_request_header(r, "Authorization: %s", text_string(&r->signature.authorization));
}

static void make_url(struct s3_request *r, const struct text *path)
{
    text_clear(&r->url);
    text_add(&r->url, r->s3->address.origin);
    text_add(&r->url, text_string(path));
    if (r->query.size > 0)
        text_add_format(&r->url, "?%s", text_string(&r->query));
}

/* All that differs from sending to sending. */
static int prepare_headers(struct s3_request *r)
{
    struct text path = {0};

    if (s3_ready_signer(r->s3, &r->is_signed, &r->err) != 0)
        return -1;
    r->signer_serial = r->s3->signer_serial;
    drop_headers(r, r->n_lasting);
    s3_address_path(&r->s3->address, r->key, &path);
    make_url(r, &path);
    if (r->payload != NULL)
        add_payload_headers(r);
    else if (r->document.size > 0)
        add_document_headers(r);
    if (r->is_signed)
        sign(r, text_string(&path));
    text_free(&path);
    return 0;
}

static void fill_http(struct s3_request *r)
{
    struct http_request *http = &r->http;

    http_request_clear(http);
    *http = (struct http_request){
        .method = r->method,
        .url = text_string(&r->url),
        .headers = (const char *const *)r->headers,
        .stall_ms = r->stall_ms > 0 ? r->stall_ms : (long)patience_ms(&r->s3->patience),
        .answer_max = S3_XML_BYTES_MAX,
        .done = on_answer,
        .ctx = r,
    };
    if (r->take != NULL) {
        http->take = on_take;
        http->into = r->into;
    }
    if (r->payload != NULL) {
        http->next = on_next;
        http->restart = on_restart;
        s3_payload_attach(r->payload, http, r->is_signed ? &r->s3->signer : NULL,
                          &r->signature);
    } else if (r->document.size > 0) {
        http->body = (struct span){(uint8_t *)r->document.data, r->document.size};
    }
}

static void send_signed(struct s3_request *r)
{
    s3_answer_free(&r->answer);
    memset(&r->answer, 0, sizeof r->answer);
    r->status = 0;
    r->retry_after_s = 0;
    error_clear(&r->err);
    if (prepare_headers(r) != 0) {
        end_soon(r);
        return;
    }
    r->phase = REQUEST_SENDING;
    fill_http(r);
    http_send(r->s3->http, &r->http);
}

/* ---- the answer ---- */

/* On the first contact, with the other scheme. */
static void on_other_scheme(struct http_request *http, void *ctx)
{
    struct s3_request *r = ctx;

    (void)http;
    s3_contact_judge(r);
    end(r);
}

static void ask_other_scheme(struct s3_request *r)
{
    r->phase = REQUEST_SENDING;
    s3_contact_ask(r, on_other_scheme);
}

static void judged(struct s3_request *r)
{
    s3_judge(r);
    if (s3_contact_is_doubtful(r)) {
        ask_other_scheme(r);
        return;
    }
    if (r->err.kind != ERROR_NONE && s3_judge_learn(r)) {
        send_signed(r);
        return;
    }
    if (r->err.kind != ERROR_NONE)
        s3_judge_damage(r);
    end(r);
}

/* On a worker, or not. */
static void on_read_work(void *ctx)
{
    struct s3_request *r = ctx;
    struct s3_xml *xml = s3_xml_new(&r->answer);

    error_clear(&r->xml_err);
    s3_xml_add(xml, text_string(&r->http.answer.body), r->http.answer.body.size);
    s3_xml_end(xml, &r->xml_err);
    s3_xml_free(xml);
}

static void on_read(void *ctx)
{
    judged(ctx);
}

static void learn_patience(struct s3_request *r)
{
    const struct http_request *http = &r->http;

    if (r->stall_ms > 0)
        return;
    if (http->answer.is_stalled)
        patience_on_silence(&r->s3->patience, (uint64_t)http->stall_ms);
    else if (r->status != 0)
        patience_on_answer(&r->s3->patience, http->answer.silence_ms);
}

/* Nothing came that is HTTP. */
static void on_trouble(struct s3_request *r)
{
    r->err = r->http.err;
    if (s3_contact_is_doubtful(r)) {
        ask_other_scheme(r);
        return;
    }
    s3_contact_settle(r);
    if (r->err.kind == ERROR_UNUSABLE && r->s3->keys_worked)
        r->err.kind = ERROR_NETWORK; /* it has been good before: see s3_judge.c */
    end(r);
}

static void on_answer(struct http_request *http, void *ctx)
{
    struct s3_request *r = ctx;

    r->status = http->answer.status;
    if (r->status != 0)
        store_answered(r->s3->store);
    r->body_failed = http->body_failed;
    learn_patience(r);
    if (http->err.kind != ERROR_NONE) {
        on_trouble(r);
        return;
    }
    r->phase = REQUEST_READING;
    if (r->payload != NULL)
        s3_payload_sent(r->payload);
    r->retry_after_s = s3_header_retry_after_s(&r->http.answer);
    if (http->answer.body.size > AT_ONCE) {
        loop_work(r->s3->loop, &r->work, on_read_work, on_read, r);
        return;
    }
    on_read_work(r);
    judged(r);
}

/* ---- the face ---- */

static void on_prepared(void *ctx, const struct error *err, bool body_failed)
{
    struct s3_request *r = ctx;

    if (err != NULL) {
        r->err = *err;
        r->body_failed = body_failed;
        end(r);
    } else if (r->is_cancelled) {
        end_cancelled(r);
    } else {
        send_signed(r);
    }
}

/* On a worker, or not. */
static void on_document_work(void *ctx)
{
    struct s3_request *r = ctx;
    struct md5 md5;

    digest_sha256(r->document_sha256, r->document.data, r->document.size);
    if (!r->wants_md5)
        return;
    md5_init(&md5);
    md5_add(&md5, r->document.data, r->document.size);
    r->has_md5 = md5_end(&md5, r->document_md5);
}

static void on_document_hashed(void *ctx)
{
    struct s3_request *r = ctx;

    if (r->is_cancelled)
        end_cancelled(r);
    else
        send_signed(r);
}

/* One of 10,000 parts has 1 MB. */
static void send_document(struct s3_request *r)
{
    r->phase = REQUEST_PREPARING;
    if (r->document.size > AT_ONCE) {
        loop_work(r->s3->loop, &r->work, on_document_work, on_document_hashed, r);
        return;
    }
    on_document_work(r);
    send_signed(r);
}

void s3_request_send(struct s3_request *r)
{
    r->n_lasting = r->n_headers;
    r->n_learnt = 0;
    if (r->payload == NULL) {
        if (r->document.size > 0)
            send_document(r);
        else
            send_signed(r);
        return;
    }
    r->phase = REQUEST_PREPARING;
    s3_payload_prepare(r->payload, on_prepared, r);
}

void s3_request_cancel(struct s3_request *r)
{
    r->is_cancelled = true;
    if (r->phase == REQUEST_PREPARING && r->payload != NULL)
        s3_payload_cancel(r->payload);
    else if (r->phase == REQUEST_SENDING)
        http_cancel(&r->http);
}
