/* Sockets that are kept, closed unnoticed, and numbers that come back. */
#include "transfer/socket_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

struct kit {
    struct loop loop;
    struct socket_watch watch;
    int ours, theirs;
    unsigned n_read, n_write;
};

static void on_ready(void *ctx, int fd, bool can_read, bool can_write)
{
    struct kit *kit = ctx;

    assert_int_equal(fd, kit->ours);
    kit->n_read += can_read;
    kit->n_write += can_write;
}

static void connect_kit(struct kit *kit)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    kit->ours = fds[0];
    kit->theirs = fds[1];
}

static void open_kit(struct kit *kit)
{
    *kit = (struct kit){0};
    assert_int_equal(loop_open(&kit->loop), 0);
    socket_watch_init(&kit->watch, &kit->loop, on_ready, kit);
    connect_kit(kit);
}

static void close_kit(struct kit *kit)
{
    socket_watch_end(&kit->watch, kit->ours);
    assert_int_equal(kit->watch.n_connections, 0);
    socket_watch_free(&kit->watch);
    close(kit->ours);
    close(kit->theirs);
    loop_close(&kit->loop);
}

static unsigned turn(struct kit *kit)
{
    kit->n_read = kit->n_write = 0;
    for (int i = 0; i < 3; i++)
        uv_run(&kit->loop.uv, UV_RUN_NOWAIT);
    return kit->n_read + kit->n_write;
}

static void tells_what_is_wanted(void **state)
{
    struct kit kit;
    char byte = 'x';

    (void)state;
    open_kit(&kit);
    socket_watch_made(&kit.watch, kit.ours);
    assert_int_equal(kit.watch.n_connections, 1);
    socket_watch_want(&kit.watch, kit.ours, false, true);
    assert_true(turn(&kit) > 0);
    assert_int_equal(kit.n_read, 0);
    socket_watch_want(&kit.watch, kit.ours, true, false);
    assert_int_equal(turn(&kit), 0); /* it could be written to, but nobody wants to */
    assert_int_equal(write(kit.theirs, &byte, 1), 1);
    assert_true(turn(&kit) > 0);
    assert_int_equal(kit.n_write, 0);
    close_kit(&kit);
}

/* While it is idle something comes: not told, and no reason to spin; later it is. */
static void keeps_idle_ones_quiet(void **state)
{
    struct kit kit;
    char byte = 'x';

    (void)state;
    open_kit(&kit);
    socket_watch_made(&kit.watch, kit.ours);
    socket_watch_want(&kit.watch, kit.ours, true, false);
    turn(&kit);
    socket_watch_keep(&kit.watch, kit.ours);
    socket_watch_want(&kit.watch, kit.ours, false, false);
    assert_int_equal(write(kit.theirs, &byte, 1), 1);
    assert_int_equal(turn(&kit), 0);
    assert_int_equal(kit.watch.n_connections, 1);
    socket_watch_want(&kit.watch, kit.ours, true, false);
    assert_true(turn(&kit) > 0);
    close_kit(&kit);
}

/* Closed at once after it was asked for: libuv must not find that out. */
static void forgets_what_nobody_wants(void **state)
{
    struct kit kit;

    (void)state;
    open_kit(&kit);
    socket_watch_made(&kit.watch, kit.ours);
    socket_watch_want(&kit.watch, kit.ours, true, false);
    close(kit.ours);
    close(kit.theirs);
    socket_watch_want(&kit.watch, kit.ours, false, false);
    assert_int_equal(turn(&kit), 0);
    assert_int_equal(kit.watch.n_connections, 0);
    connect_kit(&kit);
    close_kit(&kit);
}

/* A number that comes back, of which only the second socket was announced. */
static void watches_the_new_one(void **state)
{
    struct kit kit;
    char byte = 'x';
    int number;

    (void)state;
    open_kit(&kit);
    number = kit.ours;
    socket_watch_made(&kit.watch, kit.ours);
    socket_watch_want(&kit.watch, kit.ours, true, false);
    assert_int_equal(turn(&kit), 0);
    close(kit.theirs);
    close(kit.ours);
    connect_kit(&kit);
    assert_int_equal(kit.ours, number);
    socket_watch_made(&kit.watch, kit.ours);
    assert_int_equal(kit.watch.n_connections, 1);
    assert_int_equal(write(kit.theirs, &byte, 1), 1);
    assert_true(turn(&kit) > 0); /* reading is still wanted */
    close_kit(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_wanted),
        cmocka_unit_test(keeps_idle_ones_quiet),
        cmocka_unit_test(forgets_what_nobody_wants),
        cmocka_unit_test(watches_the_new_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
