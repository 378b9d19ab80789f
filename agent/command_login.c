/*
 * `login` and `logout`.
 *
 *     options --> keys --> store --> name --> try them --refused--> nothing is saved
 *                            |                   |
 *          named by the STS -+                   +--> credentials.json, config.json
 *          else asked for
 *
 * A login without keys of its own (--profile, or what the environment says) saves none:
 * they are looked for anew each time, as the AWS tools do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account_store.h"
#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/credential_search.h"
#include "agent/exit_code.h"
#include "agent/login_trial.h"
#include "agent/name.h"
#include "agent/prompt.h"
#include "base/log.h"
#include "base/mem.h"

struct login {
    const struct command_context *c;
    struct cluster cluster;
    struct credentials keys;
    bool has_own_keys; /* to be saved */
    struct login_finding found;
    const char *hint; /* of an error, where its kind says too little */
};

/* While no store is named it will be the account's own bucket. */
static bool is_s3(const struct login *l)
{
    return l->cluster.store == NULL || strncmp(l->cluster.store, "s3://", 5) == 0;
}

/* ---- the cluster ---- */

static void take(char **field, const char *given, const char *known)
{
    const char *value = given != NULL ? given : known;

    *field = value != NULL ? mem_copy_string(value) : NULL;
}

/* Logging in again, with a new key: what is known of the cluster stays, as long as it
 * is the same store. */
static void take_settings(struct login *l)
{
    static const struct cluster none = {0};
    const struct options *o = l->c->options;
    const struct cluster *known =
        o->cluster != NULL ? config_find(l->c->config, o->cluster) : NULL;

    if (known == NULL || (o->store != NULL && strcmp(o->store, known->store) != 0))
        known = &none;
    take(&l->cluster.store, o->store, known->store);
    take(&l->cluster.endpoint, o->endpoint, known->endpoint);
    take(&l->cluster.region, o->region, known->region);
    take(&l->cluster.ca_file, o->ca_file, known->ca_file);
    take(&l->cluster.addressing, o->addressing, known->addressing);
    take(&l->cluster.sign_payload, o->sign_payload, known->sign_payload);
    take(&l->cluster.profile, o->profile, o->username != NULL ? NULL : known->profile);
    take(&l->cluster.account, NULL, known->account);
}

static int check_store(const struct login *l, struct error *err)
{
    const char *store = l->cluster.store;

    if (is_s3(l) || strncmp(store, "file://", 7) == 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "--store: \"%.80s\" is no store, for example s3://bucket/prefix "
                     "or file:///folder",
                     store);
}

/* Who means another service than AWS, and does not say so, ends up there. */
static const char *hint_where(const struct login *l, const struct error *err)
{
    if (l->cluster.endpoint != NULL && err->kind == ERROR_AUTH)
        return NULL;
    return "check the network; for another S3 service than AWS say where it is, and "
           "where datastores go there: --endpoint https://HOST --store s3://BUCKET";
}

/* The account's own bucket, where the endpoint knows accounts; else it is asked for. */
static int find_store(struct login *l, struct error *err)
{
    struct error why;

    if (l->cluster.store != NULL ||
        account_store_find(&l->cluster, &l->keys, l->c->paths, err) == 0)
        return 0;
    if (err->kind != ERROR_NOT_FOUND) {
        l->hint = hint_where(l, err);
        return -1;
    }
    why = *err;
    if (!prompt_is_possible())
        return error_set(err, ERROR_USAGE, 0,
                         "--store is missing, for example --store s3://bucket/prefix: "
                         "%.150s",
                         why.text);
    if (prompt_line(&l->cluster.store, "Store (s3://BUCKET/PREFIX)", false, err) != 0)
        return -1;
    if (strncmp(l->cluster.store, "s3://", 5) != 0)
        return error_set(err, ERROR_USAGE, 0,
                         "\"%.80s\" is no store for these keys; it is "
                         "s3://BUCKET/PREFIX",
                         l->cluster.store);
    return 0;
}

/* It will be used from other folders, too. */
static int resolve_ca_file(struct login *l, struct error *err)
{
    char *path;

    if (l->c->options->ca_file == NULL)
        return 0;
    path = realpath(l->cluster.ca_file, NULL);
    if (path == NULL)
        return error_set(err, ERROR_USAGE, errno, "--ca-file: %.160s: %s",
                         l->cluster.ca_file, strerror(errno));
    free(l->cluster.ca_file);
    l->cluster.ca_file = path;
    return 0;
}

/* The bucket's, as far as it can be one. */
static char *derive_name(const char *store)
{
    const char *bucket;
    char *name;

    if (store == NULL || strncmp(store, "s3://", 5) != 0)
        return mem_copy_string("default");
    bucket = store + strlen("s3://");
    name = mem_copy_bytes(bucket, strcspn(bucket, "/") + 1);
    name[strcspn(bucket, "/")] = '\0';
    if (name_is_valid(name) && strcmp(name, "env") != 0)
        return name;
    free(name);
    return mem_copy_string("default");
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int take_name(struct login *l, struct error *err)
{
    const char *given = l->c->options->cluster;
    const struct cluster *known;

    if (given != NULL && strcmp(given, "env") == 0) {
        error_set(err, ERROR_USAGE, 0,
                  "--cluster: env is what the environment says: choose another name");
        return -1;
    }
    l->cluster.name =
        given != NULL ? mem_copy_string(given) : derive_name(l->cluster.store);
    known = config_find(l->c->config, l->cluster.name);
    if (given == NULL && known != NULL &&
        (!is_same(known->store, l->cluster.store) ||
         !is_same(known->endpoint, l->cluster.endpoint)))
        return error_set(err, ERROR_USAGE, 0,
                         "cluster %s is another one already (%.160s): choose a name "
                         "with --cluster",
                         known->name, known->store);
    return 0;
}

/* ---- the keys ---- */

static int find_aws_keys(struct login *l, struct error *err)
{
    const char *profile = l->cluster.profile;
    struct credential_search search = {
        .cluster = &l->cluster, .paths = l->c->paths, .how = CREDENTIAL_AWS_ONLY};
    int status = credential_search_wait(&search, err);

    if (status == 0)
        l->keys = search.found;
    if (status == 0 || !search.has_none)
        return status;
    if (profile != NULL)
        return error_set(err, ERROR_AUTH, 0, "profile %.80s of ~/.aws has no keys",
                         profile);
    return error_set(err, ERROR_USAGE, 0,
                     "--username is missing, and the AWS tools have no keys here "
                     "(AWS_ACCESS_KEY_ID, ~/.aws), for example --username "
                     "AKIAIOSFODNN7EXAMPLE");
}

/* Left empty on a terminal: those of the AWS tools. */
static int take_username(struct login *l, struct error *err)
{
    const struct options *o = l->c->options;
    char **key = &l->keys.access_key;

    take(key, o->username, NULL);
    if (*key != NULL)
        return 0;
    if (prompt_is_possible()) {
        if (prompt_line(key, "Access key id (none: the keys of the AWS tools)", false,
                        err) != 0)
            return -1;
        if (**key != '\0')
            return 0;
        free(*key);
        *key = NULL;
    }
    if (o->key == NULL && !o->key_stdin)
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "--username is missing: the access key id that belongs to the "
                     "key");
}

static int take_secret(struct login *l, struct error *err)
{
    const struct options *o = l->c->options;
    char **secret = &l->keys.secret_key;

    take(secret, o->key, NULL);
    if (*secret == NULL && !o->key_stdin && !prompt_is_possible())
        return error_set(err, ERROR_USAGE, 0,
                         "--key-stdin (or --key) is missing, and there is no terminal "
                         "to ask for the secret");
    if (*secret == NULL && prompt_line(secret, "Secret access key", true, err) != 0)
        return -1;
    if (**secret == '\0')
        return error_set(err, ERROR_USAGE, 0, "the secret access key is empty");
    log_hide(*secret);
    l->has_own_keys = true;
    return 0;
}

static int take_keys(struct login *l, struct error *err)
{
    const struct options *o = l->c->options;
    bool has_options = o->username != NULL || o->key != NULL || o->key_stdin;

    if (!is_s3(l))
        return has_options || o->profile != NULL
                   ? error_set(err, ERROR_USAGE, 0,
                               "a file:// store takes no keys: leave out --username, "
                               "--key and --profile")
                   : 0;
    if (l->cluster.profile != NULL && has_options && o->username == NULL) {
        free(l->cluster.profile); /* of the last login: this one brings a key */
        l->cluster.profile = NULL;
    }
    if (l->cluster.profile != NULL)
        return find_aws_keys(l, err);
    if (take_username(l, err) != 0)
        return -1;
    return l->keys.access_key != NULL ? take_secret(l, err) : find_aws_keys(l, err);
}

/* ---- saving ---- */

/* The keys first: a cluster without them would be of no use. */
static int save(struct login *l, struct error *err)
{
    struct config *config = l->c->config;
    struct error ignored;
    int status;

    if (l->has_own_keys)
        status = credentials_save(l->c->paths, l->cluster.name, &l->keys, err);
    else
        status = credentials_forget(l->c->paths, l->cluster.name, err);
    if (status != 0)
        return -1;
    config_put(config, &l->cluster);
    free(config->last_login);
    config->last_login = mem_copy_string(l->cluster.name);
    status = config_save(config, l->c->paths, err);
    if (status != 0 && l->has_own_keys)
        (void)credentials_forget(l->c->paths, l->cluster.name, &ignored);
    return status;
}

static void say_done(const struct login *l)
{
    const struct cluster *current;
    struct error ignored;

    printf("logged in to %s (%s)\n", l->cluster.name, l->cluster.store);
    if (!l->found.verifies)
        console_print_warning(agent_not_verified);
    if (l->found.is_read_only)
        console_print_warning(
            "this user may only read there: what it holds can be "
            "listed, verified and downloaded, and nothing be created");
    if (config_choose_cluster(&current, l->c->config, NULL, &ignored) == 0 &&
        strcmp(current->name, l->cluster.name) != 0)
        printf("the current cluster is still %s; work with this one by --cluster %s, "
               "or `grid user set-cluster-context %s`\n",
               current->name, l->cluster.name, l->cluster.name);
}

static int try_login(struct login *l, struct error *err)
{
    if (login_trial(&l->cluster, &l->keys, l->c->paths, &l->found, err) == 0)
        return 0;
    if (!is_s3(l) && err->kind != ERROR_USAGE)
        l->hint = "name a folder that this user can make and write to: grid login "
                  "--store file:///FOLDER";
    return -1;
}

int command_login(const struct command_context *c)
{
    struct login l = {.c = c};
    struct error err;
    int code = EXIT_DONE;

    take_settings(&l);
    if (check_store(&l, &err) != 0 || resolve_ca_file(&l, &err) != 0 ||
        take_keys(&l, &err) != 0 || find_store(&l, &err) != 0 ||
        take_name(&l, &err) != 0 || try_login(&l, &err) != 0 || save(&l, &err) != 0)
        code = command_refuse(c->options, &err,
                              l.hint != NULL ? l.hint : exit_hint_for(&err),
                              exit_code_for(&err));
    else
        say_done(&l);
    cluster_free(&l.cluster);
    credentials_free(&l.keys);
    return code;
}

int command_logout(const struct command_context *c)
{
    struct config *config = c->config;
    const char *name = c->cluster->name;
    bool is_last_login =
        config->last_login != NULL && strcmp(config->last_login, name) == 0;
    struct error err;

    if (c->cluster == &config->env) {
        error_set(&err, ERROR_USAGE, 0,
                  "the keys of cluster env come from the environment: nothing is saved "
                  "of them");
        return command_fail(c->options, &err);
    }
    if (strncmp(c->cluster->store, "s3://", 5) != 0 && !is_last_login) {
        printf("cluster %s keeps its datastores in %s, without keys: there is nothing "
               "to log out of\n",
               name, c->cluster->store);
        return EXIT_DONE;
    }
    if (credentials_forget(c->paths, name, &err) != 0)
        return command_fail(c->options, &err);
    if (is_last_login) {
        free(config->last_login);
        config->last_login = NULL;
        if (config_save(config, c->paths, &err) != 0)
            return command_fail(c->options, &err);
    }
    printf("logged out of %s\n", name);
    return EXIT_DONE;
}
