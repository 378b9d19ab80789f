/*
 *   grid (foreground) --fork--> grid (background), setsid
 *        |                          | opens the session, says so
 *        |<---- a byte: let go -----+ stdin, stdout and stderr are given up
 *        exit 0                     | uploads
 *
 * Without the byte the pipe ends with the other process, and its exit code is ours.  The
 * background has a session of its own from the start, so that no signal of a terminal
 * reaches it but through us: each is handed on once.
 */
#include "agent/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/console.h"
#include "agent/exit_code.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/text.h"

static const int handed_on[] = {SIGINT, SIGTERM};

struct watch {
    struct loop loop;
    pid_t child;
    uv_poll_t answer;
    uv_signal_t signals[ARRAY_SIZE(handed_on)];
    unsigned n_open;
    bool is_over, is_closed;
};

static void on_answer(uv_poll_t *answer, int status, int events)
{
    struct watch *w = answer->data;

    (void)status;
    (void)events;
    w->is_over = true;
}

static void on_signal(uv_signal_t *watched, int signal)
{
    struct watch *w = watched->data;

    kill(w->child, signal);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;

    w->is_closed = --w->n_open == 0;
}

static void wait_for_answer(struct watch *w, int pipe)
{
    uv_poll_init(&w->loop.uv, &w->answer, pipe);
    w->answer.data = w;
    uv_poll_start(&w->answer, UV_READABLE | UV_DISCONNECT, on_answer);
    for (size_t i = 0; i < ARRAY_SIZE(handed_on); i++) {
        uv_signal_init(&w->loop.uv, &w->signals[i]);
        w->signals[i].data = w;
        uv_signal_start(&w->signals[i], on_signal, handed_on[i]);
    }
    w->n_open = ARRAY_SIZE(handed_on) + 1;
    loop_run_until(&w->loop, &w->is_over);
    uv_close((uv_handle_t *)&w->answer, on_closed);
    for (size_t i = 0; i < ARRAY_SIZE(handed_on); i++)
        uv_close((uv_handle_t *)&w->signals[i], on_closed);
    loop_run_until(&w->loop, &w->is_closed);
}

static int code_of_ended(pid_t child)
{
    struct text message = {0};
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    text_add_format(&message, "the upload was ended by signal %d (%s)",
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    console_print_error(text_string(&message),
                        "run the same command again: it goes on where it stopped");
    text_free(&message);
    return EXIT_RESUMABLE;
}

static int wait_in_foreground(pid_t child, int pipe)
{
    struct watch w = {.child = child};
    char byte;
    ssize_t n;

    if (loop_open(&w.loop) == 0) { /* else signals end us alone */
        wait_for_answer(&w, pipe);
        loop_close(&w.loop);
    }
    do
        n = read(pipe, &byte, 1);
    while (n < 0 && errno == EINTR);
    close(pipe);
    return n == 1 ? EXIT_DONE : code_of_ended(child);
}

enum detach_side detach_fork(struct detach *d, int *code, struct error *err)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return (enum detach_side)error_errno(err, errno, "cannot detach");
    fflush(NULL); /* else both would write it */
    child = fork();
    if (child < 0) {
        error_errno(err, errno, "cannot detach");
        close(ends[0]);
        close(ends[1]);
        return DETACH_FAILED;
    }
    if (child > 0) {
        close(ends[1]);
        *code = wait_in_foreground(child, ends[0]);
        return DETACH_FOREGROUND;
    }
    close(ends[0]);
    setsid();
    d->pipe = ends[1];
    return DETACH_BACKGROUND;
}

void detach_let_go(struct detach *d)
{
    ssize_t ignored;

    if (d->pipe < 0)
        return;
    ignored = write(d->pipe, "", 1); /* whoever waited may have been killed */
    (void)ignored;
    close(d->pipe);
    d->pipe = -1;
}
