/*
 * Listing: a page of the store's is a batch.  The order of keys is that of paths but
 * for folders' markers: "a/" comes behind "a-b", the folder "a" before it.  A marker
 * waits for the next key, which tells whether it is empty.
 *
 * Reading: each reader of a file goes from its offset to its end in order, so each has
 * a stream of its own (object_stream.h), known by that end.  A reader that begins anew
 * gets another; one that rests has none, or it would hold what others need to go on.
 *
 * Every question that is under way stands in a list, to be stopped.
 */
#include "transfer/source_s3.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/object_stream.h"
#include "transfer/source_impl.h"

static const int64_t second_ns = 1000000000;

struct s3_source {
    struct source source; /* first */
    struct source_s3_options o;
    struct store_op list;
    struct source_op *lister; /* waits for the list */
    bool is_listed;           /* to the end */
    char *marker;             /* "a/", and nothing below it so far */
    struct text last;         /* path of the last entry */
    bool store_told;
    struct question *questions;
    struct source_file *files;
    bool is_stopped;
};

/* A HEAD. */
struct question {
    struct s3_source *s;
    struct question *prev, *next;
    struct store_op op;
    struct source_op *asker;
    void (*answered)(struct question *q);
};

/* One reader of a file, and its stream. */
struct reading {
    struct object_stream *stream;
};

struct source_file {
    struct s3_source *s;
    struct source_file *prev, *next;
    char *path;
    char etag[STORE_ETAG_MAX], version_id[STORE_VERSION_ID_MAX];
    struct reading *readings;
    size_t n_readings;
    bool is_whole; /* of a small file, as long as it is read */
};

/* ---- stamps ---- */

uint64_t source_s3_etag_hash(const char *etag)
{
    struct digest digest;
    uint64_t hash;

    if (*etag == '\0')
        return 0;
    digest = digest_of_bytes(etag, strlen(etag));
    memcpy(&hash, digest.bytes, sizeof hash);
    hash &= INT64_MAX; /* SQLite's integers are signed */
    return hash != 0 ? hash : 1;
}

static struct stamp stamp_of(uint64_t size, int64_t modified_ms, const char *etag)
{
    return (struct stamp){.size = size,
                          .mtime_ns = modified_ms / 1000 * second_ns,
                          .inode = source_s3_etag_hash(etag)};
}

static struct stamp stamp_of_answer(const struct store_op *op)
{
    return stamp_of(op->answer.size, op->answer.modified_ms, op->answer.etag);
}

static bool is_same_object(const struct stamp *a, const struct stamp *b)
{
    return a->size == b->size && a->inode == b->inode;
}

static void set_stamp(struct source_op *op, const struct store_op *answer)
{
    op->stamp = stamp_of_answer(answer);
    op->read_at_ns = op->stamp.mtime_ns + SOURCE_S3_LONG_AGO_NS;
}

/* ---- ends ---- */

static void on_end(void *ctx)
{
    struct source_op *op = ctx;

    op->done(op, op->ctx);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* Later, whatever has come of it: op->work serves as the deferred call. */
static void end_soon(struct source_op *op)
{
    loop_work(op->source->loop, &op->work, nothing, on_end, op);
}

static void end_cancelled(struct source_op *op)
{
    error_set(&op->err, ERROR_CANCELLED, 0, "cancelled");
    end_soon(op);
}

static void take_error(struct source_op *op, const struct error *err)
{
    op->err = *err;
    if (err->kind == ERROR_NOT_FOUND)
        error_set(&op->err, ERROR_NOT_FOUND, err->code,
                  "vanished while it was uploaded");
}

/* ---- looking ---- */

static void on_answered(struct store_op *op, void *ctx)
{
    struct question *q = ctx;

    *(q->prev != NULL ? &q->prev->next : &q->s->questions) = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    q->answered(q);
    store_op_clear(op);
    free(q);
}

static void look(struct s3_source *s, const char *path, struct source_op *asker,
                 void (*answered)(struct question *q))
{
    struct question *q = mem_new(1, sizeof *q);

    q->s = s;
    q->asker = asker;
    q->answered = answered;
    q->op = (struct store_op){
        .verb = STORE_HEAD, .key = path, .done = on_answered, .ctx = q};
    q->next = s->questions;
    if (q->next != NULL)
        q->next->prev = q;
    s->questions = q;
    store_start(s->o.store, &q->op);
}

/* ---- listing ---- */

static void emit(struct s3_source *s, struct entry_batch *batch,
                 const struct entry *entry)
{
    entry_batch_add(batch, entry);
    text_clear(&s->last);
    text_add(&s->last, entry->path);
}

/* The marker that waits: nothing lies below it. */
static void emit_marker(struct s3_source *s, struct entry_batch *batch)
{
    char *path = s->marker;
    struct entry entry = {.path = path, .type = ENTRY_DIRECTORY, .mode = 0755};

    if (path == NULL)
        return;
    s->marker = NULL;
    path[strlen(path) - 1] = '\0';
    if (s->o.filter != NULL && !filter_takes_folder(s->o.filter, path))
        ;
    else if (strcmp(path, text_string(&s->last)) <= 0)
        entry_batch_add_issue(batch, ISSUE_BAD_KEY, path,
                              "an empty folder that is listed behind names that begin "
                              "like its own is left out");
    else
        emit(s, batch, &entry);
    free(path);
}

/* Settled by the next key: is it below? */
static void settle_marker(struct s3_source *s, struct entry_batch *batch,
                          const char *key)
{
    if (s->marker == NULL)
        return;
    if (strncmp(key, s->marker, strlen(s->marker)) != 0) {
        emit_marker(s, batch);
        return;
    }
    free(s->marker);
    s->marker = NULL;
}

static bool is_left_out(struct s3_source *s, struct entry_batch *batch, const char *key)
{
    const char *out = s->o.leave_out;

    if (out == NULL || strncmp(key, out, strlen(out)) != 0)
        return false;
    if (!s->store_told)
        entry_batch_add_issue(batch, ISSUE_STORE_INSIDE, out,
                              "the store lies in the source: it is left out");
    s->store_told = true;
    return true;
}

static void add_folder(struct s3_source *s, struct entry_batch *batch,
                       const struct store_item *item)
{
    char *path = mem_copy_bytes(item->key, strlen(item->key) - 1);

    if (item->size > 0 || !entry_path_is_safe(path))
        entry_batch_add_issue(batch, ISSUE_BAD_KEY, item->key,
                              item->size > 0
                                  ? "its name ends in '/', so it can be no file"
                                  : "a part of its name is empty, '.' or '..': it can "
                                    "be no file");
    else
        s->marker = mem_copy_string(item->key);
    free(path);
}

static void add_item(struct s3_source *s, struct entry_batch *batch,
                     const struct store_item *item)
{
    size_t length = strlen(item->key);
    struct entry entry = {.path = item->key, .type = ENTRY_FILE, .mode = 0644};

    settle_marker(s, batch, item->key);
    if (is_left_out(s, batch, item->key))
        return;
    if (length > 0 && item->key[length - 1] == '/') {
        add_folder(s, batch, item);
    } else if (!entry_path_is_safe(item->key)) {
        entry_batch_add_issue(batch, ISSUE_BAD_KEY, item->key,
                              "a part of its name is empty, '.' or '..': it can be no "
                              "file");
    } else if (s->o.filter == NULL || filter_takes(s->o.filter, item->key)) {
        entry.stamp = stamp_of(item->size, item->modified_ms, item->etag);
        emit(s, batch, &entry);
    }
}

static void on_listed(struct store_op *op, void *ctx)
{
    struct s3_source *s = ctx;
    struct source_op *lister = s->lister;

    s->lister = NULL;
    for (size_t i = 0; i < op->answer.n_items && op->err.kind == ERROR_NONE; i++)
        add_item(s, lister->batch, &op->answer.items[i]);
    s->is_listed = op->cursor == NULL;
    if (op->err.kind != ERROR_NONE) {
        lister->err = op->err;
        store_end_list(s->o.store, op);
    } else if (s->is_listed) {
        emit_marker(s, lister->batch);
        lister->at_end = true;
    }
    store_op_clear(op);
    lister->done(lister, lister->ctx);
}

static void on_single(struct question *q)
{
    struct source_op *lister = q->asker;
    struct entry entry = {.path = q->s->o.single, .type = ENTRY_FILE, .mode = 0644};

    lister->at_end = true;
    lister->err = q->op.err;
    if (lister->err.kind == ERROR_NONE) {
        entry.stamp = stamp_of_answer(&q->op);
        emit(q->s, lister->batch, &entry);
    }
    lister->done(lister, lister->ctx);
}

static void s3_next(struct source *source, struct source_op *op)
{
    struct s3_source *s = (struct s3_source *)source;

    entry_batch_clear(op->batch);
    if (s->is_stopped) {
        end_cancelled(op);
    } else if (s->o.single != NULL) {
        look(s, s->o.single, op, on_single);
    } else {
        s->lister = op;
        s->list.verb = STORE_LIST;
        s->list.key = "";
        s->list.is_flat = s->list.with_markers = true;
        s->list.done = on_listed;
        s->list.ctx = s;
        store_start(s->o.store, &s->list);
    }
}

static void reset_list(struct s3_source *s)
{
    store_end_list(s->o.store, &s->list);
    free(s->marker);
    s->marker = NULL;
    text_clear(&s->last);
    s->is_listed = s->store_told = false;
}

static int s3_rewind(struct source *source, struct error *err)
{
    (void)err;
    reset_list((struct s3_source *)source);
    return 0;
}

/* ---- files ---- */

static struct source_file *file_new(struct s3_source *s, const char *path)
{
    struct source_file *file = mem_new(1, sizeof *file);

    file->s = s;
    file->path = mem_copy_string(path);
    file->next = s->files;
    if (file->next != NULL)
        file->next->prev = file;
    s->files = file;
    return file;
}

static void file_free(struct source_file *file)
{
    *(file->prev != NULL ? &file->prev->next : &file->s->files) = file->next;
    if (file->next != NULL)
        file->next->prev = file->prev;
    for (size_t i = 0; i < file->n_readings; i++)
        object_stream_close(file->readings[i].stream);
    free(file->readings);
    free(file->path);
    free(file);
}

static void on_opened(struct question *q)
{
    struct source_op *op = q->asker;

    if (q->op.err.kind != ERROR_NONE) {
        take_error(op, &q->op.err);
    } else {
        set_stamp(op, &q->op);
        op->file = file_new(q->s, op->path);
        memcpy(op->file->etag, q->op.answer.etag, sizeof op->file->etag);
        memcpy(op->file->version_id, q->op.answer.version_id,
               sizeof op->file->version_id);
        op->etag = op->file->etag;
        op->version_id = op->file->version_id;
    }
    op->done(op, op->ctx);
}

static void s3_open_file(struct source *source, struct source_op *op)
{
    struct s3_source *s = (struct s3_source *)source;

    if (s->is_stopped)
        end_cancelled(op);
    else
        look(s, op->path, op, on_opened);
}

static void s3_close_file(struct source *source, struct source_file *file)
{
    (void)source;
    file_free(file);
}

/* ---- reading ---- */

static void end_read(struct source_op *op)
{
    if (op->file->is_whole) {
        file_free(op->file);
        op->file = NULL;
    }
    op->done(op, op->ctx);
}

static void digest_work(void *ctx)
{
    struct source_op *op = ctx;
    const struct source_read *read = &op->read;

    if (read->digester != NULL)
        digester_add(read->digester, read->into.data, read->into.size);
    if (read->md5 != NULL)
        md5_add(read->md5, read->into.data, read->into.size);
    if (read->look != NULL)
        read->look(read->look_ctx);
}

static void on_digested(void *ctx)
{
    end_read(ctx);
}

static void set_changed(struct source_op *op)
{
    error_set(&op->err, ERROR_CHANGED, 0, "changed while it was read");
}

/* It was replaced while it was read, or cut on the way: which? */
static void on_looked(struct question *q)
{
    struct source_op *op = q->asker;

    if (q->op.err.kind != ERROR_NONE) {
        take_error(op, &q->op.err);
    } else {
        set_stamp(op, &q->op);
        if (!is_same_object(&op->stamp, &op->read.expected))
            set_changed(op);
    }
    end_read(op);
}

static struct reading *find_reading(struct source_file *file, uint64_t until)
{
    for (size_t i = 0; i < file->n_readings; i++)
        if (object_stream_until(file->readings[i].stream) == until)
            return &file->readings[i];
    return NULL;
}

static void drop_reading(struct source_file *file, struct reading *reading)
{
    object_stream_close(reading->stream);
    *reading = file->readings[--file->n_readings];
}

static void on_filled(void *ctx, const struct error *err)
{
    struct source_op *op = ctx;
    struct source_file *file = op->file;
    struct reading *reading = find_reading(file, op->read.until);
    const struct store_op *answer = object_stream_answer(reading->stream);
    bool is_known = answer->answer.etag[0] != '\0';

    if (is_known)
        set_stamp(op, answer);
    if (err != NULL)
        take_error(op, err);
    if (is_known && !is_same_object(&op->stamp, &op->read.expected))
        set_changed(op);
    if (err != NULL || op->err.kind != ERROR_NONE ||
        object_stream_position(reading->stream) == object_stream_until(reading->stream))
        drop_reading(file, reading);
    if (op->err.kind == ERROR_NONE)
        loop_work(op->source->loop, &op->work, digest_work, on_digested, op);
    else if (op->err.kind == ERROR_CORRUPT && !file->s->is_stopped)
        look(file->s, file->path, op, on_looked);
    else
        end_read(op);
}

static void s3_read(struct source *source, struct source_op *op)
{
    struct s3_source *s = (struct s3_source *)source;
    struct source_file *file = op->file;
    struct reading *reading = find_reading(file, op->read.until);

    if (s->is_stopped) {
        end_cancelled(op);
        return;
    }
    if (reading != NULL && object_stream_position(reading->stream) != op->read.offset) {
        drop_reading(file, reading); /* it begins anew */
        reading = NULL;
    }
    if (reading == NULL) {
        file->readings =
            mem_resize(file->readings, file->n_readings + 1, sizeof *file->readings);
        reading = &file->readings[file->n_readings++];
        reading->stream = object_stream_open(s->source.loop, s->o.store, file->path,
                                             op->read.offset, op->read.until);
    }
    object_stream_read(reading->stream, op->read.into, on_filled, op);
}

static void s3_rest(struct source *source, struct source_file *file, uint64_t until)
{
    struct reading *reading = find_reading(file, until);

    (void)source;
    if (reading != NULL)
        drop_reading(file, reading);
}

static void s3_read_whole(struct source *source, struct source_op *op)
{
    struct s3_source *s = (struct s3_source *)source;

    if (s->is_stopped) {
        end_cancelled(op);
        return;
    }
    op->file = file_new(s, op->path);
    op->file->is_whole = true;
    op->read.offset = 0;
    op->read.until = op->read.into.size;
    s3_read(source, op);
}

/* ---- the kind ---- */

static void s3_stop(struct source *source)
{
    struct s3_source *s = (struct s3_source *)source;

    s->is_stopped = true;
    if (s->lister != NULL && s->o.single == NULL)
        store_cancel(&s->list);
    for (struct question *q = s->questions; q != NULL; q = q->next)
        store_cancel(&q->op);
    for (struct source_file *file = s->files; file != NULL; file = file->next)
        for (size_t i = 0; i < file->n_readings; i++)
            object_stream_stop(file->readings[i].stream);
}

static bool s3_from(const struct source *source, const char *path,
                    struct store_from *from, struct text *key)
{
    const struct s3_source *s = (const struct s3_source *)source;

    text_clear(key);
    text_add(key, s->o.prefix);
    text_add(key, path);
    *from = (struct store_from){.bucket = s->o.bucket, .key = text_string(key)};
    return true;
}

static void s3_close(struct source *source)
{
    struct s3_source *s = (struct s3_source *)source;

    reset_list(s);
    text_free(&s->last);
    free(s);
}

static const struct source_kind s3_kind = {
    .close = s3_close,
    .rewind = s3_rewind,
    .next = s3_next,
    .open_file = s3_open_file,
    .read = s3_read,
    .rest = s3_rest,
    .read_whole = s3_read_whole,
    .close_file = s3_close_file,
    .stop = s3_stop,
    .from = s3_from,
};

struct source *source_open_s3(struct loop *loop,
                              const struct source_s3_options *options)
{
    struct s3_source *s = mem_new(1, sizeof *s);

    s->source.kind = &s3_kind;
    s->source.loop = loop;
    s->source.can_copy = options->can_copy;
    s->o = *options;
    return &s->source;
}
