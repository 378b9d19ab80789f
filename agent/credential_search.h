#ifndef AGENT_CREDENTIAL_SEARCH_H
#define AGENT_CREDENTIAL_SEARCH_H

#include "agent/credential_plan.h"
#include "agent/credential_provider.h"
#include "base/loop.h"
#include "transfer/s3_options.h"
#include "transfer/sts.h"

/*
 * Keys for a cluster, looked for by plan (credential_plan.h): nothing of it blocks the
 * loop.  Lives inside whoever asks; starting cannot fail.
 */
struct credential_search {
    /* The question.  Owned by the caller, unchanged until done(). */
    struct loop *loop;
    const struct cluster *cluster;
    const struct paths *paths;
    unsigned how; /* CREDENTIAL_AWS_ONLY, ... */

    /* A role to be assumed with what was found, of the STS of these options (endpoint,
     * region, ca_file count).  NULL: none. */
    const struct credential_role *role;
    const struct s3_options *role_sts;

    void (*done)(void *ctx); /* exactly once, later, from the loop */
    void *ctx;

    /* The answer.  ERROR_AUTH: there are none, and where they were looked for; or what is
     * configured cannot be.  ERROR_EXPIRED: a login of other tools has run out. */
    struct error err;
    struct credentials found; /* for the caller to take, or free */
    bool has_none;            /* err: nothing gives keys here */
    bool has_no_instance; /* no metadata service was there (CREDENTIAL_NO_INSTANCE) */

    /* Private. */
    enum {
        SEARCH_IDLE,
        SEARCH_PLANNING,
        SEARCH_ASKING,
        SEARCH_ASSUMING,
        SEARCH_PAUSING,
        SEARCH_CLOSING
    } phase;
    struct credential_plan plan;
    struct work work;
    struct credential_ask ask;
    struct sts sts;
    struct s3_options sts_options;
    size_t n_assumed;
    unsigned failures;
    uv_timer_t pause;
    bool is_cancelled;
    struct deferred soon;
};

void credential_search_start(struct credential_search *s);

/* A wish: done() follows, with ERROR_CANCELLED. */
void credential_search_cancel(struct credential_search *s);

/* For linear code: start it and run the loop until it is over (loop NULL: one of its
 * own).  0, or -1 with *err. */
int credential_search_wait(struct credential_search *s, struct error *err);

#endif
