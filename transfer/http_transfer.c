/*
 * A request while it runs, in two halves:
 *
 *   its chunk    NONE -> WANTED (libcurl asks) -> ASKED (next) -> HERE (gave) -> ...
 *   its into     FILLING -> FULL (or at the end) -> TAKING (take) -> FILLING (took)
 *
 * libcurl must not be called from within its own callbacks, and the caller's functions
 * may do anything.  So the callbacks (read, seek, header, body) only note what is
 * wanted, pause what cannot go on, and ask for advance(), which runs soon, from the
 * loop; all that calls the caller is there.  What the caller then says (http_gave,
 * http_took) lets libcurl go on.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "transfer/http_answer.h"
#include "transfer/http_error.h"
#include "transfer/http_impl.h"

static void advance(void *ctx);

void http_transfer_soon(struct http_request *request)
{
    if (request->is_soon)
        return;
    request->is_soon = true;
    loop_defer(request->http->loop, &request->soon, advance, request);
}

uint64_t http_transfer_size(const struct http_request *request)
{
    return request->next != NULL ? request->body_size : request->body.size;
}

bool http_transfer_is_pulled(const struct http_request *request)
{
    return request->is_pulled;
}

static void set_first_chunk(struct http_request *request)
{
    request->chunk = (struct span){0};
    request->chunk_phase = CHUNK_NONE;
    if (!http_transfer_is_pulled(request))
        return;
    if (request->next == NULL)
        request->chunk = request->body;
    request->chunk_phase = request->next != NULL ? CHUNK_WANTED : CHUNK_HERE;
}

void http_transfer_reset(struct http_request *request)
{
    http_answer_clear(&request->answer);
    error_clear(&request->err);
    request->body_failed = false;
    request->is_cut = request->wants_restart = false;
    request->is_send_paused = request->is_recv_paused = false;
    request->given = request->filled = request->moved = 0;
    request->waits_to_send = false;
    request->granted = 0;
    request->is_pulled = (request->next != NULL || request->http->bandwidth.rate > 0) &&
                         http_transfer_size(request) > 0;
    set_first_chunk(request);
    request->into_phase = INTO_FILLING;
}

/* ---- libcurl's side: the question's body ---- */

size_t http_transfer_read(char *into, size_t one, size_t n, void *ctx)
{
    struct http_request *request = ctx;
    size_t size = request->chunk.size < n * one ? request->chunk.size : n * one;

    if (!request->wants_restart && request->given == http_transfer_size(request))
        return 0;
    if (request->wants_restart || request->chunk_phase != CHUNK_HERE) {
        request->is_send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    size = http_bandwidth_allow(request, size);
    if (size == 0) {
        request->is_send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    memcpy(into, request->chunk.data, size);
    request->chunk.data += size;
    request->chunk.size -= size;
    request->given += size;
    if (request->chunk.size == 0) {
        /* The next is fetched while this one goes out of libcurl's buffer. */
        request->chunk_phase =
            request->given < http_transfer_size(request) ? CHUNK_WANTED : CHUNK_NONE;
        http_transfer_soon(request);
    }
    return size;
}

bool http_transfer_can_restart(const struct http_request *request)
{
    return request->given == 0 || request->restart != NULL || request->next == NULL;
}

/* From the first byte, if any is gone. */
static void restart_body(struct http_request *request)
{
    http_bandwidth_leave(request);
    if (request->given == 0)
        return;
    request->given = 0;
    if (request->next == NULL) {
        set_first_chunk(request);
        return;
    }
    request->wants_restart = true;
    http_transfer_soon(request);
}

/* A kept connection was dead and libcurl has made another. */
int http_transfer_seek(void *ctx, int64_t offset, int origin)
{
    struct http_request *request = ctx;

    if (offset != 0 || origin != SEEK_SET || !http_transfer_can_restart(request))
        return CURL_SEEKFUNC_CANTSEEK;
    restart_body(request);
    return CURL_SEEKFUNC_OK;
}

void http_transfer_again(struct http_request *request)
{
    http_answer_clear(&request->answer);
    request->is_send_paused = request->is_recv_paused = false;
    request->moved = 0;
    request->moved_at_ms = loop_now_ms(request->http->loop);
    restart_body(request);
}

/* ---- libcurl's side: the answer ---- */

size_t http_transfer_header(char *line, size_t one, size_t n, void *ctx)
{
    struct http_request *request = ctx;

    (void)one;
    if (http_answer_add_line(&request->answer, line, n))
        return n;
    http_error_useless(&request->err, request->url, "its head is too large");
    return 0;
}

static size_t into_memory(struct http_request *request, const char *bytes, size_t n)
{
    struct text *body = &request->answer.body;
    size_t room = request->answer_max - body->size;

    if (n <= room) {
        text_add_bytes(body, bytes, n);
        return n;
    }
    if (request->answer.status / 100 == 2) {
        http_error_useless(&request->err, request->url, "it is too large");
    } else {
        text_add_bytes(body, bytes, room);
        request->is_cut = true;
    }
    return 0;
}

/* libcurl hands on at most HTTP_INTO_MIN bytes, and takes back all or nothing. */
static size_t into_pieces(struct http_request *request, const char *bytes, size_t n)
{
    bool is_room = request->into_phase == INTO_FILLING &&
                   n <= request->into.size - request->filled;

    if (is_room) {
        memcpy(request->into.data + request->filled, bytes, n);
        request->filled += n;
    }
    if (request->into_phase == INTO_FILLING &&
        request->into.size - request->filled < HTTP_INTO_MIN && request->filled > 0) {
        request->into_phase = INTO_FULL;
        http_transfer_soon(request);
    }
    if (is_room)
        return n;
    request->is_recv_paused = true;
    return CURL_WRITEFUNC_PAUSE;
}

size_t http_transfer_body(char *bytes, size_t one, size_t n, void *ctx)
{
    struct http_request *request = ctx;
    size_t taken;

    (void)one;
    if (request->take != NULL && request->answer.status / 100 == 2)
        taken = into_pieces(request, bytes, n);
    else
        taken = into_memory(request, bytes, n);
    if (taken == n)
        request->answer.received += n;
    return taken;
}

/* ---- what advances a request ---- */

void http_transfer_unpause(struct http_request *request)
{
    int still = 0;

    if (request->is_send_paused) {
        if (request->chunk_phase != CHUNK_HERE || request->wants_restart ||
            request->waits_to_send)
            still |= CURLPAUSE_SEND;
    }
    if (request->is_recv_paused && request->into_phase != INTO_FILLING)
        still |= CURLPAUSE_RECV;
    request->is_send_paused = (still & CURLPAUSE_SEND) != 0;
    request->is_recv_paused = (still & CURLPAUSE_RECV) != 0;
    request->moved_at_ms = loop_now_ms(request->http->loop);
    curl_easy_pause(request->slot->easy, still);
}

static void ask_for_chunk(struct http_request *request)
{
    if (request->wants_restart) {
        request->wants_restart = false;
        request->chunk_phase = CHUNK_WANTED;
        request->restart(request, request->ctx);
        if (request->phase != REQUEST_RUNNING)
            return;
    }
    if (request->chunk_phase == CHUNK_WANTED) {
        request->chunk_phase = CHUNK_ASKED;
        request->next(request, request->ctx);
    }
}

/* What came before a connection broke is good, and need not come again. */
static bool may_hand_on(const struct http_request *request)
{
    return request->err.kind == ERROR_NONE || request->err.kind == ERROR_NETWORK ||
           request->err.kind == ERROR_TRANSIENT;
}

static void hand_on(struct http_request *request)
{
    request->into_phase = INTO_TAKING;
    request->take(request, request->ctx,
                  (struct span){request->into.data, request->filled});
}

/* Whatever was noted is done; what the caller does in turn may have been noted too, and
 * then this runs once more. */
static void advance(void *ctx)
{
    struct http_request *request = ctx;
    struct http *http = request->http;

    request->is_soon = false;
    if (request->phase == REQUEST_RUNNING && request->chunk_phase != CHUNK_ASKED)
        ask_for_chunk(request);
    if (request->into_phase == INTO_FULL && may_hand_on(request))
        hand_on(request);
    if (request->phase != REQUEST_ENDING || request->is_soon ||
        request->chunk_phase == CHUNK_ASKED || request->into_phase == INTO_TAKING)
        return;
    if (request->filled > 0 && may_hand_on(request)) {
        request->into_phase = INTO_FULL; /* the last piece */
        http_transfer_soon(request);
        return;
    }
    request->phase = REQUEST_IDLE;
    http->n_requests--;
    request->done(request, request->ctx); /* may free the request */
}

static void fail_by_caller(struct http_request *request, const struct error *err)
{
    if (request->err.kind == ERROR_NONE) {
        request->err = *err;
        request->body_failed = true;
    }
    if (request->phase == REQUEST_RUNNING)
        http_end(request);
}

void http_gave(struct http_request *request, struct span bytes, const struct error *err)
{
    /* At the end nobody needs them; before a restart, not these any more. */
    bool is_in_vain =
        request->phase == REQUEST_ENDING || (err == NULL && request->wants_restart);

    assert(request->chunk_phase == CHUNK_ASKED);
    request->chunk_phase = CHUNK_NONE;
    if (is_in_vain) {
        http_transfer_soon(request);
    } else if (err != NULL) {
        fail_by_caller(request, err);
    } else {
        assert(bytes.size > 0 && bytes.size <= request->body_size - request->given);
        request->chunk = bytes;
        request->chunk_phase = CHUNK_HERE;
        if (request->is_send_paused)
            http_transfer_unpause(request);
    }
}

void http_took(struct http_request *request, const struct error *err)
{
    assert(request->into_phase == INTO_TAKING);
    request->into_phase = INTO_FILLING;
    request->filled = 0;
    if (err != NULL)
        fail_by_caller(request, err);
    else if (request->phase == REQUEST_RUNNING && request->is_recv_paused)
        http_transfer_unpause(request);
    if (request->phase == REQUEST_ENDING)
        http_transfer_soon(request);
}
