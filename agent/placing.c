/*
 * One batch at a time is with the disk; whoever comes meanwhile is of the next.  So a
 * single file waits for nobody, and the slower the disk the larger the batches.
 */
#include "agent/placing.h"

#include <stdlib.h>

#include "base/mem.h"

static size_t count(const struct placing_file *first)
{
    size_t n = 0;

    for (; first != NULL; first = first->next)
        n++;
    return n;
}

static void place_work(void *ctx)
{
    struct placing *p = ctx;
    struct landing_part **parts = mem_new(count(p->batch), sizeof(void *));
    size_t n = 0;

    for (struct placing_file *f = p->batch; f != NULL; f = f->next)
        parts[n++] = &f->part;
    landing_settle(p->landing, parts, n);
    for (size_t i = 0; i < n; i++)
        if (parts[i]->err.kind == ERROR_NONE)
            landing_place(p->landing, parts[i]->file, parts[i]->fd, &parts[i]->err);
    free(parts);
}

static void advance(struct placing *p);

static void on_placed(void *ctx)
{
    struct placing *p = ctx;
    struct placing_file *batch = p->batch, *next;

    p->batch = NULL;
    for (; batch != NULL; batch = next) {
        next = batch->next; /* done() may free it */
        batch->done(batch->ctx);
    }
    advance(p);
}

static void advance(struct placing *p)
{
    if (p->batch != NULL || p->waiting == NULL)
        return;
    p->batch = p->waiting;
    p->waiting = NULL;
    loop_work(p->loop, &p->work, place_work, on_placed, p);
}

void placing_init(struct placing *p, struct loop *loop, struct landing *landing)
{
    *p = (struct placing){.loop = loop, .landing = landing};
}

void placing_add(struct placing *p, struct placing_file *file)
{
    file->next = p->waiting;
    p->waiting = file;
    advance(p);
}
