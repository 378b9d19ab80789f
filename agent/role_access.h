#ifndef AGENT_ROLE_ACCESS_H
#define AGENT_ROLE_ACCESS_H

#include "agent/cluster_store.h"
#include "agent/config.h"

/*
 * A registered role (config->roles, `grid credential`) in use: its temporary keys, which
 * are fetched with the keys of a cluster from the STS that belongs to it, and fetched anew
 * before they end.  For who opens somebody else's bucket:
 *
 *     for (size_t i = 0; i < config->roles.n; i++) {
 *         struct role_access role = {0};
 *
 *         role_access_init(&role, &config->roles.roles[i], cluster, paths, loop);
 *         if (role_access_find(&role, &err) == 0)
 *             role_access_sign(&role, &options);       and open the bucket with options
 *         ...
 *         role_access_stop(&role);                     once the bucket's store is closed
 *         role_access_free(&role);                     once the loop is
 *     }
 */
struct role_access {
    struct s3_options sts; /* where roles are assumed */

    /* Private. */
    struct cluster_store at; /* whose keys assume it, and where */
    struct cluster aws;      /* in place of a cluster that has no keys */
    struct credential_role assumed;
    struct error err; /* of the cluster's settings */
};

/*
 * The role (NULL: none, for role_access_account()) and the cluster must outlive *r, which
 * was zeroed and stays where it is.  A file:// cluster has no keys: then it is those of
 * the AWS tools.  Blocks (it reads the AWS tools' settings).
 */
void role_access_init(struct role_access *r, const struct config_role *role,
                      const struct cluster *cluster, const struct paths *paths,
                      struct loop *loop);

/*
 * Fetch the keys.  For linear code; runs the loop.  ERROR_AUTH: they are refused; others
 * as of credential_search.h.
 */
int role_access_find(struct role_access *r, struct error *err);

/* The same from the loop: done(ctx) once, later; then role_access_err().  Not where
 * role_access_init() has failed (role_access_err() is set). */
void role_access_start(struct role_access *r, void (*done)(void *ctx), void *ctx);
const struct error *role_access_err(const struct role_access *r);

/* Whose are the keys that assume roles?  ERROR_NOT_FOUND: the endpoint's STS does not
 * say.  For linear code; runs the loop. */
int role_access_account(struct role_access *r, char account[STS_ACCOUNT_MAX],
                        struct error *err);

/* A signal came: role_access_find() ends. */
void role_access_interrupt(struct role_access *r);

/* Requests with these options are signed with the role's keys: keys, expired and keys_ctx
 * are set; where the bucket is, and how it is addressed, is for the caller to say. */
void role_access_sign(struct role_access *r, struct s3_options *options);

/* Nothing is under way afterwards; for linear code. */
void role_access_stop(struct role_access *r);
void role_access_free(struct role_access *r);

#endif
