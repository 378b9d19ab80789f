#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stddef.h>

#include "agent/config_roles.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * The clusters that this user knows, and which is the current one: config.json, without
 * secrets (CLI.md, "Which cluster").
 *
 *     {"format": 1, "context": "lab", "last_login": "lab",
 *      "clusters": {"lab": {"store": "s3://data/sets", "endpoint": "https://s3.lab",
 *                           "region": "eu-1"}}}
 *
 * A cluster "local" always exists; unless the file has one of its own, it is the
 * embedded store.  Loading and saving block: for the start and the end of a command.
 */
struct cluster {
    char *name;
    char *store;
    char *endpoint, *region, *profile, *ca_file, *addressing,
        *sign_payload; /* or NULL */
    char *account;     /* the store's bucket is this account's own, and made when it is
                          needed; NULL: it is there, whosever it is */
};

struct config {
    char *context, *last_login; /* NULL: none */
    struct cluster *clusters;   /* in order of name */
    size_t n_clusters;
    struct config_roles roles; /* of `grid credential` */
    char *file;
    struct cluster env; /* made of GRID_STORE by config_choose_cluster() */
};

void cluster_copy(struct cluster *to, const struct cluster *from);
void cluster_free(struct cluster *cluster);

/* No file: the defaults.  ERROR_CORRUPT names a file that cannot be understood. *config
 * is to be freed in any case. */
int config_load(struct config *config, const struct paths *paths, struct error *err);
void config_free(struct config *config);

/* All or nothing: a temporary file, fsync, rename; mode 0600. */
int config_save(const struct config *config, const struct paths *paths,
                struct error *err);

/* NULL if there is none. */
const struct cluster *config_find(const struct config *config, const char *name);

/* ERROR_USAGE, with those that are known, for one that is not. */
int config_set_context(struct config *config, const char *name, struct error *err);

/* Add it, or replace the one of that name; strings are copied. */
void config_put(struct config *config, const struct cluster *cluster);

/* Forget it, and that it is the current one or the last login. */
void config_remove(struct config *config, const char *name);

/*
 * The cluster to work with: `name` (--cluster, may be NULL), else GRID_CLUSTER, else
 * GRID_STORE (cluster "env"), else the context, else the last login, else "local". *out
 * belongs to config.
 */
int config_choose_cluster(const struct cluster **out, struct config *config,
                          const char *name, struct error *err);

#endif
