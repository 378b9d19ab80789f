/*
 * While a secret is typed the terminal's echo is off.  Signals that would end the
 * program meanwhile are held back (blocked), and seen by way of a descriptor:
 *
 *     block, echo off --> poll(stdin, signals) --a line--> echo on, unblock
 *                              |
 *                              +--a signal--> echo on, unblock: now it arrives
 */
#include "agent/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 8192 };

struct quiet {
    struct termios before;
    sigset_t signals, mask_before;
    int signal_fd;
    bool is_on;
};

bool prompt_is_possible(void)
{
    return isatty(STDIN_FILENO) == 1;
}

static void quiet_begin(struct quiet *q)
{
    struct termios quiet;

    q->is_on = tcgetattr(STDIN_FILENO, &q->before) == 0;
    if (!q->is_on)
        return;
    sigemptyset(&q->signals);
    sigaddset(&q->signals, SIGINT);
    sigaddset(&q->signals, SIGTERM);
    sigaddset(&q->signals, SIGHUP);
    sigaddset(&q->signals, SIGQUIT);
    sigprocmask(SIG_BLOCK, &q->signals, &q->mask_before);
    q->signal_fd = signalfd(-1, &q->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    quiet = q->before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

static void quiet_end(struct quiet *q)
{
    if (!q->is_on)
        return;
    tcsetattr(STDIN_FILENO, TCSANOW, &q->before);
    fputc('\n', stderr);
    if (q->signal_fd >= 0)
        close(q->signal_fd);
    sigprocmask(SIG_SETMASK, &q->mask_before, NULL);
}

/* False: a signal is waiting. */
static bool wait_for_input(const struct quiet *q)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = q->is_on ? q->signal_fd : -1, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        continue;
    return fds[1].revents == 0;
}

/* Byte by byte: what stands behind the line is not ours.  1: a line; 0: the end, or a
 * signal; -1: *err. */
static int read_line(char line[LINE_MAX_BYTES], const struct quiet *q,
                     struct error *err)
{
    size_t size = 0;

    while (wait_for_input(q)) {
        ssize_t n = read(STDIN_FILENO, &line[size], 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "stdin");
        if (n == 0 || line[size] == '\n') {
            line[size] = '\0';
            return n > 0 || size > 0;
        }
        if (++size == LINE_MAX_BYTES)
            return error_set(err, ERROR_USAGE, 0, "the line on stdin is too long");
    }
    return 0;
}

static char *trim(char *line)
{
    size_t size;

    line += strspn(line, " \t\r");
    size = strlen(line);
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL)
        line[--size] = '\0';
    return line;
}

int prompt_line(char **out, const char *question, bool is_secret, struct error *err)
{
    char line[LINE_MAX_BYTES];
    struct quiet q = {.is_on = false, .signal_fd = -1};
    int status;

    if (prompt_is_possible()) {
        fprintf(stderr, "%s: ", question);
        fflush(stderr);
        if (is_secret)
            quiet_begin(&q);
    }
    status = read_line(line, &q, err);
    quiet_end(&q);
    if (status == 0)
        status = error_set(err, ERROR_USAGE, 0, "%s: stdin ended without it", question);
    *out = status == 1 ? mem_copy_string(trim(line)) : NULL;
    explicit_bzero(line, sizeof line);
    return status == 1 ? 0 : -1;
}
