/* The answer begins with the first byte: only then is it known that there is one. */
#include "agent/ui/outflow.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ui/answer_json.h"
#include "base/mem.h"

enum { PENDING_MAX = 512 << 10 };

struct outflow {
    struct exchange *x;
    struct child *child; /* NULL: it has ended */
    char *name;
    bool has_begun; /* the answer */
};

static void outflow_free(struct outflow *o)
{
    free(o->name);
    free(o);
}

static void begin(struct outflow *o)
{
    struct text disposition = {0};

    o->has_begun = true;
    exchange_stream(o->x, 200, "application/octet-stream");
    text_add(&disposition, "attachment; filename*=UTF-8''");
    text_add_uri(&disposition, o->name, strlen(o->name), false);
    exchange_add_header(o->x, "Content-Disposition", text_string(&disposition));
    text_free(&disposition);
}

static void on_bytes(void *ctx, const char *bytes, size_t size)
{
    struct outflow *o = ctx;

    if (!o->has_begun)
        begin(o);
    exchange_write(o->x, bytes, size);
    if (exchange_pending(o->x) > PENDING_MAX)
        child_hold(o->child, true);
}

/* "error: TEXT", as commands say it. */
static void refuse(struct outflow *o, const char *errors)
{
    static const char mark[] = "error: ";
    char *text;

    if (strncmp(errors, mark, sizeof mark - 1) == 0)
        errors += sizeof mark - 1;
    text = mem_copy_bytes(errors, strcspn(errors, "\n"));
    answer_refusal(o->x, 502, text);
    free(text);
}

static void on_ended(void *ctx, int code, const char *errors)
{
    struct outflow *o = ctx;

    o->child = NULL;
    if (code != 0 && !o->has_begun) {
        refuse(o, errors);
        return;
    }
    if (!o->has_begun)
        begin(o); /* an empty file */
    if (code != 0)
        exchange_break(o->x);
    else
        exchange_end(o->x);
}

static const struct child_events child_events = {.bytes = on_bytes, .ended = on_ended};

static void on_drained(struct exchange *x)
{
    struct outflow *o = x->owner;

    if (o->child != NULL)
        child_hold(o->child, false);
}

static void on_gone(struct exchange *x)
{
    struct outflow *o = x->owner;

    if (o->child != NULL)
        child_abandon(o->child);
    outflow_free(o);
}

void outflow_start(struct exchange *x, struct children *children,
                   const char *const *arguments, const char *path)
{
    struct outflow *o = mem_new(1, sizeof *o);
    const char *slash = strrchr(path, '/');
    const struct child_options child = {
        .all = children,
        .arguments = arguments,
        .events = &child_events,
        .ctx = o,
    };

    o->x = x;
    o->name = mem_copy_string(slash != NULL ? slash + 1 : path);
    x->owner = o;
    x->drained = on_drained;
    x->gone = on_gone;
    o->child = child_start(&child);
}
