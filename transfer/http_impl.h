#ifndef TRANSFER_HTTP_IMPL_H
#define TRANSFER_HTTP_IMPL_H

#include "transfer/bandwidth.h"
#include "transfer/http.h"
#include "transfer/socket_watch.h"

/*
 * What the files of the http module share; nobody else's.
 */
enum { HTTP_REASON_MAX = 256 }; /* libcurl's CURL_ERROR_SIZE */

/* An easy handle, made once and used by one request after the other. */
struct http_slot {
    void *easy;
    void *header_list;
    struct http_slot *next; /* of the free ones */
    char reason[HTTP_REASON_MAX];
};

struct http {
    struct loop *loop;
    void *multi;
    struct socket_watch sockets;
    uv_timer_t timer; /* libcurl's */
    uv_timer_t sweep; /* while a request with a stall limit runs */
    uint64_t sweep_ms;
    unsigned n_closing;          /* handles */
    struct http_request running; /* sentinel of the ring */
    struct bandwidth bandwidth;
    uv_timer_t bandwidth_timer; /* while someone waits in line */
    struct http_request *first_to_send, **last_to_send;
    unsigned n_requests; /* under way, those that are ending too */
    struct http_slot *free_slots;
    struct http_counts counts;
    char *ca_file, *user_agent;
    const char *ca_names;
    long connections, per_host, connect_ms;
    bool is_direct;
};

/* ---- http_slot.c: libcurl's easy handles and their options ---- */

/* A slot for the request, with all its options set. */
struct http_slot *http_slot_take(struct http *http, struct http_request *request);
void http_slot_put(struct http *http, struct http_slot *slot);
void http_slots_free(struct http *http);

/* libcurl tells of a new socket, and of a connection's end; see http.c. */
int http_socket_made(struct http *http, int fd);
int http_socket_ends(struct http *http, int fd);

/* ---- http_transfer.c: one request while it runs ---- */

/* How long the question's body is; is it handed to libcurl piece by piece, or does it
 * go from where it lies?  Under a limit all are. */
uint64_t http_transfer_size(const struct http_request *request);
bool http_transfer_is_pulled(const struct http_request *request);

/* As if nothing had happened yet. */
void http_transfer_reset(struct http_request *request);

/* Can the question be asked once more, and: it will be. */
bool http_transfer_can_restart(const struct http_request *request);
void http_transfer_again(struct http_request *request);

/* Let libcurl go on with what is not waiting any more. */
void http_transfer_unpause(struct http_request *request);

/* advance() soon. */
void http_transfer_soon(struct http_request *request);

/* libcurl's callbacks; ctx is the request. */
size_t http_transfer_read(char *into, size_t one, size_t n, void *ctx);
int http_transfer_seek(void *ctx, int64_t offset, int origin);
size_t http_transfer_header(char *line, size_t one, size_t n, void *ctx);
size_t http_transfer_body(char *bytes, size_t one, size_t n, void *ctx);

/* ---- http_bandwidth.c: sending under a limit ---- */

/* How many of these bytes may go; 0: not now, http_transfer_unpause() follows. */
size_t http_bandwidth_allow(struct http_request *request, size_t want);
void http_bandwidth_leave(struct http_request *request); /* at its end */
void http_bandwidth_tick(uv_timer_t *timer);

/* ---- http_stall.c: who is silent for too long ---- */

void http_stall_watch(struct http *http, struct http_request *request);
void http_stall_tick(uv_timer_t *timer);

/* ---- http.c ---- */

/* Out of libcurl, to done(); request->err is set. */
void http_end(struct http_request *request);

#endif
