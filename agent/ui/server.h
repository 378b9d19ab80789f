#ifndef AGENT_UI_SERVER_H
#define AGENT_UI_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"

/*
 * HTTP/1.1 on 127.0.0.1, in the loop, without threads.  The only module that knows
 * libmicrohttpd.
 *
 * Of each request, an exchange:
 *
 *     begun()     the head is there: answer, or choose where the body goes (take), or
 *                 do neither: then it is collected in x->body
 *     complete()  the body is there: answer, now or later (not asked where begun()
 *                 has answered)
 *     gone()      it is over, answered or broken off: nothing may be called any more
 *
 * An answer is whole (exchange_answer) or a stream (exchange_stream, exchange_write...,
 * exchange_end).  All of it is called on the loop.
 */
struct server;

enum { SERVER_BODY_MAX = 256 << 10 }; /* of a body that is collected: else 413 */

struct exchange {
    const char *method; /* "GET" */
    const char *path;   /* decoded, without the query */
    struct text body;
    void *owner; /* the user's own */

    /* How many of n bytes of the body are taken now; where that is fewer, the rest is
     * offered again after exchange_take_on(). */
    size_t (*take)(struct exchange *x, const void *bytes, size_t n);
    void (*drained)(struct exchange *x); /* of a stream: all that was written is out */
    void (*gone)(struct exchange *x);    /* NULL: nobody wants to know */

    /* Private. */
    struct server *server;
    void *connection;
    struct text out; /* of a stream: what is not sent */
    size_t sent;     /* of out */
    void *response;
    unsigned status;
    bool is_suspended, is_complete, is_streaming, is_broken;
    struct deferred soon;
    bool is_deferred;
    struct exchange *prev, *next;
};

struct server_events {
    void (*begun)(void *ctx, struct exchange *x);
    void (*complete)(void *ctx, struct exchange *x);
};

/* port 0: one that is free.  ERROR_CONFLICT where another program has it. */
int server_open(struct server **out, struct loop *loop, uint16_t port,
                const struct server_events *events, void *ctx, struct error *err);
uint16_t server_port(const struct server *s);

/* Breaks off what is under way; every gone() has run when it returns. */
void server_close(struct server *s);

/* Of the request.  NULL: there is none; valid until gone(). */
const char *exchange_query(const struct exchange *x, const char *name);
const char *exchange_header(const struct exchange *x, const char *name);
const char *exchange_cookie(const struct exchange *x, const char *name);

/* One more header of the answer; to be called after exchange_answer() or
 * exchange_stream(), from the same callback. */
void exchange_add_header(struct exchange *x, const char *name, const char *value);

void exchange_answer(struct exchange *x, unsigned status, const char *type,
                     const void *bytes, size_t size);

void exchange_stream(struct exchange *x, unsigned status, const char *type);
void exchange_write(struct exchange *x, const void *bytes, size_t size);
size_t exchange_pending(const struct exchange *x); /* written, and not sent yet */
void exchange_end(struct exchange *x);

/* Its end, but it is not whole, and the client sees that. */
void exchange_break(struct exchange *x);

/* The body may be offered again. */
void exchange_take_on(struct exchange *x);

#endif
