#include "agent/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"

/* A worker thread that hangs in a system call (a dead NFS server) cannot be stopped:
 * after LEAVE_MS the process goes without it.  The checkpoint makes that safe. */
enum { LEAVE_MS = 4500 };

struct signals {
    struct signals_handlers handlers;
    uv_signal_t watches[4];
    uv_timer_t leave;
    int first; /* the signal that asked us to stop */
    unsigned n_open;
    bool is_closed;
    struct loop *loop;
};

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

int signals_exit_code(int signal)
{
    return signal == SIGINT ? 130 : 75;
}

static _Noreturn void leave_now(int signal)
{
    static const char text[] =
        "\ngrid: left at once; run the same command again to go on\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);

    (void)ignored;
    _exit(signals_exit_code(signal));
}

static void on_leave(uv_timer_t *timer)
{
    struct signals *s = timer->data;

    leave_now(s->first);
}

static void on_signal(uv_signal_t *watch, int signal)
{
    struct signals *s = watch->data;

    if (signal == SIGHUP) {
        s->handlers.hangup(s->handlers.ctx);
    } else if (signal == SIGUSR1) {
        s->handlers.show(s->handlers.ctx);
    } else if (s->first != 0) {
        leave_now(signal);
    } else {
        s->first = signal;
        uv_timer_start(&s->leave, on_leave, LEAVE_MS, 0);
        s->handlers.stop(s->handlers.ctx, signal);
    }
}

struct signals *signals_start(struct loop *loop,
                              const struct signals_handlers *handlers)
{
    struct signals *s = mem_new(1, sizeof *s);

    s->handlers = *handlers;
    s->loop = loop;
    signal(SIGPIPE, SIG_IGN);
    uv_timer_init(&loop->uv, &s->leave);
    s->leave.data = s;
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        uv_signal_init(&loop->uv, &s->watches[i]);
        s->watches[i].data = s;
        uv_signal_start(&s->watches[i], on_signal, watched[i]);
    }
    s->n_open = ARRAY_SIZE(watched) + 1;
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    struct signals *s = handle->data;

    s->is_closed = --s->n_open == 0;
}

void signals_stop(struct signals *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        uv_close((uv_handle_t *)&s->watches[i], on_closed);
    uv_close((uv_handle_t *)&s->leave, on_closed);
    loop_run_until(s->loop, &s->is_closed);
    free(s);
}
