#include "agent/answer.h"

void answer_done(void *ctx, const struct error *err)
{
    struct answer *answer = ctx;

    error_keep_first(&answer->err, err);
    answer->is_over = true;
}

int answer_wait(struct answer *answer, struct loop *loop, struct error *err)
{
    loop_run_until(loop, &answer->is_over);
    if (answer->err.kind == ERROR_NONE)
        return 0;
    *err = answer->err;
    return -1;
}

static void on_closed(void *ctx)
{
    bool *is_closed = ctx;

    *is_closed = true;
}

void answer_close(struct checkpoint *checkpoint, struct loop *loop)
{
    bool is_closed = false;

    checkpoint_close(checkpoint, on_closed, &is_closed);
    loop_run_until(loop, &is_closed);
}
