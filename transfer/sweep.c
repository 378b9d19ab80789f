/*
 *   ASKING --some--> REMOVING one by one --> ASKING ... --none--> over
 */
#include "transfer/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"

struct sweep {
    struct sweep_options o;
    struct garbage found[100];
    size_t n_found, next;
    struct text key;
    const char *keys[1];
    struct store_op op;
    struct error err;
};

static void ask(struct sweep *s);

static void free_found(struct sweep *s)
{
    for (size_t i = 0; i < s->n_found; i++) {
        free(s->found[i].path);
        free(s->found[i].upload_id);
    }
    s->n_found = s->next = 0;
}

static void end(struct sweep *s)
{
    free_found(s);
    s->o.done(s->o.ctx, s->err.kind == ERROR_NONE ? NULL : &s->err);
}

static void remove_next(struct sweep *s);

static void on_removed(struct store_op *op, void *ctx)
{
    struct sweep *s = ctx;
    const struct garbage *g = &s->found[s->next];

    error_keep_first(&s->err, &op->err);
    if (op->err.kind == ERROR_NONE)
        checkpoint_note_garbage_gone(s->o.checkpoint, g->path, g->upload_id);
    store_op_clear(op);
    s->next++;
    remove_next(s);
}

static void remove_next(struct sweep *s)
{
    const struct garbage *g = &s->found[s->next];
    size_t prefix = store_limits(s->o.store)->key_prefix_bytes + strlen(s->o.prefix);

    if (s->err.kind != ERROR_NONE) {
        end(s);
        return;
    }
    if (s->next == s->n_found) {
        ask(s);
        return;
    }
    text_clear(&s->key);
    text_add(&s->key, s->o.prefix);
    entry_add_key(&s->key, g->path, prefix);
    memset(&s->op, 0, sizeof s->op);
    s->op.verb = g->upload_id[0] == '\0' ? STORE_DELETE : STORE_ABORT_UPLOAD;
    s->op.key = text_string(&s->key);
    s->op.upload_id = g->upload_id;
    s->keys[0] = s->op.key;
    s->op.keys = s->keys;
    s->op.n_keys = 1;
    s->op.done = on_removed;
    s->op.ctx = s;
    store_start(s->o.store, &s->op);
}

static void on_asked(void *ctx, const struct error *err)
{
    struct sweep *s = ctx;

    error_keep_first(&s->err, err);
    if (s->n_found == 0)
        end(s);
    else
        remove_next(s);
}

static void ask(struct sweep *s)
{
    free_found(s);
    checkpoint_garbage(s->o.checkpoint, s->found, ARRAY_SIZE(s->found), &s->n_found,
                       on_asked, s);
}

struct sweep *sweep_start(const struct sweep_options *options)
{
    struct sweep *s = mem_new(1, sizeof *s);

    s->o = *options;
    ask(s);
    return s;
}

void sweep_stop(struct sweep *s)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "cancelled");
    error_keep_first(&s->err, &cancelled);
    store_cancel(&s->op); /* during an outage it would wait for its end */
}

void sweep_free(struct sweep *s)
{
    if (s == NULL)
        return;
    text_free(&s->key);
    free(s);
}
