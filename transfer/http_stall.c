/*
 * Who is silent for too long: one timer looks at all running requests, once a second or
 * more often where a limit is short.  libcurl has such a limit too, but it counts the
 * time that we let the server wait.
 */
#include <curl/curl.h>

#include "transfer/http_error.h"
#include "transfer/http_impl.h"

enum { SWEEP_MS = 1000, SWEEP_MIN_MS = 10 }; /* between two looks */

/* Bytes of both ways; is_waiting: it is not the server that is slow. */
static uint64_t bytes_moved(const struct http_request *request, bool *is_waiting)
{
    CURL *easy = request->slot->easy;
    curl_off_t sent = 0, received = 0, begun_us = 0;
    long head = 0;

    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
    *is_waiting = request->is_send_paused || request->is_recv_paused ||
                  begun_us == 0; /* until then the limit for connecting counts */
    return (uint64_t)sent + (uint64_t)received + (uint64_t)head;
}

static bool is_stalled(struct http_request *request, uint64_t now_ms)
{
    bool is_waiting;
    uint64_t moved = bytes_moved(request, &is_waiting);

    if (moved != request->moved || is_waiting) {
        request->moved = moved;
        request->moved_at_ms = now_ms;
    }
    return now_ms - request->moved_at_ms >= (uint64_t)request->stall_ms;
}

void http_stall_tick(uv_timer_t *timer)
{
    struct http *http = timer->data;
    struct http_request *next;

    if (http->running.next_request == &http->running)
        uv_timer_stop(timer);
    for (struct http_request *r = http->running.next_request; r != &http->running;
         r = next) {
        next = r->next_request;
        if (r->stall_ms <= 0 || !is_stalled(r, loop_now_ms(http->loop)))
            continue;
        http_error_broken(&r->err, r->url, r->answer.status != 0,
                          "no byte has moved for too long");
        r->answer.is_stalled = true;
        http_end(r);
    }
}

void http_stall_watch(struct http *http, struct http_request *request)
{
    uint64_t every_ms = (uint64_t)request->stall_ms / 4;

    if (request->stall_ms <= 0)
        return;
    if (every_ms > SWEEP_MS)
        every_ms = SWEEP_MS;
    if (every_ms < SWEEP_MIN_MS)
        every_ms = SWEEP_MIN_MS;
    if (uv_is_active((uv_handle_t *)&http->sweep) && http->sweep_ms <= every_ms)
        return;
    http->sweep_ms = every_ms;
    uv_timer_start(&http->sweep, http_stall_tick, every_ms, every_ms);
}
