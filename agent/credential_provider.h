#ifndef AGENT_CREDENTIAL_PROVIDER_H
#define AGENT_CREDENTIAL_PROVIDER_H

#include "agent/credential_http.h"
#include "agent/credential_impl.h"
#include "agent/credential_plan.h"
#include "agent/credential_process.h"

/*
 * The providers that have to be asked, each as its plan says.  An operation of theirs
 * lives inside whoever asks; starting cannot fail, done() runs exactly once, later, from
 * the loop, and cancelling is a wish.  The keys are the caller's then.
 *
 * Errors: ERROR_NETWORK, ERROR_TRANSIENT, ERROR_THROTTLED may pass; ERROR_AUTH,
 * ERROR_EXPIRED, ERROR_UNUSABLE do not.  ERROR_NOT_FOUND (instance only): there is no
 * such service here, or it has no role.
 */
struct credential_ask {
    struct loop *loop;
    const struct credential_plan *plan;
    void (*done)(void *ctx);
    void *ctx;

    struct error err;
    struct credentials keys; /* where err.kind is ERROR_NONE */

    /* Private. */
    struct credential_http http;
    struct credential_process process;
    unsigned step, attempts;
    char *url, *role;
    struct text header, body;
    struct credential_fresh fresh; /* SSO: in place of the plan's token */
    void (*renewed)(struct credential_ask *ask);
    struct work work;
    bool is_cancelled;
};

void credential_container_ask(struct credential_ask *ask);
void credential_instance_ask(struct credential_ask *ask);
void credential_sso_ask(struct credential_ask *ask);
void credential_process_ask(struct credential_ask *ask);

/* Part of SSO: have its token renewed, and written where it came from, then renewed(ask);
 * where that fails the old one is used for as long as it is good. */
void credential_token_renew(struct credential_ask *ask,
                            void (*renewed)(struct credential_ask *ask));

/* Of any of them. */
void credential_ask_cancel(struct credential_ask *ask);
void credential_ask_clear(struct credential_ask *ask);

#endif
