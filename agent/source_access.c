/*
 * Each candidate opens the whole bucket and asks for what the url names: the first page
 * of the prefix, or the object.  A refusal, or that there is no such bucket there, is a
 * reason to try the next; an outage is waited out as everywhere.
 */
#include "agent/source_access.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/span.h"

enum { CANDIDATES = 4 }; /* besides roles */

struct candidate {
    const char *name; /* for people */
    bool is_cluster;  /* at the cluster's endpoint, else where the AWS tools look */
    bool is_anonymous;
    const struct config_role *role; /* NULL: none */
};

/* The one place that says whose keys are tried, and in which order. */
static unsigned list_candidates(struct candidate *out, const struct cluster *cluster,
                                const struct config_roles *roles)
{
    bool is_s3 = strncmp(cluster->store, "s3://", 5) == 0;
    bool is_env = is_s3 && strcmp(cluster->name, "env") == 0;
    unsigned n = 0;

    if (is_s3)
        out[n++] = (struct candidate){"the cluster's own keys", .is_cluster = true};
    if (!is_env)
        out[n++] = (struct candidate){"the keys of the AWS tools", .is_cluster = false};
    if (is_s3)
        out[n++] =
            (struct candidate){"no keys", .is_cluster = true, .is_anonymous = true};
    if (!is_env)
        out[n++] = (struct candidate){"no keys", .is_anonymous = true};
    for (size_t i = 0; i < roles->n; i++)
        out[n++] = (struct candidate){"a registered role", .is_cluster = is_s3,
                                      .role = &roles->roles[i]};
    return n;
}

/* ---- one candidate ---- */

static void set_string(char **to, const char *string)
{
    free(*to);
    *to = mem_copy_string(string);
}

/* As the cluster, or as none is known: a bucket, and what the environment says. */
static void set_cluster(struct source_access *s, const struct candidate *c,
                        const struct cluster *cluster, const struct place *place)
{
    struct text url = {0};

    if (c->is_cluster)
        cluster_copy(&s->cluster, cluster);
    else
        set_string(&s->cluster.name, "env");
    free(s->cluster.account); /* whose the source is does not matter */
    s->cluster.account = NULL;
    text_add_format(&url, "s3://%s", place->bucket);
    set_string(&s->cluster.store, text_string(&url));
    text_free(&url);
}

static void drop_store(struct source_access *s)
{
    if (s->store != NULL)
        store_close(s->store);
    s->store = NULL;
}

/* All of it has to be at rest before the next is tried. */
static void drop_candidate(struct source_access *s)
{
    drop_store(s);
    cluster_store_stop(&s->keys);
    if (s->role != NULL)
        role_access_stop(s->role);
    s->role = NULL;
}

static void stop_search(void *ctx)
{
    live_keys_interrupt(ctx);
}

/* Looking for the keys may take a while. */
static int open_with_keys(struct source_access *s, struct agent *a,
                          const struct store_options *options,
                          const struct paths *paths, struct error *err)
{
    int status;

    a->on_interrupt = stop_search;
    a->interrupt_ctx = &s->keys.keys;
    status = cluster_store_open(&s->keys, &s->store, options, &s->cluster, paths, err);
    a->on_interrupt = NULL;
    return status;
}

static void stop_role(void *ctx)
{
    role_access_interrupt(ctx);
}

/* Its temporary keys, fetched with the cluster's own. */
static int assume(struct source_access *s, const struct candidate *c,
                  const struct source_access_options *o, struct error *err)
{
    struct agent *a = o->agent;
    int status;

    if (s->role == NULL) {
        s->role = &s->roles[c->role - s->config.roles.roles];
        role_access_init(s->role, c->role, o->cluster, o->paths, &a->loop);
        a->on_interrupt = stop_role;
        a->interrupt_ctx = s->role;
        status = role_access_find(s->role, err);
        a->on_interrupt = NULL;
        if (status != 0)
            return -1;
    }
    role_access_sign(s->role, &s->keys.s3);
    return 0;
}

static int open_store(struct source_access *s, const struct candidate *c,
                      const struct source_access_options *o, struct error *err)
{
    struct store_options options = *o->wanted;

    options.loop = &o->agent->loop;
    options.budget = s->budget;
    options.connection_memory = budget_limit(s->budget);
    s->keys.request_payer = o->request_payer;
    if (c->role == NULL && !c->is_anonymous)
        return open_with_keys(s, o->agent, &options, o->paths, err);
    if (cluster_store_address(&s->keys, &s->cluster, err) != 0)
        return -1;
    s->keys.s3.keys = NULL;
    if (c->role != NULL && assume(s, c, o, err) != 0)
        return -1;
    options.s3 = &s->keys.s3;
    return store_open(&s->store, &options, s->cluster.store, err);
}

/* ---- what is there ---- */

/* 1: something, 0: nothing, -1: error. */
static int has_prefix(struct source_access *s, struct agent *a,
                      const struct place *place, struct error *err)
{
    struct text key = {0};
    struct store_op op = {.verb = STORE_LIST, .is_flat = true, .with_markers = true};
    int status;

    text_add(&key, place->key);
    if (key.size > 0)
        text_add(&key, "/");
    op.key = text_string(&key);
    do
        status = agent_do_at(a, s->store, &op, err);
    while (status == 0 && op.answer.n_items == 0 && op.cursor != NULL);
    if (status == 0)
        status = op.answer.n_items > 0;
    store_end_list(s->store, &op);
    store_op_clear(&op);
    text_free(&key);
    return status;
}

static int has_object(struct source_access *s, struct agent *a,
                      const struct place *place, struct error *err)
{
    struct store_op op = {.verb = STORE_HEAD, .key = place->key};
    int status = agent_do_at(a, s->store, &op, err);

    store_op_clear(&op);
    if (status == 0)
        return 1;
    return err->kind == ERROR_NOT_FOUND ? 0 : -1;
}

static int look(struct source_access *s, struct place *place,
                const struct source_access_options *o, struct error *err)
{
    struct agent *a = o->agent;
    bool may_be_object = !place->is_folder;
    struct error refusal;
    int status = has_prefix(s, a, place, err);

    if (status == 1) {
        place_settle(place, true);
        return 0;
    }
    if (status < 0 && (err->kind != ERROR_AUTH || !may_be_object))
        return -1;
    refusal = *err;
    if (may_be_object && has_object(s, a, place, err) == 1) {
        place_settle(place, false);
        return 0;
    }
    if (status < 0) {
        *err = refusal;
        return -1;
    }
    if (o->may_be_empty)
        return 0;
    return error_set(err, ERROR_NOT_FOUND, 0, "there is nothing at %s: check its name",
                     place->url);
}

/* ---- one after the other ---- */

static bool is_worth_another(const struct error *err)
{
    return err->kind == ERROR_AUTH || err->kind == ERROR_UNUSABLE;
}

/* The store is opened anew, at the source's own prefix. */
static int settle(struct source_access *s, const struct candidate *c,
                  const struct place *place, const struct source_access_options *o,
                  struct error *err)
{
    const char *slash = strrchr(place->key, '/');
    size_t n = place->is_folder ? strlen(place->key)
               : slash != NULL  ? (size_t)(slash - place->key)
                                : 0;
    struct text url = {0}, prefix = {0};

    text_add_bytes(&prefix, place->key, n);
    if (n > 0)
        text_add(&prefix, "/");
    text_add_format(&url, "s3://%s/%s", place->bucket, text_string(&prefix));
    s->prefix = text_take(&prefix);
    if (!place->is_folder)
        s->single = mem_copy_string(slash != NULL ? slash + 1 : place->key);
    set_string(&s->cluster.store, text_string(&url));
    text_free(&url);
    drop_store(s);
    cluster_store_stop(&s->keys);
    cluster_store_free(&s->keys);
    return open_store(s, c, o, err);
}

static int try_candidate(struct source_access *s, const struct candidate *c,
                         struct place *place, const struct source_access_options *o,
                         struct error *err)
{
    set_cluster(s, c, o->cluster, place);
    if (open_store(s, c, o, err) == 0 && look(s, place, o, err) == 0) {
        log_line(LOG_INFO, LOG_SESSION, "%s is read with %s", place->url, c->name);
        return settle(s, c, place, o, err);
    }
    log_line(LOG_INFO, LOG_SESSION, "%s, with %s: %s", place->url, c->name, err->text);
    drop_candidate(s);
    return -1;
}

static void forget_candidate(struct source_access *s)
{
    cluster_store_free(&s->keys);
    cluster_free(&s->cluster);
    memset(&s->cluster, 0, sizeof s->cluster);
}

/* What our own keys are told says more than what is told to nobody. */
static void keep_most_telling(struct error *first, const struct candidate *c,
                              const struct error *err)
{
    if (first->kind == ERROR_NONE ||
        (first->kind != ERROR_AUTH && err->kind == ERROR_AUTH && !c->is_anonymous))
        *first = *err;
}

static int say_refused(const struct place *place, const struct error *first,
                       struct error *err)
{
    *err = *first;
    return error_wrap(err, "cannot read the source %s", place->url);
}

int source_access_open(struct source_access *s, struct place *place,
                       const struct source_access_options *o, struct error *err)
{
    struct candidate *candidates;
    unsigned n, i;
    struct error first = {0};
    int status = -1;

    memset(s, 0, sizeof *s);
    if (o->files_from != NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "--files-from is for local folders: choose below %s with "
                         "--include and --exclude",
                         place->url);
    s->budget = budget_new(&o->agent->loop, (size_t)o->memory);
    if (config_load(&s->config, o->paths, err) != 0)
        return -1;
    s->roles = mem_new(s->config.roles.n + 1, sizeof *s->roles);
    candidates = mem_new(CANDIDATES + s->config.roles.n, sizeof *candidates);
    n = list_candidates(candidates, o->cluster, &s->config.roles);
    for (i = 0; i < n && status != 0; i++) {
        forget_candidate(s);
        status = try_candidate(s, &candidates[i], place, o, err);
        if (status == 0 || !is_worth_another(err))
            break;
        keep_most_telling(&first, &candidates[i], err);
    }
    free(candidates);
    return i == n ? say_refused(place, &first, err) : status;
}

int source_access_open_references(struct source_access *out, struct agent *a,
                                  const struct version *v,
                                  const struct command_context *c, struct error *err)
{
    struct store_options wanted = {0};
    const struct source_access_options options = {
        .agent = a,
        .cluster = c->cluster,
        .paths = c->paths,
        .wanted = &wanted,
        .memory = budget_limit(a->budget) / 2,
        .request_payer = c->options->request_payer,
        .may_be_empty = true,
    };
    struct place place = {0};
    int status;

    if (v->record.copy)
        return 0;
    agent_hurry(&wanted);
    wanted.away_ctx = a;
    status = place_resolve(&place, v->record.source_url, err);
    if (status == 0)
        status = source_access_open(out, &place, &options, err);
    place_free(&place);
    return status;
}

/* ---- beside the store ---- */

/* "bucket/prefix/" of a store that is reached, too: to be compared with the source's. */
static char *place_of_store(const struct source_access *s, const struct store *store)
{
    struct text place = {0};

    if (!store_can_copy_from(store, s->store))
        return NULL;
    text_add(&place, store_url(store) + strlen("s3://"));
    while (place.size > 0 && place.data[place.size - 1] == '/')
        place.data[--place.size] = '\0';
    text_add(&place, "/");
    return text_take(&place);
}

static void add_source(const struct source_access *s, const struct place *place,
                       struct text *out)
{
    text_add_format(out, "%s/%s", place->bucket, s->prefix);
}

char *source_access_options_of(const struct source_access *s, const struct place *place,
                               const struct store *store, const struct filter *filter,
                               struct source_s3_options *out)
{
    char *inner = place_of_store(s, store), *rest = NULL;
    struct text source = {0};

    add_source(s, place, &source);
    if (inner != NULL && strncmp(inner, text_string(&source), source.size) == 0)
        rest = mem_copy_string(inner + source.size);
    *out = (struct source_s3_options){
        .store = s->store,
        .bucket = place->bucket,
        .prefix = s->prefix,
        .single = s->single,
        .filter = filter,
        .leave_out = rest,
        .can_copy = store_can_copy_from(store, s->store),
    };
    free(inner);
    text_free(&source);
    return rest;
}

int source_access_check(const struct source_access *s, const struct place *place,
                        const struct store *store, struct error *err)
{
    char *outer = place_of_store(s, store);
    struct text source = {0};
    int status = 0;

    add_source(s, place, &source);
    if (outer != NULL && strncmp(text_string(&source), outer, strlen(outer)) == 0)
        status = error_set(err, ERROR_USAGE, 0,
                           "the source %s lies inside the store %s; choose a prefix "
                           "outside it, or another store",
                           place->url, store_url(store));
    free(outer);
    text_free(&source);
    return status;
}

static bool is_busy(const struct source_access *s)
{
    struct store_counts counts;

    store_counts(s->store, &counts);
    return counts.under_way > 0 || counts.waiting > 0;
}

void source_access_close(struct source_access *s, struct agent *a)
{
    if (s->budget == NULL)
        return; /* it was never opened */
    while (s->store != NULL && is_busy(s))
        uv_run(&a->loop.uv, UV_RUN_ONCE);
    drop_candidate(s);
}

void source_access_free(struct source_access *s)
{
    for (size_t i = 0; i < s->config.roles.n && s->roles != NULL; i++)
        role_access_free(&s->roles[i]);
    free(s->roles);
    config_free(&s->config);
    cluster_store_free(&s->keys);
    cluster_free(&s->cluster);
    if (s->budget != NULL)
        budget_free(s->budget);
    free(s->prefix);
    free(s->single);
    memset(s, 0, sizeof *s);
}
