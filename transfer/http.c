/*
 * How libcurl and libuv are tied together:
 *
 *   libcurl   watch this socket (on_socket_wanted)     -> socket_watch
 *             call me after so long (on_timer_wanted)  -> one uv_timer_t
 *   libuv     socket is ready, time is up              -> curl_multi_socket_action()
 *   and then  what has finished is collected (reap)    -> end()
 *
 * A request:
 *
 *           http_send                end: answered, failed,
 *   IDLE ------------->  RUNNING  ----- cancelled, dropped ----->  ENDING  ---+
 *    ^                  in libcurl                              out of it     |
 *    +---- done(), when no next() and no take() is unanswered ----------------+
 *
 * What happens while it runs is in http_transfer.c.
 *
 * Connections are kept, and stay with the poller while idle (socket_watch): those that
 * have served a request, for their end is told (http_socket_ends).  Of all other
 * sockets (of attempts to connect, of the resolver's threads) libcurl does not say when
 * it closes them, only when they are not wanted any more, and that may be after the
 * next has got the same number.
 */
#include "transfer/http.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "transfer/http_answer.h"
#include "transfer/http_error.h"
#include "transfer/http_impl.h"

enum {
    CONNECT_MS = 10000,
    DEAD_PEER_MS = 60000, /* unacknowledged for so long: gone */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 3
};

/* ---- the end of a request ---- */

static void note_figures(struct http_request *request)
{
    CURL *easy = request->slot->easy;
    struct http_counts *counts = &request->http->counts;
    curl_off_t sent = 0, handshake_us = 0;
    long connects = 0;

    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
    request->answer.sent = (uint64_t)sent;
    counts->connects += (uint64_t)connects;
    if (connects > 0 && handshake_us > 0)
        counts->handshakes++;
}

void http_end(struct http_request *request)
{
    struct http *http = request->http;

    assert(request->phase == REQUEST_RUNNING);
    note_figures(request);
    request->answer.silence_ms = loop_now_ms(http->loop) - request->moved_at_ms;
    http_bandwidth_leave(request);
    curl_multi_remove_handle(http->multi, request->slot->easy);
    http_slot_put(http, request->slot);
    request->slot = NULL;
    request->prev->next_request = request->next_request;
    request->next_request->prev = request->prev;
    request->phase = REQUEST_ENDING;
    http_transfer_soon(request);
}

/* A kept connection broke before it answered: it was dead already, most likely. libcurl
 * sends again by itself when it notices while reading, not while writing. */
static bool was_kept_and_broke(const struct http_request *request, CURLcode code)
{
    long connects = 0;

    curl_easy_getinfo(request->slot->easy, CURLINFO_NUM_CONNECTS, &connects);
    return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
            code == CURLE_GOT_NOTHING) &&
           connects == 0 && request->answer.status == 0 &&
           request->err.kind == ERROR_NONE;
}

static void set_outcome(struct http_request *request, CURLcode code)
{
    struct http_slot *slot = request->slot;
    struct http_trouble trouble = {.code = (int)code,
                                   .reason = slot->reason,
                                   .url = request->url,
                                   .ca_file = request->http->ca_file,
                                   .ca_names = request->http->ca_names,
                                   .is_answered = request->answer.status != 0,
                                   .was_kept = was_kept_and_broke(request, code)};
    curl_off_t begun_us = 0;
    long proxy_status = 0, local_port = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_LOCAL_PORT, &local_port);
    request->answer.is_connected = local_port > 0;
    if (code == CURLE_OK && !request->answer.is_head_whole) {
        /* libcurl takes the connection's end for the head's, and what came of the headers
         * for all of them. */
        http_error_broken(&request->err, request->url, true, "its head is not whole");
        return;
    }
    if (code == CURLE_OK || request->is_cut)
        return;
    if (request->err.kind != ERROR_NONE)
        return; /* our own callback said no, and why */
    curl_easy_getinfo(slot->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    curl_easy_getinfo(slot->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
    trouble.proxy_status = (int)proxy_status;
    trouble.is_connected = begun_us > 0;
    http_error_set(&request->err, &trouble);
}

static void send_again(struct http_request *request)
{
    struct http *http = request->http;
    CURL *easy = request->slot->easy;

    curl_multi_remove_handle(http->multi, easy);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L); /* so this happens once */
    http_transfer_again(request);
    curl_multi_add_handle(http->multi, easy);
}

/* The connection, where there still is one, was given back to libcurl's pool. */
static void keep_connection(struct http_request *request)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(request->slot->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD)
        socket_watch_keep(&request->http->sockets, fd);
}

/*
 * Collect what has finished.  To be called after every curl_multi_socket_action(), also
 * when no request is running any more: the last one may have ended in that very call.
 */
static void reap(struct http *http)
{
    struct http_request *request;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        CURLcode code = message->data.result; /* message dies with the transfer */

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        if (was_kept_and_broke(request, code) && http_transfer_can_restart(request)) {
            send_again(request);
            continue;
        }
        set_outcome(request, code);
        keep_connection(request);
        http_end(request);
    }
}

/* ---- libuv's side ---- */

static void on_socket_ready(void *ctx, int fd, bool can_read, bool can_write)
{
    struct http *http = ctx;
    int what = (can_read ? CURL_CSELECT_IN : 0) | (can_write ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(http->multi, fd, what, &running);
    reap(http);
}

static void on_time_up(uv_timer_t *timer)
{
    struct http *http = timer->data;
    int running;

    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(http);
}

/* ---- libcurl's side: sockets and time ---- */

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx,
                            void *known)
{
    struct http *http = ctx;

    (void)easy;
    (void)known;
    socket_watch_want(&http->sockets, fd,
                      what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                      what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
    return 0;
}

static int on_timer_wanted(CURLM *multi, long ms, void *ctx)
{
    struct http *http = ctx;

    (void)multi;
    if (ms < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_time_up, (uint64_t)ms, 0);
    return 0;
}

static void set_int(int fd, int level, int name, int value)
{
    /* A kernel without it is no reason to fail. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

int http_socket_made(struct http *http, int fd)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef __linux__
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS);
#endif
    socket_watch_made(&http->sockets, fd);
    return CURL_SOCKOPT_OK;
}

int http_socket_ends(struct http *http, int fd)
{
    socket_watch_end(&http->sockets, fd);
    return close(fd);
}

/* ---- the public face ---- */

void http_send(struct http *http, struct http_request *request)
{
    CURLMcode code;

    assert(request->phase == REQUEST_IDLE && !request->is_soon);
    assert(request->take == NULL || request->into.size >= HTTP_INTO_MIN);
    request->http = http;
    http_transfer_reset(request);
    request->moved_at_ms = loop_now_ms(http->loop);
    request->slot = http_slot_take(http, request);
    request->phase = REQUEST_RUNNING;
    request->prev = http->running.prev;
    request->next_request = &http->running;
    request->prev->next_request = request;
    http->running.prev = request;
    http->n_requests++;
    http->counts.requests++;
    http_stall_watch(http, request);
    code = curl_multi_add_handle(http->multi, request->slot->easy);
    if (code != CURLM_OK) {
        error_set(&request->err, ERROR_INTERNAL, (int)code, "%s",
                  curl_multi_strerror(code));
        http_end(request);
    } else if (request->chunk_phase == CHUNK_WANTED) {
        http_transfer_soon(
            request); /* the first chunk is read while the connection is made */
    }
}

void http_cancel(struct http_request *request)
{
    if (request->phase != REQUEST_RUNNING)
        return; /* done() is on its way already, or nothing is under way */
    error_set(&request->err, ERROR_CANCELLED, 0, "cancelled");
    http_end(request);
}

void http_request_clear(struct http_request *request)
{
    assert(request->phase == REQUEST_IDLE);
    http_answer_clear(&request->answer);
}

void http_counts(const struct http *http, struct http_counts *out)
{
    *out = http->counts;
    out->open = http->sockets.n_connections;
}

/* ---- open and close ---- */

static void open_multi(struct http *http)
{
    CURLM *multi = curl_multi_init();

    if (multi == NULL)
        abort(); /* no memory: as mem.h has it */
    http->multi = multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, http->connections);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, http->per_host);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2 * http->connections);
}

/* libcurl cannot close the idle connections of a multi handle, but it can close all. */
void http_drop_connections(struct http *http)
{
    while (http->running.next_request != &http->running) {
        struct http_request *request = http->running.next_request;

        http_error_broken(&request->err, request->url, false,
                          "all connections were given up");
        http_end(request);
    }
    curl_multi_cleanup(http->multi);
    uv_timer_stop(&http->timer);
    open_multi(http);
}

int http_open(struct http **out, const struct http_options *options, struct error *err)
{
    struct http *http;

    if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0) {
        error_errno(err, errno, "cannot read the CA file %s", options->ca_file);
        err->kind = ERROR_USAGE;
        return -1;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_INTERNAL, 0, "libcurl does not start");
    http = mem_new(1, sizeof *http);
    http->loop = options->loop;
    http->connections = (long)options->connections;
    http->per_host = (long)options->per_host;
    http->is_direct = options->is_direct;
    http->ca_names =
        options->ca_names != NULL ? options->ca_names : "--ca-file or AWS_CA_BUNDLE";
    http->connect_ms = options->connect_ms > 0 ? (long)options->connect_ms : CONNECT_MS;
    if (options->ca_file != NULL)
        http->ca_file = mem_copy_string(options->ca_file);
    if (options->user_agent != NULL)
        http->user_agent = mem_copy_string(options->user_agent);
    http->running.prev = http->running.next_request = &http->running;
    socket_watch_init(&http->sockets, http->loop, on_socket_ready, http);
    uv_timer_init(&http->loop->uv, &http->timer);
    uv_timer_init(&http->loop->uv, &http->sweep);
    uv_timer_init(&http->loop->uv, &http->bandwidth_timer);
    http->timer.data = http->sweep.data = http->bandwidth_timer.data = http;
    bandwidth_init(&http->bandwidth, options->send_rate, loop_now_ms(http->loop));
    http->last_to_send = &http->first_to_send;
    open_multi(http);
    *out = http;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;

    if (--http->n_closing > 0)
        return;
    free(http->ca_file);
    free(http->user_agent);
    free(http);
}

void http_close(struct http *http)
{
    assert(http->n_requests == 0);
    http_slots_free(http);
    curl_multi_cleanup(http->multi); /* closes idle connections */
    socket_watch_free(&http->sockets);
    curl_global_cleanup();
    http->n_closing = 3;
    uv_close((uv_handle_t *)&http->timer, on_handle_closed);
    uv_close((uv_handle_t *)&http->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&http->bandwidth_timer, on_handle_closed);
}
