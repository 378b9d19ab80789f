/*
 *   SENDING --answer--> judged --> done
 *      ^                  |
 *      +-- clock learnt --+   at most once
 *
 * Of the refusals only those count that say that the keys are wrong: many stores answer
 * AccessDenied, or whatever comes to their mind, to a question that they do not know.
 */
#include "transfer/sts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/span.h"
#include "manifest/digest.h"
#include "transfer/s3.h"
#include "transfer/s3_error.h"
#include "transfer/s3_header.h"
#include "transfer/s3_xml.h"

enum {
    STALL_MS = 20 * 1000, /* somebody waits in front of it */
    CLOCK_OFF_S = 60,     /* less is no reason for a refusal */
    ANSWER_MAX = 64 << 10
};

static const char question[] = "Action=GetCallerIdentity&Version=2011-06-15";
static const char content_type[] =
    "Content-Type: application/x-www-form-urlencoded; charset=utf-8";

static const char *or_empty(const char *string)
{
    return string != NULL ? string : "";
}

/* ---- the end ---- */

static void free_signature(struct sts *s)
{
    if (s->has_signer)
        sigv4_free(&s->signer);
    s->has_signer = false;
    sigv4_signed_free(&s->signature);
}

static void on_end(void *ctx)
{
    struct sts *s = ctx;

    free_signature(s);
    for (size_t i = 0; i < ARRAY_SIZE(s->lines); i++)
        text_free(&s->lines[i]);
    text_free(&s->url);
    http_request_clear(&s->request);
    s3_address_free(&s->address);
    if (s->http != NULL)
        http_close(s->http);
    s->http = NULL;
    s->done(s, s->ctx);
}

static void end(struct sts *s)
{
    loop_defer(s->loop, &s->soon, on_end, s);
}

/* ---- the answer ---- */

static void say_nobody(struct sts *s, int status)
{
    error_set(&s->err, ERROR_NOT_FOUND, status,
              "%s does not say whose keys these are (status %d)", s->address.endpoint,
              status);
}

/* It becomes part of a bucket's name. */
static bool is_account(const char *account)
{
    size_t n = strlen(account);

    return n > 0 && n < STS_ACCOUNT_MAX &&
           strspn(account, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool learn_clock(struct sts *s)
{
    int64_t date_ms, offset_s;

    if (s->has_learnt_clock ||
        s3_header_date_ms(&s->request.answer, "Date", &date_ms) != 0)
        return false;
    offset_s = date_ms / 1000 - (int64_t)time(NULL);
    if (llabs(offset_s) < CLOCK_OFF_S)
        return false;
    log_line(LOG_WARNING, LOG_STORE, "this machine's clock is %lld s off the store's",
             (long long)-offset_s);
    s->clock_offset_s = offset_s;
    return s->has_learnt_clock = true;
}

/* STS wraps its <Error>, S3 does not. */
static const struct s3_fault *fault_of(const struct s3_answer *answer)
{
    return answer->n_refused > 0 ? &answer->refused : &answer->fault;
}

static void judge_refusal(struct sts *s, const struct s3_answer *answer)
{
    const struct s3_fault *fault = fault_of(answer);
    int status = s->request.answer.status;
    struct s3_verdict verdict = s3_error_verdict(status, fault->code, STORE_PROBE);
    bool is_about_keys = fault->code[0] != '\0' &&
                         strcmp(fault->code, "AccessDenied") != 0 &&
                         (verdict.kind == ERROR_AUTH || verdict.kind == ERROR_EXPIRED);
    bool is_in_trouble = status != 501 && (verdict.kind == ERROR_TRANSIENT ||
                                           verdict.kind == ERROR_THROTTLED);

    if (is_about_keys || is_in_trouble)
        error_set(&s->err, verdict.kind, status,
                  "%s: asked whose keys these are: status %d %s%s%s",
                  s->address.endpoint, status, fault->code,
                  verdict.hint != NULL ? "; " : "", or_empty(verdict.hint));
    else
        say_nobody(s, status);
}

static void judge(struct sts *s, const struct s3_answer *answer)
{
    int status = s->request.answer.status;

    if (status / 100 != 2)
        judge_refusal(s, answer);
    else if (is_account(answer->account))
        memcpy(s->account, answer->account, strlen(answer->account) + 1);
    else
        say_nobody(s, status);
}

static void ask(struct sts *s);

static void on_answer(struct http_request *http, void *ctx)
{
    struct sts *s = ctx;
    struct s3_answer answer = {0};
    struct s3_xml *xml;
    struct error ignored; /* what is no XML has no account in it */

    if (http->err.kind != ERROR_NONE) {
        s->err = http->err;
        end(s);
        return;
    }
    xml = s3_xml_new(&answer);
    s3_xml_add(xml, text_string(&http->answer.body), http->answer.body.size);
    s3_xml_end(xml, &ignored);
    s3_xml_free(xml);
    error_clear(&s->err);
    judge(s, &answer);
    s3_answer_free(&answer);
    if (s->err.kind != ERROR_NONE && learn_clock(s))
        ask(s);
    else
        end(s);
}

/* ---- the question ---- */

static void add_line(struct sts *s, size_t n, const char *name, const char *value)
{
    text_clear(&s->lines[n]);
    if (value == NULL || *value == '\0')
        return;
    text_add_format(&s->lines[n], "%s: %s", name, value);
}

static void sign(struct sts *s, const struct s3_keys *keys)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];
    struct text payload = {0};
    const char *const headers[] = {content_type, NULL};
    struct sigv4_request request = {
        .method = "POST",
        .host = s3_address_host(&s->address),
        .headers = headers,
        .no_payload_line = true,
        .time_s = (int64_t)time(NULL) + s->clock_offset_s,
    };
    struct text path = {0};

    s3_address_path(&s->address, NULL, &path);
    digest_sha256(sha256, question, strlen(question));
    text_add_hex(&payload, sha256, sizeof sha256);
    request.path = text_string(&path);
    request.payload = text_string(&payload);
    sigv4_init(&s->signer, keys->access_key, or_empty(keys->secret_key),
               keys->session_token, s->address.region, "sts");
    s->has_signer = true;
    sigv4_sign(&s->signer, &request, &s->signature);
    text_free(&path);
    text_free(&payload);
}

static void make_headers(struct sts *s, const struct s3_keys *keys)
{
    size_t n = 0;

    add_line(s, 0, "x-amz-date", s->signature.date);
    add_line(s, 1, "x-amz-security-token", keys->session_token);
    add_line(s, 2, "Authorization", text_string(&s->signature.authorization));
    s->headers[n++] = content_type;
    for (size_t i = 0; i < 3; i++)
        if (s->lines[i].size > 0)
            s->headers[n++] = text_string(&s->lines[i]);
    s->headers[n] = NULL;
}

static void ask(struct sts *s)
{
    struct s3_keys keys = {0};
    struct text path = {0};

    if (s->options->keys(s->options->keys_ctx, &keys, &s->err) != 0) {
        end(s);
        return;
    }
    log_hide(keys.secret_key);
    log_hide(keys.session_token);
    free_signature(s);
    sign(s, &keys);
    make_headers(s, &keys);
    s3_address_path(&s->address, NULL, &path);
    text_clear(&s->url);
    text_add_format(&s->url, "%s%s", s->address.origin, text_string(&path));
    text_free(&path);
    http_request_clear(&s->request);
    s->request = (struct http_request){
        .method = "POST",
        .url = text_string(&s->url),
        .headers = s->headers,
        .body = {(uint8_t *)(uintptr_t)question, strlen(question)},
        .stall_ms = STALL_MS,
        .answer_max = ANSWER_MAX,
        .done = on_answer,
        .ctx = s,
    };
    http_send(s->http, &s->request);
}

void sts_start(struct sts *s)
{
    const struct http_options options = {
        .loop = s->loop,
        .ca_file = s->options->ca_file,
        .user_agent = "grid/" GRID_VERSION,
        .connections = 1,
    };

    if (s3_address_init_sts(&s->address, s->options, &s->err) != 0 ||
        http_open(&s->http, &options, &s->err) != 0) {
        end(s);
        return;
    }
    memcpy(s->region, s->address.region, strlen(s->address.region) + 1);
    ask(s);
}
