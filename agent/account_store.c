/*
 * The settings are found as for any store (configuration, environment, profile), and
 * noted: with another AWS_REGION later on, the bucket would else be made elsewhere.
 */
#include "agent/account_store.h"

#include <stdlib.h>
#include <string.h>

#include "agent/cluster_store.h"
#include "base/mem.h"
#include "base/text.h"
#include "transfer/sts.h"

static void on_answer(struct sts *sts, void *ctx)
{
    bool *is_over = ctx;

    (void)sts;
    *is_over = true;
}

static int ask(struct sts *sts, const struct s3_options *options, struct error *err)
{
    struct loop loop;
    bool is_over = false;
    int status = loop_open(&loop);

    if (status != 0)
        return error_set(err, ERROR_INTERNAL, status, "libuv: %s", uv_strerror(status));
    *sts = (struct sts){
        .loop = &loop, .options = options, .done = on_answer, .ctx = &is_over};
    sts_start(sts);
    loop_run_until(&loop, &is_over);
    loop_close(&loop);
    *err = sts->err;
    return err->kind == ERROR_NONE ? 0 : -1;
}

static void replace(char **field, char *value)
{
    free(*field);
    *field = value;
}

static void fix(struct cluster *cluster, const struct sts *sts)
{
    struct text url = {0};

    text_add_format(&url, "s3://grid-%s-%s", sts->account, sts->region);
    replace(&cluster->store, text_take(&url));
    replace(&cluster->account, mem_copy_string(sts->account));
    replace(&cluster->region, mem_copy_string(sts->region));
}

int account_store_find(struct cluster *cluster, const struct credentials *keys,
                       const struct paths *paths, struct error *err)
{
    struct cluster_store settled = {0};
    struct s3_options options;
    struct sts sts;
    int status;

    credentials_copy(&settled.keys.now, keys);
    status = cluster_store_settle(&settled, cluster, paths, err);
    options = cluster_store_sts(&settled);
    if (status == 0)
        status = ask(&sts, &options, err);
    if (status == 0)
        fix(cluster, &sts);
    cluster_store_free(&settled);
    return status;
}
