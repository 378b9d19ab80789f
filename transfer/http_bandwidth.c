/*
 * Sending under a limit.  libcurl's read callback asks here how much may go; who gets
 * nothing is paused and waits in line, and a timer hands out what has become free to
 * the head of it: so no connection is starved, and none is closed.
 */
#include "transfer/http_impl.h"

enum { GRANT_MAX = 64 << 10 }; /* at once to one request: the others wait for it */

static void wait_in_line(struct http *http, struct http_request *request)
{
    if (request->waits_to_send)
        return;
    request->waits_to_send = true;
    request->next_to_send = NULL;
    *http->last_to_send = request;
    http->last_to_send = &request->next_to_send;
    if (!uv_is_active((uv_handle_t *)&http->bandwidth_timer))
        uv_timer_start(&http->bandwidth_timer, http_bandwidth_tick,
                       bandwidth_wait_ms(&http->bandwidth), 0);
}

size_t http_bandwidth_allow(struct http_request *request, size_t want)
{
    struct http *http = request->http;
    size_t n;

    if (http->bandwidth.rate == 0)
        return want;
    if (request->granted == 0 && http->first_to_send == NULL)
        request->granted =
            bandwidth_take(&http->bandwidth, want, loop_now_ms(http->loop));
    if (request->granted == 0) {
        wait_in_line(http, request);
        return 0;
    }
    n = want < request->granted ? want : request->granted;
    request->granted -= n;
    return n;
}

void http_bandwidth_leave(struct http_request *request)
{
    struct http *http = request->http;
    struct http_request **link = &http->first_to_send;

    request->granted = 0;
    if (!request->waits_to_send)
        return;
    while (*link != request)
        link = &(*link)->next_to_send;
    *link = request->next_to_send;
    if (*link == NULL)
        http->last_to_send = link;
    request->waits_to_send = false;
}

void http_bandwidth_tick(uv_timer_t *timer)
{
    struct http *http = timer->data;
    struct http_request *request;

    while ((request = http->first_to_send) != NULL) {
        size_t n = bandwidth_take(&http->bandwidth, GRANT_MAX, loop_now_ms(http->loop));

        if (n == 0) {
            uv_timer_start(timer, http_bandwidth_tick,
                           bandwidth_wait_ms(&http->bandwidth), 0);
            return;
        }
        http_bandwidth_leave(request);
        request->granted = n;
        http_transfer_unpause(request);
    }
}

/* Who waits in line is served anew: it may be his turn already. */
void http_set_send_rate(struct http *http, uint64_t rate)
{
    bandwidth_init(&http->bandwidth, rate, loop_now_ms(http->loop));
    if (http->first_to_send != NULL)
        uv_timer_start(&http->bandwidth_timer, http_bandwidth_tick, 0, 0);
    else
        uv_timer_stop(&http->bandwidth_timer); /* it was set for the old rate */
}
