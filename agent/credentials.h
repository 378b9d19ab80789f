#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include <stdint.h>

#include "agent/config.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * The keys of a cluster: those of `grid login`, in credentials.json (mode 0600), else
 * those of the AWS tools, in their order: environment, then the profile in
 * ~/.aws/credentials and
 * ~/.aws/config.  Secrets that are found are registered with the log, so that it never
 * shows them.
 */
struct credentials {
    char *access_key, *secret_key, *session_token; /* token NULL if none */
    int64_t expires_at_ms;                         /* 0: never, or not known */
    char *origin; /* where they come from, for people: "AWS_ACCESS_KEY_ID" */
};

/* ERROR_AUTH says where they were looked for; ERROR_IO for a credentials.json that
 * others may read, with what to do. */
int credentials_find(struct credentials *c, const struct cluster *cluster,
                     const struct paths *paths, struct error *err);

/* Those of the AWS tools alone.  1: found, 0: none, -1: error. */
int credentials_find_aws(struct credentials *c, const struct cluster *cluster,
                         struct error *err);
void credentials_free(struct credentials *c);

/* The part of `grid login` and `grid logout`.  Blocks. */
int credentials_save(const struct paths *paths, const char *cluster,
                     const struct credentials *c, struct error *err);
int credentials_forget(const struct paths *paths, const char *cluster,
                       struct error *err);

/* A setting of the AWS profile (region, endpoint_url, ...); the caller frees; NULL if
 * none. */
char *credentials_profile_setting(const struct cluster *cluster, const char *key);

#endif
