/*
 * One look is all: what the plan has of the object does not matter, only what is there.
 */
#include "transfer/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct reference {
    struct upload_options o;
    struct source_op op;
};

/* The plan's is not asked for: what counts is what is there now. */
static void on_looked(struct source_op *op, void *ctx)
{
    struct reference *r = ctx;
    struct upload_outcome outcome = {.err = op->err, .stamp = op->stamp};
    struct text etag = {0};

    outcome.source_failed = op->err.kind != ERROR_NONE;
    if (!outcome.source_failed) {
        text_add(&etag, op->etag);
        if (op->version_id[0] != '\0')
            text_add_format(&etag, " %s", op->version_id);
        outcome.note = (struct stored_note){.stamp = op->stamp,
                                            .read_at_ns = op->read_at_ns,
                                            .etag = text_string(&etag)};
    }
    source_close_file(r->o.source, op->file);
    r->o.events->done(r->o.ctx, &outcome);
    text_free(&etag);
    free(r);
}

struct reference *reference_start(const struct upload_options *options)
{
    struct reference *r = mem_new(1, sizeof *r);

    r->o = *options;
    source_open_file(r->o.source, &r->op, r->o.path, on_looked, r);
    return r;
}

char *reference_split(char *etag)
{
    char *space = strchr(etag, ' ');

    if (space == NULL)
        return NULL;
    *space = '\0';
    return space + 1;
}
