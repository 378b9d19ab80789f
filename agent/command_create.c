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
#include "agent/session_files.h"
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
    char *found_name, *found_source, *found_cluster;
    struct text names;
};

static void on_session(void *ctx, const struct session_status *s)
{
    struct search *search = ctx;

    if (session_status_is_alive(s) || strcmp(s->state, "published") == 0 ||
        (search->name != NULL && strcmp(search->name, s->name) != 0) ||
        (search->cluster != NULL && strcmp(search->cluster, s->cluster) != 0))
        return;
    text_add_format(&search->names, "%s%s", search->n_found++ > 0 ? ", " : "", s->name);
    free(search->found_name);
    free(search->found_source);
    free(search->found_cluster);
    search->found_name = mem_copy_string(s->name);
    search->found_source = mem_copy_string(s->source);
    search->found_cluster = mem_copy_string(s->cluster);
}

static void search_free(struct search *s)
{
    free(s->found_name);
    free(s->found_source);
    free(s->found_cluster);
    text_free(&s->names);
}

static int judge(const struct search *s, struct error *err)
{
    if (s->n_found == 1)
        return 0;
    if (s->n_found > 1)
        return error_set(
            err, ERROR_USAGE, 0,
            "several uploads are interrupted (%s); name one, and its source "
            "where the name is not enough",
            text_string(&s->names));
    if (s->name != NULL)
        return error_set(
            err, ERROR_NOT_FOUND, 0,
            "there is no interrupted upload of %s on this machine; give its "
            "source to go on from what the store holds: grid datastore resume "
            "%s SOURCE",
            s->name, s->name);
    return error_set(err, ERROR_NOT_FOUND, 0,
                     "there is no interrupted upload on this machine");
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
        return command_fail(&err);
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
            0 ||
        judge(&s, &err) != 0)
        code = command_fail(&err);
    else
        code = resume_found(c, &s);
    search_free(&s);
    return code;
}
