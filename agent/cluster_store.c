/*
 * An empty value counts as none, so that a variable can be switched off by clearing it.
 */
#include "agent/cluster_store.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/credential_plan.h"
#include "agent/traits_note.h"
#include "base/mem.h"
#include "base/span.h"

static bool is_set(const char *string)
{
    return string != NULL && string[0] != '\0';
}

/* The first that is set: the cluster's own, the variables', the profile's. */
static char *choose(const struct cluster *cluster, const char *own,
                    const char *const variables[2], const char *setting)
{
    if (is_set(own))
        return mem_copy_string(own);
    for (unsigned i = 0; i < 2; i++)
        if (variables[i] != NULL && is_set(getenv(variables[i])))
            return mem_copy_string(getenv(variables[i]));
    return credential_plan_setting(cluster, setting);
}

/* ---- the store's options ---- */

static int word_index(const char *word, const char *const *words, unsigned n,
                      const char *what, struct error *err)
{
    if (!is_set(word))
        return 0;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return error_set(err, ERROR_USAGE, 0, "%s cannot be %s", what, word);
}

static int take_words(struct cluster_store *c, const struct cluster *cluster,
                      struct error *err)
{
    static const char *const addressing[] = {"auto", "path", "virtual"};
    static const char *const sign_payload[] = {"auto", "always", "never"};
    int a = word_index(cluster->addressing, addressing, ARRAY_SIZE(addressing),
                       "--addressing", err);
    int s = word_index(cluster->sign_payload, sign_payload, ARRAY_SIZE(sign_payload),
                       "--sign-payload", err);

    if (a < 0 || s < 0)
        return -1;
    c->s3.addressing = (enum s3_addressing)a;
    c->s3.sign_payload = (enum s3_sign_payload)s;
    return 0;
}

/* That of the store, as most that have one beside AWS's have it there. */
static char *choose_sts(const char *endpoint)
{
    const char *given = getenv("AWS_ENDPOINT_URL_STS");

    if (is_set(given))
        return mem_copy_string(given);
    return endpoint != NULL ? mem_copy_string(endpoint) : NULL;
}

struct s3_options cluster_store_sts(const struct cluster_store *c)
{
    struct s3_options options = c->s3;

    options.endpoint = c->sts_endpoint;
    return options;
}

int cluster_store_address(struct cluster_store *c, const struct cluster *cluster,
                          struct error *err)
{
    static const char *const endpoints[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    static const char *const bundles[] = {"AWS_CA_BUNDLE", NULL};

    c->endpoint = choose(cluster, cluster->endpoint, endpoints, "endpoint_url");
    c->sts_endpoint = choose_sts(c->endpoint);
    c->region = choose(cluster, cluster->region, regions, "region");
    c->ca_file = choose(cluster, cluster->ca_file, bundles, "ca_bundle");
    c->s3 = (struct s3_options){
        .endpoint = c->endpoint,
        .region = c->region,
        .ca_file = c->ca_file,
        .bucket_owner = cluster->account,
        .request_payer = c->request_payer,
        .storage_class = c->storage_class,
        .sse = c->sse,
        .sse_key_id = c->sse_key_id,
        .keys = live_keys_give,
        .expired = live_keys_expired,
        .keys_ctx = &c->keys,
    };
    return take_words(c, cluster, err);
}

int cluster_store_settle(struct cluster_store *c, const struct cluster *cluster,
                         const struct paths *paths, struct error *err)
{
    struct live_keys *keys = &c->keys;

    keys->search.cluster = cluster;
    keys->search.paths = paths;
    if (keys->now.access_key == NULL && live_keys_find(keys, err) != 0)
        return -1;
    return cluster_store_address(c, cluster, err);
}

/* One note an endpoint and bucket, and a way of signing, on which it depends which
 * checks can be had. */
static void recall(struct cluster_store *c, const struct cluster *cluster,
                   const struct paths *paths)
{
    const char *bucket = cluster->store + strlen("s3://");

    text_add_format(&c->note, "%s %.*s %d", c->endpoint != NULL ? c->endpoint : "aws",
                    (int)strcspn(bucket, "/"), bucket, (int)c->s3.sign_payload);
    if (c->probes_anew)
        return;
    c->traits = traits_note_read(paths_of(paths, PATHS_SESSIONS), text_string(&c->note),
                                 agent_clock_ms());
    c->s3.traits = c->traits;
}

void cluster_store_note(struct cluster_store *c, const struct store *store)
{
    const char *traits = store_traits(store);
    struct error ignored;

    if (c->note.size == 0 || *traits == '\0' ||
        (c->traits != NULL && strcmp(c->traits, traits) == 0) ||
        paths_make(c->paths, PATHS_SESSIONS, &ignored) != 0)
        return;
    traits_note_write(paths_of(c->paths, PATHS_SESSIONS), text_string(&c->note), traits,
                      agent_clock_ms());
}

int cluster_store_open(struct cluster_store *out, struct store **store,
                       const struct store_options *options,
                       const struct cluster *cluster, const struct paths *paths,
                       struct error *err)
{
    struct store_options o = *options;

    if (strncmp(cluster->store, "s3://", 5) == 0) {
        out->paths = paths;
        if (out->keys.now.access_key == NULL)
            out->keys.search.loop = options->loop;
        if (cluster_store_settle(out, cluster, paths, err) != 0)
            return -1;
        recall(out, cluster, paths);
        o.s3 = &out->s3;
    }
    return store_open(store, &o, cluster->store, err);
}

void cluster_store_stop(struct cluster_store *c)
{
    live_keys_stop(&c->keys);
}

void cluster_store_free(struct cluster_store *c)
{
    live_keys_free(&c->keys);
    free(c->endpoint);
    free(c->sts_endpoint);
    free(c->region);
    free(c->ca_file);
    text_free(&c->note);
    free(c->traits);
    memset(c, 0, sizeof *c);
}
