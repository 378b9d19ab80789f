/*
 * `create` and `resume`: both are a session; `resume` first finds out which one is
 * meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/commands.h"
#include "agent/console.h"
#include "agent/dry_run.h"
#include "agent/exit_code.h"
#include "agent/session.h"
#include "agent/session_status.h"
#include "base/mem.h"

int command_create(const struct command_context *c)
{
    struct session_request request = {
        .options = c->options,
        .paths = c->paths,
        .cluster = c->cluster,
        .source = c->options->source,
        .name = c->options->name,
    };

    return c->options->dry_run ? dry_run(&request) : session_run(&request);
}

/* ---- resume ---- */

struct search {
    const char *name, *cluster; /* NULL: any */
    unsigned n_found;
    char *found_name, *found_source, *found_cluster, *found_store;
    struct text commands; /* how to resume each, one a line */
    struct error busy;    /* one that is not interrupted but running */
};

/* Not to be shown as it is: as bash and zsh take it, in plain ASCII. */
static void add_escaped(struct text *out, const char *word)
{
    text_add(out, "$'");
    for (; *word != '\0'; word++)
        if (*word < ' ' || *word > '~' || *word == '\'' || *word == '\\')
            text_add_format(out, "\\x%02x", (unsigned char)*word);
        else
            text_add_bytes(out, word, 1);
    text_add(out, "'");
}

static bool is_printable(const char *word)
{
    struct text printable = {0};
    bool is_same;

    text_add_printable(&printable, word, strlen(word));
    is_same = strcmp(text_string(&printable), word) == 0;
    text_free(&printable);
    return is_same;
}

static void add_quoted(struct text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+=:,./@%";

    if (word[strspn(word, plain)] == '\0') {
        text_add(out, word);
        return;
    }
    if (!is_printable(word)) {
        add_escaped(out, word);
        return;
    }
    text_add(out, "'");
    for (; *word != '\0'; word++)
        if (*word == '\'')
            text_add(out, "'\\''");
        else
            text_add_bytes(out, word, 1);
    text_add(out, "'");
}

static void add_command(struct search *search, const struct session_status *s)
{
    struct text *out = &search->commands;

    text_add_format(out, "grid datastore resume %s ", s->name);
    add_quoted(out, s->source);
    text_add_format(out, " --cluster %s\n", s->cluster);
}

static void keep(char **field, const char *value)
{
    free(*field);
    *field = mem_copy_string(value);
}

static void on_session(void *ctx, const struct session_status *s)
{
    struct search *search = ctx;

    if (strcmp(s->state, "published") == 0 ||
        (search->name != NULL && strcmp(search->name, s->name) != 0) ||
        (search->cluster != NULL && strcmp(search->cluster, s->cluster) != 0))
        return;
    if (session_status_is_alive(s)) {
        session_status_refuse(s, &search->busy);
        return;
    }
    search->n_found++;
    add_command(search, s);
    keep(&search->found_name, s->name);
    keep(&search->found_source, s->source);
    keep(&search->found_cluster, s->cluster);
    keep(&search->found_store, s->store);
}

static void search_free(struct search *s)
{
    free(s->found_name);
    free(s->found_source);
    free(s->found_cluster);
    free(s->found_store);
    text_free(&s->commands);
}

static int say_none(const struct search *s, struct error *err)
{
    const char *on = s->cluster != NULL ? " to cluster " : "";
    const char *cluster = s->cluster != NULL ? s->cluster : "";

    if (s->name != NULL)
        return error_set(
            err, ERROR_NOT_FOUND, 0,
            "there is no interrupted upload of %s%s%.60s on this machine; give its "
            "source to go on from what the store holds: grid datastore resume "
            "%s SOURCE",
            s->name, on, cluster, s->name);
    return error_set(err, ERROR_NOT_FOUND, 0,
                     "there is no interrupted upload%s%.60s on this machine", on,
                     cluster);
}

/* Which one is meant?  0, or -1 when that is not clear and has been said. */
static int judge(const struct command_context *c, const struct search *s, int *code)
{
    struct error err;

    if (s->n_found == 1)
        return 0;
    if (s->n_found > 1) {
        error_set(
            &err, ERROR_USAGE, 0,
            "%u uploads are interrupted%s%s; say which one to resume:", s->n_found,
            s->name != NULL ? " under the name " : "", s->name != NULL ? s->name : "");
        *code = command_refuse(c->options, &err, text_string(&s->commands), EXIT_USAGE);
    } else if (s->busy.kind != ERROR_NONE) {
        *code = command_refuse(c->options, &s->busy, session_busy_hint, EXIT_RESUMABLE);
    } else {
        say_none(s, &err);
        *code = command_fail(c->options, &err);
    }
    return -1;
}

/* It was deleted meanwhile, or was one of the environment. */
static int say_cluster_gone(const struct command_context *c, const struct search *s)
{
    bool is_env = strcmp(s->found_cluster, "env") == 0;
    struct text hint = {0};
    struct error err;
    int code;

    error_set(
        &err, ERROR_USAGE, 0,
        "the upload of %s goes to cluster %.60s, which is not known here any more",
        s->found_name, s->found_cluster);
    if (is_env)
        text_add(&hint, "say again where it is: GRID_STORE=");
    else
        text_add_format(&hint, "log in to it again: grid login --cluster %s --store ",
                        s->found_cluster);
    add_quoted(&hint, s->found_store);
    code = command_refuse(c->options, &err, text_string(&hint), EXIT_USAGE);
    text_free(&hint);
    return code;
}

static int resume_found(const struct command_context *c, const struct search *s)
{
    struct session_request request = {
        .options = c->options,
        .paths = c->paths,
        .source = s->found_source,
        .name = s->found_name,
        .is_resume = true,
    };
    struct error err;

    /* GRID_STORE gives a cluster that no file knows: then it must still be set. */
    if (strcmp(s->found_cluster, c->cluster->name) == 0)
        request.cluster = c->cluster;
    else if (config_choose_cluster(&request.cluster, c->config, s->found_cluster,
                                   &err) != 0)
        return say_cluster_gone(c, s);
    return session_run(&request);
}

int command_resume(const struct command_context *c)
{
    const struct options *o = c->options;
    struct search s = {.name = o->positional[0], .cluster = o->cluster};
    struct session_request request = {
        .options = o,
        .paths = c->paths,
        .cluster = c->cluster,
        .source = o->positional[1],
        .name = o->positional[0],
        .is_resume = true,
    };
    struct error err;
    int code;

    if (request.source != NULL)
        return session_run(&request);
    if (session_status_each(paths_of(c->paths, PATHS_SESSIONS), on_session, &s, &err) !=
        0)
        code = command_fail(c->options, &err);
    else if (judge(c, &s, &code) == 0)
        code = resume_found(c, &s);
    search_free(&s);
    return code;
}
