/*
 * A listing and a probe.  What is not there yet (a folder, an account's bucket) is made
 * by the first session; a folder for a moment here, too, to see whether it can be.
 */
#include "agent/login_trial.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/memory.h"
#include "agent/trial_folder.h"
#include "agent/version_scan.h"

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

struct folder_trial {
    const char *folder;
    struct error err;
};

static void try_folder(void *ctx)
{
    struct folder_trial *t = ctx;
    struct trial_folder made;
    char *scratch;

    if (trial_folder_begin(&made, t->folder, &t->err) != 0)
        return;
    if (trial_folder_write(&made, &scratch, &t->err) == 0) {
        rmdir(scratch);
        free(scratch);
    }
    trial_folder_end(&made);
}

/* What a colleague has put there may be read all the same. */
static bool holds_datastores(struct agent *a)
{
    struct version_ref *refs = NULL;
    struct error ignored;
    size_t n_names = 0, n = 0;
    char **names = NULL;

    if (catalog_names(a, &names, &n_names, &ignored) != 0 ||
        version_scan_numbers(a, (const char *const *)names, n_names, &refs, &n,
                             &ignored) != 0)
        n = 0;
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    free(names);
    free(refs);
    return n > 0;
}

static int find_writable(struct agent *a, struct login_finding *found,
                         struct error *err)
{
    struct folder_trial t = {.folder = store_folder(a->store)};

    if (t.folder == NULL)
        return 0;
    agent_work(a, try_folder, &t);
    if (t.err.kind == ERROR_NONE)
        return 0;
    found->is_read_only = holds_datastores(a);
    *err = t.err;
    return found->is_read_only ? 0 : -1;
}

int login_trial(const struct cluster *cluster, const struct credentials *keys,
                const struct paths *paths, struct login_finding *found,
                struct error *err)
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
    if (status == 0)
        status = find_writable(&a, found, err);
    found->verifies = status != 0 || finds_verified(&a);
    agent_close(&a);
    return status;
}
