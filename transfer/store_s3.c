/*
 * The s3:// store: what a verb needs to know about the other side before it may begin,
 * and the way into the verbs (s3_put.c, s3_upload.c, s3_list.c, s3_get.c, s3_copy.c,
 * s3_delete.c).
 *
 *     attempt --> WAITING for the probe --ready--> the verb's requests --> end
 *        |            |                                ^
 *        |            +-- it failed, or cancelled --> end
 *        +------------- ready already -----------------+
 *
 * There is one probe at a time, and all attempts that need it wait for the same.  Its
 * failure is theirs; the face tries them again, and the first of them begins a new one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/s3_attempt.h"
#include "transfer/s3_probe.h"

enum {
    JOBS_MAX = 1024,
    /* What the resident size grows by, without the payload: 33 and 107 KiB measured,
     * and what lies idle between them. */
    PLAIN_BYTES = 35 << 10,
    TLS_BYTES = 120 << 10,
    CONNECTIONS = 1024 + 8, /* no request waits for another's connection */
    PARTS_MAX = 10000,
    COPY_RANGES_ABOVE = 5 << 20 /* AWS, UploadPartCopy: "greater than 5 MB" */
};

static const uint64_t part_max = (uint64_t)5 << 30; /* of AWS, single puts too */
static const char scheme[] = "s3://";

/* ---- attempts ---- */

struct s3_request *s3_attempt_request(struct s3_attempt *a, const char *method,
                                      const char *key)
{
    s3_request_free(a->request);
    a->request = s3_request_new(a->s3, a->op->verb, method, key);
    a->request->is_quiet = strcmp(method, "HEAD") == 0;
    a->request->needs_etag = a->request->is_quiet; /* every object has one */
    return a->request;
}

static void on_answer(struct s3_request *r, void *ctx)
{
    struct s3_attempt *a = ctx;

    if (a->is_cancelled && r->err.kind != ERROR_NONE)
        error_set(&r->err, ERROR_CANCELLED, 0, "cancelled");
    a->op->retry_after_s = r->retry_after_s;
    a->on_answer(a, r);
}

void s3_attempt_send(struct s3_attempt *a,
                     void (*on_answer_)(struct s3_attempt *a, struct s3_request *r))
{
    a->on_answer = on_answer_;
    a->request->done = on_answer;
    a->request->ctx = a;
    s3_request_send(a->request);
    if (a->is_cancelled)
        s3_request_cancel(a->request);
}

void s3_attempt_end(struct s3_attempt *a, const struct error *err)
{
    struct store_op *op = a->op;
    struct error copy = {0};

    if (err != NULL)
        copy = *err; /* it may lie in what is freed now */
    op->attempt = NULL;
    s3_request_free(a->request);
    s3_payload_free(&a->payload);
    free(a->own_chunk);
    free(a);
    store_attempt_done(op, copy.kind != ERROR_NONE ? &copy : NULL);
}

void s3_attempt_end_as(struct s3_attempt *a, const struct s3_request *r)
{
    s3_attempt_end(a, &r->err);
}

static void on_nothing(void *ctx)
{
    struct s3_attempt *a = ctx;

    s3_attempt_end(a, &a->err);
}

/* Nothing (more) is to be asked. */
static void end_soon(struct s3_attempt *a)
{
    loop_defer(a->s3->loop, &a->soon, on_nothing, a);
}

static void begin(struct s3_attempt *a)
{
    static void (*const verbs[])(struct s3_attempt *) = {
        [STORE_PUT] = s3_put_start,
        [STORE_CREATE_UPLOAD] = s3_create_start,
        [STORE_UPLOAD_PART] = s3_part_start,
        [STORE_COMPLETE_UPLOAD] = s3_complete_start,
        [STORE_ABORT_UPLOAD] = s3_abort_start,
        [STORE_LIST_PARTS] = s3_list_parts_start,
        [STORE_LIST_UPLOADS] = s3_list_uploads_start,
        [STORE_LIST] = s3_list_start,
        [STORE_HEAD] = s3_head_start,
        [STORE_GET] = s3_get_start,
        [STORE_DELETE] = s3_delete_start,
        [STORE_COPY] = s3_copy_start,
        [STORE_COPY_PART] = s3_copy_part_start,
        [STORE_SYNC] = end_soon, /* an answered write is durable */
        [STORE_PROBE] = end_soon,
        [STORE_CREATE_BUCKET] = s3_bucket_start,
    };

    if (a->op->verb == STORE_DELETE && a->op->n_keys == 0)
        end_soon(a);
    else
        verbs[a->op->verb](a);
}

/* ---- getting ready ---- */

static enum s3_readiness needed(const struct store_op *op)
{
    switch (op->verb) {
    case STORE_CREATE_BUCKET:
    case STORE_SYNC:
        return S3_NEW;
    case STORE_PROBE:
        return op->if_absent ? S3_PUTS_KNOWN : S3_PROBED;
    case STORE_PUT:
        return s3_attempt_is_in_memory(op) ? S3_PUTS_KNOWN : S3_PROBED;
    case STORE_CREATE_UPLOAD:
    case STORE_UPLOAD_PART:
    case STORE_COMPLETE_UPLOAD:
        return S3_PROBED;
    default:
        return S3_GREETED;
    }
}

/* Who asks for all that probing brings also waits until it has cleaned up. */
static bool may_begin(const struct s3 *s3, const struct store_op *op)
{
    bool wants_end = op->verb == STORE_PROBE && !op->if_absent;

    return needed(op) <= s3->readiness && (!wants_end || s3->probe == NULL);
}

static void advance(struct s3 *s3);
static void close_now(struct s3 *s3);

static void wait_for_probe(struct s3_attempt *a)
{
    a->is_waiting = true;
    a->next = a->s3->waiting;
    a->s3->waiting = a;
}

/* The probe has ended otherwise than by the cancels of those who waited before. */
static bool is_failure(const struct error *err)
{
    return err != NULL && err->kind != ERROR_CANCELLED;
}

/* Those that wait begin, if they may by now, or end.  A list of its own: whoever ends may
 * begin another attempt, which waits anew. */
static void wake_waiting(struct s3 *s3, const struct error *err)
{
    struct s3_attempt *a = s3->waiting, *next;

    s3->waiting = NULL;
    for (; a != NULL; a = next) {
        next = a->next;
        a->next = NULL;
        a->is_waiting = false;
        if (is_failure(err))
            s3_attempt_end(a, err);
        else if (may_begin(s3, a->op))
            begin(a);
        else
            wait_for_probe(a);
    }
}

static void on_probe_moved(void *ctx)
{
    struct s3 *s3 = ctx;

    if (!s3->is_closing)
        wake_waiting(s3, NULL);
}

static void on_probed(void *ctx, const struct error *err)
{
    struct s3 *s3 = ctx;

    if (s3->is_closing) {
        close_now(s3);
        return;
    }
    wake_waiting(s3, err);
    advance(s3);
}

/* Probe as far as one of the waiting needs it. */
static void advance(struct s3 *s3)
{
    const struct s3_probe_events events = {on_probe_moved, on_probed, s3};
    enum s3_readiness to = S3_GREETED;

    if (s3->probe != NULL || s3->waiting == NULL)
        return;
    for (const struct s3_attempt *a = s3->waiting; a != NULL; a = a->next)
        if (needed(a->op) > to)
            to = needed(a->op);
    s3_probe_start(s3, to, &events);
}

static void s3_attempt(struct store *store, struct store_op *op)
{
    struct s3 *s3 = store->impl;
    struct s3_attempt *a = mem_new(1, sizeof *a);

    a->s3 = s3;
    a->op = op;
    op->attempt = a;
    if (may_begin(s3, op)) {
        begin(a);
        return;
    }
    wait_for_probe(a);
    advance(s3);
}

static void stop_waiting(struct s3_attempt *a)
{
    struct s3_attempt **link = &a->s3->waiting;

    while (*link != a)
        link = &(*link)->next;
    *link = a->next;
    a->is_waiting = false;
    error_set(&a->err, ERROR_CANCELLED, 0, "cancelled");
    end_soon(a);
    if (a->s3->waiting == NULL && a->s3->probe != NULL)
        s3_probe_cancel(a->s3->probe);
}

static void s3_cancel(struct store *store, struct store_op *op)
{
    struct s3_attempt *a = op->attempt;

    (void)store;
    a->is_cancelled = true;
    if (a->is_waiting)
        stop_waiting(a);
    else if (a->request != NULL)
        s3_request_cancel(a->request);
}

/* ---- the kind ---- */

static char *copy(const char *string)
{
    return string != NULL && *string != '\0' ? mem_copy_string(string) : NULL;
}

static void copy_options(struct s3_options *to, const struct s3_options *from)
{
    *to = *from;
    to->endpoint = copy(from->endpoint);
    to->region = copy(from->region);
    to->ca_file = copy(from->ca_file);
    to->storage_class = copy(from->storage_class);
    to->sse = copy(from->sse);
    to->sse_key_id = copy(from->sse_key_id);
    to->traits = copy(from->traits);
    to->bucket_owner = copy(from->bucket_owner);
}

static void free_options(struct s3_options *o)
{
    free((char *)o->endpoint);
    free((char *)o->region);
    free((char *)o->ca_file);
    free((char *)o->storage_class);
    free((char *)o->sse);
    free((char *)o->sse_key_id);
    free((char *)o->traits);
    free((char *)o->bucket_owner);
}

static void free_s3(struct s3 *s3)
{
    s3_memo_free_all(s3);
    if (s3->has_signer)
        sigv4_free(&s3->signer);
    s3_address_free(&s3->address);
    free_options(&s3->options);
    free(s3);
}

static struct store_limits limits_of(const struct s3 *s3)
{
    return (struct store_limits){
        .put_max = part_max,
        .part_min = s3->quirks->part_min,
        .part_max = part_max,
        .parts_max = PARTS_MAX,
        .copy_max = part_max,
        .copy_ranges_above = COPY_RANGES_ABOVE,
        .key_prefix_bytes = strlen(s3->address.prefix),
        .connection_bytes = s3->address.is_tls ? TLS_BYTES : PLAIN_BYTES,
        .lists_exact_key = s3->quirks->lists_exact_key,
    };
}

static int open_http(struct s3 *s3, struct error *err)
{
    const struct http_options options = {
        .loop = s3->loop,
        .ca_file = s3->options.ca_file,
        .user_agent = "grid/" GRID_VERSION,
        .connections = CONNECTIONS,
        .send_rate = s3->store->options.send_rate,
    };

    return http_open(&s3->http, &options, err);
}

static int s3_open(struct store *store, const char *url, struct error *err)
{
    static const struct s3_options none = {0};
    const struct s3_options *options =
        store->options.s3 != NULL ? store->options.s3 : &none;
    struct s3 *s3 = mem_new(1, sizeof *s3);

    s3->store = store;
    s3->loop = store->loop;
    copy_options(&s3->options, options);
    store->options.s3 = NULL; /* it was lent */
    if (s3_address_init(&s3->address, url, options, err) != 0 ||
        open_http(s3, err) != 0) {
        free_s3(s3);
        return -1;
    }
    s3->quirks = s3_quirks_find(s3_address_host(&s3->address), "");
    if (options->traits != NULL && s3_traits_parse(&s3->traits, options->traits) != 0)
        log_line(LOG_INFO, LOG_STORE, "what is noted of the store is not understood");
    store->limits = limits_of(s3);
    store->place = mem_copy_string(s3->address.endpoint);
    store->impl = s3;
    return 0;
}

static void close_now(struct s3 *s3)
{
    http_close(s3->http);
    free_s3(s3);
}

/* A cancelled probe may still be cleaning up. */
static void s3_close(struct store *store)
{
    struct s3 *s3 = store->impl;

    s3->is_closing = true;
    if (s3->probe != NULL)
        s3_probe_cancel(s3->probe);
    else
        close_now(s3);
}

static void s3_drop(struct store *store)
{
    struct s3 *s3 = store->impl;

    http_drop_connections(s3->http);
}

static int s3_presign(struct store *store, const char *key, uint32_t seconds,
                      struct text *url, struct error *err)
{
    struct s3 *s3 = store->impl;
    struct text path = {0};
    struct sigv4_request request = {
        .method = "GET", .host = s3_address_host(&s3->address), .time_s = s3_now_s(s3)};
    bool is_signed;

    if (s3_ready_signer(s3, &is_signed, err) != 0)
        return -1;
    s3_address_path(&s3->address, key, &path);
    request.path = text_string(&path);
    text_add_format(url, "%s%s", s3->address.origin, request.path);
    if (is_signed) {
        text_add(url, "?");
        sigv4_presign(&s3->signer, &request, seconds, url);
    }
    text_free(&path);
    return 0;
}

static const char *s3_region(const struct store *store)
{
    const struct s3 *s3 = store->impl;

    return s3->address.region;
}

/* AWS copies from region to region. */
static bool s3_can_copy_from(const struct store *store, const struct store *from)
{
    const struct s3 *a = store->impl, *b = from->impl;

    return (a->address.is_aws && b->address.is_aws) ||
           strcmp(a->address.endpoint, b->address.endpoint) == 0;
}

static void s3_rate_changed(struct store *store)
{
    struct s3 *s3 = store->impl;

    http_set_send_rate(s3->http, store->options.send_rate);
}

const struct store_kind store_s3_kind = {
    .scheme = scheme,
    .jobs_max = JOBS_MAX,
    .is_remote = true,
    .open = s3_open,
    .close = s3_close,
    .drop = s3_drop,
    .region = s3_region,
    .presign = s3_presign,
    .rate_changed = s3_rate_changed,
    .attempt = s3_attempt,
    .cancel = s3_cancel,
    .can_copy_from = s3_can_copy_from,
    .end_list = s3_list_end,
};
