/*
 * Two buffers: callers add to `queue`, the thread takes all of it at once as its
 * `batch` and writes that with the lock released.
 *
 * The descriptor may be shared with our parent's shell, so it must not be made
 * non-blocking.  Instead poll() is asked first, and little is written at a time:
 * PIPE_BUF bytes always fit into a pipe that poll() calls writable, and a terminal
 * takes a few hundred.  So the thread hardly ever hangs in write(), and wakes ten times
 * a second to see whether somebody has lost patience with it.
 */
#include "agent/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    IDLE_BYTES = 4 << 10,
    ROOM_BYTES = 256 << 10,
    CHUNK_BYTES = 512, /* _POSIX_PIPE_BUF; a pty takes it too */
    PATIENCE_MS = 100,
    FAREWELL_MS = 300 /* after the deadline, for poll() to return */
};

struct writer {
    int fd;
    char *path; /* NULL: fd is borrowed */
    uint64_t max_bytes, file_bytes;
    uv_thread_t thread;
    bool has_thread;
    struct text batch; /* the thread's own */

    uv_mutex_t lock; /* guards the rest */
    uv_cond_t changed;
    struct text queue;
    size_t batch_left;
    bool is_ending;  /* write what waits, then end */
    bool is_stopped; /* throw everything away */
    bool has_ended;
    int error;
};

static bool is_stopped(struct writer *w)
{
    bool stopped;

    uv_mutex_lock(&w->lock);
    stopped = w->is_stopped;
    uv_mutex_unlock(&w->lock);
    return stopped;
}

/* ---- the file ---- */

static int open_log(struct writer *w)
{
    struct stat status;

    w->fd = open(w->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->fd < 0)
        return errno;
    w->file_bytes = fstat(w->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
    return 0;
}

static void rotate(struct writer *w)
{
    struct text old = {0};

    text_add_format(&old, "%s.1", w->path);
    if (rename(w->path, text_string(&old)) == 0) {
        close(w->fd);
        w->fd = -1;
    } else {
        w->file_bytes = 0; /* it cannot be renamed: ask again much later */
    }
    text_free(&old);
}

/* 0 or an errno.  Rotates between batches, so never within a line. */
static int prepare_file(struct writer *w)
{
    int status = 0;

    if (w->fd < 0)
        status = open_log(w);
    if (status != 0 || w->file_bytes <= w->max_bytes)
        return status;
    rotate(w);
    return w->fd < 0 ? open_log(w) : 0;
}

/* ---- the thread ---- */

/* Wait until a chunk can be written.  False: stopped meanwhile. */
static bool wait_writable(struct writer *w)
{
    for (;;) {
        struct pollfd p = {.fd = w->fd, .events = POLLOUT};

        if (is_stopped(w))
            return false;
        if (poll(&p, 1, PATIENCE_MS) > 0)
            return true; /* an error state too: write() tells which */
    }
}

static void note_left(struct writer *w, size_t left)
{
    uv_mutex_lock(&w->lock);
    w->batch_left = left;
    uv_mutex_unlock(&w->lock);
}

static int write_batch(struct writer *w)
{
    size_t at = 0;
    int status = w->path != NULL ? prepare_file(w) : 0;

    while (status == 0 && at < w->batch.size && wait_writable(w)) {
        size_t left = w->batch.size - at;
        ssize_t n =
            write(w->fd, w->batch.data + at, left < CHUNK_BYTES ? left : CHUNK_BYTES);

        if (n >= 0) {
            at += (size_t)n;
            note_left(w, w->batch.size - at);
        } else if (errno != EINTR && errno != EAGAIN) {
            status = errno;
        }
    }
    w->file_bytes += at;
    return status;
}

/* Under the lock, which is released while writing. */
static void take_and_write(struct writer *w)
{
    struct text empty = w->batch;
    int status;

    w->batch = w->queue;
    w->batch_left = w->batch.size;
    w->queue = empty;
    text_clear(&w->queue);
    uv_mutex_unlock(&w->lock);
    status = write_batch(w);
    uv_mutex_lock(&w->lock);
    w->batch_left = 0;
    if (status != 0 && w->error == 0)
        w->error = status;
    if (w->error != 0)
        w->is_stopped = true;
}

static void run(void *arg)
{
    struct writer *w = arg;

    uv_mutex_lock(&w->lock);
    for (;;) {
        while (w->queue.size == 0 && !w->is_ending)
            uv_cond_wait(&w->changed, &w->lock);
        if (w->queue.size == 0 || w->is_stopped)
            break;
        take_and_write(w);
    }
    w->has_ended = true;
    uv_cond_signal(&w->changed);
    uv_mutex_unlock(&w->lock);
}

/* ---- the callers' side ---- */

static struct writer *start(struct writer *w)
{
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->changed);
    w->has_thread = uv_thread_create(&w->thread, run, w) == 0;
    if (!w->has_thread)
        w->is_stopped = w->has_ended = true; /* nothing is shown, all else goes on */
    return w;
}

struct writer *writer_open(int fd)
{
    struct writer *w = mem_new(1, sizeof *w);

    w->fd = fd;
    return start(w);
}

struct writer *writer_open_file(const char *path, uint64_t max_bytes)
{
    struct writer *w = mem_new(1, sizeof *w);

    w->fd = -1;
    w->path = mem_copy_string(path);
    w->max_bytes = max_bytes;
    return start(w);
}

bool writer_put(struct writer *w, const char *bytes, size_t size,
                enum writer_urgency urgency)
{
    static const size_t limits[] = {
        [WRITER_IF_IDLE] = IDLE_BYTES,
        [WRITER_IF_ROOM] = ROOM_BYTES,
        [WRITER_ALWAYS] = SIZE_MAX,
    };
    bool is_taken;

    uv_mutex_lock(&w->lock);
    is_taken = w->queue.size + w->batch_left < limits[urgency];
    if (is_taken && !w->is_stopped) {
        text_add_bytes(&w->queue, bytes, size);
        uv_cond_signal(&w->changed);
    }
    uv_mutex_unlock(&w->lock);
    return is_taken;
}

int writer_error(struct writer *w)
{
    int error;

    uv_mutex_lock(&w->lock);
    error = w->error;
    uv_mutex_unlock(&w->lock);
    return error;
}

void writer_stop(struct writer *w)
{
    uv_mutex_lock(&w->lock);
    w->is_stopped = true;
    text_clear(&w->queue);
    uv_mutex_unlock(&w->lock);
}

/* Under the lock. */
static void await_end(struct writer *w, uint64_t deadline)
{
    uint64_t now;

    while (!w->has_ended && (now = uv_hrtime()) < deadline)
        uv_cond_timedwait(&w->changed, &w->lock, deadline - now);
}

int writer_close(struct writer *w, uint64_t deadline)
{
    int error;

    uv_mutex_lock(&w->lock);
    w->is_ending = true;
    uv_cond_signal(&w->changed);
    await_end(w, deadline);
    w->is_stopped = true;
    await_end(w, uv_hrtime() + FAREWELL_MS * UINT64_C(1000000));
    if (!w->has_ended) {
        uv_mutex_unlock(&w->lock);
        return 0; /* it still uses all this; the process is about to end */
    }
    error = w->error;
    uv_mutex_unlock(&w->lock);
    if (w->has_thread)
        uv_thread_join(&w->thread);
    if (w->path != NULL && w->fd >= 0)
        close(w->fd);
    uv_cond_destroy(&w->changed);
    uv_mutex_destroy(&w->lock);
    text_free(&w->queue);
    text_free(&w->batch);
    free(w->path);
    free(w);
    return error;
}
