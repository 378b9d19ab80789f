/* Two ends that do not wait for each other: the work, and the request, which may go
 * first. */
#include "agent/ui/errand.h"

#include <stdlib.h>

#include "agent/ui/answer_json.h"
#include "base/mem.h"

struct task {
    struct errand errand;
    struct exchange *x; /* NULL: nobody waits any more */
    errand_fn *run;
    const char *type;
    struct work work;
};

static void on_gone(struct exchange *x)
{
    struct task *t = x->owner;

    t->x = NULL;
}

static void work(void *ctx)
{
    struct task *t = ctx;

    (void)t->run(&t->errand);
}

static void answer(struct task *t)
{
    struct text *out = &t->errand.out;

    t->x->gone = NULL;
    if (t->errand.err.kind != ERROR_NONE)
        answer_error(t->x, &t->errand.err);
    else if (out->size == 0)
        answer_json(t->x, "{}\n");
    else
        exchange_answer(t->x, 200, t->type, out->data, out->size);
}

static void on_done(void *ctx)
{
    struct task *t = ctx;

    if (t->x != NULL)
        answer(t);
    free((char *)t->errand.subject);
    text_free(&t->errand.out);
    free(t);
}

void errand_start(struct loop *loop, struct exchange *x, const struct errand *question,
                  errand_fn *run, const char *type)
{
    struct task *t = mem_new(1, sizeof *t);

    t->errand = *question;
    if (question->subject != NULL)
        t->errand.subject = mem_copy_string(question->subject);
    t->x = x;
    t->run = run;
    t->type = type;
    x->owner = t;
    x->gone = on_gone;
    loop_work(loop, &t->work, work, on_done, t);
}
