/*
 * `status`, `stop` and `clearcache`: what concerns the sessions of this machine, by
 * their status files.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/control.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/json_line.h"
#include "agent/session_status.h"
#include "agent/traits_note.h"
#include "base/mem.h"

enum { POLL_MS = 200, STOP_WAIT_MS = 10000 };

/* ---- one session, for people and scripts ---- */

static const char *state_of(const struct session_status *s)
{
    if (session_status_is_alive(s))
        return s->state;
    return strcmp(s->state, "published") == 0 ? "succeeded" : "interrupted";
}

static void add_json(struct text *out, const struct session_status *s)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "name", s->name);
    json_line_u64(&line, "version", s->version);
    json_line_string(&line, "cluster", s->cluster);
    json_line_string(&line, "state", state_of(s));
    json_line_path(&line, "source", s->source);
    json_line_string(&line, "session_id", s->session);
    json_line_string(&line, "host", s->host);
    json_line_u64(&line, "pid", (uint64_t)s->pid);
    json_line_u64(&line, "files_done", s->files_done);
    json_line_u64(&line, "files_total", s->files_total);
    json_line_u64(&line, "bytes_done", s->bytes_done);
    json_line_u64(&line, "bytes_total", s->bytes_total);
    json_line_u64(&line, "bytes_sent", s->bytes_sent);
    json_line_u64(&line, "rate", s->rate);
    json_line_i64(&line, "eta_s", s->eta_s);
    json_line_u64(&line, "retries", s->retries);
    json_line_time(&line, "started", s->started_ms);
    json_line_time(&line, "updated", s->updated_ms);
    json_line_string(&line, "reason", s->reason);
    json_line_path(&line, "log", s->log);
    json_line_end(&line);
    text_add_bytes(out, line.data, line.size);
    text_free(&line);
}

static void add_figures(struct text *text, const struct session_status *s)
{
    text_add(text, "  ");
    figure_add_count(text, s->files_done);
    text_add(text, " of ");
    figure_add_noun(text, s->files_total, "file", "files");
    text_add(text, s->scan_done ? ", " : " found so far, ");
    text_add_size(text, s->bytes_done);
    text_add(text, " of ");
    text_add_size(text, s->bytes_total);
    if (session_status_is_alive(s) && s->reason[0] == '\0') {
        text_add(text, ", ");
        figure_add_rate(text, s->rate);
    }
    if (session_status_is_alive(s) && s->reason[0] == '\0' && s->eta_s > 0) {
        text_add(text, ", ready in about ");
        text_add_duration(text, (uint64_t)s->eta_s);
    }
    text_add(text, "\n");
}

static void add_text(struct text *out, const struct session_status *s)
{
    const char *state = state_of(s);

    text_add_format(out, "%s version %" PRIu64 " on %s: %s\n", s->name, s->version,
                    s->cluster, state);
    add_figures(out, s);
    text_add(out, "  from ");
    text_add_printable(out, s->source, strlen(s->source));
    text_add(out, "\n");
    if (session_status_is_alive(s) && s->reason[0] != '\0')
        text_add_format(out, "  waiting: %s\n", s->reason);
    if (session_status_is_alive(s)) {
        text_add_format(out, "  by pid %" PRId64 " on %s; log: ", s->pid, s->host);
        text_add_printable(out, s->log, strlen(s->log));
        text_add(out, "\n");
    }
    if (strcmp(state, "interrupted") == 0) {
        if (s->reason[0] != '\0')
            text_add_format(out, "  stopped: %s\n", s->reason);
        text_add_format(out, "  go on with: grid datastore resume %s\n", s->name);
    }
}

struct query {
    const struct options *options;
    const char *name; /* NULL: all */
    bool only_alive;
    unsigned n_found, n_alive;
    char *socket; /* of one that is alive */
    int64_t pid;
    struct text shown; /* what is to be printed of them */
};

static bool is_asked_for(const struct query *q, const struct session_status *s)
{
    if (q->name == NULL && strcmp(state_of(s), "succeeded") == 0)
        return false; /* those that are over are only told when asked for */
    return (q->name == NULL || strcmp(q->name, s->name) == 0) &&
           (!q->only_alive || session_status_is_alive(s));
}

static void on_session(void *ctx, const struct session_status *s)
{
    struct query *q = ctx;

    if (!is_asked_for(q, s))
        return;
    q->n_found++;
    if (session_status_is_alive(s)) {
        q->n_alive++;
        free(q->socket);
        q->socket = mem_copy_string(s->socket);
        q->pid = s->pid;
    }
    if (q->only_alive)
        return;
    if (q->options->json)
        add_json(&q->shown, s);
    else
        add_text(&q->shown, s);
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/* ---- status ---- */

/* Nothing here: what does the store know? */
static int show_from_store(const struct command_context *c, const char *name)
{
    struct agent a;
    struct version v;
    struct error err;
    uint64_t newest;
    int code = 0;

    if (command_open(&a, c, &code) != 0)
        return code;
    memset(&v, 0, sizeof v);
    if (catalog_newest_number(&a, name, &newest, &err) != 0 ||
        (newest > 0 && catalog_read(&a, name, newest, &v, &err) != 0)) {
        code = command_fail(c->options, &err);
    } else if (newest == 0) {
        error_set(&err, ERROR_NOT_FOUND, 0,
                  "there is no session and no datastore named %s", name);
        code = command_fail(c->options, &err);
    } else if (c->options->json) {
        struct text line = {0};
        json_line_begin(&line);
        json_line_string(&line, "name", name);
        json_line_u64(&line, "version", v.number);
        json_line_string(&line, "cluster", a.cluster);
        json_line_string(&line, "state", version_status_name(v.status));
        json_line_string(&line, "host", v.session.host);
        json_line_end(&line);
        fputs(text_string(&line), stdout);
        text_free(&line);
    } else {
        printf("%s version %" PRIu64 " on %s: %s%s%s\n", name, v.number, a.cluster,
               version_status_name(v.status), v.session.host != NULL ? ", by " : "",
               v.session.host != NULL ? v.session.host : "");
    }
    version_free(&v);
    agent_close(&a);
    return code;
}

/* On a terminal each look stands in place of the one before. */
static void show(struct query *q)
{
    bool is_redrawn = q->options->watch && !q->options->json && isatty(STDOUT_FILENO);

    if (is_redrawn && q->n_found > 0)
        fputs("\033[H\033[J", stdout);
    fputs(text_string(&q->shown), stdout);
    fflush(stdout);
    text_clear(&q->shown);
}

int command_status(const struct command_context *c)
{
    struct query q = {.options = c->options, .name = c->options->positional[0]};
    struct error err;

    for (;;) {
        q.n_found = q.n_alive = 0;
        if (session_status_each(paths_of(c->paths, PATHS_SESSIONS), on_session, &q,
                                &err) != 0)
            return command_fail(c->options, &err);
        show(&q);
        if (!c->options->watch || q.n_alive == 0)
            break;
        pause_ms(1000);
    }
    free(q.socket);
    text_free(&q.shown);
    if (q.n_found > 0)
        return EXIT_DONE;
    if (q.name != NULL)
        return show_from_store(c, q.name);
    fprintf(stderr, "no upload is running or interrupted on this machine\n");
    return EXIT_DONE;
}

/* ---- stop ---- */

static int count_alive(const struct command_context *c, struct query *q,
                       struct error *err)
{
    q->n_found = q->n_alive = 0;
    return session_status_each(paths_of(c->paths, PATHS_SESSIONS), on_session, q, err);
}

int command_stop(const struct command_context *c)
{
    struct query q = {
        .options = c->options, .name = c->options->positional[0], .only_alive = true};
    struct error err;
    int status = count_alive(c, &q, &err);

    if (status == 0 && q.n_alive == 0)
        status = error_set(&err, ERROR_NOT_FOUND, 0,
                           "no upload of %s is running on this machine", q.name);
    if (status == 0)
        status = control_ask_stop(q.socket, &err);
    for (int waited = 0; status == 0 && q.n_alive > 0; waited += POLL_MS) {
        if (waited >= STOP_WAIT_MS)
            status = error_set(&err, ERROR_IO, 0,
                               "pid %" PRId64 " was asked to stop and is still at it",
                               q.pid);
        pause_ms(POLL_MS);
        if (status == 0)
            status = count_alive(c, &q, &err);
    }
    free(q.socket);
    if (status != 0)
        return command_fail(c->options, &err);
    printf("stopped %s; go on with: grid datastore resume %s\n", q.name, q.name);
    return EXIT_DONE;
}

/* ---- clearcache ---- */

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);

    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* "NAME-0123.db" of a session that is running must stay. */
static bool is_in_use(const char *folder, const char *name)
{
    const char *dot = strstr(name, ".db");
    struct session_status s;
    struct text file = {0};
    struct error ignored;
    bool is_alive;

    text_add_format(&file, "%s/%.*s.json", folder, (int)(dot - name), name);
    is_alive = session_status_read(&s, text_string(&file), &ignored) == 0 &&
               session_status_is_alive(&s);
    session_status_free(&s);
    text_free(&file);
    return is_alive;
}

static bool is_checkpoint(const char *name)
{
    return ends_with(name, ".db") || ends_with(name, ".db-wal") ||
           ends_with(name, ".db-shm") || ends_with(name, ".db-journal") ||
           ends_with(name, ".db.cache") || ends_with(name, ".db.damaged");
}

/* What was found out about a store is found out again. */
static bool is_note(const char *name)
{
    return ends_with(name, traits_note_suffix);
}

static int clear_folder(const char *folder, unsigned *n_kept, struct error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int status = 0;

    if (dir == NULL)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read %s", folder);
    while ((entry = readdir(dir)) != NULL && status == 0) {
        if (!is_checkpoint(entry->d_name) && !is_note(entry->d_name))
            continue;
        if (is_checkpoint(entry->d_name) && is_in_use(folder, entry->d_name))
            ++*n_kept;
        else if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
            status =
                error_errno(err, errno, "cannot remove %s/%s", folder, entry->d_name);
    }
    closedir(dir);
    return status;
}

int command_clearcache(const struct command_context *c)
{
    struct error err;
    unsigned n_kept = 0;

    if (clear_folder(paths_of(c->paths, PATHS_SESSIONS), &n_kept, &err) != 0)
        return command_fail(c->options, &err);
    printf("the local checkpoints are gone%s\n",
           n_kept > 0 ? ", but for those of running uploads" : "");
    return EXIT_DONE;
}
