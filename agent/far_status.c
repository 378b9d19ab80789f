/* One catalog_read() a look. */
#include "agent/far_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/json_line.h"

enum { WATCH_MS = 5000 }; /* the record is written once a minute */

static bool has_session(const struct version *v)
{
    return v->session.host != NULL && v->status != VERSION_SUCCEEDED;
}

static void add_json(struct text *line, const struct agent *a, const struct version *v)
{
    json_line_begin(line);
    json_line_string(line, "name", v->name);
    json_line_u64(line, "version", v->number);
    json_line_string(line, "cluster", a->cluster);
    json_line_string(line, "state", version_status_name(v->status));
    if (v->status == VERSION_SUCCEEDED) {
        json_line_string(line, "created_at", v->record.created_at);
        json_line_u64(line, "files_total", v->record.files);
        json_line_u64(line, "bytes_total", v->record.bytes);
    }
    json_line_string(line, "host", has_session(v) ? v->session.host : NULL);
    if (has_session(v)) {
        json_line_string(line, "user", v->session.user);
        json_line_i64(line, "pid", v->session.pid);
        json_line_path(line, "source", v->session.source);
        json_line_string(line, "session_id", v->session.session);
        json_line_time(line, "updated", v->session_at_ms);
        json_line_i64(line, "age_s", v->session_age_ms / 1000);
    }
    json_line_end(line);
}

static void add_session(struct text *out, const struct version *v)
{
    int64_t age_s = v->session_age_ms > 0 ? v->session_age_ms / 1000 : 0;

    text_add(out, "  by ");
    text_add_printable(out, v->session.user, strlen(v->session.user));
    text_add(out, " on ");
    text_add_printable(out, v->session.host, strlen(v->session.host));
    text_add_format(out, " (pid %" PRId64 "), last heard of ", v->session.pid);
    text_add_duration(out, (uint64_t)age_s);
    text_add(out, " ago\n  from ");
    text_add_printable(out, v->session.source, strlen(v->session.source));
    text_add(out, "\n");
    if (v->status != VERSION_UPLOADING)
        text_add_format(out, "  go on with: grid datastore resume %s SOURCE\n",
                        v->name);
}

static void add_text(struct text *out, const struct agent *a, const struct version *v)
{
    text_add_format(out, "%s version %" PRIu64 " on %s: %s\n", v->name, v->number,
                    a->cluster, version_status_name(v->status));
    if (v->status == VERSION_SUCCEEDED) {
        text_add(out, "  ");
        figure_add_noun(out, v->record.files, "file", "files");
        text_add(out, ", ");
        text_add_size(out, v->record.bytes);
        text_add_format(out, ", created at %s\n", v->record.created_at);
    }
    if (has_session(v))
        add_session(out, v);
}

/* The newest version that counts. */
static int read_newest(struct agent *a, const char *name, struct version *v,
                       struct error *err)
{
    uint64_t newest;

    memset(v, 0, sizeof *v);
    if (catalog_newest_number(a, name, &newest, err) != 0)
        return -1;
    if (newest == 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no session and no datastore named %s on %s", name,
                         a->cluster);
    return catalog_read(a, name, newest, v, err);
}

/* On a terminal each look stands in place of the one before. */
static void print(const struct options *o, const struct text *shown, unsigned n_shown)
{
    if (n_shown > 0 && !o->json && isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    fputs(text_string(shown), stdout);
    fflush(stdout);
}

/* 1: it goes on; 0: it does not; -1: error. */
static int look(struct agent *a, const struct options *o, const char *name,
                unsigned n_shown, struct error *err)
{
    struct text shown = {0};
    struct version v;
    int status = read_newest(a, name, &v, err);

    if (status == 0) {
        if (o->json)
            add_json(&shown, a, &v);
        else
            add_text(&shown, a, &v);
        print(o, &shown, n_shown);
        status = v.status == VERSION_UPLOADING;
    }
    version_free(&v);
    text_free(&shown);
    return status;
}

int far_status_show(const struct command_context *c, const char *name)
{
    struct agent a;
    struct error err;
    unsigned n_shown = 0;
    int code = EXIT_DONE, status;

    if (command_open(&a, c, &code) != 0)
        return code;
    do
        status = look(&a, c->options, name, n_shown++, &err);
    while (status == 1 && c->options->watch &&
           (status = agent_pause(&a, WATCH_MS, &err)) == 0);
    if (status < 0)
        code = command_fail(c->options, &err);
    agent_close(&a);
    return code;
}
