#ifndef AGENT_ACCOUNT_STORE_H
#define AGENT_ACCOUNT_STORE_H

#include "agent/config.h"
#include "agent/credentials.h"
#include "agent/paths.h"
#include "base/error.h"

/*
 * The store of those who name none (CLI.md, `grid login`): the bucket
 * "grid-ACCOUNT-REGION" of the account that the endpoint's STS says the keys belong to.
 * Fixes store, account and region of the cluster; nothing is made yet.  ERROR_NOT_FOUND:
 * the endpoint names no account.  Runs a loop of its own.
 */
int account_store_find(struct cluster *cluster, const struct credentials *keys,
                       const struct paths *paths, struct error *err);

#endif
