#ifndef AGENT_LOGIN_TRIAL_H
#define AGENT_LOGIN_TRIAL_H

#include <stdbool.h>

#include "agent/config.h"
#include "agent/credentials.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * Do these keys open this store?  A signed request that changes nothing.  Then, where
 * they may write, does the store verify what it takes?  Unlike every other command it does
 * not wait for a network that is away: ERROR_NETWORK after ten seconds, since a misspelt
 * endpoint is more likely.
 *
 * A folder has to be one that can be made and written to, or else to hold datastores.
 */
struct login_finding {
    bool verifies;     /* false only where it is known not to */
    bool is_read_only; /* a folder */
};

int login_trial(const struct cluster *cluster, const struct credentials *keys,
                const struct paths *paths, struct login_finding *found,
                struct error *err);

#endif
