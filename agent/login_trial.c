/*
 * A listing and a probe.  What is not there yet (a folder, an account's bucket) is made
 * by the first session.
 */
#include "agent/login_trial.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/memory.h"

/* One page of what the store holds: a signed request, and harmless. */
static int list_a_page(const struct cluster *cluster, struct agent *a,
                       struct error *err)
{
    struct store_op op = {.verb = STORE_LIST, .key = ""};
    int status = agent_do(a, &op, err);

    store_end_list(a->store, &op);
    store_op_clear(&op);
    if (status != 0 && err->kind == ERROR_NOT_FOUND &&
        (store_folder(a->store) != NULL || cluster->account != NULL))
        return 0; /* the folder, or the account's bucket, is made when it is needed */
    return status;
}

/* Credentials that may only read are no reason to complain, and what goes wrong here
 * will be told by the first upload. */
static bool finds_verified(struct agent *a)
{
    struct store_op op = {.verb = STORE_PROBE, .key = ""};
    struct error ignored;

    (void)agent_do(a, &op, &ignored);
    store_op_clear(&op);
    return agent_store_verifies(a);
}

int login_trial(const struct cluster *cluster, const struct credentials *keys,
                const struct paths *paths, bool *verifies, struct error *err)
{
    struct store_options wanted = {0};
    struct agent a;
    int status;

    if (agent_open(&a, memory_for_payload(0), err) != 0)
        return -1;
    credentials_copy(&a.cluster_store.keys.now, keys);
    agent_hurry(&wanted);
    status = agent_open_store(&a, cluster, paths, &wanted, err);
    if (status == 0)
        status = list_a_page(cluster, &a, err);
    *verifies = status != 0 || finds_verified(&a);
    agent_close(&a);
    return status;
}
