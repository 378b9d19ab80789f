/*
 * Which kind of store a url names, and what a new store begins with.  A new kind needs
 * a line in kinds[].
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "transfer/store_impl.h"

enum { OTHER_FILES = 128 }; /* source files, data base, log, and room to spare */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* So many connections may be open beside our files. */
static uint64_t most_by_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur > 2 * OTHER_FILES ? limit.rlim_cur - OTHER_FILES
                                            : limit.rlim_cur / 2;
}

static unsigned most_at_once(const struct store *store)
{
    const struct store_options *o = &store->options;
    uint64_t most = store->kind->jobs_max;

    if (store->limits.connection_bytes > 0) {
        most = least(most, most_by_descriptors());
        if (o->connection_memory > 0)
            most = least(most, o->connection_memory / store->limits.connection_bytes);
    }
    return most > 0 ? (unsigned)most : 1;
}

static void set_concurrency(struct store *store)
{
    unsigned jobs = store->options.jobs > 0 ? store->options.jobs : store->kind->jobs;

    if (jobs > 0)
        concurrency_init_fixed(&store->concurrency, jobs);
    else
        concurrency_init(&store->concurrency, 1, most_at_once(store),
                         loop_now_ms(store->loop));
}

int store_open_kind(struct store **out, const struct store_options *options,
                    const struct store_kind *kind, const char *url, struct error *err)
{
    struct store *store = mem_new(1, sizeof *store);

    store->kind = kind;
    store->options = *options;
    store->loop = options->loop;
    store->delay_ms = retry_delay_ms;
    store->queue.prev = store->queue.next = &store->queue;
    store->attempting.prev = store->attempting.next = &store->attempting;
    store->random = (uint32_t)uv_hrtime() | 1; /* xorshift must not start at 0 */
    store->url = mem_copy_string(url);
    if (kind->open(store, url, err) != 0) {
        free(store->url);
        free(store->place);
        free(store);
        return -1;
    }
    store_gate_init(store);
    store_fence_init(store);
    set_concurrency(store);
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
