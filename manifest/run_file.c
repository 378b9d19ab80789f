/*
 * Small writes are gathered in a buffer of 64 KiB, which is empty between runs.  The
 * file never shrinks while it is in use, its space is written over: what it needs at
 * its highest it would need again.
 */
#include "manifest/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

enum { BUFFER_BYTES = 64 << 10 };

struct run_file {
    char *folder;
    int fd;
    char *buffer;
    size_t buffered;
    uint64_t run_start, written; /* bytes up to `written` are in the file */
};

struct run_file *run_file_new(const char *scratch_folder)
{
    struct run_file *file = mem_new(1, sizeof *file);

    file->folder = mem_copy_string(scratch_folder);
    file->fd = -1;
    return file;
}

void run_file_free(struct run_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file->folder);
    free(file->buffer);
    free(file);
}

uint64_t run_file_end(const struct run_file *file)
{
    return file->written + file->buffered;
}

/* For file systems that have no files without a name (NFS, old overlays). */
static int make_and_unlink(const char *folder)
{
    struct text name = {0};
    int fd;

    text_add(&name, folder);
    text_add(&name, "/sort-XXXXXX");
    fd = mkostemp(name.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(name.data);
    text_free(&name);
    return fd;
}

static int make_file(struct run_file *file, struct error *err)
{
    if (file->fd >= 0)
        return 0;
    file->fd = open(file->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file->fd < 0)
        file->fd = make_and_unlink(file->folder);
    if (file->fd < 0)
        return error_errno(err, errno, "cannot make a scratch file in '%s'",
                           file->folder);
    file->buffer = mem_buffer(BUFFER_BYTES);
    return 0;
}

static int write_out(struct run_file *file, const char *bytes, size_t size,
                     struct error *err)
{
    while (size > 0) {
        ssize_t n = pwrite(file->fd, bytes, size, (off_t)file->written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "cannot sort file names in '%s'",
                               file->folder);
        bytes += n;
        size -= (size_t)n;
        file->written += (uint64_t)n;
    }
    return 0;
}

static int flush(struct run_file *file, struct error *err)
{
    size_t size = file->buffered;

    file->buffered = 0;
    return write_out(file, file->buffer, size, err);
}

int run_file_write(struct run_file *file, const void *bytes, size_t size,
                   struct error *err)
{
    if (make_file(file, err) != 0)
        return -1;
    if (size > BUFFER_BYTES - file->buffered && flush(file, err) != 0)
        return -1;
    if (size > BUFFER_BYTES)
        return write_out(file, bytes, size, err);
    memcpy(file->buffer + file->buffered, bytes, size);
    file->buffered += size;
    return 0;
}

int run_file_end_run(struct run_file *file, struct run *out, struct error *err)
{
    if (flush(file, err) != 0)
        return -1;
    out->start = file->run_start;
    out->size = file->written - file->run_start;
    out->level = 0;
    file->run_start = file->written;
    return 0;
}

int run_file_read(const struct run_file *file, uint64_t offset, void *into, size_t size,
                  struct error *err)
{
    char *bytes = into;

    while (size > 0) {
        ssize_t n = pread(file->fd, bytes, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, n < 0 ? errno : EIO,
                               "cannot read the scratch file in '%s'", file->folder);
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

void run_file_cut(struct run_file *file, uint64_t end)
{
    file->buffered = 0;
    file->written = end;
    file->run_start = end;
}

void run_file_punch(struct run_file *file, const struct run *run)
{
    if (fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)run->start, (off_t)run->size) != 0)
        return; /* not there on this file system: it costs space, nothing else */
}
