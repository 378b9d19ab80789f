/*
 * A connection of its own for each question: they are seldom, and some of these services
 * are on this machine.  Answers are wiped, as they hold secrets.
 */
#include "agent/credential_http.h"

#include <string.h>

enum { ANSWER_MAX = 64 << 10 };

static void on_end(void *ctx)
{
    struct credential_http *h = ctx;

    if (h->http != NULL)
        http_close(h->http);
    h->http = NULL;
    h->done(h->ctx);
}

static void wipe(struct text *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->size);
    text_free(text);
}

static void on_answer(struct http_request *request, void *ctx)
{
    struct credential_http *h = ctx;

    h->err = request->err;
    h->status = request->answer.status;
    if (h->err.kind == ERROR_NONE)
        text_add_bytes(&h->body, text_string(&request->answer.body),
                       request->answer.body.size);
    wipe(&request->answer.body);
    http_request_clear(request);
    loop_defer(h->loop, &h->soon, on_end, h);
}

void credential_http_start(struct credential_http *h)
{
    const struct http_options options = {
        .loop = h->loop,
        .ca_file = h->ca_file,
        .user_agent = "grid/" GRID_VERSION,
        .connections = 1,
        .connect_ms = h->timeout_ms,
        .is_direct = h->is_direct,
    };

    credential_http_clear(h);
    error_clear(&h->err);
    h->status = 0;
    if (http_open(&h->http, &options, &h->err) != 0) {
        loop_defer(h->loop, &h->soon, on_end, h);
        return;
    }
    h->request = (struct http_request){
        .method = h->method,
        .url = h->url,
        .headers = h->headers,
        .body = h->question,
        .stall_ms = (long)h->timeout_ms,
        .answer_max = ANSWER_MAX,
        .done = on_answer,
        .ctx = h,
    };
    http_send(h->http, &h->request);
}

void credential_http_cancel(struct credential_http *h)
{
    http_cancel(&h->request);
}

void credential_http_clear(struct credential_http *h)
{
    wipe(&h->body);
}
