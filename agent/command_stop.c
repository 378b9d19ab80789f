/*
 * `stop`: asks through the session's socket, waits until the process is gone.  The socket
 * lies in a folder that logind removes with the last login of the user: then a signal
 * says the same to a session that shows signs of life.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/control.h"
#include "agent/exit_code.h"
#include "agent/session_status.h"
#include "base/mem.h"

enum {
    POLL_MS = 200,
    STOP_WAIT_MS = 10000,
    FRESH_MS = 10000 /* its status is written once a second */
};

struct search {
    const char *name, *cluster; /* cluster NULL: any */
    unsigned n_alive;
    char *socket; /* of one that is alive */
    int64_t pid, updated_ms;
    char *elsewhere; /* the host of one that runs elsewhere */
};

static void on_session(void *ctx, const struct session_status *s)
{
    struct search *q = ctx;

    if (strcmp(q->name, s->name) != 0 ||
        (q->cluster != NULL && strcmp(q->cluster, s->cluster) != 0))
        return;
    if (session_status_is_elsewhere(s, agent_clock_ms())) {
        free(q->elsewhere);
        q->elsewhere = mem_copy_string(s->host);
    }
    if (!session_status_is_alive(s))
        return;
    q->n_alive++;
    free(q->socket);
    q->socket = mem_copy_string(s->socket);
    q->pid = s->pid;
    q->updated_ms = s->updated_ms;
}

static int look(const struct command_context *c, struct search *q, struct error *err)
{
    q->n_alive = 0;
    return session_status_each(paths_of(c->paths, PATHS_SESSIONS), on_session, q, err);
}

static int say_none(const struct search *q, struct error *err)
{
    if (q->elsewhere != NULL)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "the upload of %s runs on %.80s: run `grid datastore stop %s` "
                         "there",
                         q->name, q->elsewhere, q->name);
    return error_set(err, ERROR_NOT_FOUND, 0,
                     "no upload of %s is running on this machine", q->name);
}

static int ask(const struct search *q, struct error *err)
{
    if (control_ask_stop(q->socket, err) == 0)
        return 0;
    if (agent_clock_ms() - q->updated_ms > FRESH_MS)
        return -1; /* its pid may be another's by now */
    return kill((pid_t)q->pid, SIGTERM) == 0 ? 0 : -1;
}

static int wait_until_gone(const struct command_context *c, struct search *q,
                           struct error *err)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    for (int waited = 0; q->n_alive > 0; waited += POLL_MS) {
        if (waited >= STOP_WAIT_MS)
            return error_set(err, ERROR_IO, 0,
                             "pid %" PRId64 " was asked to stop and is still at it",
                             q->pid);
        nanosleep(&pause, NULL);
        if (look(c, q, err) != 0)
            return -1;
    }
    return 0;
}

int command_stop(const struct command_context *c)
{
    struct search q = {.name = c->options->positional[0],
                       .cluster = c->options->cluster};
    struct error err;
    int status = look(c, &q, &err);

    if (status == 0 && q.n_alive == 0)
        status = say_none(&q, &err);
    if (status == 0)
        status = ask(&q, &err);
    if (status == 0)
        status = wait_until_gone(c, &q, &err);
    free(q.socket);
    free(q.elsewhere);
    if (status != 0)
        return command_fail(c->options, &err);
    printf("stopped %s; go on with: grid datastore resume %s\n", q.name, q.name);
    return EXIT_DONE;
}
