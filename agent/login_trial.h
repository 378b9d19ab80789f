#ifndef AGENT_LOGIN_TRIAL_H
#define AGENT_LOGIN_TRIAL_H

#include <stdbool.h>

#include "agent/config.h"
#include "agent/credentials.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * Do these keys open this store?  A signed request that changes nothing.  Then, where
 * they may write, does the store verify what it takes?  *verifies is false only where it
 * is known not to.  Unlike every other command it does not wait for a network that is
 * away: ERROR_NETWORK after ten seconds, since a misspelt endpoint is more likely.
 */
int login_trial(const struct cluster *cluster, const struct credentials *keys,
                const struct paths *paths, bool *verifies, struct error *err);

#endif
