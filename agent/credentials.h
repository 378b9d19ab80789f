#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/paths.h"
#include "base/error.h"

/*
 * A pair of keys, and those of `grid login` in credentials.json (mode 0600).  Secrets
 * that are taken are registered with the log, so that it never shows them.  Where keys
 * are looked for else: credential_plan.h.
 */
struct credentials {
    char *access_key, *secret_key, *session_token; /* token NULL if none */
    int64_t expires_at_ms;                         /* 0: never, or not known */
    const char *provider; /* who gave them, in a word: "environment"; static */
    char *origin;         /* where they come from, for people: "AWS_ACCESS_KEY_ID" */
};

/* values: access key id, secret, session token (may be NULL or ""), copied.  1: taken,
 * 0: nothing there, -1: ERROR_AUTH, half a pair. */
int credentials_take(struct credentials *c, const char *const values[3],
                     const char *origin, struct error *err);
void credentials_copy(struct credentials *to, const struct credentials *from);
void credentials_free(struct credentials *c); /* and wipe */

/* The same keys, wherever they come from. */
bool credentials_is_same(const struct credentials *a, const struct credentials *b);

/* What was saved for a cluster: 1: found, 0: nothing, -1: ERROR_IO for a file that
 * others may read, with what to do.  Blocks, as the following do. */
int credentials_load(struct credentials *c, const struct paths *paths,
                     const char *cluster, struct error *err);

/* The part of `grid login` and `grid logout`. */
int credentials_save(const struct paths *paths, const char *cluster,
                     const struct credentials *c, struct error *err);
int credentials_forget(const struct paths *paths, const char *cluster,
                       struct error *err);

#endif
