/*
 * A library for LD_PRELOAD that ends the program with SIGKILL at the n-th call that
 * changes something outside the process: makes, writes, links, renames, removes or
 * syncs a file, or sends to a socket.  For tests only.
 *
 *   KILLPOINT_AT=n            which call, from 1; 0 or not set: never
 *   KILLPOINT_WHEN=before     the call is not made (the default), or
 *                 =after      it is made first
 *   KILLPOINT_COUNT_FILE=f    8 bytes: how many calls there were so far, mapped and
 * thus right at any instant, however the program ends KILLPOINT_TRACE=f         a line
 * a call, appended when the call is over:
 *                             "<ns since the epoch> <n> <name> <inode> <offset>
 * <result>"; inode and offset are 0 where the call has none KILLPOINT_DELAY_MS=ms makes
 * a run last: each link, and each write of 64 KiB or more, takes that much longer
 *
 * The wrappers make the system call themselves.  That keeps them free of the question
 * what the next library's function is, and makes LFS twins (open64, pwrite64) one
 * thing: only systems whose off_t has 64 bits are served.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "one wrapper serves both open and open64");

enum { BIG_WRITE = 64 << 10 };

/* One intercepted call, ready to be made. */
struct call {
    const char *name;
    long number;
    long args[6];
    int fd; /* -1: none */
    off_t offset;
    long delay_ms;
};

static struct {
    _Atomic uint64_t own_count;
    _Atomic uint64_t *count; /* own_count, or the mapped file */
    uint64_t at;
    bool after;
    long write_delay_ms, link_delay_ms;
    int trace;
} state = {.trace = -1};

static long number_of(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? strtol(value, NULL, 10) : 0;
}

static void map_count(const char *path)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                          O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    void *map = MAP_FAILED;
    if (syscall(SYS_ftruncate, fd, 8) == 0)
        map = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        state.count = map;
    syscall(SYS_close, fd);
}

__attribute__((constructor)) static void start(void)
{
    state.count = &state.own_count;
    const char *file = getenv("KILLPOINT_COUNT_FILE");
    if (file != NULL)
        map_count(file);
    const char *when = getenv("KILLPOINT_WHEN");
    state.after = when != NULL && strcmp(when, "after") == 0;
    state.write_delay_ms = number_of("KILLPOINT_DELAY_MS");
    state.link_delay_ms = getenv("KILLPOINT_LINK_DELAY_MS") != NULL
                              ? number_of("KILLPOINT_LINK_DELAY_MS")
                              : state.write_delay_ms;
    const char *trace = getenv("KILLPOINT_TRACE");
    if (trace != NULL)
        state.trace = (int)syscall(SYS_openat, AT_FDCWD, trace,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    state.at = (uint64_t)number_of("KILLPOINT_AT");
}

static _Noreturn void die(void)
{
    for (;;) {
        syscall(SYS_kill, getpid(), 9);
        pause();
    }
}

static void trace(const struct call *call, uint64_t n, long result)
{
    if (state.trace < 0)
        return;
    struct stat st = {0};
    if (call->fd >= 0)
        fstat(call->fd, &st);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char line[200];
    int length =
        snprintf(line, sizeof line, "%lld%09ld %llu %s %llu %lld %ld\n",
                 (long long)now.tv_sec, now.tv_nsec, (unsigned long long)n, call->name,
                 (unsigned long long)st.st_ino, (long long)call->offset, result);
    syscall(SYS_write, state.trace, line, (size_t)length);
}

static void delay(long ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* Make the call; does not count. */
static long make(const struct call *call)
{
    return syscall(call->number, call->args[0], call->args[1], call->args[2],
                   call->args[3], call->args[4], call->args[5]);
}

static long counted(const struct call *call)
{
    if (state.count == NULL) /* before the constructor ran */
        return make(call);
    if (call->delay_ms > 0)
        delay(call->delay_ms);
    uint64_t n = atomic_fetch_add(state.count, 1) + 1;
    if (n == state.at && !state.after)
        die();
    long result = make(call);
    int error = errno;
    trace(call, n, result);
    if (n == state.at)
        die();
    errno = error;
    return result;
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static long make_or_count(bool counts, const struct call *call)
{
    return counts ? counted(call) : make(call);
}

/* ---- open ---- */

static int open_counted(const char *name, int at, const char *path, int flags,
                        mode_t mode)
{
    bool counts =
        (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return (int)make_or_count(
        counts, &(struct call){.name = name,
                               .number = SYS_openat,
                               .args = {at, (long)path, flags, (long)mode},
                               .fd = -1});
}

static mode_t mode_of(int flags, va_list list)
{
    bool has_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return has_mode ? va_arg(list, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_counted("open", AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_counted("open", AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_counted("openat", at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_counted("openat", at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_counted("creat", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What open() becomes under _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open_counted("open", AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return open_counted("open", AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags)
{
    return open_counted("openat", at, path, flags, 0);
}

int __openat64_2(int at, const char *path, int flags)
{
    return open_counted("openat", at, path, flags, 0);
}

/* ---- names ---- */

int mkdirat(int at, const char *path, mode_t mode)
{
    return (int)counted(&(struct call){.name = "mkdir",
                                       .number = SYS_mkdirat,
                                       .args = {at, (long)path, (long)mode},
                                       .fd = -1});
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    return (int)counted(
        &(struct call){.name = "link",
                       .number = SYS_linkat,
                       .args = {from_at, (long)from, to_at, (long)to, flags},
                       .fd = -1,
                       .delay_ms = state.link_delay_ms});
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to,
              unsigned int flags)
{
    return (int)counted(
        &(struct call){.name = "rename",
                       .number = SYS_renameat2,
                       .args = {from_at, (long)from, to_at, (long)to, (long)flags},
                       .fd = -1,
                       .delay_ms = flags != 0 ? state.link_delay_ms : 0});
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    return (int)counted(
        &(struct call){.name = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink",
                       .number = SYS_unlinkat,
                       .args = {at, (long)path, flags},
                       .fd = -1});
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- bytes ---- */

static long delay_of(size_t size)
{
    return size >= BIG_WRITE ? state.write_delay_ms : 0;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return make_or_count(is_regular(fd),
                         &(struct call){.name = "write",
                                        .number = SYS_write,
                                        .args = {fd, (long)bytes, (long)size},
                                        .fd = fd,
                                        .delay_ms = delay_of(size)});
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return make_or_count(is_regular(fd),
                         &(struct call){.name = "pwrite",
                                        .number = SYS_pwrite64,
                                        .args = {fd, (long)bytes, (long)size, offset},
                                        .fd = fd,
                                        .offset = offset,
                                        .delay_ms = delay_of(size)});
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite(fd, bytes, size, offset);
}

static size_t size_of(const struct iovec *vector, int n)
{
    size_t size = 0;
    for (int i = 0; i < n; i++)
        size += vector[i].iov_len;
    return size;
}

ssize_t writev(int fd, const struct iovec *vector, int n)
{
    return make_or_count(is_regular(fd),
                         &(struct call){.name = "writev",
                                        .number = SYS_writev,
                                        .args = {fd, (long)vector, n},
                                        .fd = fd,
                                        .delay_ms = delay_of(size_of(vector, n))});
}

ssize_t pwritev(int fd, const struct iovec *vector, int n, off_t offset)
{
    return make_or_count(is_regular(fd),
                         &(struct call){.name = "pwritev",
                                        .number = SYS_pwritev,
                                        .args = {fd, (long)vector, n, offset, 0},
                                        .fd = fd,
                                        .offset = offset,
                                        .delay_ms = delay_of(size_of(vector, n))});
}

ssize_t pwritev64(int fd, const struct iovec *vector, int n, off_t offset)
{
    return pwritev(fd, vector, n, offset);
}

ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t size,
                        unsigned int flags)
{
    return counted(&(struct call){
        .name = "copy_file_range",
        .number = SYS_copy_file_range,
        .args = {in, (long)in_at, out, (long)out_at, (long)size, (long)flags},
        .fd = out,
        .offset = out_at != NULL ? *out_at : 0,
        .delay_ms = delay_of(size)});
}

int ftruncate(int fd, off_t size)
{
    return (int)counted(&(struct call){.name = "ftruncate",
                                       .number = SYS_ftruncate,
                                       .args = {fd, size},
                                       .fd = fd,
                                       .offset = size});
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return (int)counted(&(struct call){.name = "fallocate",
                                       .number = SYS_fallocate,
                                       .args = {fd, mode, offset, size},
                                       .fd = fd,
                                       .offset = offset});
}

int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return fallocate(fd, mode, offset, size);
}

/* ---- to the disk ---- */

int fsync(int fd)
{
    return (int)counted(
        &(struct call){.name = "fsync", .number = SYS_fsync, .args = {fd}, .fd = fd});
}

int fdatasync(int fd)
{
    return (int)counted(&(struct call){
        .name = "fdatasync", .number = SYS_fdatasync, .args = {fd}, .fd = fd});
}

int syncfs(int fd)
{
    return (int)counted(
        &(struct call){.name = "syncfs", .number = SYS_syncfs, .args = {fd}, .fd = fd});
}

/* ---- to sockets ---- */

ssize_t sendto(int fd, const void *bytes, size_t size, int flags,
               __CONST_SOCKADDR_ARG to, socklen_t to_size)
{
    return counted(&(struct call){.name = "send",
                                  .number = SYS_sendto,
                                  .args = {fd, (long)bytes, (long)size, flags,
                                           (long)to.__sockaddr__, (long)to_size},
                                  .fd = fd});
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    __CONST_SOCKADDR_ARG nobody = {NULL};
    return sendto(fd, bytes, size, flags, nobody, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return counted(&(struct call){.name = "sendmsg",
                                  .number = SYS_sendmsg,
                                  .args = {fd, (long)message, flags},
                                  .fd = fd});
}
