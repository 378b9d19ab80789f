#ifndef TRANSFER_HTTP_H
#define TRANSFER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/text.h"

/*
 * Many HTTP/1.1 requests at once on one loop, over connections that are kept.
 *
 * Only transport trouble is an error here.  Any answer of the server, 503 and 301
 * included, is a success with a status; what it means is for the caller to say.  No
 * retries (but when a kept connection turns out to be dead before it answered, the
 * request goes again over a new one), no redirects, no signing.  Proxies are those of
 * the environment (HTTPS_PROXY, NO_PROXY).
 *
 * Errors of a request:
 *   ERROR_NETWORK    name not resolved, refused, unreachable, or a connection that
 *                    broke or was silent for too long before one byte of the answer
 *                    came
 *   ERROR_TRANSIENT  the same in the middle of an answer; or the answer is not HTTP, or
 *                    larger than allowed
 *   ERROR_UNUSABLE   final: the server's certificate does not convince, no TLS there, a
 *                    proxy that refuses
 *   ERROR_USAGE      final: a url that is none
 *   ERROR_CANCELLED  http_cancel()
 * or what http_gave() or http_took() reported (body_failed is set then).
 */
struct http;

struct http_options {
    struct loop *loop;
    const char *ca_file;  /* PEM; NULL: the system's */
    const char *ca_names; /* what the user names it by, for messages; a constant; NULL:
                               the options of a store */
    const char *user_agent; /* NULL: none is sent */
    unsigned connections;   /* at most, open at once; further requests wait for one */
    unsigned per_host;      /* the same to one host; 0: no limit of its own */
    unsigned connect_ms;    /* name, TCP and TLS together; 0: 10 s */
    uint64_t send_rate;     /* bytes of bodies a second, all together; 0: no limit */
    bool is_direct;         /* no proxy, whatever the environment says */
};

/* The answer's body is handed on in pieces of at most `into`, of at least so much. */
enum { HTTP_INTO_MIN = 16 << 10 };

struct http_answer {
    int status;          /* 0: none came */
    struct text headers; /* lines as they came, each ends with "\n" */
    struct text body;
    uint64_t sent, received; /* bytes of the bodies that went over the wire */
    bool is_connected;       /* with TCP at least, whatever came of it */
    bool is_head_whole;      /* the empty line at its end has come */
    bool is_stalled;         /* given up for stall_ms */
    uint64_t silence_ms;     /* for how long nothing had moved at the end */
};

/* Zeroed before its first use, but for the question. */
struct http_request {
    /* The question.  Owned by the caller, unchanged until done(). */
    const char *method;
    const char *url;            /* http:// or https://, sent as it is */
    const char *const *headers; /* "Name: value", no value empty, NULL at the end; may
                                   be NULL.  Host and Content-Length are made here */
    long stall_ms; /* give up when no byte has moved for so long, either way, not
                      counting the time that we let the server wait; 0: never */

    /* The question's body, from memory where next is NULL: sent from where it lies. */
    struct span body;

    /*
     * Else body_size bytes (may be 0) in chunks.  next() asks for a chunk; the answer
     * is one call of http_gave(), from within next() or later.  restart(): the next
     * chunk is the first again; no next() is unanswered then; NULL: cannot be done.
     */
    uint64_t body_size;
    void (*next)(struct http_request *request, void *ctx);
    void (*restart)(struct http_request *request, void *ctx);

    /*
     * The answer's body.  When take is set and the status is 2xx: to take(), chunk by
     * chunk, gathered in `into`; each is answered by one call of http_took(), from
     * within or later, and the last comes before done().  The status and the headers
     * are known by then.  Else into answer.body, at most answer_max bytes: more is an
     * error with a 2xx, and cut off silently with any other.
     */
    size_t answer_max;
    struct span into;
    void (*take)(struct http_request *request, void *ctx, struct span bytes);

    /* Exactly once, from the loop, never before http_send() has returned, never with an
     * unanswered next() or take(). */
    void (*done)(struct http_request *request, void *ctx);
    void *ctx;

    /* The answer, valid from done() on, to be freed with http_request_clear().
     * err.kind is ERROR_NONE on success. */
    struct error err;
    bool body_failed; /* err is what http_gave() or http_took() reported */
    struct http_answer answer;

    /* Private to http. */
    struct http *http;
    struct http_request *prev, *next_request; /* of those in the ring of running ones */
    struct http_slot *slot;
    struct deferred soon;
    enum { REQUEST_IDLE, REQUEST_RUNNING, REQUEST_ENDING } phase;
    enum { CHUNK_NONE, CHUNK_WANTED, CHUNK_ASKED, CHUNK_HERE } chunk_phase;
    enum { INTO_FILLING, INTO_FULL, INTO_TAKING } into_phase;
    bool is_soon, wants_restart, is_send_paused, is_recv_paused, is_cut;
    bool is_pulled;     /* the body goes piece by piece, settled as it begins */
    struct span chunk;  /* what is left of the present one */
    uint64_t given;     /* bytes of the body, this time round */
    bool waits_to_send; /* in line for what the limit allows */
    struct http_request *next_to_send;
    size_t granted;              /* bytes that may go out */
    size_t filled;               /* bytes of into */
    uint64_t moved, moved_at_ms; /* bytes of either way, when last seen to grow */
};

struct http_counts {
    unsigned open;       /* connections now */
    uint64_t connects;   /* connections made so far */
    uint64_t handshakes; /* of TLS */
    uint64_t requests;
};

/* ERROR_USAGE for a CA file that cannot be read. */
int http_open(struct http **out, const struct http_options *options, struct error *err);

/* No request may be under way.  Takes effect while the loop runs on, loop_close()
 * included. */
void http_close(struct http *http);

/* The request may be used again after done(). */
void http_send(struct http *http, struct http_request *request);

/* A wish: done() follows, with ERROR_CANCELLED or with the outcome that was already
 * here.  Nothing happens when no request is under way. */
void http_cancel(struct http_request *request);

/* The answer to next(): bytes, at least one and at most what is missing of body_size,
 * which stay where they are until the next call of next(), restart() or done(); or
 * err, with no bytes. */
void http_gave(struct http_request *request, struct span bytes,
               const struct error *err);

/* The answer to take(): the bytes are not needed any more; or err. */
void http_took(struct http_request *request, const struct error *err);

/*
 * The value of a header, without the white space around it, in *length bytes; NULL when
 * it did not come.  Name in any case.  From the first take() or done() on, until the
 * request is cleared or sent again.
 */
const char *http_header(const struct http_answer *answer, const char *name,
                        size_t *length);

/* Free what the answer holds. */
void http_request_clear(struct http_request *request);

/* After a suspend, or when the network has changed: all connections and remembered
 * addresses are dropped, what is under way ends with ERROR_NETWORK. */
void http_drop_connections(struct http *http);

/* Another limit than http_options.send_rate, from now on; a small body that is on its
 * way already is not held up by it. */
void http_set_send_rate(struct http *http, uint64_t rate);

void http_counts(const struct http *http, struct http_counts *out);

#endif
