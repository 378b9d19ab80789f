#include "agent/role_access.h"

#include <string.h>

#include "base/mem.h"

/* Keys of the AWS tools, whatever keeps the datastores. */
static const struct cluster *cluster_with_keys(struct role_access *r,
                                               const struct cluster *cluster)
{
    if (strncmp(cluster->store, "s3://", 5) == 0)
        return cluster;
    r->aws.name = mem_copy_string("env");
    r->aws.store = mem_copy_string("s3://BUCKET"); /* for messages */
    return &r->aws;
}

void role_access_init(struct role_access *r, const struct config_role *role,
                      const struct cluster *cluster, const struct paths *paths,
                      struct loop *loop)
{
    const struct cluster *whose = cluster_with_keys(r, cluster);
    struct credential_search *search = &r->at.keys.search;

    if (role != NULL)
        r->assumed = (struct credential_role){.role_arn = role->role_arn,
                                              .external_id = role->external_id};
    if (cluster_store_address(&r->at, whose, &r->err) == 0)
        error_clear(&r->err);
    r->sts = cluster_store_sts(&r->at);
    search->loop = loop;
    search->cluster = whose;
    search->paths = paths;
    search->role = role != NULL ? &r->assumed : NULL;
    search->role_sts = &r->sts;
}

int role_access_find(struct role_access *r, struct error *err)
{
    if (r->err.kind == ERROR_NONE)
        return live_keys_find(&r->at.keys, err);
    *err = r->err;
    return -1;
}

void role_access_start(struct role_access *r, void (*done)(void *ctx), void *ctx)
{
    live_keys_start(&r->at.keys, done, ctx);
}

const struct error *role_access_err(const struct role_access *r)
{
    return r->err.kind != ERROR_NONE ? &r->err : &r->at.keys.search.err;
}

static void on_told(struct sts *sts, void *ctx)
{
    bool *is_over = ctx;

    (void)sts;
    *is_over = true;
}

int role_access_account(struct role_access *r, char account[STS_ACCOUNT_MAX],
                        struct error *err)
{
    struct loop *loop = r->at.keys.search.loop;
    bool is_over = false;
    struct sts sts = {.loop = loop,
                      .options = &r->sts,
                      .action = STS_GET_CALLER_IDENTITY,
                      .done = on_told,
                      .ctx = &is_over};

    if (role_access_find(r, err) != 0)
        return -1;
    sts_start(&sts);
    loop_run_until(loop, &is_over);
    memcpy(account, sts.account, sizeof sts.account);
    *err = sts.err;
    return err->kind == ERROR_NONE ? 0 : -1;
}

void role_access_interrupt(struct role_access *r)
{
    live_keys_interrupt(&r->at.keys);
}

void role_access_sign(struct role_access *r, struct s3_options *options)
{
    options->keys = live_keys_give;
    options->expired = live_keys_expired;
    options->keys_ctx = &r->at.keys;
}

void role_access_stop(struct role_access *r)
{
    cluster_store_stop(&r->at);
}

void role_access_free(struct role_access *r)
{
    cluster_store_free(&r->at);
    cluster_free(&r->aws);
    memset(r, 0, sizeof *r);
}
