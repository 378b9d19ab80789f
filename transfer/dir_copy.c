/*
 * Three ways, the best first: sharing the bytes takes one call whatever their number;
 * copy_file_range() and plain reading go step by step.  Which of them a file system
 * knows is found out by trying.
 *
 * The ETag of a part that nobody has read is random: it says that this part is there,
 * not what is in it.
 */
#include "transfer/dir_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

enum { STEP = 16 << 20 }; /* 0.1 s of a disk: how soon a cancel is seen */

static bool is_part(const struct store_op *op)
{
    return op->verb == STORE_COPY_PART;
}

/* ---- opening ---- */

static int check_source(const struct dir_copy *c, const struct store_from *from,
                        const struct stat *st, struct error *err)
{
    if ((uint64_t)st->st_size != from->size)
        return error_set(err, ERROR_CONFLICT, 0,
                         "%s: it has %llu bytes, not %llu: it is another object",
                         from->key, (unsigned long long)st->st_size,
                         (unsigned long long)from->size);
    if (from->offset > from->size || c->size > from->size - from->offset)
        return error_set(err, ERROR_CORRUPT, 0, "%s: it has fewer bytes than expected",
                         from->key);
    return 0;
}

static int open_source(struct dir_copy *c, struct dir_tree *tree,
                       const struct store_from *from, struct error *err)
{
    int root = dir_tree_root(tree, false, err);
    struct stat st;
    int code;

    if (root < 0)
        return -1;
    if (from->bucket != NULL)
        return error_set(err, ERROR_UNUSABLE, 0,
                         "%s: it does not lie in this store and cannot be copied there",
                         from->key);
    if (dir_key_check(from->key, err) != 0)
        return -1;
    c->from = openat(root, from->key, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->from < 0)
        return dir_tree_read_failed(tree, from->key, errno, err);
    code = fstat(c->from, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : ENOENT;
    if (code != 0)
        dir_tree_read_failed(tree, from->key, code, err);
    if (code == 0 && check_source(c, from, &st, err) == 0)
        return 0;
    close(c->from);
    return -1;
}

static int open_target(struct dir_copy *c, struct dir_tree *tree,
                       const struct store_op *op, struct error *err)
{
    if (is_part(op)) {
        if (dir_upload_open_part(tree, op, &c->part, err) != 0)
            return -1;
        c->to = c->part.data;
        c->to_is_hole = c->part.is_hole;
        return 0;
    }
    if (dir_tree_create_temp(tree, op->key, &c->temp, err) != 0)
        return -1;
    c->to = c->temp.fd;
    c->to_is_hole = true;
    return 0;
}

int dir_copy_open(struct dir_copy *c, struct dir_tree *tree, const struct store_op *op,
                  bool *is_refused, struct error *err)
{
    *c = (struct dir_copy){.at = is_part(op) ? op->from.offset : 0,
                           .to_at = is_part(op) ? op->offset : 0,
                           .size = is_part(op) ? op->part.size : op->from.size};
    c->left = c->size;
    if (open_source(c, tree, &op->from, err) != 0) {
        *is_refused = true;
        return -1;
    }
    if (open_target(c, tree, op, err) != 0) {
        close(c->from);
        return -1;
    }
    c->is_open = true;
    return 0;
}

/* ---- the bytes ---- */

static void advance(struct dir_copy *c, uint64_t n)
{
    c->at += n;
    c->to_at += n;
    c->left -= n;
}

/* It is not that the bytes cannot be had, but that they cannot be had so. */
static bool is_unsupported(int code)
{
    switch (code) {
    case EOPNOTSUPP:
    case ENOTTY:
    case ENOSYS:
    case EINVAL: /* not on the borders of blocks, too */
    case EXDEV:
    case EPERM:
    case EBADF: /* of a file system without it, on some kernels */
    case ETXTBSY:
        return true;
    default:
        return false;
    }
}

static int clone_all(struct dir_copy *c, uint64_t *n)
{
    struct file_clone_range range = {.src_fd = c->from,
                                     .src_offset = c->at,
                                     .src_length = c->left,
                                     .dest_offset = c->to_at};

    if (ioctl(c->to, FICLONERANGE, &range) != 0)
        return -1;
    *n = c->left;
    return 0;
}

static int copy_some(struct dir_copy *c, uint64_t most, uint64_t *n)
{
    off_t at = (off_t)c->at, to_at = (off_t)c->to_at;
    ssize_t copied;

    do
        copied = copy_file_range(c->from, &at, c->to, &to_at, (size_t)most, 0);
    while (copied < 0 && errno == EINTR);
    if (copied == 0)
        errno = EINVAL; /* files of /proc and the like: read them */
    *n = copied > 0 ? (uint64_t)copied : 0;
    return copied > 0 ? 0 : -1;
}

static int read_and_write(struct dir_copy *c, struct span buffer, uint64_t most,
                          uint64_t *n)
{
    ssize_t got;

    if (buffer.size > most)
        buffer.size = (size_t)most;
    do
        got = pread(c->from, buffer.data, buffer.size, (off_t)c->at);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        errno = EIO; /* it had so many bytes a moment ago */
    if (got <= 0)
        return -1;
    *n = buffer.size = (size_t)got;
    return dir_tree_write(c->to, buffer, c->to_at);
}

/* How many zeros that nobody has written come next, and how much data after them. */
static uint64_t hole_ahead(const struct dir_copy *c, uint64_t *data)
{
    off_t begin, end;

    *data = c->left < STEP ? c->left : STEP;
    if (!c->to_is_hole)
        return 0;
    begin = lseek(c->from, (off_t)c->at, SEEK_DATA);
    if (begin < 0)
        return errno == ENXIO ? c->left : 0;
    if ((uint64_t)begin - c->at >= c->left)
        return c->left;
    end = lseek(c->from, begin, SEEK_HOLE);
    if (end > begin && (uint64_t)(end - begin) < *data)
        *data = (uint64_t)(end - begin);
    return (uint64_t)begin - c->at;
}

static int step(struct dir_copy *c, struct span buffer, uint64_t most, uint64_t *n)
{
    int status = -1;

    switch (c->way) {
    case DIR_COPY_CLONE:
        status = clone_all(c, n);
        break;
    case DIR_COPY_RANGE:
        status = copy_some(c, most, n);
        break;
    case DIR_COPY_BYTES:
        return read_and_write(c, buffer, most, n);
    }
    if (status == 0 || !is_unsupported(errno))
        return status;
    *n = 0;
    c->way = c->way == DIR_COPY_CLONE ? DIR_COPY_RANGE : DIR_COPY_BYTES;
    return 0;
}

int dir_copy_step(struct dir_copy *c, struct span buffer, uint64_t *n)
{
    uint64_t hole = 0, data = c->left;

    *n = 0;
    if (c->way != DIR_COPY_CLONE)
        hole = hole_ahead(c, &data);
    advance(c, hole);
    if (data > c->left)
        data = c->left;
    if (c->left > 0 && step(c, buffer, data, n) != 0)
        return -1;
    advance(c, *n);
    *n += hole;
    return 0;
}

bool dir_copy_is_done(const struct dir_copy *c)
{
    return c->left == 0;
}

/* ---- the end ---- */

static int finish_part(struct dir_copy *c, struct dir_tree *tree,
                       const struct store_op *op, char etag[STORE_ETAG_MAX],
                       struct error *err)
{
    uint8_t random[DIR_ETAG_BYTES];

    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        continue;
    if (dir_upload_end_part(&c->part, random) != 0)
        return dir_tree_write_failed(tree, op->key, errno, err);
    dir_etag_hex(etag, random);
    return 0;
}

int dir_copy_finish(struct dir_copy *c, struct dir_tree *tree,
                    const struct store_op *op, char etag[STORE_ETAG_MAX],
                    struct error *err)
{
    if (is_part(op))
        return finish_part(c, tree, op, etag, err);
    if (ftruncate(c->to, (off_t)c->size) != 0) /* a hole at its end */
        return dir_tree_write_failed(tree, op->key, errno, err);
    if (dir_tree_publish(tree, &c->temp, op->key, false, err) != 0)
        return -1;
    if (op->from.etag != NULL && strlen(op->from.etag) < STORE_ETAG_MAX)
        memcpy(etag, op->from.etag, strlen(op->from.etag) + 1);
    return 0;
}

void dir_copy_close(struct dir_copy *c, struct dir_tree *tree)
{
    if (!c->is_open)
        return;
    close(c->from);
    dir_tree_drop_temp(tree, &c->temp);
    dir_upload_close_part(&c->part);
    c->is_open = false;
}
