#ifndef TRANSFER_SOURCE_IMPL_H
#define TRANSFER_SOURCE_IMPL_H

#include "transfer/source.h"

/*
 * What a kind of source provides.  Each start() answers, later and exactly once, by
 * op->done(op, op->ctx) on the loop; the face has stored the question in op.
 */
struct source_kind {
    void (*close)(struct source *source);
    int (*rewind)(struct source *source, struct error *err);
    void (*next)(struct source *source, struct source_op *op);
    void (*open_file)(struct source *source, struct source_op *op);
    void (*read)(struct source *source, struct source_op *op);
    void (*rest)(struct source *source, struct source_file *file,
                 uint64_t until); /* NULL: nothing is held */
    void (*read_whole)(struct source *source, struct source_op *op);
    void (*close_file)(struct source *source, struct source_file *file);
    uint64_t (*links_outside)(const struct source *source); /* NULL: there are none */
    void (*stop)(struct source *source);                    /* NULL: all is short */
    bool (*from)(const struct source *source, const char *path, struct store_from *from,
                 struct text *key); /* NULL: no store reaches it */
};

struct source {
    const struct source_kind *kind;
    struct loop *loop;
    bool can_copy; /* the store that it is for reaches it */
    bool has_copied;
};

#endif
