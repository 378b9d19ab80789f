/*
 * Both are jobs of in_order.h: the listing of one name; one version_read.h.
 */
#include "agent/version_scan.h"

#include <stdlib.h>
#include <string.h>

#include "agent/in_order.h"
#include "agent/version_read.h"
#include "base/mem.h"

/* ---- the numbers of many names ---- */

/* One name's listing. */
struct counting {
    struct numbers *all;
    size_t index;
    struct text prefix;
    struct store_op op;
    uint64_t *numbers;
    size_t n;
    struct error err;
};

struct numbers {
    struct agent *agent;
    const char *const *names;
    struct in_order order;
    struct counting slots[IN_ORDER_SLOTS];
    struct version_ref *refs;
    size_t n;
};

static struct counting *counting_of(struct numbers *all, size_t index)
{
    return &all->slots[index % IN_ORDER_SLOTS];
}

/* "v12/" */
static void take_folder(struct counting *c, const char *name)
{
    size_t length = strlen(name);
    uint64_t number;
    char *digits;

    if (length < 3 || name[0] != 'v' || name[1] == '0' || name[length - 1] != '/')
        return;
    digits = mem_copy_bytes(name + 1, length - 2);
    if (text_parse_u64(digits, &number) == 0) {
        c->numbers = mem_resize(c->numbers, c->n + 1, sizeof *c->numbers);
        c->numbers[c->n++] = number;
    }
    free(digits);
}

static void on_page(struct store_op *op, void *ctx)
{
    struct counting *c = ctx;

    if (op->err.kind == ERROR_NONE)
        for (size_t i = 0; i < op->answer.n_items; i++)
            take_folder(c, op->answer.items[i].key + c->prefix.size);
    if (op->err.kind == ERROR_NONE && op->cursor != NULL) {
        store_start(c->all->agent->store, op);
        return;
    }
    if (op->err.kind != ERROR_NOT_FOUND) /* nothing there is an empty list */
        c->err = op->err;
    store_end_list(c->all->agent->store, op);
    store_op_clear(op);
    in_order_done(&c->all->order, c->index);
}

static void start_counting(void *ctx, size_t index)
{
    struct numbers *all = ctx;
    struct counting *c = counting_of(all, index);

    memset(c, 0, sizeof *c);
    c->all = all;
    c->index = index;
    text_add_format(&c->prefix, "%s/", all->names[index]);
    c->op = (struct store_op){
        .verb = STORE_LIST, .key = text_string(&c->prefix), .done = on_page, .ctx = c};
    store_start(all->agent->store, &c->op);
}

static void cancel_counting(void *ctx, size_t index)
{
    store_cancel(&counting_of(ctx, index)->op);
}

static void drop_counting(void *ctx, size_t index)
{
    struct counting *c = counting_of(ctx, index);

    text_free(&c->prefix);
    free(c->numbers);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int finish_counting(void *ctx, size_t index, struct error *err)
{
    struct numbers *all = ctx;
    struct counting *c = counting_of(all, index);
    int status = c->err.kind == ERROR_NONE ? 0 : -1;

    if (status != 0)
        *err = c->err;
    if (c->n > 0) {
        qsort(c->numbers, c->n, sizeof *c->numbers, compare_numbers);
        all->refs = mem_resize(all->refs, all->n + c->n, sizeof *all->refs);
    }
    for (size_t i = 0; i < c->n; i++)
        all->refs[all->n++] = (struct version_ref){all->names[index], c->numbers[i]};
    drop_counting(ctx, index);
    return status;
}

int version_scan_numbers(struct agent *a, const char *const *names, size_t n_names,
                         struct version_ref **refs, size_t *n, struct error *err)
{
    struct numbers *all = mem_new(1, sizeof *all);
    int status;

    all->agent = a;
    all->names = names;
    all->order = (struct in_order){.agent = a,
                                   .n = n_names,
                                   .ctx = all,
                                   .start = start_counting,
                                   .cancel = cancel_counting,
                                   .finish = finish_counting,
                                   .drop = drop_counting};
    status = in_order_run(&all->order, err);
    *refs = all->refs;
    *n = all->n;
    free(all);
    return status;
}

/* ---- the versions ---- */

struct reading {
    struct scan *scan;
    size_t index;
    struct version_read read;
};

struct scan {
    struct agent *agent;
    const struct version_ref *refs;
    version_scan_fn *each;
    void *ctx;
    struct in_order order;
    struct reading slots[IN_ORDER_SLOTS];
};

static struct reading *reading_of(struct scan *scan, size_t index)
{
    return &scan->slots[index % IN_ORDER_SLOTS];
}

static void on_read(struct version_read *r, void *ctx)
{
    struct reading *reading = ctx;

    (void)r;
    in_order_done(&reading->scan->order, reading->index);
}

static void start_reading(void *ctx, size_t index)
{
    struct scan *scan = ctx;
    struct reading *reading = reading_of(scan, index);

    reading->scan = scan;
    reading->index = index;
    reading->read.agent = scan->agent;
    reading->read.done = on_read;
    reading->read.ctx = reading;
    version_read_start(&reading->read, scan->refs[index].name,
                       scan->refs[index].number);
}

static void cancel_reading(void *ctx, size_t index)
{
    version_read_cancel(&reading_of(ctx, index)->read);
}

static void drop_reading(void *ctx, size_t index)
{
    version_free(&reading_of(ctx, index)->read.version);
}

static int finish_reading(void *ctx, size_t index, struct error *err)
{
    struct scan *scan = ctx;
    struct version_read *r = &reading_of(scan, index)->read;
    int status = scan->each(scan->ctx, &r->version,
                            r->err.kind == ERROR_NONE ? NULL : &r->err, err);

    drop_reading(ctx, index);
    return status;
}

int version_scan_run(struct agent *a, const struct version_ref *refs, size_t n,
                     version_scan_fn *each, void *ctx, struct error *err)
{
    struct scan *scan = mem_new(1, sizeof *scan);
    int status;

    scan->agent = a;
    scan->refs = refs;
    scan->each = each;
    scan->ctx = ctx;
    scan->order = (struct in_order){.agent = a,
                                    .n = n,
                                    .ctx = scan,
                                    .start = start_reading,
                                    .cancel = cancel_reading,
                                    .finish = finish_reading,
                                    .drop = drop_reading};
    status = in_order_run(&scan->order, err);
    free(scan);
    return status;
}
