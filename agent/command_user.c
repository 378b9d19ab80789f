/*
 * `user` and `cluster`.
 */
#include <stdio.h>
#include <string.h>

#include "agent/commands.h"
#include "agent/console.h"
#include "agent/credentials.h"
#include "agent/exit_code.h"
#include "agent/json_line.h"
#include "agent/record.h"
#include "agent/session_files.h"
#include "agent/table.h"
#include "base/span.h"

static int set_context(const struct command_context *c)
{
    struct error err;

    if (config_set_context(c->config, c->options->positional[0], &err) != 0 ||
        config_save(c->config, c->paths, &err) != 0)
        return command_fail(c->options, &err);
    printf("the current cluster is %s now\n", c->options->positional[0]);
    return EXIT_DONE;
}

int command_user(const struct command_context *c)
{
    struct session_record me = {0};

    if (c->options->command == COMMAND_USER_SET_CONTEXT)
        return set_context(c);
    session_record_sign(&me);
    printf("user:    %s on %s\n", me.user, me.host);
    printf("cluster: %s\n", c->cluster->name);
    printf("store:   %s\n", c->cluster->store);
    session_record_free(&me);
    return EXIT_DONE;
}

static void add_cluster(struct table *t, const struct cluster *cluster, bool is_current)
{
    const char *cells[] = {is_current ? "*" : "", cluster->name, cluster->store,
                           cluster->endpoint};

    table_add(t, cells);
}

struct left {
    const char *cluster;
    unsigned n;
    struct text names;
};

static void on_session(void *ctx, const struct session_status *s)
{
    struct left *left = ctx;

    if (strcmp(s->cluster, left->cluster) != 0 || strcmp(s->state, "published") == 0)
        return;
    text_add_format(&left->names, "%s%s", left->n++ > 0 ? ", " : "", s->name);
}

/* They can go on only once the cluster is known again. */
static void warn_of_sessions(const struct command_context *c,
                             const struct cluster *cluster)
{
    struct left left = {.cluster = cluster->name};
    struct text message = {0};
    struct error ignored;

    (void)session_status_each(paths_of(c->paths, PATHS_SESSIONS), on_session, &left,
                              &ignored);
    if (left.n > 0) {
        text_add_format(&message,
                        "%u upload%s to %s %s not finished: %s; to resume, log in "
                        "again: grid login --cluster %s --store %s",
                        left.n, left.n == 1 ? "" : "s", cluster->name,
                        left.n == 1 ? "is" : "are", text_string(&left.names),
                        cluster->name, cluster->store);
        if (cluster->endpoint != NULL)
            text_add_format(&message, " --endpoint %s", cluster->endpoint);
        console_print_warning(text_string(&message));
    }
    text_free(&message);
    text_free(&left.names);
}

static int forget_cluster(const struct command_context *c, const char *name)
{
    const struct cluster *cluster = config_find(c->config, name);
    struct error err;

    if (cluster == NULL)
        error_set(&err, ERROR_USAGE, 0,
                  "there is no cluster \"%.60s\"; see `grid cluster`", name);
    else if (credentials_forget(c->paths, name, &err) == 0) {
        warn_of_sessions(c, cluster);
        config_remove(c->config, name);
        if (config_save(c->config, c->paths, &err) == 0) {
            printf("cluster %s is forgotten; what it stores is still there\n", name);
            return EXIT_DONE;
        }
    }
    return command_fail(c->options, &err);
}

static int list_clusters(const struct command_context *c)
{
    static const char *const columns[] = {"", "Name", "Store", "Endpoint"};
    struct table *t = table_new(columns, ARRAY_SIZE(columns));
    bool is_listed = false;

    for (size_t i = 0; i < c->config->n_clusters; i++) {
        bool is_current = strcmp(c->config->clusters[i].name, c->cluster->name) == 0;
        is_listed |= is_current;
        add_cluster(t, &c->config->clusters[i], is_current);
    }
    if (!is_listed)
        add_cluster(t, c->cluster, true); /* of the environment */
    table_print(t);
    table_free(t);
    return EXIT_DONE;
}

int command_cluster(const struct command_context *c)
{
    return c->options->command == COMMAND_CLUSTER_DELETE
               ? forget_cluster(c, c->options->positional[0])
               : list_clusters(c);
}
