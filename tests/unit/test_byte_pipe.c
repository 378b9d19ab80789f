/*
 * A reader that jumps about, and a loop that feeds it: it gets the bytes of each place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dice.h"
#include "transfer/byte_pipe.h"

enum { SIZE = 3000000, STEPS = 300 };

struct scene {
    struct loop loop;
    struct byte_pipe *pipe;
    uint64_t at; /* of the next byte to be put */
    unsigned seed, n_jumps;
    bool is_over;
    struct deferred over;
    uv_thread_t thread;
};

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 31 + offset / 251 + offset / 65521);
}

/* ---- the loop ---- */

static void feed(struct scene *s)
{
    static uint8_t bytes[BYTE_PIPE_CHUNK];
    uint64_t n;

    for (;;) {
        n = SIZE - s->at;
        if (n > sizeof bytes)
            n = sizeof bytes - s->at % 777;
        for (uint64_t i = 0; i < n; i++)
            bytes[i] = byte_at(s->at + i);
        if (n == 0) {
            byte_pipe_end(s->pipe, NULL);
            return;
        }
        if (!byte_pipe_put(s->pipe, (struct span){bytes, (size_t)n}))
            return;
        s->at += n;
    }
}

static void on_news(void *ctx)
{
    struct scene *s = ctx;

    if (byte_pipe_wanted(s->pipe, &s->at))
        s->n_jumps++;
    feed(s);
}

/* ---- the reader ---- */

static void on_over(void *ctx)
{
    struct scene *s = ctx;

    s->is_over = true;
}

static bool read_some(struct scene *s)
{
    uint64_t from = byte_pipe_offset(s->pipe);
    struct span bytes;
    struct error err;

    if (byte_pipe_get(s->pipe, &bytes, &err) != 0)
        return false;
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != byte_at(from + i))
            return false;
    return bytes.size > 0 || from >= SIZE;
}

static void read_about(void *ctx)
{
    struct scene *s = ctx;
    struct error err;
    bool is_right = true;

    dice_seed(s->seed);
    for (unsigned i = 0; i < STEPS && is_right; i++) {
        uint64_t to = byte_pipe_offset(s->pipe);

        if (roll(3) == 0) {
            to = roll(2) == 0 ? to + roll(2 * BYTE_PIPE_CHUNK) - roll(9)
                              : roll(30000) * 100u;
            to = to > SIZE ? SIZE : to;
            is_right = byte_pipe_seek(s->pipe, to, &err) == 0 &&
                       byte_pipe_offset(s->pipe) == to;
        }
        is_right = is_right && read_some(s);
    }
    s->n_jumps = is_right ? s->n_jumps : UINT32_MAX;
    loop_post(&s->loop, &s->over, on_over, s);
}

static void open_scene(struct scene *s)
{
    assert_int_equal(loop_open(&s->loop), 0);
    s->pipe = byte_pipe_new(&s->loop, on_news, s);
}

static void close_scene(struct scene *s)
{
    uv_thread_join(&s->thread);
    while (uv_run(&s->loop.uv, UV_RUN_NOWAIT) != 0 && s->loop.first != NULL)
        continue;
    byte_pipe_free(s->pipe);
    loop_close(&s->loop);
}

static void tell(unsigned seed)
{
    struct scene s = {.seed = seed};

    open_scene(&s);
    feed(&s);
    assert_int_equal(uv_thread_create(&s.thread, read_about, &s), 0);
    loop_run_until(&s.loop, &s.is_over);
    assert_int_not_equal(s.n_jumps, UINT32_MAX);
    close_scene(&s);
}

static void jumps(void **state)
{
    (void)state;
    dice_tell(tell);
}

static void read_to_error(void *ctx)
{
    struct scene *s = ctx;
    struct span bytes;
    struct error err;

    while (byte_pipe_get(s->pipe, &bytes, &err) == 0)
        continue;
    s->n_jumps = err.kind == ERROR_CANCELLED;
    loop_post(&s->loop, &s->over, on_over, s);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void an_abort_wakes_the_reader(void **state)
{
    struct scene s = {0};
    struct error err;

    (void)state;
    assert_int_equal(loop_open(&s.loop), 0);
    s.pipe = byte_pipe_new(&s.loop, on_nothing, &s);
    assert_int_equal(uv_thread_create(&s.thread, read_to_error, &s), 0);
    error_set(&err, ERROR_CANCELLED, 0, "stop");
    byte_pipe_abort(s.pipe, &err);
    loop_run_until(&s.loop, &s.is_over);
    assert_int_equal(s.n_jumps, 1);
    close_scene(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumps),
        cmocka_unit_test(an_abort_wakes_the_reader),
    };

    dice_stories(argc, argv, 40);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
