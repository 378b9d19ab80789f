/*
 * Names are read with getdents64() straight into a buffer that serves one folder after
 * the other: opendir() would allocate one for each, which shows in trees of small
 * folders.
 *
 * A path beyond PATH_MAX is opened in pieces that end at a '/', each below the one
 * before.
 */
#include "manifest/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static int close_and_keep_errno(int fd)
{
    int code = errno;

    close(fd);
    errno = code;
    return -1;
}

/* How much of a path that is too long goes into one call; 0: not even a component. */
static size_t first_piece(const char *path)
{
    const char *slash = memrchr(path, '/', PATH_MAX - 1);

    return slash != NULL ? (size_t)(slash - path) : 0;
}

int folder_open_below(int folder, const char *path, size_t length, int flags)
{
    char piece[PATH_MAX];
    int at = folder;

    while (at >= 0) {
        bool is_last = length < sizeof piece;
        size_t size = is_last ? length : first_piece(path);
        int next = -1;

        memcpy(piece, size > 0 ? path : ".", size > 0 ? size : 1);
        piece[size > 0 ? size : 1] = '\0';
        if (size > 0 || is_last)
            next =
                openat(at, piece, is_last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC);
        else
            errno = ENAMETOOLONG;
        if (at != folder)
            close_and_keep_errno(at);
        if (is_last)
            return next;
        at = next;
        path += size + 1;
        length -= size + 1;
    }
    return -1;
}

static enum folder_kind kind_of(unsigned char type)
{
    switch (type) {
    case DT_REG:
        return FOLDER_FILE;
    case DT_DIR:
        return FOLDER_FOLDER;
    case DT_LNK:
        return FOLDER_LINK;
    case DT_FIFO:
    case DT_SOCK:
    case DT_CHR:
    case DT_BLK:
        return FOLDER_SPECIAL;
    default:
        return FOLDER_UNKNOWN;
    }
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int folder_next(struct folder_reader *reader, struct folder_name *out)
{
    for (;;) {
        const struct dirent64 *found;

        if (reader->at == reader->filled) {
            ssize_t n = getdents64(reader->fd, reader->buffer, FOLDER_BUFFER_BYTES);

            if (n == 0 || (n < 0 && errno == ENOENT)) /* removed while it is open */
                return 0;
            if (n < 0)
                return -1;
            reader->at = 0;
            reader->filled = (size_t)n;
        }
        found = (const void *)(reader->buffer + reader->at);
        reader->at += found->d_reclen;
        if (is_dots(found->d_name))
            continue;
        out->name = found->d_name;
        out->kind = kind_of(found->d_type);
        return 1;
    }
}

int folder_read_link(int folder, const char *name, struct text *target)
{
    for (size_t room = 256;; room *= 2) {
        char *bytes = mem_buffer(room);
        ssize_t size = readlinkat(folder, name, bytes, room);

        text_free(target);
        if (size >= 0 && (size_t)size < room) {
            bytes[size] = '\0';
            *target = (struct text){bytes, (size_t)size, room};
            return 0;
        }
        *target = (struct text){bytes, 0, room}; /* freed with it */
        if (size < 0)
            return -1;
    }
}

char *folder_real_path(int fd)
{
    struct text path = {0};
    char name[32];

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (folder_read_link(AT_FDCWD, name, &path) == 0 && path.data[0] == '/')
        return text_take(&path);
    text_free(&path);
    return NULL;
}

bool folder_lies_in(int fd, const char *real_path)
{
    char buffer[PATH_MAX + 1], name[32];
    size_t length = strlen(real_path);
    ssize_t size;

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    size = readlink(name, buffer, sizeof buffer - 1);
    if (size <= 0 || buffer[0] != '/')
        return true; /* no /proc, or a path beyond PATH_MAX */
    buffer[size] = '\0';
    if (length > 0 && real_path[length - 1] == '/')
        length--; /* the root of all */
    return strncmp(buffer, real_path, length) == 0 &&
           (buffer[length] == '/' || buffer[length] == '\0');
}
