/*
 * All paths are relative to one open folder, the root, so that a store that is moved or
 * mounted over while we run is not torn in two.
 *
 * Folders are made when something misses them, and go when their last entry goes.  Both
 * happen in many threads, processes and hosts at once, so a folder may vanish between
 * mkdir() and open(): whoever needs it tries again, up to RACES_MAX times.  A folder of
 * temporary files is left alone while others of this process lie in it, or every small
 * file would cost an mkdir() and an rmdir().
 *
 * The way into the open: a temporary file is filled, synced, and then rename()d over
 * the key; or, where the key must be new, link()ed to it, which fails if it exists.
 * File systems without hard links (exFAT) have RENAME_NOREPLACE or, in the last resort,
 * an empty file made with O_EXCL decides who may rename.
 */
#include "transfer/dir_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/dir_uses.h"

enum { RACES_MAX = 100, FOLDER_MODE = 0755, FILE_MODE = 0644 }; /* less the umask */

struct dir_tree {
    char *path;
    pthread_mutex_t lock;  /* guards root */
    int root;              /* -1: not opened yet */
    struct dir_uses *uses; /* of temporary files */
};

struct dir_tree *dir_tree_new(const char *path)
{
    struct dir_tree *tree = mem_new(1, sizeof *tree);

    tree->path = mem_copy_string(path);
    tree->root = -1;
    tree->uses = dir_uses_new();
    pthread_mutex_init(&tree->lock, NULL);
    return tree;
}

void dir_tree_free(struct dir_tree *tree)
{
    if (tree->root >= 0)
        close(tree->root);
    pthread_mutex_destroy(&tree->lock);
    dir_uses_free(tree->uses);
    free(tree->path);
    free(tree);
}

/* ---- what went wrong ---- */

/* What the user may do about it. */
static const char *advice(int code)
{
    switch (code) {
    case ENOSPC:
        return "; free some space there";
    case EDQUOT:
        return "; the quota is used up: free some space or have it raised";
    case EACCES:
    case EPERM:
        return "; this user may not do that: change the permissions, or keep the "
               "datastores elsewhere";
    case EROFS:
        return "; mount it writable, or keep the datastores elsewhere";
    case ENOENT:
        return "; somebody else has removed what was being written there";
    case ENOTDIR:
        return ": a file stands where a folder is needed; move it away, or take "
               "another "
               "name";
    case EISDIR:
    case ENOTEMPTY:
        return ": a folder stands where the file should go; move it away, or take "
               "another "
               "name";
    default:
        return "";
    }
}

static int failed(const struct dir_tree *tree, const char *key, int code,
                  struct error *err)
{
    struct error reason;

    error_errno(&reason, code, "%s%s%s", tree->path, *key != '\0' ? "/" : "", key);
    return error_set(err, reason.kind, code, "%s%s", reason.text, advice(code));
}

int dir_tree_read_failed(const struct dir_tree *tree, const char *key, int code,
                         struct error *err)
{
    if (code == ENOTDIR || code == EISDIR || code == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, code, "%s/%s: there is no such object",
                         tree->path, key);
    failed(tree, key, code, err);
    return error_wrap(err, "cannot read");
}

int dir_tree_write_failed(const struct dir_tree *tree, const char *key, int code,
                          struct error *err)
{
    if (code == ENOTEMPTY)
        code = EISDIR;
    failed(tree, key, code, err);
    if (code == ENOTDIR || code == EISDIR)
        err->kind = ERROR_CONFLICT;
    else if (code == ENOENT)
        err->kind =
            ERROR_IO; /* it was there a moment ago: somebody removes what we write */
    return error_wrap(err, "cannot write");
}

/* ---- the root ---- */

static int make_all_parents(int root, const char *path)
{
    char *prefix = mem_copy_string(path);
    int code = 0;

    for (char *slash = strchr(prefix + 1, '/'); slash != NULL && code == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(root, prefix, FOLDER_MODE) != 0 && errno != EEXIST)
            code = errno;
        *slash = '/';
    }
    free(prefix);
    errno = code;
    return code == 0 ? 0 : -1;
}

/* mkdir -p of the folders above the last component of path; mostly it is the deepest
 * alone that is missing.  -1 and errno on failure. */
static int make_parents(int root, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent;
    int status;

    if (slash == NULL || slash == path)
        return 0;
    parent = mem_copy_bytes(path, (size_t)(slash - path));
    status = mkdirat(root, parent, FOLDER_MODE);
    free(parent);
    if (status == 0 || errno == EEXIST)
        return 0;
    return errno == ENOENT ? make_all_parents(root, path) : -1;
}

static int open_root(struct dir_tree *tree, bool make)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = open(tree->path, flags);

    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (make_parents(AT_FDCWD, tree->path) != 0 ||
        (mkdir(tree->path, FOLDER_MODE) != 0 && errno != EEXIST))
        return -1;
    return open(tree->path, flags);
}

int dir_tree_root(struct dir_tree *tree, bool make, struct error *err)
{
    int root, code;

    pthread_mutex_lock(&tree->lock);
    if (tree->root < 0)
        tree->root = open_root(tree, make);
    code = errno;
    root = tree->root;
    pthread_mutex_unlock(&tree->lock);
    if (root >= 0)
        return root;
    if (code == ENOTDIR || code == EEXIST)
        return error_set(err, ERROR_IO, code,
                         "%s: this or a folder above it is a file; move that away, or "
                         "keep the datastores elsewhere",
                         tree->path);
    if (code == ENOENT && !make)
        return error_set(err, ERROR_NOT_FOUND, code, "%s: there is no such folder",
                         tree->path);
    failed(tree, "", code, err);
    return error_wrap(err, make ? "cannot make the store's folder"
                                : "cannot open the store's folder");
}

/* ---- temporary files ---- */

/* A version's temporary folder may have stayed, empty, where we were killed. */
static int remove_folder(int root, const char *folder)
{
    char temp[DIR_PATH_MAX];

    if (dir_key_is_version(folder, strlen(folder))) {
        snprintf(temp, sizeof temp, "%s/tmp", folder);
        unlinkat(root, temp, AT_REMOVEDIR);
    }
    return unlinkat(root, folder, AT_REMOVEDIR);
}

void dir_tree_prune(int root, const char *path)
{
    char *folder = mem_copy_string(path);
    char *slash;

    while ((slash = strrchr(folder, '/')) != NULL) {
        *slash = '\0';
        if (remove_folder(root, folder) != 0 && errno != ENOENT)
            break;
    }
    free(folder);
}

void dir_tree_random_id(char out[DIR_ID_HEX])
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = ((uint64_t)getpid() << 32) ^ (uint64_t)time(NULL); /* O_EXCL decides */
    snprintf(out, DIR_ID_HEX, "%016llx", (unsigned long long)random);
}

int dir_tree_create_file(int root, const char *path)
{
    for (int i = 0; i < RACES_MAX; i++) {
        int fd = openat(root, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

        if (fd >= 0 || errno != ENOENT)
            return fd;
        if (make_parents(root, path) != 0 && errno != ENOENT)
            return -1;
    }
    return -1;
}

int dir_tree_create_temp(struct dir_tree *tree, const char *key, struct dir_temp *temp,
                         struct error *err)
{
    int root = dir_tree_root(tree, true, err);
    char folder[DIR_PATH_MAX], id[DIR_ID_HEX];

    if (root < 0)
        return -1;
    dir_key_temp_folder(folder, key);
    dir_tree_random_id(id);
    snprintf(temp->path, sizeof temp->path, "%.*s/%s", DIR_KEY_MAX + 8, folder, id);
    dir_uses_begin(tree->uses, temp->path);
    temp->fd = dir_tree_create_file(root, temp->path);
    if (temp->fd < 0) {
        int code = errno;

        (void)dir_uses_end(tree->uses, temp->path);
        return dir_tree_write_failed(tree, key, code, err);
    }
    temp->is_open = true;
    return 0;
}

/* Close it, and remove its name unless that is its no more.  True: nobody else is known
 * to use the folder. */
static bool release_temp(struct dir_tree *tree, struct dir_temp *temp, bool has_name)
{
    close(temp->fd);
    if (has_name)
        unlinkat(tree->root, temp->path, 0);
    temp->is_open = false;
    return dir_uses_end(tree->uses, temp->path);
}

void dir_tree_keep_temp(struct dir_tree *tree, struct dir_temp *temp)
{
    (void)release_temp(tree, temp, false);
}

void dir_tree_drop_temp(struct dir_tree *tree, struct dir_temp *temp)
{
    if (temp->is_open && release_temp(tree, temp, true))
        dir_tree_prune(tree->root, temp->path);
}

/* ---- publication ---- */

/* Where a server's answer was lost, the repeated link() says EEXIST of our own link. */
static bool is_linked_twice(int root, const char *path)
{
    struct stat st;

    return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2;
}

static bool is_unsupported(int code)
{
    return code == EPERM || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL;
}

/* Give path the name key if that is free. */
static int rename_if_absent(int root, const char *path, const char *key)
{
    int fd;

    if (linkat(root, path, root, key, 0) == 0 ||
        (errno == EEXIST && is_linked_twice(root, path))) {
        unlinkat(root, path, 0);
        return 0;
    }
    if (!is_unsupported(errno))
        return -1;
    if (renameat2(root, path, root, key, RENAME_NOREPLACE) == 0)
        return 0;
    if (!is_unsupported(errno))
        return -1;
    fd = openat(root, key, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -1;
    close(fd);
    if (renameat(root, path, root, key) == 0)
        return 0;
    unlinkat(root, key, 0);
    return -1;
}

static int rename_with_parents(int root, const char *path, const char *key,
                               bool if_absent)
{
    for (int i = 0; i < RACES_MAX; i++) {
        int status = if_absent ? rename_if_absent(root, path, key)
                               : renameat(root, path, root, key);

        if (status == 0 || errno != ENOENT)
            return status;
        if (faccessat(root, path, F_OK, 0) != 0)
            return -1; /* not a parent: the file itself was removed by somebody */
        if (make_parents(root, key) != 0 && errno != ENOENT)
            return -1;
    }
    return -1;
}

/* Empty, as far as we know; where it is not, it stays. */
static void unlink_folder_of(int root, char *path)
{
    *strrchr(path, '/') = '\0';
    unlinkat(root, path, AT_REMOVEDIR);
}

/* Some FUSE file systems know no fsync(). */
static int sync_file(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
        return 0;
    return -1;
}

int dir_tree_publish(struct dir_tree *tree, struct dir_temp *temp, const char *key,
                     bool if_absent, struct error *err)
{
    int code;

    if (sync_file(temp->fd) == 0 &&
        rename_with_parents(tree->root, temp->path, key, if_absent) == 0) {
        if (release_temp(tree, temp, false))
            unlink_folder_of(tree->root, temp->path);
        return 0;
    }
    code = errno;
    dir_tree_drop_temp(tree, temp);
    if (code == EEXIST && if_absent)
        return error_set(err, ERROR_CONFLICT, code, "%s/%s: it exists already",
                         tree->path, key);
    return dir_tree_write_failed(tree, key, code, err);
}

int dir_tree_move(struct dir_tree *tree, const char *path, const char *key,
                  struct error *err)
{
    if (rename_with_parents(tree->root, path, key, false) == 0)
        return 0;
    return dir_tree_write_failed(tree, key, errno, err);
}

int dir_tree_write(int fd, struct span bytes, uint64_t offset)
{
    while (bytes.size > 0) {
        ssize_t n = pwrite(fd, bytes.data, bytes.size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return -1;
        }
        bytes.data += n;
        bytes.size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* ---- looking, removing ---- */

int64_t dir_tree_mtime_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

int dir_tree_stat(struct dir_tree *tree, const char *key, struct stat *st,
                  struct error *err)
{
    int root = dir_tree_root(tree, false, err);

    if (root < 0)
        return -1;
    if (fstatat(root, key, st, 0) != 0)
        return dir_tree_read_failed(tree, key, errno, err);
    if (!S_ISREG(st->st_mode))
        return dir_tree_read_failed(tree, key, ENOENT, err);
    return 0;
}

int64_t dir_tree_now_ms(struct dir_tree *tree, const char *key)
{
    struct dir_temp temp = {0};
    struct error ignored;
    struct timespec now;
    struct stat st;
    int status = -1;

    if (dir_tree_create_temp(tree, key, &temp, &ignored) == 0)
        status = fstat(temp.fd, &st);
    dir_tree_drop_temp(tree, &temp);
    if (status == 0)
        return dir_tree_mtime_ms(&st);
    clock_gettime(CLOCK_REALTIME, &now); /* not writable: the best we have */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_same_folder(const char *a, const char *b)
{
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    size_t length = slash_a != NULL ? (size_t)(slash_a - a) : 0;

    return length == (slash_b != NULL ? (size_t)(slash_b - b) : 0) &&
           memcmp(a, b, length) == 0;
}

/* "a/b/" is an empty folder of that name: pruning takes it.  0, or an errno that
 * matters. */
static int remove_key(int root, const char *key)
{
    size_t length = strlen(key);

    if ((length > 0 && key[length - 1] == '/') || unlinkat(root, key, 0) == 0)
        return 0;
    return errno == ENOENT || errno == ENOTDIR || errno == EISDIR ? 0 : errno;
}

int dir_tree_remove(struct dir_tree *tree, const char *const *keys, size_t n,
                    const atomic_bool *stop, struct error *err)
{
    int root = dir_tree_root(tree, false, err);
    struct error next;
    size_t i;

    if (root < 0)
        return err->kind == ERROR_NOT_FOUND ? 0 : -1;
    error_clear(err);
    for (i = 0; i < n && !atomic_load(stop); i++) {
        int code = remove_key(root, keys[i]);

        if (code != 0) {
            dir_tree_write_failed(tree, keys[i], code, &next);
            error_keep_first(err, &next);
        }
        if (i + 1 == n || !is_same_folder(keys[i], keys[i + 1]))
            dir_tree_prune(root, keys[i]);
    }
    if (i < n && err->kind == ERROR_NONE)
        error_set(err, ERROR_CANCELLED, 0, "cancelled");
    return err->kind == ERROR_NONE ? 0 : -1;
}

int dir_tree_sync(struct dir_tree *tree, struct error *err)
{
    int root = dir_tree_root(tree, false, err);

    if (root < 0)
        return err->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (syncfs(root) != 0)
        return dir_tree_write_failed(tree, "", errno, err);
    return 0;
}
