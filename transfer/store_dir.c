/*
 * The file:// store.  The loop's thread only moves from step to step; every system call
 * is made by a worker, in dir_tree.c, dir_upload.c, dir_copy.c and dir_list.c.
 *
 *     put, part    [IN LINE -->] READING --chunk--> WRITING --more--> [IN LINE -->] READING
 *                     |                  |
 *                     |                  +-- the last: synced and published --> end
 *                     +--- body failed, cancelled ---> UNDOING ---------------> end
 *     copy         COPYING --some--> COPYING --all: synced and published ---> end
 *                     +--- cancelled -----------> UNDOING ------------------> end
 *     get          LOADING --chunk--> GIVING --more--> LOADING
 *                     |                  |
 *                     |                  +--------- sink failed, cancelled ---> UNDOING
 *                     +-- nothing more ---------------------------------------> end
 *     all others   ASKING -----------------------------------------------------> end
 *
 * READING and GIVING wait for the caller's body or sink, the others for a worker; in line
 * is who has to wait for the limit (dir_pace.h).  A small file is one read and one trip to
 * a worker.  A worker that fails cleans up
 * behind itself; UNDOING is for what fails between two of its trips.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/dir_copy.h"
#include "transfer/dir_list.h"
#include "transfer/dir_pace.h"
#include "transfer/dir_upload.h"
#include "transfer/dir_url.h"
#include "transfer/store_impl.h"

enum {
    JOBS = 16,
    WHOLE_STEP = 4 << 20 /* of a body in memory: how soon a cancel is seen */
};

/* store->impl */
struct dir_store {
    struct dir_tree *tree;
    struct dir_pace *pace;
};

struct attempt {
    struct store *store;
    struct store_op *op;
    struct dir_tree *tree;
    struct dir_pace *pace;
    struct dir_turn turn; /* put, part: in line, under a limit */
    struct work work;
    atomic_bool is_cancelled;
    struct error err;

    struct span chunk;    /* on its way */
    uint64_t position;    /* put, part: of the chunk; get: of the next, in the object */
    uint64_t end;         /* get: where to stop */
    bool is_finished;     /* put, part: all is done */
    struct dir_temp temp; /* put */
    struct dir_part part; /* part */
    struct dir_etag etag; /* put, part */
    struct dir_copy copy; /* copies */
    uint64_t n_copied;    /* in the last step */
    bool is_refused;
    bool is_open; /* get */
    int fd;
    struct store_items items; /* lists */
    struct dir_list *list;
};

/* ---- workers: cleaning up ---- */

static void on_undo_work(void *ctx)
{
    struct attempt *a = ctx;

    dir_tree_drop_temp(a->tree, &a->temp);
    dir_upload_close_part(&a->part);
    dir_copy_close(&a->copy, a->tree);
    dir_etag_free(&a->etag);
    if (a->is_open)
        close(a->fd);
    a->is_open = false;
}

static void worker_failed(struct attempt *a, int code)
{
    if (code != 0)
        dir_tree_write_failed(a->tree, a->op->key, code, &a->err);
    on_undo_work(a);
}

/* ---- the end ---- */

static void end(struct attempt *a)
{
    struct store_op *op = a->op;
    struct error err = a->err;

    op->attempt = NULL;
    store_items_answer(&a->items, op);
    free(a);
    store_attempt_done(op, err.kind != ERROR_NONE ? &err : NULL);
}

static void on_undone(void *ctx)
{
    end(ctx);
}

static void undo(struct attempt *a)
{
    loop_work(a->store->loop, &a->work, on_undo_work, on_undone, a);
}

/* True where a cancel has come; then the end is on its way. */
static bool undo_if_cancelled(struct attempt *a)
{
    if (!atomic_load(&a->is_cancelled))
        return false;
    error_set(&a->err, ERROR_CANCELLED, 0, "cancelled");
    undo(a);
    return true;
}

/* Of the body or the sink. */
static void caller_failed(struct attempt *a, const struct error *err)
{
    a->err = *err;
    a->op->body_failed = true;
    undo(a);
}

/* ---- put, upload part ---- */

static void send_next(struct attempt *a);

static bool is_part(const struct attempt *a)
{
    return a->op->verb == STORE_UPLOAD_PART;
}

/* On a worker. */
static int open_target(struct attempt *a)
{
    dir_etag_init(&a->etag);
    if (is_part(a))
        return dir_upload_open_part(a->tree, a->op, &a->part, &a->err);
    return dir_tree_create_temp(a->tree, a->op->key, &a->temp, &a->err);
}

/* On a worker.  Returns an errno, or 0 and perhaps a->err. */
static int finish_target(struct attempt *a)
{
    uint8_t etag[DIR_ETAG_BYTES];
    int code = 0;

    dir_etag_end(&a->etag, etag);
    dir_etag_hex(a->op->answer.etag, etag);
    if (!is_part(a)) {
        dir_tree_publish(a->tree, &a->temp, a->op->key, a->op->if_absent, &a->err);
        return 0;
    }
    if (dir_upload_end_part(&a->part, etag) != 0)
        code = errno;
    dir_upload_close_part(&a->part);
    return code;
}

static void on_write_work(void *ctx)
{
    struct attempt *a = ctx;
    int status, code;

    if (!a->etag.is_begun && open_target(a) != 0) {
        worker_failed(a, 0);
        return;
    }
    status = is_part(a) ? dir_upload_write_part(&a->part, a->chunk, a->position)
                        : dir_tree_write(a->temp.fd, a->chunk, a->position);
    if (status != 0) {
        worker_failed(a, errno);
        return;
    }
    dir_etag_add(&a->etag, a->chunk.data, a->chunk.size);
    a->position += a->chunk.size;
    if (a->position < a->op->body->size)
        return;
    code = finish_target(a);
    a->is_finished = true;
    if (code != 0)
        worker_failed(a, code);
}

static void on_written(void *ctx)
{
    struct attempt *a = ctx;

    if (a->err.kind != ERROR_NONE) {
        end(a);
        return;
    }
    store_sent(a->op, a->chunk.size);
    if (a->is_finished)
        end(a);
    else if (!undo_if_cancelled(a))
        send_next(a);
}

static void write_chunk(struct attempt *a)
{
    loop_work(a->store->loop, &a->work, on_write_work, on_written, a);
}

static void on_body_read(void *ctx, const struct error *err)
{
    struct attempt *a = ctx;

    if (err != NULL)
        caller_failed(a, err);
    else if (!undo_if_cancelled(a))
        write_chunk(a);
}

static void send_some(struct attempt *a, size_t n)
{
    struct body *body = a->op->body;

    a->chunk.size = n;
    if (body->whole.data != NULL) {
        a->chunk.data = body->whole.data + a->position;
        write_chunk(a);
        return;
    }
    a->chunk.data = a->op->buffer.bytes.data;
    if (n > 0)
        body->read(body, a->chunk, NULL, on_body_read, a);
    else
        write_chunk(a); /* an empty body */
}

static void on_turn(void *ctx, size_t n)
{
    send_some(ctx, n);
}

static void send_next(struct attempt *a)
{
    const struct body *body = a->op->body;
    size_t n = body->whole.data != NULL ? WHOLE_STEP : a->op->buffer.bytes.size;

    if (n > body->size - a->position)
        n = (size_t)(body->size - a->position);
    if (n > 0 && !a->op->is_claim) {
        a->turn.come = on_turn;
        a->turn.ctx = a;
        n = dir_pace_take(a->pace, &a->turn, n);
    }
    if (!a->turn.is_waiting)
        send_some(a, n);
}

/* ---- copies ---- */

static void copy_next(struct attempt *a);

/* On a worker. */
static int copy_step(struct attempt *a)
{
    struct store_op *op = a->op;

    if (!a->copy.is_open &&
        dir_copy_open(&a->copy, a->tree, op, &a->is_refused, &a->err) != 0)
        return -1;
    if (dir_copy_step(&a->copy, op->buffer.bytes, &a->n_copied) != 0)
        return dir_tree_write_failed(a->tree, op->key, errno, &a->err);
    a->is_finished = dir_copy_is_done(&a->copy);
    return a->is_finished
               ? dir_copy_finish(&a->copy, a->tree, op, op->answer.etag, &a->err)
               : 0;
}

static void on_copy_work(void *ctx)
{
    struct attempt *a = ctx;

    if (copy_step(a) != 0 || a->is_finished)
        on_undo_work(a);
}

static void on_copied(void *ctx)
{
    struct attempt *a = ctx;

    a->op->copy_refused = a->is_refused;
    if (a->err.kind != ERROR_NONE) {
        end(a);
        return;
    }
    store_copied(a->op, a->n_copied);
    a->op->answer.is_pinned = true;
    if (a->is_finished)
        end(a);
    else if (!undo_if_cancelled(a))
        copy_next(a);
}

static void copy_next(struct attempt *a)
{
    loop_work(a->store->loop, &a->work, on_copy_work, on_copied, a);
}

/* ---- get ---- */

static void load_next(struct attempt *a);

static void answer_stat(struct attempt *a, const struct stat *st)
{
    struct store_op *op = a->op;

    op->answer.size = (uint64_t)st->st_size;
    op->answer.modified_ms = dir_tree_mtime_ms(st);
    if (op->want_date)
        op->answer.date_ms = dir_tree_now_ms(a->tree, op->key);
}

/* On a worker. */
static int open_object(struct attempt *a)
{
    const struct store_op *op = a->op;
    int root = dir_tree_root(a->tree, false, &a->err);
    struct stat st;

    if (root < 0)
        return -1;
    a->fd = openat(root, op->key, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    a->is_open = a->fd >= 0;
    if (!a->is_open || fstat(a->fd, &st) != 0)
        return dir_tree_read_failed(a->tree, op->key, errno, &a->err);
    if (!S_ISREG(st.st_mode))
        return dir_tree_read_failed(a->tree, op->key, ENOENT, &a->err);
    answer_stat(a, &st);
    if (op->offset > op->answer.size)
        return error_set(&a->err, ERROR_CORRUPT, 0,
                         "%s: it has %llu bytes, fewer than expected", op->key,
                         (unsigned long long)op->answer.size);
    a->end = op->answer.size - op->offset < op->size ? op->answer.size
                                                     : op->offset + op->size;
    a->position = op->offset + op->taken;
    return 0;
}

/* On a worker. */
static int load_chunk(struct attempt *a)
{
    uint64_t left = a->end - a->position;
    ssize_t n;

    a->chunk = a->op->buffer.bytes;
    if (a->chunk.size > left)
        a->chunk.size = (size_t)left;
    if (a->chunk.size == 0)
        return 0;
    do
        n = pread(a->fd, a->chunk.data, a->chunk.size, (off_t)a->position);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return dir_tree_read_failed(a->tree, a->op->key, errno, &a->err);
    if (n == 0)
        return error_set(&a->err, ERROR_CORRUPT, 0, "%s: it ends before its end",
                         a->op->key);
    a->chunk.size = (size_t)n;
    a->position += (uint64_t)n;
    return 0;
}

static void on_load_work(void *ctx)
{
    struct attempt *a = ctx;
    int status = a->is_open ? 0 : open_object(a);

    if (status == 0)
        status = load_chunk(a);
    if (status != 0 || a->position == a->end)
        on_undo_work(a); /* all there is to close */
}

static void on_given(void *ctx, const struct error *err)
{
    struct attempt *a = ctx;

    if (err != NULL) {
        caller_failed(a, err);
        return;
    }
    a->op->taken += a->chunk.size;
    if (a->position == a->end)
        end(a);
    else if (!undo_if_cancelled(a))
        load_next(a);
}

static void on_loaded(void *ctx)
{
    struct attempt *a = ctx;

    if (a->err.kind != ERROR_NONE || a->chunk.size == 0) {
        end(a);
        return;
    }
    store_received(a->op, a->chunk.size);
    a->op->sink->write(a->op->sink, a->chunk, on_given, a);
}

static void load_next(struct attempt *a)
{
    loop_work(a->store->loop, &a->work, on_load_work, on_loaded, a);
}

/* ---- all others: one trip ---- */

/* A listing that goes on. */
struct dir_cursor {
    struct store_cursor cursor;
    struct dir_list *list;
    struct work work; /* to be freed */
};

static void create_upload(struct attempt *a)
{
    struct store_op *op = a->op;
    char id[DIR_ID_HEX];

    if (dir_upload_create(a->tree, op->key, op->size, op->part_size, id, &a->err) == 0)
        op->answer.upload_id = mem_copy_string(id);
}

static void head(struct attempt *a)
{
    struct stat st;

    if (dir_tree_stat(a->tree, a->op->key, &st, &a->err) == 0)
        answer_stat(a, &st);
}

static void on_ask_work(void *ctx)
{
    struct attempt *a = ctx;
    struct store_op *op = a->op;
    struct error err = {0}; /* a success may have been an error on its way */
    int status = 0;

    switch (op->verb) {
    case STORE_CREATE_UPLOAD:
        create_upload(a);
        return;
    case STORE_HEAD:
        head(a);
        return;
    case STORE_COMPLETE_UPLOAD:
        status = dir_upload_complete(a->tree, op, &err);
        break;
    case STORE_ABORT_UPLOAD:
        status = dir_upload_abort(a->tree, op->key, op->upload_id, &err);
        break;
    case STORE_LIST_PARTS:
        status =
            dir_upload_list_parts(a->tree, op->key, op->upload_id, &a->items, &err);
        break;
    case STORE_LIST_UPLOADS:
    case STORE_LIST:
        status = dir_list_next(a->list, a->tree, &a->items, &a->is_cancelled, &err);
        break;
    case STORE_DELETE:
        status = dir_tree_remove(a->tree, op->keys, op->n_keys, &a->is_cancelled, &err);
        break;
    case STORE_SYNC:
        status = dir_tree_sync(a->tree, &err);
        break;
    default:
        break;
    }
    if (status != 0)
        a->err = err;
}

static void free_cursor(struct store *store, struct store_op *op);

static void on_asked(void *ctx)
{
    struct attempt *a = ctx;

    if (a->err.kind != ERROR_NONE)
        store_items_free(&a->items);
    else if (a->list != NULL && dir_list_is_at_end(a->list))
        free_cursor(a->store, a->op);
    end(a);
}

static void ask(struct attempt *a)
{
    loop_work(a->store->loop, &a->work, on_ask_work, on_asked, a);
}

static void list(struct attempt *a)
{
    struct store_op *op = a->op;
    struct dir_cursor *cursor = (struct dir_cursor *)op->cursor;
    enum dir_list_kind kind = DIR_LIST_UPLOADS;

    if (op->verb == STORE_LIST)
        kind = op->is_flat ? DIR_LIST_FLAT : DIR_LIST_LEVEL;
    if (cursor == NULL) {
        cursor = mem_new(1, sizeof *cursor);
        cursor->cursor.store = a->store;
        cursor->list = dir_list_new(kind, op->key);
        op->cursor = &cursor->cursor;
    }
    a->list = cursor->list;
    ask(a);
}

static void on_free_cursor_work(void *ctx)
{
    struct dir_cursor *cursor = ctx;

    dir_list_free(cursor->list);
}

static void free_cursor(struct store *store, struct store_op *op)
{
    struct dir_cursor *cursor = (struct dir_cursor *)op->cursor;

    op->cursor = NULL;
    loop_work(store->loop, &cursor->work, on_free_cursor_work, free, cursor);
}

/* ---- the kind ---- */

/* An empty folder, as a flat listing names it, ends in '/'. */
static int check_key_to_delete(const char *key, struct error *err)
{
    size_t length = strlen(key);

    return length > 1 && key[length - 1] == '/' ? dir_key_check_prefix(key, err)
                                                : dir_key_check(key, err);
}

static int check_key(const struct store_op *op, struct error *err)
{
    switch (op->verb) {
    case STORE_SYNC:
    case STORE_PROBE:
    case STORE_CREATE_BUCKET:
        return 0;
    case STORE_DELETE:
        for (size_t i = 0; i < op->n_keys; i++)
            if (check_key_to_delete(op->keys[i], err) != 0)
                return -1;
        return 0;
    case STORE_LIST:
        return dir_key_check_prefix(op->key, err);
    case STORE_LIST_UPLOADS:
    case STORE_ABORT_UPLOAD: /* a stray is aborted by its prefix */
        if (*op->key == '\0' || op->key[strlen(op->key) - 1] == '/')
            return dir_key_check_prefix(op->key, err);
        return dir_key_check(op->key, err);
    default:
        return dir_key_check(op->key, err);
    }
}

static void dir_attempt(struct store *store, struct store_op *op)
{
    struct attempt *a = mem_new(1, sizeof *a);
    const struct dir_store *dir = store->impl;

    a->store = store;
    a->op = op;
    a->tree = dir->tree;
    a->pace = dir->pace;
    op->attempt = a;
    if (check_key(op, &a->err) != 0) {
        undo(a); /* nothing, but later */
        return;
    }
    switch (op->verb) {
    case STORE_PUT:
    case STORE_UPLOAD_PART:
        send_next(a);
        break;
    case STORE_COPY:
    case STORE_COPY_PART:
        copy_next(a);
        break;
    case STORE_GET:
        load_next(a);
        break;
    case STORE_LIST:
    case STORE_LIST_UPLOADS:
        list(a);
        break;
    default:
        ask(a);
        break;
    }
}

static void dir_cancel(struct store *store, struct store_op *op)
{
    struct attempt *a = op->attempt;

    (void)store;
    atomic_store(&a->is_cancelled, true);
    if (dir_pace_leave(a->pace, &a->turn))
        undo_if_cancelled(a);
}

static void dir_rate_changed(struct store *store)
{
    const struct dir_store *dir = store->impl;

    dir_pace_set_rate(dir->pace, store->options.send_rate);
}

static int dir_open(struct store *store, const char *url, struct error *err)
{
    struct dir_store *dir;
    char *path;

    if (dir_url_path(&path, url, err) != 0)
        return -1;
    dir = mem_new(1, sizeof *dir);
    dir->tree = dir_tree_new(path);
    dir->pace = dir_pace_new(store->loop, store->options.send_rate);
    store->impl = dir;
    store->limits = (struct store_limits){.put_max = UINT64_MAX / 2,
                                          .part_min = 1,
                                          .is_local = true,
                                          .can_put_if_absent = true,
                                          .part_max = UINT64_MAX / 2,
                                          .parts_max = DIR_NOTES_PARTS_MAX,
                                          .copy_max = UINT64_MAX / 2};
    store->folder = path;
    return 0;
}

/* The tree outlives the store by one trip to a worker, which may block in close(). */
struct closing {
    struct work work;
    struct dir_tree *tree;
};

static void on_close_work(void *ctx)
{
    struct closing *closing = ctx;

    dir_tree_free(closing->tree);
}

static void dir_close(struct store *store)
{
    struct closing *closing = mem_new(1, sizeof *closing);
    struct dir_store *dir = store->impl;

    closing->tree = dir->tree;
    dir_pace_free(dir->pace);
    free(dir);
    loop_work(store->loop, &closing->work, on_close_work, free, closing);
}

const struct store_kind store_dir_kind = {
    .scheme = DIR_URL_SCHEME,
    .jobs = JOBS,
    .jobs_max = JOBS,
    .open = dir_open,
    .close = dir_close,
    .attempt = dir_attempt,
    .cancel = dir_cancel,
    .rate_changed = dir_rate_changed,
    .end_list = free_cursor,
};
