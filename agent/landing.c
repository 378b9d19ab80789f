/*
 * The way down to an entry is walked component by component with openat(O_NOFOLLOW):
 * that holds on every system, for paths of any length, and while others change DIR.
 * Nothing below is ever looked up by a path of more than one component.
 *
 * A part is named after the SHA-256 of its path: a name that every file system takes.
 * Its file must be ours alone (no link, one name): what was planted there is removed.
 */
#include "agent/landing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "manifest/digest.h"

#ifndef O_PATH /* Linux; elsewhere folders must be readable, too */
#define O_PATH O_RDONLY
#endif

enum {
    FOLDER = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    NS = 1000000000,
    TOGETHER = 4 /* files for which one sync of all costs less than one each */
};

/* ---- DIR ---- */

/* "a/b/c", with what is missing of it. */
static int make_folders(const char *dir, struct error *err)
{
    char *path = mem_copy_string(dir);
    int code = 0;

    for (char *slash = path + 1; code == 0 && *path != '\0'; slash++) {
        char was = *slash;
        if (was != '/' && was != '\0')
            continue;
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST && errno != EISDIR)
            code = errno;
        *slash = was;
        if (was == '\0')
            break;
    }
    free(path);
    return code == 0 ? 0 : error_errno(err, code, "cannot make the folder %s", dir);
}

static int open_root(struct landing *l, struct error *err)
{
    l->root = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->root < 0 && errno == ENOENT) {
        if (make_folders(l->dir, err) != 0)
            return -1;
        l->root = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (l->root < 0)
        return error_errno(err, errno, "cannot open the folder %s", l->dir);
    return 0;
}

/* Where locks do not work (some network file systems) there is none. */
static int open_parts(struct landing *l, struct error *err)
{
    if (mkdirat(l->root, l->parts_name, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot write to the folder %s", l->dir);
    l->parts =
        openat(l->root, l->parts_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (l->parts < 0)
        return error_errno(err, errno, "%s in %s", l->parts_name, l->dir);
    if (flock(l->parts, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return error_set(err, ERROR_CONFLICT, EWOULDBLOCK,
                         "another process is downloading this version to %s", l->dir);
    return 0;
}

int landing_open(struct landing *l, const char *dir, const char *root_hash,
                 struct error *err)
{
    struct digest digest = digest_of_bytes(root_hash, strlen(root_hash));
    struct text name = {0};

    text_add(&name, ".grid-download-");
    text_add_hex(&name, digest.bytes, 8);
    *l = (struct landing){
        .dir = dir, .parts_name = text_take(&name), .root = -1, .parts = -1};
    if (open_root(l, err) == 0 && open_parts(l, err) == 0)
        return 0;
    landing_close(l, false);
    return -1;
}

static void remove_parts(struct landing *l)
{
    DIR *parts = fdopendir(dup(l->parts));
    struct dirent *entry;

    if (parts == NULL)
        return;
    while ((entry = readdir(parts)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(l->parts, entry->d_name, 0);
    closedir(parts);
}

void landing_close(struct landing *l, bool is_complete)
{
    if (l->parts >= 0 && is_complete)
        remove_parts(l);
    if (l->parts >= 0) {
        unlinkat(l->root, l->parts_name, AT_REMOVEDIR); /* if it is empty */
        close(l->parts);
    }
    if (l->root >= 0)
        close(l->root);
    free(l->parts_name);
    *l = (struct landing){.root = -1, .parts = -1};
}

int landing_sync(struct landing *l, struct error *err)
{
#ifdef __linux__
    if (syncfs(l->root) != 0)
        return error_errno(err, errno, "cannot sync %s", l->dir);
#else
    (void)err;
    (void)l;
    sync();
#endif
    return 0;
}

/* ---- the way down ---- */

/* One step, into a folder that is made if need be; takes over fd.  -1: errno. */
static int step(int fd, const char *name)
{
    int next, code;

    next = openat(fd, name, FOLDER);
    if (next < 0 && errno == ENOENT &&
        (mkdirat(fd, name, 0777) == 0 || errno == EEXIST))
        next = openat(fd, name, FOLDER);
    code = errno;
    close(fd);
    errno = code;
    return next;
}

/* Where an entry belongs. */
struct spot {
    int folder;
    char *path;       /* owned, cut into components */
    const char *name; /* in it */
};

/* -1: errno. */
static int walk_down(struct spot *s, const struct landing *l)
{
    char *at = s->path, *slash;

    s->folder = fcntl(l->root, F_DUPFD_CLOEXEC, 0);
    while (s->folder >= 0 && (slash = strchr(at, '/')) != NULL) {
        *slash = '\0';
        s->folder = step(s->folder, at);
        at = slash + 1;
    }
    s->name = at;
    return s->folder >= 0 ? 0 : -1;
}

static void refuse_step(struct error *err, int code)
{
    if (code == ENOTDIR || code == ELOOP)
        error_set(err, ERROR_CONFLICT, code,
                  "something that is no folder is in the way to it");
    else
        error_errno(err, code, "cannot make the folder it lies in");
}

/* The manifest's reader refuses paths that are not safe; this is where it counts. */
static bool may_be(const struct landing *l, const char *path)
{
    size_t size = strlen(l->parts_name);

    return entry_path_is_safe(path) && (strncmp(path, l->parts_name, size) != 0 ||
                                        (path[size] != '\0' && path[size] != '/'));
}

static int spot_open(struct spot *s, const struct landing *l, const struct entry *entry,
                     struct error *err)
{
    *s = (struct spot){.folder = -1};
    if (!may_be(l, entry->path)) {
        error_set(err, ERROR_CORRUPT, 0, "no entry may have this path");
        return -1;
    }
    s->path = mem_copy_string(entry->path);
    if (walk_down(s, l) == 0)
        return 0;
    refuse_step(err, errno);
    free(s->path);
    return -1;
}

static void spot_close(struct spot *s)
{
    close(s->folder);
    free(s->path);
}

/* ---- files ---- */

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * NS + st->st_mtim.tv_nsec;
}

static int in_the_way(struct error *err, const char *what)
{
    return error_set(err, ERROR_CONFLICT, EEXIST, "%s is in its place", what);
}

static int look_at(const struct spot *s, const struct entry *file,
                   enum landing_found *found, struct error *err)
{
    struct stat st;

    *found = LANDING_NOTHING;
    if (fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at it");
    if (S_ISDIR(st.st_mode))
        return in_the_way(err, "a folder");
    if (S_ISLNK(st.st_mode))
        return in_the_way(err, "a symbolic link");
    if (!S_ISREG(st.st_mode))
        return in_the_way(err, "something that is no file");
    if ((uint64_t)st.st_size != file->stamp.size)
        return in_the_way(err, "another file");
    *found = mtime_of(&st) == file->stamp.mtime_ns ? LANDING_SAME : LANDING_LIKE;
    return 0;
}

int landing_look(struct landing *l, const struct entry *file, enum landing_found *found,
                 struct error *err)
{
    struct spot s;
    int status;

    if (spot_open(&s, l, file, err) != 0)
        return -1;
    status = look_at(&s, file, found, err);
    spot_close(&s);
    return status;
}

int landing_open_file(struct landing *l, const struct entry *file, int *fd,
                      struct error *err)
{
    struct spot s;

    if (spot_open(&s, l, file, err) != 0)
        return -1;
    *fd = openat(s.folder, s.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        error_errno(err, errno, "cannot read the file that is in its place");
    spot_close(&s);
    return *fd >= 0 ? 0 : -1;
}

static void part_name(char name[2 * DIGEST_SHA256_BYTES + 1], const struct entry *file)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    struct text hex = {0};

    digest_sha256(digest, file->path, strlen(file->path));
    text_add_hex(&hex, digest, sizeof digest);
    memcpy(name, hex.data, 2 * sizeof digest + 1);
    text_free(&hex);
}

static bool is_ours(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* The one that is there, unless it cannot be used: then it goes. */
static int reopen_part(const struct landing *l, const char *name, uint64_t *size)
{
    struct stat st;
    int fd = openat(l->parts, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && is_ours(fd, &st)) {
        *size = (uint64_t)st.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    unlinkat(l->parts, name, 0);
    return -1;
}

int landing_open_part(struct landing *l, const struct entry *file, int *fd,
                      uint64_t *size, struct error *err)
{
    char name[2 * DIGEST_SHA256_BYTES + 1];

    part_name(name, file);
    *size = 0;
    *fd = reopen_part(l, name, size);
    if (*fd < 0)
        *fd = openat(l->parts, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0)
        return error_errno(err, errno, "cannot make a file in %s/%s", l->dir,
                           l->parts_name);
    return 0;
}

/* Some file systems have no modes, or not those (vfat): the bytes are what matters. */
static bool is_not_kept_here(int code)
{
    return code == EPERM || code == ENOTSUP || code == ENOSYS;
}

int landing_restore(const struct entry *file, int fd, struct error *err)
{
    int64_t ns = file->stamp.mtime_ns, rest = (ns % NS + NS) % NS;
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)((ns - rest) / NS), .tv_nsec = (long)rest}};

    if ((fchmod(fd, file->mode & 0777) != 0 && !is_not_kept_here(errno)) ||
        (futimens(fd, times) != 0 && !is_not_kept_here(errno)))
        return error_errno(err, errno, "cannot set its mode and time");
    return 0;
}

/* Without overwriting; where the file system knows no such renaming, link() is it. */
static int rename_part(const struct landing *l, const char *part, const struct spot *s)
{
#ifdef RENAME_NOREPLACE
    if (renameat2(l->parts, part, s->folder, s->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
#endif
    if (linkat(l->parts, part, s->folder, s->name, 0) != 0)
        return -1;
    return unlinkat(l->parts, part, 0);
}

/* ---- to the disk ---- */

static void fail_to_write(struct landing_part *p)
{
    error_errno(&p->err, errno, "cannot write it");
}

/* Did all of its bytes get there?  syncfs() of older kernels does not tell. */
static int look_for_errors(int fd)
{
#ifdef SYNC_FILE_RANGE_WAIT_AFTER
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
                   errno != ENOSYS && errno != EINVAL
               ? -1
               : 0;
#else
    return fsync(fd);
#endif
}

static void settle_together(struct landing *l, struct landing_part *const *parts,
                            size_t n)
{
    struct error err = {0};

    landing_sync(l, &err);
    for (size_t i = 0; i < n; i++) {
        error_keep_first(&parts[i]->err, &err);
        if (parts[i]->err.kind == ERROR_NONE && look_for_errors(parts[i]->fd) != 0)
            fail_to_write(parts[i]);
    }
}

void landing_settle(struct landing *l, struct landing_part *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ftruncate(parts[i]->fd, (off_t)parts[i]->file->stamp.size) != 0)
            fail_to_write(parts[i]);
    if (n >= TOGETHER) {
        settle_together(l, parts, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (parts[i]->err.kind == ERROR_NONE && fsync(parts[i]->fd) != 0)
            fail_to_write(parts[i]);
}

int landing_place(struct landing *l, const struct entry *file, int fd,
                  struct error *err)
{
    char part[2 * DIGEST_SHA256_BYTES + 1];
    struct spot s;
    int status;

    if (spot_open(&s, l, file, err) != 0)
        return -1;
    part_name(part, file);
    status = landing_restore(file, fd, err);
    if (status == 0 && rename_part(l, part, &s) != 0)
        status = errno == EEXIST
                     ? in_the_way(err, "something")
                     : error_errno(err, errno, "cannot put it in its place");
    spot_close(&s);
    return status;
}

/* ---- folders and links ---- */

static int make_folder(const struct spot *s, struct error *err)
{
    struct stat st;

    if (mkdirat(s->folder, s->name, 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return error_errno(err, errno, "cannot make the folder");
    if (fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return 0;
    return in_the_way(err, "something that is no folder");
}

static int make_link(const struct spot *s, const struct entry *link, struct error *err)
{
    char target[PATH_MAX];
    ssize_t size;

    if (symlinkat(link->target, s->folder, s->name) == 0)
        return 0;
    if (errno != EEXIST)
        return error_errno(err, errno, "cannot make the symbolic link");
    size = readlinkat(s->folder, s->name, target, sizeof target);
    if (size >= 0 && (size_t)size == strlen(link->target) &&
        memcmp(target, link->target, (size_t)size) == 0)
        return 0;
    return in_the_way(err, size >= 0 ? "another symbolic link"
                                     : "something that is no symbolic link");
}

int landing_make(struct landing *l, const struct entry *entry, struct error *err)
{
    struct spot s;
    int status;

    if (spot_open(&s, l, entry, err) != 0)
        return -1;
    status = entry->type == ENTRY_DIRECTORY ? make_folder(&s, err)
                                            : make_link(&s, entry, err);
    spot_close(&s);
    return status;
}
