#ifndef AGENT_CREDENTIAL_IMPL_H
#define AGENT_CREDENTIAL_IMPL_H

#include "agent/aws_config.h"
#include "agent/credential_plan.h"
#include "base/text.h"

/*
 * What credential_plan.c and its providers share; a provider a file.  The functions are
 * rows of the chain: 1: this is it, *plan says how; 0: it is not configured; -1: it is,
 * and cannot be.
 */
struct planner {
    struct credential_plan *plan;
    struct aws_config config;
    const char *profile; /* that is looked at now */
    bool is_named;       /* with --profile: the environment does not count */
    bool is_source;      /* of a role: likewise */
    unsigned how;
    struct error *err;
};

int credential_roles_plan(struct planner *p);
int credential_web_plan(struct planner *p);
int credential_sso_plan(struct planner *p);
int credential_container_plan(struct credential_plan *plan, struct error *err);
int credential_instance_plan(struct credential_plan *plan, struct error *err);

/* What p->profile has, as the source of a role; and a service that a role names. */
int credential_source_plan(struct planner *p);
int credential_service_plan(struct planner *p, const char *source);

/* A small file with a secret, without the white space at its end; to be wiped and freed
 * by the caller.  -1: ERROR_AUTH, with what (of which the file is). */
int credential_read_file(char **out, const char *file, const char *what,
                         struct error *err);

/* ---- documents in JSON ---- */

/*
 * Keys as programs, containers and instances hand them out.  token: the name of the
 * session token's field.  -1: ERROR_AUTH with what is wrong with it, of which nothing is
 * shown.  The keys' origin is not set.
 */
int credential_json_keys(struct credentials *out, const struct text *json,
                         const char *token, struct error *err);

/* The same of the answer of the SSO portal. */
int credential_json_sso(struct credentials *out, const struct text *json,
                        struct error *err);

/* The token of `aws sso login`, and until when it is good. */
int credential_json_token(char **token, int64_t *expires_at_ms, const char *json,
                          struct error *err);

/* How that token is renewed; false where the file does not say, or not any more. */
bool credential_json_renewal(struct credential_renewal *out, const char *json,
                             int64_t now_ms);

/* A fresh token, from the answer of SSO OIDC's CreateToken. */
struct credential_fresh {
    char *token, *refresh_token; /* the latter may be NULL: the old one stays */
    int64_t ends_ms;
};
int credential_json_fresh(struct credential_fresh *out, const struct text *json,
                          int64_t now_ms, struct error *err);

/* The file's content with that token in it; -1 where the old one is none. */
int credential_json_exchange(struct text *out, const char *old,
                             const struct credential_fresh *fresh);
void credential_fresh_free(struct credential_fresh *fresh); /* and wipe */

#endif
