#ifndef TRANSFER_SOCKET_WATCH_H
#define TRANSFER_SOCKET_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

/*
 * Sockets that are waited for, by their numbers.  A kept one stays with the kernel's
 * poller while nobody waits for it: waiting for the next answer then costs no system
 * call.
 */
struct watched_socket;
struct socket_watch {
    struct loop *loop;

    /* From the loop, for what is wanted; both with an error of the socket.  May call
     * any of the below. */
    void (*ready)(void *ctx, int fd, bool can_read, bool can_write);
    void *ctx;
    unsigned n_connections; /* socket_watch_made(), and not ended yet */

    /* Private. */
    struct watched_socket **by_fd;
    size_t room;
    uv_prepare_t *before_poll;
};

void socket_watch_init(struct socket_watch *watch, struct loop *loop,
                       void (*ready)(void *, int, bool, bool), void *ctx);

/* No kept socket may be left.  Takes effect while the loop runs on. */
void socket_watch_free(struct socket_watch *watch);

/* A new socket has this number.  Another that had it may have been closed unnoticed;
 * what was waited for holds for the new one. */
void socket_watch_made(struct socket_watch *watch, int fd);

/* What to wait for.  With nothing, the socket may be closed unnoticed before the loop
 * polls again, unless it is kept. */
void socket_watch_want(struct socket_watch *watch, int fd, bool read, bool write);

/* It will not be closed without socket_watch_end() before. */
void socket_watch_keep(struct socket_watch *watch, int fd);

/* No matter if it was never watched. */
void socket_watch_end(struct socket_watch *watch, int fd);

#endif
