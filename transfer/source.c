/*
 * The face of a source: it notes the question in the op and hands it to the kind.
 */
#include "transfer/source.h"

#include "transfer/source_impl.h"

static void begin(struct source *source, struct source_op *op, source_done_fn *done,
                  void *ctx)
{
    error_clear(&op->err);
    op->source = source;
    op->done = done;
    op->ctx = ctx;
}

void source_close(struct source *source)
{
    if (source != NULL)
        source->kind->close(source);
}

void source_next(struct source *source, struct source_op *op, struct entry_batch *batch,
                 source_done_fn *done, void *ctx)
{
    begin(source, op, done, ctx);
    op->batch = batch;
    op->at_end = false;
    source->kind->next(source, op);
}

int source_rewind(struct source *source, struct error *err)
{
    return source->kind->rewind(source, err);
}

void source_open_file(struct source *source, struct source_op *op, const char *path,
                      source_done_fn *done, void *ctx)
{
    begin(source, op, done, ctx);
    op->path = path;
    op->file = NULL;
    op->etag = op->version_id = NULL;
    source->kind->open_file(source, op);
}

void source_read(struct source_op *op, struct source_file *file,
                 const struct source_read *read, source_done_fn *done, void *ctx)
{
    begin(op->source, op, done, ctx);
    op->file = file;
    op->read = *read;
    op->source->kind->read(op->source, op);
}

void source_rest(struct source *source, struct source_file *file, uint64_t until)
{
    if (file != NULL && source->kind->rest != NULL)
        source->kind->rest(source, file, until);
}

void source_read_whole(struct source *source, struct source_op *op, const char *path,
                       const struct source_read *read, source_done_fn *done, void *ctx)
{
    begin(source, op, done, ctx);
    op->path = path;
    op->read = *read;
    source->kind->read_whole(source, op);
}

void source_close_file(struct source *source, struct source_file *file)
{
    if (file != NULL)
        source->kind->close_file(source, file);
}

uint64_t source_links_outside(const struct source *source)
{
    return source->kind->links_outside != NULL ? source->kind->links_outside(source)
                                               : 0;
}

void source_stop(struct source *source)
{
    if (source->kind->stop != NULL)
        source->kind->stop(source);
}

bool source_can_copy(const struct source *source)
{
    return source->can_copy;
}

bool source_from(const struct source *source, const char *path, struct store_from *from,
                 struct text *key)
{
    return source->can_copy && source->kind->from(source, path, from, key);
}

void source_refuse_copies(struct source *source)
{
    source->can_copy = source->can_copy && source->has_copied;
}

void source_has_copied(struct source *source)
{
    source->has_copied = true;
}
