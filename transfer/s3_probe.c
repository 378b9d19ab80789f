/*
 *   GREETING -----------------------------------------------------> done (greeted)
 *      |           or another run has noted what holds, too ------> done (probed)
 *      +--> CREATING an upload --> RIGHT part --> WRONG part --> SIZES of its parts --+
 *                                    ^  |refused      |taken         |not as sent     |
 *                                    +--+-- next rung +--------------+                |
 *                                                                                     |
 *   +------------ REMOVING <-- AGAIN, if absent <-- WRONG put <-- RIGHT put <---------+
 *   |                                                  |taken        ^  |refused
 *   +--> ABORTING --> done (probed)                    +--next rung--+--+
 *
 * A rung holds where the right digest is taken and the wrong one refused.  An upload's
 * parts stand for all bodies that are streamed, the put for those that lie in memory.
 * Whatever fails on the way, what was made is removed.
 */
#include "transfer/s3_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/memory_body.h"
#include "transfer/s3_header.h"
#include "transfer/s3_ladder.h"
#include "transfer/s3_request.h"

enum {
    BUFFER = 16 << 10,       /* of a part: at least 8 KiB a chunk (AWS) */
    STREAMED = BUFFER + 777, /* two chunks, of which the last is shorter */
    WHOLE = 512,
    CLEANUPS_MAX = 3
};

enum step {
    STEP_GREETING,
    STEP_CREATING,
    STEP_RIGHT_PART,
    STEP_WRONG_PART,
    STEP_SIZES,
    STEP_RIGHT_PUT,
    STEP_WRONG_PUT,
    STEP_AGAIN,
    STEP_REMOVING,
    STEP_ABORTING,
    STEP_DONE
};

struct s3_probe {
    struct s3 *s3;
    enum s3_readiness to;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
    enum step step;
    struct deferred soon;
    struct s3_request *request; /* NULL: none yet */
    struct error err;
    bool is_cancelled;

    char key[40];
    char upload_id[STORE_UPLOAD_ID_MAX];
    bool has_object; /* perhaps */
    unsigned n_cleanups;
    enum s3_rung rungs[S3_RUNGS]; /* of the present round */
    unsigned n_tried;
    struct s3_traits traits;

    struct memory_body body;
    struct s3_payload payload;
    uint8_t bytes[STREAMED], buffer[BUFFER];
};

static void enter(struct s3_probe *p, enum step step);

/* ---- the end ---- */

static enum s3_rung rung(const struct s3_probe *p)
{
    return p->rungs[p->n_tried];
}

static void end(struct s3_probe *p)
{
    void (*done)(void *, const struct error *) = p->done;
    void *ctx = p->ctx;
    struct error err = p->err;
    struct s3 *s3 = p->s3;

    if (err.kind == ERROR_NONE && p->to == S3_PROBED && s3->readiness != S3_PROBED)
        s3_set_traits(s3, &p->traits);
    s3->probe = NULL;
    s3_payload_free(&p->payload);
    free(p);
    done(ctx, err.kind != ERROR_NONE ? &err : NULL);
}

/* What was made is removed first. */
static void clean_up(struct s3_probe *p)
{
    if (p->has_object)
        enter(p, STEP_REMOVING);
    else if (p->upload_id[0] != '\0')
        enter(p, STEP_ABORTING);
    else
        enter(p, STEP_DONE);
}

static void fail(struct s3_probe *p, const struct error *err)
{
    error_keep_first(&p->err, err);
    clean_up(p);
}

/* ---- requests ---- */

static void on_answer(struct s3_request *r, void *ctx);

static struct s3_request *request(struct s3_probe *p, enum store_verb verb,
                                  const char *method, const char *key)
{
    p->request = s3_request_new(p->s3, verb, method, key);
    p->request->done = on_answer;
    p->request->ctx = p;
    return p->request;
}

static void greet(struct s3_probe *p)
{
    struct s3_request *r = request(p, STORE_LIST, "GET", NULL);

    s3_request_query(r, "encoding-type", "url");
    s3_request_query(r, "list-type", "2");
    s3_request_query(r, "max-keys", "1");
    s3_request_query(r, "prefix", p->s3->address.prefix);
    r->root = "ListBucketResult";
    s3_request_send(r);
}

static void create(struct s3_probe *p)
{
    struct s3_request *r = request(p, STORE_CREATE_UPLOAD, "POST", p->key);
    bool wants_crc = s3_ladder_allows(p->s3, true, S3_RUNG_HEADER);

    s3_request_query(r, "uploads", NULL);
    if (wants_crc) {
        s3_request_header(r, "x-amz-checksum-algorithm: CRC32C");
        s3_request_header(r, "x-amz-checksum-type: FULL_OBJECT");
    }
    r->root = "InitiateMultipartUploadResult";
    s3_request_send(r);
}

/* With the rung's digest, or with a wrong one. */
static void send_bytes(struct s3_probe *p, struct s3_request *r, size_t size,
                       bool is_wrong)
{
    memory_body_init(&p->body, p->s3->loop, (struct span){p->bytes, size});
    if (size > BUFFER)
        p->body.body.whole = (struct span){NULL, 0}; /* as if it came from a file */
    s3_payload_free(&p->payload);
    p->payload = (struct s3_payload){
        .loop = p->s3->loop,
        .body = &p->body.body,
        .buffer = {p->buffer, sizeof p->buffer},
        .rung = rung(p),
        .signs = s3_ladder_signs(p->s3),
        .is_wrong = is_wrong,
    };
    r->payload = &p->payload;
    r->needs_etag = true;
    s3_request_send(r);
}

static void send_part(struct s3_probe *p, bool is_wrong)
{
    struct s3_request *r = request(p, STORE_UPLOAD_PART, "PUT", p->key);

    s3_request_query(r, "partNumber", "1");
    s3_request_query(r, "uploadId", p->upload_id);
    send_bytes(p, r, STREAMED, is_wrong);
}

static void list_sizes(struct s3_probe *p)
{
    struct s3_request *r = request(p, STORE_LIST_PARTS, "GET", p->key);

    s3_request_query(r, "uploadId", p->upload_id);
    r->root = "ListPartsResult";
    s3_request_send(r);
}

static void send_put(struct s3_probe *p, bool is_wrong, bool if_absent)
{
    struct s3_request *r = request(p, STORE_PUT, "PUT", p->key);

    if (if_absent)
        s3_request_header(r, "If-None-Match: *");
    p->has_object = true; /* even where the answer is lost */
    send_bytes(p, r, WHOLE, is_wrong);
}

static void abort_upload(struct s3_probe *p)
{
    struct s3_request *r = request(p, STORE_ABORT_UPLOAD, "DELETE", p->key);

    s3_request_query(r, "uploadId", p->upload_id);
    s3_request_send(r);
}

static void enter(struct s3_probe *p, enum step step)
{
    p->step = step;
    switch (step) {
    case STEP_GREETING:
        greet(p);
        break;
    case STEP_CREATING:
        create(p);
        break;
    case STEP_RIGHT_PART:
    case STEP_WRONG_PART:
        send_part(p, step == STEP_WRONG_PART);
        break;
    case STEP_SIZES:
        list_sizes(p);
        break;
    case STEP_RIGHT_PUT:
    case STEP_WRONG_PUT:
        send_put(p, step == STEP_WRONG_PUT, false);
        break;
    case STEP_AGAIN:
        send_put(p, false, true);
        break;
    case STEP_REMOVING:
        s3_request_send(request(p, STORE_DELETE, "DELETE", p->key));
        break;
    case STEP_ABORTING:
        abort_upload(p);
        break;
    case STEP_DONE:
        end(p);
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

static bool is_unimplemented(const struct s3_request *r)
{
    return r->status == 501 || strcmp(r->answer.fault.code, "NotImplemented") == 0;
}

static void begin_probing(struct s3_probe *p)
{
    if (p->to == S3_PROBED && s3_ladder_fits(p->s3, &p->s3->traits)) {
        s3_set_traits(p->s3, &p->s3->traits);
        p->s3->traits_are_noted = true;
    }
    enter(p, p->s3->readiness < p->to ? STEP_CREATING : STEP_DONE);
}

/* Credentials that may not list may still read and write; that they are known is what
 * AccessDenied says. */
static void on_greeting(struct s3_probe *p, struct s3_request *r)
{
    char server[40];

    if (r->err.kind != ERROR_NONE &&
        strcmp(r->answer.fault.code, "AccessDenied") != 0) {
        fail(p, &r->err);
        return;
    }
    s3_header_text(&r->http.answer, "Server", server, sizeof server);
    p->s3->quirks = s3_quirks_find(s3_address_host(&p->s3->address), server);
    p->s3->store->limits.lists_exact_key = p->s3->quirks->lists_exact_key;
    p->s3->store->limits.part_min = p->s3->quirks->part_min;
    if (p->s3->readiness == S3_NEW)
        p->s3->readiness = S3_GREETED;
    begin_probing(p);
}

static void on_created(struct s3_probe *p, struct s3_request *r)
{
    if (r->err.kind != ERROR_NONE) {
        fail(p, &r->err);
        return;
    }
    memcpy(p->upload_id, r->answer.upload_id, sizeof p->upload_id);
    s3_ladder(p->s3, true, p->rungs);
    p->n_tried = 0;
    enter(p, rung(p) == S3_RUNG_NONE ? STEP_RIGHT_PUT : STEP_RIGHT_PART);
}

/* The parts are settled: the put's turn. */
static void begin_puts(struct s3_probe *p)
{
    p->traits.streamed = rung(p);
    s3_ladder(p->s3, false, p->rungs);
    p->n_tried = 0;
    enter(p, STEP_RIGHT_PUT);
}

static void next_part_rung(struct s3_probe *p)
{
    p->n_tried++;
    if (rung(p) == S3_RUNG_NONE)
        begin_puts(p);
    else
        enter(p, STEP_RIGHT_PART);
}

static void on_right_part(struct s3_probe *p, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE)
        enter(p, STEP_WRONG_PART);
    else if (is_unrelated(&r->err) && !is_unimplemented(r))
        fail(p, &r->err);
    else
        next_part_rung(p);
}

static void on_wrong_part(struct s3_probe *p, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE)
        next_part_rung(p);
    else if (is_unrelated(&r->err))
        fail(p, &r->err);
    else
        enter(p, STEP_SIZES);
}

/* Some take the frames of a body in chunks for bytes of the part. */
static void on_sizes(struct s3_probe *p, struct s3_request *r)
{
    const struct store_items *items = &r->answer.items;

    if (r->err.kind != ERROR_NONE && is_unrelated(&r->err))
        fail(p, &r->err);
    else if (r->err.kind == ERROR_NONE &&
             (items->n != 1 || items->items[0].size != STREAMED))
        next_part_rung(p);
    else
        begin_puts(p);
}

static void next_put_rung(struct s3_probe *p)
{
    p->n_tried++;
    enter(p, STEP_RIGHT_PUT);
}

static void on_right_put(struct s3_probe *p, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE) {
        p->traits.whole = rung(p);
        enter(p, rung(p) == S3_RUNG_NONE ? STEP_AGAIN : STEP_WRONG_PUT);
    } else if ((is_unrelated(&r->err) && !is_unimplemented(r)) ||
               rung(p) == S3_RUNG_NONE) {
        fail(p, &r->err);
    } else {
        next_put_rung(p);
    }
}

static void on_wrong_put(struct s3_probe *p, struct s3_request *r)
{
    if (r->err.kind == ERROR_NONE)
        next_put_rung(p);
    else if (is_unrelated(&r->err))
        fail(p, &r->err);
    else
        enter(p, STEP_AGAIN);
}

static void on_again(struct s3_probe *p, struct s3_request *r)
{
    p->traits.has_if_none_match = r->err.kind == ERROR_CONFLICT;
    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_CONFLICT &&
        is_unrelated(&r->err) && !is_unimplemented(r))
        fail(p, &r->err);
    else
        clean_up(p);
}

/* What could not be removed is told, and no reason to stop. */
static void on_removed(struct s3_probe *p, struct s3_request *r)
{
    if (error_is_retryable(&r->err) && ++p->n_cleanups < CLEANUPS_MAX) {
        clean_up(p);
        return;
    }
    if (r->err.kind != ERROR_NONE && r->err.kind != ERROR_NOT_FOUND)
        log_line(LOG_WARNING, LOG_STORE, "left behind by probing: %s", r->err.text);
    p->has_object = false;
    if (p->step == STEP_ABORTING)
        p->upload_id[0] = '\0';
    clean_up(p);
}

static void step_on(struct s3_probe *p, struct s3_request *r)
{
    switch (p->step) {
    case STEP_GREETING:
        on_greeting(p, r);
        break;
    case STEP_CREATING:
        on_created(p, r);
        break;
    case STEP_RIGHT_PART:
        on_right_part(p, r);
        break;
    case STEP_WRONG_PART:
        on_wrong_part(p, r);
        break;
    case STEP_SIZES:
        on_sizes(p, r);
        break;
    case STEP_RIGHT_PUT:
        on_right_put(p, r);
        break;
    case STEP_WRONG_PUT:
        on_wrong_put(p, r);
        break;
    case STEP_AGAIN:
        on_again(p, r);
        break;
    case STEP_REMOVING:
    case STEP_ABORTING:
    case STEP_DONE:
        on_removed(p, r);
        break;
    }
}

static void on_answer(struct s3_request *r, void *ctx)
{
    struct s3_probe *p = ctx;

    log_line(LOG_DEBUG, LOG_STORE, "probe: step %u, %s: %d %s", p->step,
             p->step >= STEP_RIGHT_PART && p->step <= STEP_WRONG_PUT
                 ? s3_rung_name(rung(p))
                 : "-",
             r->status, r->answer.fault.code);
    if (p->s3->is_closing) {
        error_keep_first(&p->err, &r->err);
        end(p);
    } else if (p->is_cancelled && p->step < STEP_REMOVING) {
        struct error cancelled;

        error_set(&cancelled, ERROR_CANCELLED, 0, "cancelled");
        if (p->step == STEP_CREATING && r->err.kind == ERROR_NONE)
            memcpy(p->upload_id, r->answer.upload_id, sizeof p->upload_id);
        fail(p, &cancelled);
    } else {
        step_on(p, r);
    }
    s3_request_free(r);
}

/* ---- the face ---- */

static void draw_key(struct s3_probe *p)
{
    uint32_t random[4] = {0};

    if (getrandom(random, sizeof random, 0) < 0)
        random[0] = (uint32_t)uv_hrtime();
    snprintf(p->key, sizeof p->key, ".grid-probe/%08x%08x", random[0], random[1]);
    for (size_t i = 0; i < sizeof p->bytes; i++)
        p->bytes[i] = (uint8_t)(i * 31 + random[2]);
}

static void on_greeted_before(void *ctx)
{
    struct s3_probe *p = ctx;

    if (p->is_cancelled) {
        error_set(&p->err, ERROR_CANCELLED, 0, "cancelled");
        end(p);
    } else {
        begin_probing(p);
    }
}

void s3_probe_start(struct s3 *s3, enum s3_readiness to,
                    void (*done)(void *ctx, const struct error *err), void *ctx)
{
    struct s3_probe *p = mem_new(1, sizeof *p);

    p->s3 = s3;
    p->to = to;
    p->done = done;
    p->ctx = ctx;
    s3->probe = p;
    draw_key(p);
    if (s3->readiness == S3_NEW)
        enter(p, STEP_GREETING);
    else
        loop_defer(s3->loop, &p->soon, on_greeted_before, p);
}

void s3_probe_cancel(struct s3_probe *p)
{
    p->is_cancelled = true;
    if (p->request != NULL && (p->step < STEP_REMOVING || p->s3->is_closing))
        s3_request_cancel(p->request);
}
