/*
 * A uv_poll_t a socket, found by the socket's number.
 *
 *   wanted   what somebody waits for
 *   armed    what the kernel is asked for: at least what is wanted
 *
 * Each change of the kernel's list costs two system calls, so more is armed at once and
 * less only when an event comes that nobody wants (an idle connection that the server
 * closes, room to write when all is written).  That happens once, where taking back at
 * once would happen with every request.
 *
 * Sockets that nobody wants and that are not kept end before the loop polls again
 * (settle): libuv must not meet one that is closed.
 */
#include "transfer/socket_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct watched_socket {
    struct socket_watch *watch;
    int fd;
    int wanted, armed; /* UV_READABLE, UV_WRITABLE */
    bool is_kept, is_connection, is_polled;
    uv_poll_t poll;
};

static void settle(uv_prepare_t *before_poll)
{
    struct socket_watch *watch = before_poll->data;

    uv_prepare_stop(before_poll);
    for (size_t fd = 0; fd < watch->room; fd++) {
        const struct watched_socket *s = watch->by_fd[fd];

        if (s != NULL && s->wanted == 0 && !s->is_kept)
            socket_watch_end(watch, (int)fd);
    }
}

void socket_watch_init(struct socket_watch *watch, struct loop *loop,
                       void (*ready)(void *, int, bool, bool), void *ctx)
{
    memset(watch, 0, sizeof *watch);
    watch->loop = loop;
    watch->ready = ready;
    watch->ctx = ctx;
    watch->before_poll = mem_new(1, sizeof *watch->before_poll);
    uv_prepare_init(&loop->uv, watch->before_poll);
    watch->before_poll->data = watch;
}

static void on_prepare_closed(uv_handle_t *handle)
{
    free(handle);
}

void socket_watch_free(struct socket_watch *watch)
{
    settle(watch->before_poll);
    for (size_t i = 0; i < watch->room; i++)
        assert(watch->by_fd[i] == NULL);
    uv_close((uv_handle_t *)watch->before_poll, on_prepare_closed);
    free(watch->by_fd);
    memset(watch, 0, sizeof *watch);
}

static struct watched_socket *find(const struct socket_watch *watch, int fd)
{
    return (size_t)fd < watch->room ? watch->by_fd[fd] : NULL;
}

static struct watched_socket *find_or_add(struct socket_watch *watch, int fd)
{
    struct watched_socket *s = find(watch, fd);
    size_t room = watch->room > 0 ? watch->room : 64;

    if (s != NULL)
        return s;
    while (room <= (size_t)fd)
        room *= 2;
    if (room > watch->room) {
        watch->by_fd = mem_resize(watch->by_fd, room, sizeof(struct watched_socket *));
        for (size_t i = watch->room; i < room; i++)
            watch->by_fd[i] = NULL;
        watch->room = room;
    }
    s = mem_new(1, sizeof *s);
    s->watch = watch;
    s->fd = fd;
    watch->by_fd[fd] = s;
    return s;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void arm(struct watched_socket *s, int events)
{
    if (!s->is_polled) {
        int code = uv_poll_init(&s->watch->loop->uv, &s->poll, s->fd);

        assert(code == 0); /* it is a socket, and watched once */
        (void)code;
        s->poll.data = s;
        s->is_polled = true;
    }
    s->armed = events;
    if (events == 0)
        uv_poll_stop(&s->poll);
    else
        uv_poll_start(&s->poll, events, on_event);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watched_socket *s = poll->data;
    struct socket_watch *watch = s->watch;
    int fd = s->fd, wanted = s->wanted;

    if (status < 0) {
        s->armed = 0; /* libuv has stopped */
        events = UV_READABLE | UV_WRITABLE;
    } else if ((events & ~wanted) != 0) {
        arm(s, wanted);
        events &= wanted;
    }
    if (wanted != 0 && events != 0)
        watch->ready(watch->ctx, fd, (events & UV_READABLE) != 0,
                     (events & UV_WRITABLE) != 0);
    if (find(watch, fd) == s && (s->wanted & ~s->armed) != 0)
        arm(s, s->wanted); /* after an error that nobody minded */
}

void socket_watch_want(struct socket_watch *watch, int fd, bool read, bool write)
{
    int wanted = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    struct watched_socket *s;

    if (wanted == 0 && find(watch, fd) == NULL)
        return;
    s = find_or_add(watch, fd);
    s->wanted = wanted;
    if (wanted == 0 && !s->is_kept)
        uv_prepare_start(watch->before_poll, settle);
    else if ((wanted & ~s->armed) != 0)
        arm(s, wanted | s->armed);
}

static void note_connection(struct watched_socket *s)
{
    if (!s->is_connection)
        s->watch->n_connections++;
    s->is_connection = true;
}

void socket_watch_made(struct socket_watch *watch, int fd)
{
    const struct watched_socket *before = find(watch, fd);
    int wanted = before != NULL ? before->wanted : 0;

    socket_watch_end(watch, fd);
    note_connection(find_or_add(watch, fd));
    socket_watch_want(watch, fd, (wanted & UV_READABLE) != 0,
                      (wanted & UV_WRITABLE) != 0);
}

void socket_watch_keep(struct socket_watch *watch, int fd)
{
    struct watched_socket *s = find_or_add(watch, fd);

    note_connection(s);
    s->is_kept = true;
}

static void on_closed(uv_handle_t *poll)
{
    free(poll->data);
}

void socket_watch_end(struct socket_watch *watch, int fd)
{
    struct watched_socket *s = find(watch, fd);

    if (s == NULL)
        return;
    watch->by_fd[fd] = NULL;
    watch->n_connections -= s->is_connection;
    if (s->is_polled)
        uv_close((uv_handle_t *)&s->poll, on_closed);
    else
        free(s);
}
