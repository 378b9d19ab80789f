/*
 * `status`: the sessions of this machine by their status files; of a name that none of
 * them has, what the store knows (far_status.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/exit_code.h"
#include "agent/far_status.h"
#include "agent/figure.h"
#include "agent/json_line.h"
#include "agent/session_json.h"
#include "agent/session_status.h"

/* ---- one session, for people and scripts ---- */

static void add_figures(struct text *text, const struct session_status *s)
{
    bool is_part = s->scan_done || s->files_done > 0 || s->bytes_done > 0;

    text_add(text, "  ");
    if (is_part) {
        figure_add_count(text, s->files_done);
        text_add(text, " of ");
    }
    figure_add_noun(text, s->files_total, "file", "files");
    text_add(text, s->scan_done ? ", " : " found so far, ");
    if (is_part) {
        text_add_size(text, s->bytes_done);
        text_add(text, " of ");
    }
    text_add_size(text, s->bytes_total);
    if (session_json_goes_on(s) && s->bytes_in_flight > 0) {
        text_add(text, ", ");
        text_add_size(text, s->bytes_in_flight);
        text_add(text, " on the way");
    }
    if (session_json_goes_on(s) && s->reason[0] == '\0') {
        text_add(text, ", ");
        figure_add_rate(text, s->rate);
    }
    if (session_json_goes_on(s) && s->reason[0] == '\0' && s->eta_s > 0) {
        text_add(text, ", ready in about ");
        text_add_duration(text, (uint64_t)s->eta_s);
    }
    text_add(text, "\n");
}

static void add_text(struct text *out, const struct session_status *s)
{
    const char *state = session_json_state(s);

    text_add_format(out, "%s version %" PRIu64 " on %s: %s\n", s->name, s->version,
                    s->cluster, state);
    add_figures(out, s);
    text_add(out, "  from ");
    text_add_printable(out, s->source, strlen(s->source));
    text_add(out, "\n");
    if (session_json_goes_on(s) && s->reason[0] != '\0')
        text_add_format(out, "  %s: %s\n",
                        s->is_refusal ? "the store refuses for now" : "waiting",
                        s->reason);
    if (session_json_goes_on(s)) {
        text_add_format(out, "  by pid %" PRId64 " on %s; log: ", s->pid, s->host);
        text_add_printable(out, s->log, strlen(s->log));
        text_add(out, "\n");
    }
    if (strcmp(state, "interrupted") == 0 || strcmp(state, "failed") == 0) {
        if (s->reason[0] != '\0')
            text_add_format(out, "  stopped: %s\n", s->reason);
        text_add_format(out, "  go on with: grid datastore resume %s\n", s->name);
    }
}

struct query {
    const struct options *options;
    const char *name; /* NULL: all */
    unsigned n_found, n_alive;
    struct text shown; /* what is to be printed of them */
};

static bool is_asked_for(const struct query *q, const struct session_status *s)
{
    if (q->options->cluster != NULL && strcmp(q->options->cluster, s->cluster) != 0)
        return false;
    if (q->name == NULL)
        return strcmp(session_json_state(s), "succeeded") != 0; /* that is over */
    return strcmp(q->name, s->name) == 0;
}

static void on_session(void *ctx, const struct session_status *s)
{
    struct query *q = ctx;

    if (!is_asked_for(q, s))
        return;
    q->n_found++;
    q->n_alive += session_json_goes_on(s);
    if (q->options->json)
        session_json_add(&q->shown, s);
    else
        add_text(&q->shown, s);
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
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
    text_free(&q.shown);
    if (q.n_found > 0)
        return EXIT_DONE;
    if (q.name != NULL)
        return far_status_show(c, q.name);
    fprintf(stderr, "no upload is running or interrupted on this machine\n");
    return EXIT_DONE;
}
