#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A small HTTP/1.1 server for tests, with a thread for each connection.  What it does
 * is told by the path:
 *
 *   /head           200, the body is the request's head
 *   /sum            200, the body is "<size> <sum>" of the request's body
 *   /bytes/N        200, N bytes of server_byte()     /chunked/N  the same in chunks
 *   /slow/N         the same, a little every 2 ms
 *   /status/N       N, the body is "status N"
 *   /early/N        the same, before the request's body is read; then it is read on
 *   /continue       100, 103, then 200 "went on"
 *   /close          200, and the connection ends, as announced; /leave: unannounced
 *   /fickle         200; the connection's next request is read by half, then reset
 *   /end            no answer, the connection ends       /reset         ... is reset
 *   /reset-body     reset when half of the request's body was read
 *   /half/N         N bytes are promised, half of them come, the connection ends
 *   /half-reset/N   ... is reset                          /half-stall/N  ... is silent
 *   /silent         never an answer
 *   /half-head      200 and some headers, the connection ends within one
 *   /garbage        "SSH-2.0-none"
 *   /long-header    a line of 200,000 bytes               /many-headers  100,000 lines
 */
struct server_connection;
struct http_server {
    uint16_t port;
    atomic_uint n_connections, n_requests; /* so far */

    /* Private. */
    int listener;
    void *tls;
    unsigned long thread;
    struct server_connection *connections;
};

/* TLS when cert_file is not NULL. */
void http_server_open(struct http_server *server, const char *cert_file,
                      const char *key_file);

/* The client must have closed its ends. */
void http_server_close(struct http_server *server);

/* What the server sends at this place of a body. */
uint8_t server_byte(uint64_t at);

/* Of what was sent: start with 0. */
uint32_t server_sum(uint32_t sum, const void *bytes, size_t size);

#endif
