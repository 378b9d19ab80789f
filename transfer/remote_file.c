/*
 *              +--------- 64 KiB, 128 KiB, ... 16 MiB, all the rest --------+
 *              v                                                           |
 *           ASKING --bytes--> into the pipe --the answer has ended---------+
 *            ^  |  \                                \--at the end--> RESTING
 *            |  |   \--redirect--> ASKING there                        |
 *            |  +--breaks, 5xx--> PAUSING --> ASKING                   |
 *            +----------------- another offset is wanted --------------+
 *
 * What is asked for begins small and doubles, each time once the reader has come to its
 * end: a zip's reader jumps about, and what it does not want is then not on its way
 * already; a tar's reader soon has one long answer.
 *
 * on_...() record and call advance(), which alone starts requests.
 */
#include "transfer/remote_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "transfer/http_error.h"
#include "transfer/http_url.h"
#include "transfer/remote_head.h"
#include "transfer/retry.h"

enum {
    REDIRECTS_MAX = 10,
    FIRST_WINDOW = 64 << 10,
    LAST_WINDOW = 16 << 20, /* behind it comes all the rest */
    STALL_MS = 60 * 1000,
    HEADERS_MAX = 4
};

enum remote_phase { PHASE_ASKING, PHASE_PAUSING, PHASE_RESTING, PHASE_CLOSING };

struct remote_file {
    struct loop *loop;
    struct http *http;
    struct byte_pipe *pipe;
    uint64_t first_contact_ms, outage_ms;
    void (*opened)(void *ctx, const struct error *err);
    void *ctx;
    bool is_opened;
    struct error open_err;
    struct deferred tell_opened;

    struct http_url origin, place; /* what was named, and where it has led */
    unsigned n_redirects;
    char *authorization; /* for the origin's own host; NULL: none */

    enum remote_phase phase;
    bool is_known; /* head is that of the first answer */
    struct remote_head head;
    uint64_t position; /* of the next byte for the pipe */
    uint64_t furthest; /* that the pipe has had */
    uint64_t window;   /* so much is asked for; 0: all the rest */
    bool is_fresh;     /* the reader waits for the first byte from another place */

    /* The request under way. */
    bool is_running, is_given_up;
    struct http_request request;
    struct text headers[HEADERS_MAX];
    const char *header_list[HEADERS_MAX + 1];
    uint8_t into[BYTE_PIPE_CHUNK];
    bool is_head_seen;
    uint64_t pass_over, asked_from, asked_to;
    struct span held; /* waits for room in the pipe; take() is unanswered */
    bool is_holding;
    struct error err;

    uv_timer_t pause;
    unsigned n_failures;
    uint64_t failing_since_ms;
    struct remote_file_state state;
    struct error away;

    void (*closed)(void *ctx);
    void *closed_ctx;
    struct deferred gone;
};

static void advance(struct remote_file *f);

/* ---- the end, and the news of the beginning ---- */

static void on_tell_opened(void *ctx)
{
    struct remote_file *f = ctx;

    if (f->phase != PHASE_CLOSING)
        f->opened(f->ctx, f->open_err.kind == ERROR_NONE ? NULL : &f->open_err);
}

static void tell_opened(struct remote_file *f, const struct error *err)
{
    if (f->is_opened)
        return;
    f->is_opened = true;
    error_keep_first(&f->open_err, err);
    loop_defer(f->loop, &f->tell_opened, on_tell_opened, f);
}

/* err NULL: the end of the file. */
static void rest(struct remote_file *f, const struct error *err)
{
    f->phase = PHASE_RESTING;
    f->state.away = NULL;
    byte_pipe_end(f->pipe, err);
    tell_opened(f, err);
}

/* ---- failures ---- */

static void on_pause_over(uv_timer_t *timer)
{
    struct remote_file *f = timer->data;

    f->phase = PHASE_ASKING;
    advance(f);
}

static bool has_lasted(struct remote_file *f)
{
    uint64_t limit_ms = f->is_opened ? f->outage_ms : f->first_contact_ms;

    return limit_ms > 0 && loop_now_ms(f->loop) - f->failing_since_ms >= limit_ms;
}

/* A redirect's target may have been good for a while only. */
static void go_back(struct remote_file *f)
{
    struct error ignored;

    http_url_free(&f->place);
    http_url_parse(&f->place, f->origin.url, &ignored);
    f->n_redirects = 0;
}

static void pause_after(struct remote_file *f, const struct error *err,
                        unsigned retry_after_s)
{
    int64_t delay_ms =
        retry_delay_ms(err, f->n_failures, (uint32_t)uv_hrtime(), retry_after_s);

    f->state.retries++;
    if (err->kind == ERROR_NETWORK || f->n_failures > 1) {
        f->away = *err;
        f->state.away = &f->away;
        f->state.away_since_ms = f->failing_since_ms;
    }
    f->state.next_try_ms = loop_now_ms(f->loop) + (uint64_t)delay_ms;
    f->phase = PHASE_PAUSING;
    uv_timer_start(&f->pause, on_pause_over, (uint64_t)delay_ms, 0);
}

static void on_failure(struct remote_file *f, const struct error *err,
                       unsigned retry_after_s)
{
    struct error lasting = *err;

    log_line(LOG_INFO, LOG_HTTP, "%s at byte %" PRIu64 ": %s", f->origin.shown,
             f->position, err->text);
    if (f->n_failures++ == 0)
        f->failing_since_ms = loop_now_ms(f->loop);
    go_back(f);
    if (!error_is_retryable(err)) {
        rest(f, err);
    } else if (has_lasted(f)) {
        lasting.kind = ERROR_NETWORK;
        rest(f, &lasting);
    } else {
        pause_after(f, err, retry_after_s);
    }
}

static void note_progress(struct remote_file *f)
{
    if (f->position <= f->furthest)
        return;
    f->furthest = f->position;
    f->n_failures = 0;
    f->state.away = NULL;
}

/* ---- bytes ---- */

/* The first answer says what the file is; every later one is to agree. */
static int judge_head(struct remote_file *f)
{
    struct remote_head head;

    f->is_head_seen = true;
    remote_head_read(&head, &f->request.answer);
    if (!f->is_known) {
        f->head = head;
        f->is_known = true;
    } else if (head.is_page && !f->head.is_page) {
        return error_set(&f->err, ERROR_TRANSIENT, 0,
                         "a web page comes in place of %s; does the network ask for a "
                         "login?",
                         f->origin.shown);
    } else if (!remote_head_is_same(&f->head, &head)) {
        return error_set(&f->err, ERROR_CHANGED, 0,
                         "%s has changed while it was read, or its server tells too "
                         "little of it to go on; run the same command again",
                         f->origin.shown);
    }
    f->pass_over = head.is_partial ? 0 : f->position;
    if (head.is_partial && head.first != f->position)
        return error_set(&f->err, ERROR_TRANSIENT, 0,
                         "%s: the server answers with another range than was asked for",
                         f->origin.shown);
    return 0;
}

/* Into the pipe, or held until there is room. */
static void deliver(struct remote_file *f, struct span bytes)
{
    f->is_holding = bytes.size > 0 && !byte_pipe_put(f->pipe, bytes);
    f->held = bytes;
    if (f->is_holding)
        return;
    f->position += bytes.size;
    note_progress(f);
    if (bytes.size > 0)
        tell_opened(f, NULL);
    http_took(&f->request, NULL);
}

static void on_take(struct http_request *request, void *ctx, struct span bytes)
{
    struct remote_file *f = ctx;
    uint64_t passed;

    f->state.bytes_fetched += bytes.size;
    if (f->is_given_up || (!f->is_head_seen && judge_head(f) != 0)) {
        http_took(request, &f->err);
        return;
    }
    passed = f->pass_over < bytes.size ? f->pass_over : bytes.size;
    f->pass_over -= passed;
    bytes.data += passed;
    bytes.size -= (size_t)passed;
    deliver(f, bytes);
}

/* ---- answers ---- */

static void on_redirect(struct remote_file *f)
{
    struct http_url next = {0};
    struct error err;
    size_t length;
    const char *location = http_header(&f->request.answer, "Location", &length);
    char *copy = location != NULL ? mem_copy_bytes(location, length) : NULL;

    if (copy == NULL || f->n_redirects++ >= REDIRECTS_MAX) {
        error_set(&err, ERROR_UNUSABLE, f->request.answer.status,
                  "%s leads on to other addresses %s", f->origin.shown,
                  copy == NULL ? "without saying which" : "without an end");
        rest(f, &err);
    } else if (http_url_join(&next, &f->place, copy, &err) != 0) {
        err.kind = ERROR_UNUSABLE;
        error_wrap(&err, "%s leads on to another address", f->origin.shown);
        rest(f, &err);
    } else {
        http_url_free(&f->place);
        f->place = next;
        log_line(LOG_DEBUG, LOG_HTTP, "%s leads to %s", f->origin.shown, next.shown);
    }
    free(copy);
}

static unsigned retry_after(const struct http_answer *answer)
{
    size_t length;
    const char *value = http_header(answer, "Retry-After", &length);
    char *copy = value != NULL ? mem_copy_bytes(value, length) : NULL;
    uint64_t seconds = 0;

    if (copy != NULL && text_parse_u64(copy, &seconds) == 0 && seconds > UINT16_MAX)
        seconds = UINT16_MAX;
    free(copy);
    return (unsigned)seconds;
}

static const char *meaning(int status)
{
    switch (status) {
    case 401:
        return "it asks for a user and password (https://USER:PASSWORD@HOST/...)";
    case 403:
        return "it does not let this file be read";
    case 404:
    case 410:
        return "there is no such file";
    case 407:
        return "the proxy asks for a user and password";
    default:
        return "it does not give the file";
    }
}

static void on_refusal(struct remote_file *f, int status)
{
    struct error err;

    if (status == 408 || status == 429 || status >= 500)
        error_set(&err,
                  status == 429 || status == 503 ? ERROR_THROTTLED : ERROR_TRANSIENT,
                  status, "%s: the server answers %d for now", f->origin.shown, status);
    else if (f->n_redirects > 0 && f->n_failures == 0 && f->position > 0)
        error_set(&err, ERROR_TRANSIENT, status,
                  "%s: the server that it leads to answers %d", f->origin.shown,
                  status);
    else
        error_set(&err, ERROR_UNUSABLE, status, "%s: the server answers %d: %s",
                  f->origin.shown, status, meaning(status));
    on_failure(f, &err, retry_after(&f->request.answer));
}

static bool is_at_end(const struct remote_file *f)
{
    if (f->head.has_size)
        return f->position >= f->head.size;
    return !f->head.is_partial || f->position < f->asked_to;
}

static void on_whole(struct remote_file *f)
{
    struct error err;

    if (!f->is_head_seen && judge_head(f) != 0) {
        on_failure(f, &f->err, 0);
    } else if (is_at_end(f)) {
        rest(f, NULL);
    } else if (f->position == f->asked_from) {
        error_set(&err, ERROR_TRANSIENT, 0, "%s: the server's answer is empty",
                  f->origin.shown);
        on_failure(f, &err, 0);
    } else {
        f->window = f->window >= LAST_WINDOW ? 0 : 2 * f->window;
    }
}

static void on_answer(struct remote_file *f)
{
    int status = f->request.answer.status;

    if (status >= 200 && status < 300)
        on_whole(f);
    else if (status == 416 && (!f->is_known || f->position >= f->head.size))
        rest(f, NULL);
    else if (status >= 300 && status < 400 && status != 304)
        on_redirect(f);
    else
        on_refusal(f, status);
}

static void on_broken(struct remote_file *f)
{
    const struct error *err = f->request.body_failed ? &f->err : &f->request.err;

    on_failure(f, err, 0);
}

static void on_done(struct http_request *request, void *ctx)
{
    struct remote_file *f = ctx;

    f->is_running = false;
    if (!f->is_given_up && f->phase == PHASE_ASKING) {
        if (request->err.kind == ERROR_NONE)
            on_answer(f);
        else
            on_broken(f);
    }
    http_request_clear(request);
    advance(f);
}

/* ---- asking ---- */

static void add_headers(struct remote_file *f)
{
    const char *validator = remote_head_validator(&f->head);
    unsigned n = 0;

    for (unsigned i = 0; i < HEADERS_MAX; i++)
        text_clear(&f->headers[i]);
    text_add(&f->headers[n++], "Accept: */*");
    if (!f->is_known || f->head.is_partial) {
        text_add_format(&f->headers[n], "Range: bytes=%" PRIu64 "-", f->position);
        if (f->window > 0)
            text_add_format(&f->headers[n], "%" PRIu64, f->asked_to - 1);
        n++;
        if (f->is_known && validator[0] != '\0')
            text_add_format(&f->headers[n++], "If-Range: %s", validator);
    }
    if (f->authorization != NULL && strcmp(f->place.origin, f->origin.origin) == 0)
        text_add(&f->headers[n++], f->authorization);
    for (unsigned i = 0; i < n; i++)
        f->header_list[i] = text_string(&f->headers[i]);
    f->header_list[n] = NULL;
}

static void ask(struct remote_file *f)
{
    f->asked_from = f->position;
    f->asked_to = f->window > 0 ? f->position + f->window : UINT64_MAX;
    add_headers(f);
    memset(&f->request, 0, sizeof f->request);
    error_clear(&f->err);
    f->request.method = "GET";
    f->request.url = f->place.url;
    f->request.headers = f->header_list;
    f->request.stall_ms = STALL_MS;
    f->request.into = (struct span){f->into, sizeof f->into};
    f->request.take = on_take;
    f->request.done = on_done;
    f->request.ctx = f;
    f->is_fresh = false;
    f->is_running = true;
    f->is_given_up = f->is_head_seen = f->is_holding = false;
    f->state.requests++;
    http_send(f->http, &f->request);
}

/* Where the reader wants to be is not where this request leads. */
static void give_up_request(struct remote_file *f)
{
    f->is_given_up = true;
    error_set(&f->err, ERROR_CANCELLED, 0, "not wanted any more");
    if (f->is_holding)
        http_took(&f->request, &f->err);
    else
        http_cancel(&f->request);
    f->is_holding = false;
}

static void on_news(void *ctx)
{
    struct remote_file *f = ctx;
    uint64_t offset;

    if (f->phase == PHASE_CLOSING)
        return;
    if (byte_pipe_wanted(f->pipe, &offset)) {
        f->position = f->furthest = offset;
        f->window = FIRST_WINDOW;
        f->is_fresh = true;
        if (f->is_running)
            give_up_request(f);
        if (f->phase == PHASE_RESTING)
            f->phase = PHASE_ASKING;
        advance(f);
    } else if (f->is_holding) {
        deliver(f, f->held);
    } else {
        advance(f);
    }
}

/* A reader that still has something to read may want another place next. */
static bool may_ask(struct remote_file *f)
{
    return f->window == 0 || f->position == 0 || f->is_fresh ||
           byte_pipe_is_hungry(f->pipe);
}

static void end_closing(struct remote_file *f);

static void advance(struct remote_file *f)
{
    if (f->is_running)
        return;
    if (f->phase == PHASE_CLOSING)
        end_closing(f);
    else if (f->phase == PHASE_ASKING && f->is_known && f->head.has_size &&
             f->position >= f->head.size)
        rest(f, NULL);
    else if (f->phase == PHASE_ASKING && may_ask(f))
        ask(f);
}

/* ---- opening and closing ---- */

static void set_authorization(struct remote_file *f)
{
    struct text line = {0};

    if (f->origin.user == NULL)
        return;
    text_add(&line, "Authorization: Basic ");
    text_add_base64(&line, f->origin.user, strlen(f->origin.user));
    f->authorization = text_take(&line);
}

int remote_file_open(struct remote_file **out, const struct remote_file_options *o,
                     struct error *err)
{
    struct http_options http = {
        .loop = o->loop,
        .ca_file = o->ca_file,
        .ca_names = "SSL_CERT_FILE or CURL_CA_BUNDLE",
        .user_agent = "grid/" GRID_VERSION,
        .connections = 1,
    };
    struct remote_file *f = mem_new(1, sizeof *f);

    f->loop = o->loop;
    f->first_contact_ms = o->first_contact_ms;
    f->outage_ms = o->outage_ms;
    f->opened = o->opened;
    f->ctx = o->ctx;
    f->window = FIRST_WINDOW;
    if (http_url_parse(&f->origin, o->url, err) != 0 ||
        http_open(&f->http, &http, err) != 0) {
        http_url_free(&f->origin);
        free(f);
        return -1;
    }
    http_url_parse(&f->place, f->origin.url, err);
    set_authorization(f);
    uv_timer_init(&f->loop->uv, &f->pause);
    f->pause.data = f;
    f->pipe = byte_pipe_new(f->loop, on_news, f);
    *out = f;
    advance(f);
    return 0;
}

struct byte_pipe *remote_file_pipe(struct remote_file *f)
{
    return f->pipe;
}

void remote_file_info(const struct remote_file *f, struct remote_file_info *out)
{
    *out = (struct remote_file_info){
        .has_size = f->head.has_size,
        .can_seek = f->head.is_partial && f->head.has_size,
        .size = f->head.size,
        .validator = f->head.etag[0] != '\0' ? f->head.etag : f->head.modified,
    };
}

void remote_file_state(const struct remote_file *f, struct remote_file_state *out)
{
    *out = f->state;
}

/* Nobody tells the pipe anything any more, and what was told has been heard. */
static void on_gone(void *ctx)
{
    struct remote_file *f = ctx;
    void (*closed)(void *) = f->closed;
    void *closed_ctx = f->closed_ctx;

    byte_pipe_free(f->pipe);
    http_url_free(&f->origin);
    http_url_free(&f->place);
    free(f->authorization);
    for (unsigned i = 0; i < HEADERS_MAX; i++)
        text_free(&f->headers[i]);
    free(f);
    closed(closed_ctx);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct remote_file *f = timer->data;

    loop_post(f->loop, &f->gone, on_gone, f);
}

static void end_closing(struct remote_file *f)
{
    http_close(f->http);
    uv_close((uv_handle_t *)&f->pause, on_timer_closed);
}

void remote_file_close(struct remote_file *f, void (*closed)(void *ctx), void *ctx)
{
    f->closed = closed;
    f->closed_ctx = ctx;
    f->phase = PHASE_CLOSING;
    if (f->is_running)
        give_up_request(f);
    advance(f);
}
