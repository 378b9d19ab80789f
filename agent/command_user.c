/*
 * `user` and `cluster`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cluster_store.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/credentials.h"
#include "agent/exit_code.h"
#include "agent/json_line.h"
#include "agent/record.h"
#include "agent/session_status.h"
#include "agent/table.h"
#include "base/mem.h"
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

/* ---- whose keys ---- */

/* What is known of a cluster's keys, without asking the store. (Services that hand out
 * keys are asked.) */
struct login {
    char *endpoint;        /* NULL: AWS, or a store without one */
    char *access_key;      /* NULL: none */
    char *origin;          /* where it comes from, or why there is none; never NULL */
    const char *provider;  /* who gave it, in a word; NULL: nobody */
    int64_t expires_at_ms; /* 0: never, or not known */
    bool needs_keys;       /* a file:// store does not */
    bool has_no_instance;
};

static char *copy(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

static void take_keys(struct login *l, const struct credentials *keys)
{
    l->access_key = copy(keys->access_key);
    l->provider = keys->provider;
    l->expires_at_ms = keys->expires_at_ms;
}

static void login_find(struct login *l, const struct command_context *c,
                       const struct cluster *cluster, unsigned how)
{
    struct cluster_store settled = {.keys.search.how = how};
    struct error err;
    int status;

    *l = (struct login){.needs_keys = strncmp(cluster->store, "s3://", 5) == 0};
    if (!l->needs_keys) {
        l->origin = mem_copy_string("none needed");
        return;
    }
    status = cluster_store_settle(&settled, cluster, c->paths, &err);
    l->endpoint = copy(status == 0 ? settled.endpoint : cluster->endpoint);
    if (status == 0)
        take_keys(l, &settled.keys.now);
    l->has_no_instance = settled.keys.search.has_no_instance;
    l->origin = copy(status == 0 ? settled.keys.now.origin : err.text);
    cluster_store_free(&settled);
}

static void login_free(struct login *l)
{
    free(l->endpoint);
    free(l->access_key);
    free(l->origin);
}

static void add_login(struct text *line, const struct login *l)
{
    json_line_string(line, "endpoint", l->endpoint);
    json_line_string(line, "access_key", l->access_key);
    json_line_string(line, "provider", l->provider);
    json_line_string(line, "keys_from", l->access_key != NULL ? l->origin : NULL);
    if (l->expires_at_ms > 0)
        json_line_time(line, "expires_at", l->expires_at_ms);
    json_line_bool(line, "logged_in", !l->needs_keys || l->access_key != NULL);
}

/* ---- user ---- */

static void print_user_json(const struct session_record *me, const struct cluster *c,
                            const struct login *l)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "user", me->user);
    json_line_string(&line, "host", me->host);
    json_line_string(&line, "cluster", c->name);
    json_line_string(&line, "store", c->store);
    add_login(&line, l);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void print_user(const struct session_record *me, const struct cluster *c,
                       const struct login *l)
{
    printf("user:     %s on %s\n", me->user, me->host);
    printf("cluster:  %s\n", c->name);
    printf("store:    %s\n", c->store);
    if (l->needs_keys)
        printf("endpoint: %s\n", l->endpoint != NULL ? l->endpoint : "AWS");
    if (l->access_key != NULL)
        printf("keys:     %s (%s)\n", l->access_key, l->origin);
    else
        printf("keys:     %s\n", l->origin);
}

int command_user(const struct command_context *c)
{
    struct session_record me = {0};
    struct login login;

    if (c->options->command == COMMAND_USER_SET_CONTEXT)
        return set_context(c);
    session_record_sign(&me);
    login_find(&login, c, c->cluster, 0);
    if (c->options->json)
        print_user_json(&me, c->cluster, &login);
    else
        print_user(&me, c->cluster, &login);
    login_free(&login);
    session_record_free(&me);
    return EXIT_DONE;
}

/* ---- forgetting a cluster ---- */

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

/* ---- the list ---- */

static void print_cluster_json(const struct cluster *cluster, const struct login *l,
                               bool is_current)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "name", cluster->name);
    json_line_string(&line, "store", cluster->store);
    add_login(&line, l);
    json_line_bool(&line, "current", is_current);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

/* Whether there is an instance metadata service is found out once: it costs seconds where
 * there is none. */
static void show_cluster(struct table *t, const struct command_context *c,
                         const struct cluster *cluster, unsigned *how)
{
    bool is_current = strcmp(cluster->name, c->cluster->name) == 0;
    struct login l;

    login_find(&l, c, cluster, *how);
    if (l.has_no_instance)
        *how |= CREDENTIAL_NO_INSTANCE;
    if (c->options->json) {
        print_cluster_json(cluster, &l, is_current);
    } else {
        const char *keys = l.access_key != NULL ? l.access_key
                           : l.needs_keys       ? "none: log in"
                                                : "-";
        const char *cells[] = {is_current ? "*" : "", cluster->name, cluster->store,
                               l.endpoint, keys};

        table_add(t, cells);
    }
    login_free(&l);
}

static int list_clusters(const struct command_context *c)
{
    static const char *const columns[] = {"", "Name", "Store", "Endpoint", "Keys"};
    struct table *t = table_new(columns, ARRAY_SIZE(columns));
    bool is_listed = false;
    unsigned how = 0;

    for (size_t i = 0; i < c->config->n_clusters; i++) {
        is_listed |= strcmp(c->config->clusters[i].name, c->cluster->name) == 0;
        show_cluster(t, c, &c->config->clusters[i], &how);
    }
    if (!is_listed)
        show_cluster(t, c, c->cluster, &how); /* of the environment */
    if (!c->options->json)
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
