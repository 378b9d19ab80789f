/*
 *   SENDING --answer--> judged --> done
 *      ^                  |
 *      +-- clock learnt --+   at most once
 *
 * What an answer means is for sts_judge.c.
 */
#include "transfer/sts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/span.h"
#include "manifest/digest.h"
#include "transfer/s3.h"
#include "transfer/s3_header.h"
#include "transfer/sts_judge.h"

enum {
    STALL_MS = 20 * 1000, /* somebody waits in front of it */
    CLOCK_OFF_S = 60,     /* less is no reason for a refusal */
    ANSWER_MAX = 64 << 10
};

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
    if (s->form.data != NULL)
        explicit_bzero(s->form.data, s->form.size); /* it may hold a token */
    text_free(&s->form);
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

static void ask(struct sts *s);

static void on_answer(struct http_request *http, void *ctx)
{
    struct sts *s = ctx;
    struct s3_answer answer = {0};
    struct s3_xml *xml;
    struct error ignored; /* what is no XML has no account in it */

    if (http->err.kind != ERROR_NONE) {
        s->err = http->err;
        error_wrap(&s->err, "STS");
        end(s);
        return;
    }
    xml = s3_xml_new(&answer);
    s3_xml_add(xml, text_string(&http->answer.body), http->answer.body.size);
    s3_xml_end(xml, &ignored);
    s3_xml_free(xml);
    error_clear(&s->err);
    sts_judge(s, http->answer.status, &answer);
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
    digest_sha256(sha256, s->form.data, s->form.size);
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

    s->headers[n++] = content_type;
    if (s->has_signer) {
        add_line(s, 0, "x-amz-date", s->signature.date);
        add_line(s, 1, "x-amz-security-token", keys->session_token);
        add_line(s, 2, "Authorization", text_string(&s->signature.authorization));
    }
    for (size_t i = 0; i < ARRAY_SIZE(s->lines); i++)
        if (s->lines[i].size > 0)
            s->headers[n++] = text_string(&s->lines[i]);
    s->headers[n] = NULL;
}

/* A token is its own proof. */
static int prove(struct sts *s)
{
    struct s3_keys keys = {0};

    free_signature(s);
    if (s->action != STS_ASSUME_ROLE_WITH_WEB_IDENTITY) {
        if (s->options->keys(s->options->keys_ctx, &keys, &s->err) != 0)
            return -1;
        log_hide(keys.secret_key);
        log_hide(keys.session_token);
        sign(s, &keys);
    }
    make_headers(s, &keys);
    return 0;
}

static void ask(struct sts *s)
{
    struct text path = {0};

    sts_put_form(s, &s->form);
    if (prove(s) != 0) {
        end(s);
        return;
    }
    s3_address_path(&s->address, NULL, &path);
    text_clear(&s->url);
    text_add_format(&s->url, "%s%s", s->address.origin, text_string(&path));
    text_free(&path);
    http_request_clear(&s->request);
    s->request = (struct http_request){
        .method = "POST",
        .url = text_string(&s->url),
        .headers = s->headers,
        .body = {(uint8_t *)s->form.data, s->form.size},
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

void sts_cancel(struct sts *s)
{
    http_cancel(&s->request);
}

void sts_clear(struct sts *s)
{
    char **const strings[] = {&s->access_key, &s->secret_key, &s->session_token};

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (*strings[i] != NULL)
            explicit_bzero(*strings[i], strlen(*strings[i]));
        free(*strings[i]);
        *strings[i] = NULL;
    }
}
