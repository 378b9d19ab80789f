/*
 * Which kind of store a url names, and what a new store begins with.  A new kind needs
 * a line in kinds[].
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/store_impl.h"

int store_open_kind(struct store **out, const struct store_options *options,
                    const struct store_kind *kind, const char *url, struct error *err)
{
    struct store *store = mem_new(1, sizeof *store);
    unsigned jobs = options->jobs > 0 ? options->jobs : kind->jobs;

    store->kind = kind;
    store->options = *options;
    store->loop = options->loop;
    store->delay_ms = retry_delay_ms;
    store->queue.prev = store->queue.next = &store->queue;
    store->attempting.prev = store->attempting.next = &store->attempting;
    store->random = (uint32_t)uv_hrtime() | 1; /* xorshift must not start at 0 */
    store->url = mem_copy_string(url);
    if (jobs > 0)
        concurrency_init_fixed(&store->concurrency, jobs);
    else
        concurrency_init(&store->concurrency, 1, kind->jobs_max,
                         loop_now_ms(store->loop));
    if (kind->open(store, url, err) != 0) {
        free(store->url);
        free(store->place);
        free(store);
        return -1;
    }
    store_gate_init(store);
    if (store->place == NULL)
        store->place = mem_copy_string(url);
    *out = store;
    return 0;
}

int store_open(struct store **out, const struct store_options *options, const char *url,
               struct error *err)
{
    static const struct store_kind *const kinds[] = {&store_dir_kind, &store_s3_kind};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strncmp(url, kinds[i]->scheme, strlen(kinds[i]->scheme)) == 0)
            return store_open_kind(out, options, kinds[i], url, err);
    return error_set(
        err, ERROR_USAGE, 0,
        "'%s' is no store; a store is file:///FOLDER or s3://BUCKET/PREFIX", url);
}
