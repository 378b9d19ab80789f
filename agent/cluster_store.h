#ifndef AGENT_CLUSTER_STORE_H
#define AGENT_CLUSTER_STORE_H

#include "agent/config.h"
#include "agent/live_keys.h"
#include "agent/paths.h"
#include "base/text.h"
#include "transfer/store.h"

/*
 * The store of a cluster: what the configuration, the environment (AWS_ENDPOINT_URL_S3,
 * AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE) and the AWS profile
 * say of it, in that order, and the keys to sign with.  A file:// store needs none of
 * this.
 */
struct cluster_store {
    struct live_keys keys;
    struct s3_options s3; /* points into the members below */
    bool
        probes_anew; /* what is noted of the store does not count; set before opening */
    char *endpoint, *region, *ca_file;
    char *sts_endpoint; /* whom to ask about keys; NULL: AWS's own */
    bool request_payer; /* these are set before it is settled */
    const char *storage_class, *sse,
        *sse_key_id; /* of what is stored; NULL: not said */

    /* Private. */
    const struct paths *paths;
    struct text note; /* which store it is of; empty: none is kept */
    char *traits;     /* what it said, or NULL */
};

/* Fill out->s3 and what it points to; cluster must outlive it.  Where out->keys.now has
 * keys they are used, else they are looked for (ERROR_AUTH where there are none), on the
 * loop out->keys.search.loop if there is one.  *out is to be freed in any case. */
int cluster_store_settle(struct cluster_store *out, const struct cluster *cluster,
                         const struct paths *paths, struct error *err);

/* The same without keys: where the store is, and how to talk to it. */
int cluster_store_address(struct cluster_store *out, const struct cluster *cluster,
                          struct error *err);

/* cluster_store_settle(), and open the store with it; out must outlive the store.
 */
int cluster_store_open(struct cluster_store *out, struct store **store,
                       const struct store_options *options,
                       const struct cluster *cluster, const struct paths *paths,
                       struct error *err);

/* Before the store is closed: what has been found out about it is noted for the next run
 * (traits_note.h).  Blocks. */
void cluster_store_note(struct cluster_store *c, const struct store *store);

/* The options for questions to its STS; valid as long as *c. */
struct s3_options cluster_store_sts(const struct cluster_store *c);

/* Nothing is under way afterwards; runs the loop.  For linear code. */
void cluster_store_stop(struct cluster_store *c);
void cluster_store_free(struct cluster_store *c);

#endif
