/*
 * A local tree as a source: the walk lists it, worker threads open and read its files.
 *
 * A read is always followed by a look at the open file: what is sent is only ever a
 * file that was the same before and after (FORMATS, "the checkpoint").  One that has just
 * been written is let settle first, lest the clock of its stamp be too coarse to tell.  `root` is the
 * folder that paths are relative to; where the source is one file, that is the folder
 * it lies in.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/source_impl.h"

struct tree {
    struct source source; /* first */
    struct walk_options options;
    struct walk *walk;
    int root;
};

struct source_file {
    int fd;
    bool is_sparse;   /* less on disk than its size: holes need not be read */
    struct work work; /* of closing */
};

static struct tree *tree_of(const struct source_op *op)
{
    return (struct tree *)op->source;
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

static void on_worked(void *ctx)
{
    struct source_op *op = ctx;

    op->done(op, op->ctx);
}

/* ---- on worker threads ---- */

static void next_work(void *ctx)
{
    struct source_op *op = ctx;

    walk_next(tree_of(op)->walk, op->batch, &op->at_end, &op->err);
}

static int look(int fd, struct source_op *op)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return error_errno(&op->err, errno, "cannot read");
    op->stamp = (struct stamp){
        .size = (uint64_t)st.st_size,
        .mtime_ns = nanoseconds(st.st_mtim),
        .ctime_ns = nanoseconds(st.st_ctim),
        .inode = st.st_ino,
    };
    if (!S_ISREG(st.st_mode))
        return error_set(&op->err, ERROR_NOT_FOUND, 0,
                         "is not a regular file any more");
    return 0;
}

/* Two ticks of the kernel's coarsest clock (100 Hz), which stamps files. */
static const int64_t tick_ns = 20000000;

/* Older than this it has been through the tick of any clock (FAT's is the coarsest), and
 * whatever call had begun to write it is over. */
static const int64_t settled_ns = 2000000000;

static void sleep_ns(int64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

/* A read lease is refused where somebody has the file open for writing (fcntl(2)); it is
 * given back at once, and whoever opens the file in between waits for that.  Where there
 * are no leases nobody knows. */
static bool may_be_written(int fd)
{
    fcntl(fd, F_SETSIG, SIGURG); /* that somebody waits: ignored by default */
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return true;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

/* How long to wait until whatever is written from then on has a later ctime.  (That of a
 * server may be ahead of our clock.) */
static int64_t unsettled_ns(int fd, const struct stamp *stamp, int64_t now_ns)
{
    int64_t age_ns = now_ns - stamp->ctime_ns;
    bool is_coarse =
        stamp->ctime_ns % 1000000000 == 0 && stamp->mtime_ns % 1000000000 == 0;

    if (age_ns >= settled_ns)
        return 0;
    if (age_ns < 0 || !(is_coarse || may_be_written(fd)))
        return tick_ns;
    return settled_ns - age_ns;
}

/* Read at once, a file that is being written could show the same stamp before and after:
 * all within one tick of the clock, or within one call of the writer, which stamps it as
 * it begins. */
static int settle(int fd, struct source_op *op)
{
    int64_t wait_ns, waited_ns = 0;

    for (; waited_ns < settled_ns; waited_ns += wait_ns) {
        struct stamp before = op->stamp;

        wait_ns = unsettled_ns(fd, &before, wall_clock_ns());
        if (wait_ns == 0)
            return 0;
        sleep_ns(wait_ns);
        op->read_at_ns = wall_clock_ns();
        if (look(fd, op) != 0)
            return -1;
        if (stamp_is_same(&before, &op->stamp))
            return 0;
    }
    return error_set(&op->err, ERROR_CHANGED, 0, "is being written all the time");
}

static int open_and_look(struct source_op *op)
{
    int fd;

    op->read_at_ns = wall_clock_ns();
    fd = walk_open_file(tree_of(op)->root, op->path);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return error_set(&op->err, ERROR_NOT_FOUND, errno,
                             "vanished while it was uploaded");
        return error_errno(&op->err, errno, "cannot open");
    }
    if (look(fd, op) != 0 || settle(fd, op) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_sparse(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size;
}

static void open_work(void *ctx)
{
    struct source_op *op = ctx;
    int fd = open_and_look(op);

    if (fd < 0)
        return;
    op->file = mem_new(1, sizeof *op->file);
    op->file->fd = fd;
    op->file->is_sparse = is_sparse(fd);
}

static int check_same(struct source_op *op)
{
    if (stamp_is_same(&op->stamp, &op->read.expected))
        return 0;
    return error_set(&op->err, ERROR_CHANGED, 0, "changed while it was read");
}

static void let_look(struct source_op *op)
{
    if (op->read.look != NULL)
        op->read.look(op->read.look_ctx);
}

static void digest_bytes(const struct source_op *op, const void *bytes, size_t size)
{
    if (op->read.digester != NULL)
        digester_add(op->read.digester, bytes, size);
    if (op->read.md5 != NULL)
        md5_add(op->read.md5, bytes, size);
}

static int fill(int fd, struct source_op *op)
{
    struct span into = op->read.into;
    uint64_t offset = op->read.offset;

    while (into.size > 0) {
        ssize_t n = pread(fd, into.data, into.size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(&op->err, errno, "cannot read");
        if (n == 0) {
            look(fd, op); /* the caller wants to know what it is now */
            return error_set(&op->err, ERROR_CHANGED, 0, "became shorter");
        }
        digest_bytes(op, into.data, (size_t)n);
        into.data += n;
        into.size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Nothing but a hole there: zeros, without pulling them through the page cache. */
static bool is_hole(const struct source_op *op)
{
    off_t data;

    if (!op->file->is_sparse)
        return false;
    data = lseek(op->file->fd, (off_t)op->read.offset, SEEK_DATA);
    return data < 0 ? errno == ENXIO
                    : (uint64_t)data >= op->read.offset + op->read.into.size;
}

static int read_or_zero(struct source_op *op)
{
    struct span into = op->read.into;

    if (!is_hole(op))
        return fill(op->file->fd, op);
    memset(into.data, 0, into.size);
    digest_bytes(op, into.data, into.size);
    return 0; /* that it still reaches so far, the look at the file tells */
}

static void read_work(void *ctx)
{
    struct source_op *op = ctx;

    if (read_or_zero(op) == 0 && look(op->file->fd, op) == 0 && check_same(op) == 0)
        let_look(op);
}

static void read_whole_work(void *ctx)
{
    struct source_op *op = ctx;
    int fd = open_and_look(op);

    if (fd < 0)
        return;
    if (check_same(op) == 0 && fill(fd, op) == 0 && look(fd, op) == 0 &&
        check_same(op) == 0)
        let_look(op);
    close(fd);
}

static void close_work(void *ctx)
{
    struct source_file *file = ctx;

    close(file->fd);
}

/* ---- the kind ---- */

static void tree_next(struct source *s, struct source_op *op)
{
    loop_work(s->loop, &op->work, next_work, on_worked, op);
}

static void tree_open_file(struct source *s, struct source_op *op)
{
    loop_work(s->loop, &op->work, open_work, on_worked, op);
}

static void tree_read(struct source *s, struct source_op *op)
{
    loop_work(s->loop, &op->work, read_work, on_worked, op);
}

static void tree_read_whole(struct source *s, struct source_op *op)
{
    loop_work(s->loop, &op->work, read_whole_work, on_worked, op);
}

static void tree_close_file(struct source *s, struct source_file *file)
{
    /* On NFS closing may wait for the server. */
    loop_work(s->loop, &file->work, close_work, free, file);
}

static uint64_t tree_links_outside(const struct source *s)
{
    return walk_links_outside(((const struct tree *)s)->walk);
}

static int tree_rewind(struct source *s, struct error *err)
{
    struct tree *t = (struct tree *)s;

    walk_close(t->walk);
    t->walk = NULL;
    return walk_open(&t->walk, &t->options, err);
}

static void tree_close(struct source *s)
{
    struct tree *t = (struct tree *)s;

    walk_close(t->walk);
    if (t->root >= 0)
        close(t->root);
    free(t);
}

static const struct source_kind tree_kind = {
    .close = tree_close,
    .rewind = tree_rewind,
    .next = tree_next,
    .open_file = tree_open_file,
    .read = tree_read,
    .read_whole = tree_read_whole,
    .close_file = tree_close_file,
    .links_outside = tree_links_outside,
};

/* The folder that paths are relative to. */
static int open_root(const char *root)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strrchr(root, '/');
    char *folder;

    if (fd >= 0 || errno != ENOTDIR)
        return fd;
    if (slash == NULL)
        return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    folder = mem_copy_bytes(root, (size_t)(slash - root) + 1);
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return fd;
}

int source_open_tree(struct source **out, struct loop *loop,
                     const struct walk_options *options, struct error *err)
{
    struct tree *t = mem_new(1, sizeof *t);

    t->source.kind = &tree_kind;
    t->source.loop = loop;
    t->options = *options;
    t->root = open_root(options->root);
    if (t->root < 0) {
        error_errno(err, errno, "%s", options->root);
        tree_close(&t->source);
        return -1;
    }
    if (walk_open(&t->walk, options, err) != 0) {
        tree_close(&t->source);
        return -1;
    }
    *out = &t->source;
    return 0;
}
