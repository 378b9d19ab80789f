#ifndef AGENT_CREDENTIAL_PLAN_H
#define AGENT_CREDENTIAL_PLAN_H

#include "agent/config.h"
#include "agent/credentials.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * Where the keys of a cluster come from, decided from environment and files alone: those
 * of `grid login`, else the chain of the AWS tools in their own order ("Standardized
 * credential providers" of the AWS SDKs Reference Guide; where that leaves a choice, as
 * botocore makes it).  Nothing is asked yet; credential_search.h carries the plan out.
 */
enum credential_base {
    CREDENTIAL_NONE,
    CREDENTIAL_KEYS,         /* they are here */
    CREDENTIAL_PROCESS,      /* a program prints them */
    CREDENTIAL_WEB_IDENTITY, /* a role for a token */
    CREDENTIAL_SSO,          /* a role for a token of `aws sso login` */
    CREDENTIAL_CONTAINER,    /* an endpoint beside the container */
    CREDENTIAL_INSTANCE      /* the instance metadata service */
};

struct credential_role {
    char *role_arn, *external_id, *session_name; /* the latter two may be NULL */
    unsigned duration_s;                         /* 0: as the service likes */
    char *profile;                               /* that has it; NULL: none */
};

/* How a token of `aws sso login` is exchanged for a fresh one, without a browser. */
struct credential_renewal {
    char *file; /* that the token is in; NULL: that need not be, or cannot */
    char *client_id, *client_secret, *refresh_token;
};

struct credential_plan {
    enum credential_base base;
    const char *provider; /* as in struct credentials */
    char *origin;         /* where they come from, for people */
    char *profile;        /* that was looked at */

    struct credentials keys; /* KEYS */
    char *command;           /* PROCESS */
    char *token;             /* WEB_IDENTITY, SSO */
    struct credential_role web;
    char *sso_account, *sso_role, *sso_region;
    int64_t token_ends_ms; /* SSO */
    struct credential_renewal renewal;
    char *url, *authorization; /* CONTAINER; INSTANCE: where it is */

    /* To be assumed with the base's keys, one after the other. */
    struct credential_role *roles;
    size_t n_roles;

    /* How to reach STS and the SSO portal; NULL: AWS's own. */
    char *region, *ca_file, *sts_endpoint, *sso_endpoint, *oidc_endpoint;
};

/* How to look. */
enum {
    CREDENTIAL_AWS_ONLY = 1,   /* not at what `grid login` has saved */
    CREDENTIAL_NO_INSTANCE = 2 /* it is known not to be there */
};

/*
 * 0: base says what is to be done; CREDENTIAL_NONE: nothing gives keys here.  -1: what is
 * configured cannot be: ERROR_AUTH, ERROR_EXPIRED (of a token), ERROR_IO.  Reads files:
 * blocks.  To be freed in any case.
 */
int credential_plan_make(struct credential_plan *plan, const struct cluster *cluster,
                         const struct paths *paths, unsigned how, struct error *err);
void credential_plan_free(struct credential_plan *plan);

void credential_role_free(struct credential_role *role);

/* A setting of the AWS profile of the cluster (region, endpoint_url, ...); the caller
 * frees; NULL if none.  Blocks. */
char *credential_plan_setting(const struct cluster *cluster, const char *key);

#endif
