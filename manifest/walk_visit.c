/*
 * What becomes of a name: an entry, an issue, a folder to go down to, or nothing.
 *
 *     file      an entry
 *     link      skipped, kept as an entry, or what its target is; dangling: kept
 *     folder    by a link to one of its ancestors: the link is kept
 *               empty: an entry; else its names are read and it is the newest of the
 * trail special   an issue gone      nothing, or not there where a list of files has
 * named it
 *
 * Whatever the filter dismisses leaves no issue either.  For the filter a followed link
 * is what its target is, also where it is kept because it leads to an ancestor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest/walk_impl.h"

/* ---- what the filter says of the present name ---- */

static bool takes(const struct walk *w)
{
    return w->filter == NULL || filter_takes(w->filter, trail_path(w->trail));
}

static bool takes_folder(const struct walk *w)
{
    return w->filter == NULL || filter_takes_folder(w->filter, trail_path(w->trail));
}

static bool enters(const struct walk *w)
{
    return w->filter == NULL || filter_enters(w->filter, trail_path(w->trail));
}

/* ---- entries and issues ---- */

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void add_entry(struct walk *w, const char *path, enum entry_type type,
                      const char *target, const struct stat *st)
{
    struct entry entry = {.path = path, .target = target, .type = type};

    entry.mode = st->st_mode & 07777;
    entry.stamp.size = type == ENTRY_FILE ? (uint64_t)st->st_size : 0;
    entry.stamp.mtime_ns = nanoseconds(&st->st_mtim);
    entry.stamp.ctime_ns = nanoseconds(&st->st_ctim);
    entry.stamp.inode = st->st_ino;
    entry_batch_add(w->batch, &entry);
}

static int add_issue(struct walk *w, enum issue_kind kind, const char *message)
{
    entry_batch_add_issue(w->batch, kind, trail_path(w->trail), message);
    return 0;
}

static void add_issue_code(struct walk *w, enum issue_kind kind, const char *path,
                           int code)
{
    char buffer[128];

    entry_batch_add_issue(w->batch, kind, path,
                          strerror_r(code, buffer, sizeof buffer));
}

static bool is_gone(int code)
{
    return code == ENOENT || code == ENOTDIR || code == ESTALE;
}

/* Our own want, not a property of the file: going on would leave out files at random.
 */
static bool is_exhausted(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOMEM;
}

int walk_miss(struct walk *w, int code, struct error *err)
{
    const char *path = trail_path(w->trail);

    if (is_exhausted(code))
        return error_errno(err, code, "cannot read '%s'", path);
    if (walk_is_listed(w) && (is_gone(code) || code == ENAMETOOLONG))
        add_issue_code(w, ISSUE_NOT_LISTED, path, code);
    else if (!is_gone(code))
        add_issue_code(w, ISSUE_UNREADABLE, path, code);
    return 0;
}

int walk_miss_line(struct walk *w, int code, struct error *err)
{
    bool is_unreadable = !is_gone(code) && code != ENAMETOOLONG;

    if (is_exhausted(code))
        return error_errno(err, code, "cannot read '%s'", trail_path(w->trail));
    if (walk_drop_line(w, &w->line, err) != 0)
        return -1;
    if (w->filter != NULL && !filter_takes(w->filter, w->line.data))
        return 0;
    if (code == ELOOP)
        entry_batch_add_issue(w->batch, ISSUE_NOT_LISTED, w->line.data,
                              "lies behind a symbolic link that is not followed");
    else
        add_issue_code(w, is_unreadable ? ISSUE_UNREADABLE : ISSUE_NOT_LISTED,
                       w->line.data, code);
    return 0;
}

void walk_visit_single(struct walk *w)
{
    if (w->filter == NULL || filter_takes(w->filter, w->file))
        add_entry(w, w->file, ENTRY_FILE, NULL, &w->file_stat);
}

/* Open what the present name stands for, and look at it; -1 with errno. */
static int open_present(struct walk *w, int flags, struct stat *st)
{
    int fd = openat(trail_fd(w->trail), trail_name(w->trail), flags | O_CLOEXEC);
    int code;

    if (fd < 0 || fstat(fd, st) == 0)
        return fd;
    code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* ---- folders ---- */

int walk_read_names(struct walk *w, int fd, struct listing **out, int *code,
                    struct error *err)
{
    struct folder_reader reader = {.fd = fd, .buffer = w->read_buffer};
    struct folder_name found;
    int more;

    while ((more = folder_next(&reader, &found)) == 1)
        if (listing_add(w->space, (char)found.kind, found.name, strlen(found.name),
                        err) != 0)
            return -1;
    *code = more < 0 ? errno : 0;
    return listing_end(w->space, out, err);
}

static bool has_names(struct walk *w, int fd)
{
    struct folder_reader reader = {.fd = fd, .buffer = w->read_buffer};
    struct folder_name found;

    return folder_next(&reader, &found) != 0; /* an error shows when it is read */
}

static bool is_left_out(const struct walk *w, struct walk_place place)
{
    for (unsigned i = 0; i < w->n_leave_out; i++)
        if (w->leave_out[i].inode == place.inode &&
            w->leave_out[i].device == place.device)
            return true;
    return false;
}

static struct walk_place place_of(const struct stat *st)
{
    return (struct walk_place){st->st_dev, st->st_ino};
}

static int leave_out(struct walk *w)
{
    return add_issue(w, ISSUE_STORE_INSIDE, "grid keeps its own data here: left out");
}

static void count_outside(struct walk *w, int fd)
{
    if (w->root_path != NULL && !folder_lies_in(fd, w->root_path))
        w->links_outside++;
}

/* Read an open folder, of which the descriptor is taken, and go down to it. */
static int go_down(struct walk *w, int fd, const struct stat *st, bool may_be_entry,
                   struct error *err)
{
    struct listing *listing = NULL;
    int code = 0, result;

    result = walk_is_listed(w) ? walk_skip_listed_below(w, err) : 0;
    if (result == 0)
        result = walk_read_names(w, fd, &listing, &code, err);
    if (result == 0 && code != 0)
        result = walk_miss(w, code, err);
    if (listing == NULL && result == 0 && code == 0 && may_be_entry && takes_folder(w))
        add_entry(w, trail_path(w->trail), ENTRY_DIRECTORY, NULL, st);
    if (listing == NULL || result != 0) {
        listing_free(listing);
        close(fd);
        return result;
    }
    trail_push(w->trail, fd, place_of(st));
    walk_push(w, listing, false);
    return 0;
}

/* The descriptor is taken. */
static int put_off(struct walk *w, int fd, const struct stat *st)
{
    if (has_names(w, fd))
        walk_defer(w);
    else if (takes_folder(w))
        add_entry(w, trail_path(w->trail), ENTRY_DIRECTORY, NULL, st);
    close(fd);
    return 0;
}

int walk_visit_deferred(struct walk *w, struct error *err)
{
    int follow = w->symlinks == WALK_SYMLINKS_FOLLOW ? 0 : O_NOFOLLOW;
    struct stat st;
    int fd = open_present(w, O_RDONLY | O_DIRECTORY | follow, &st);

    if (fd < 0)
        return walk_miss(w, errno, err);
    return go_down(w, fd, &st, false, err);
}

static int keep_link(struct walk *w, struct error *err);

static int visit_folder(struct walk *w, bool by_link, struct error *err)
{
    struct stat st;
    int fd, between;

    if (!enters(w))
        return walk_is_listed(w) ? walk_skip_listed_below(w, err) : 0;
    fd = open_present(w, O_RDONLY | O_DIRECTORY | (by_link ? 0 : O_NOFOLLOW), &st);
    if (fd < 0)
        return walk_miss(w, errno, err);
    if (is_left_out(w, place_of(&st))) {
        close(fd);
        leave_out(w);
        return walk_is_listed(w) ? walk_skip_listed_below(w, err) : 0;
    }
    if (by_link && trail_has(w->trail, place_of(&st))) {
        close(fd);
        if (!takes_folder(w))
            return 0;
        add_issue(w, ISSUE_LINK_LOOP, "a link to a folder it lies in: kept as a link");
        return keep_link(w, err);
    }
    if (by_link)
        count_outside(w, fd);
    between = walk_has_between(w, err);
    if (between == 0)
        return go_down(w, fd, &st, true, err);
    if (between > 0)
        return put_off(w, fd, &st);
    close(fd);
    return -1;
}

/* ---- links ---- */

static int keep_link(struct walk *w, struct error *err)
{
    int folder = trail_fd(w->trail);
    const char *name = trail_name(w->trail);
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        folder_read_link(folder, name, &w->target) != 0)
        return walk_miss(w, errno, err);
    add_entry(w, trail_path(w->trail), ENTRY_SYMLINK, w->target.data, &st);
    return 0;
}

static int miss_target(struct walk *w, int code, struct error *err)
{
    if (!takes(w))
        return 0;
    if (!is_gone(code) && code != ELOOP && code != ENAMETOOLONG)
        return walk_miss(w, code, err);
    add_issue(w, ISSUE_LINK_DANGLING, "a link to nothing: kept as a link");
    return keep_link(w, err);
}

static int visit_special(struct walk *w)
{
    return add_issue(w, ISSUE_SPECIAL, "no regular file, folder or link: left out");
}

static int follow_link(struct walk *w, struct error *err)
{
    struct stat st;
    int fd = open_present(w, O_PATH, &st);

    if (fd < 0)
        return miss_target(w, errno, err);
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return visit_folder(w, true, err);
    }
    if (takes(w) && S_ISREG(st.st_mode)) {
        count_outside(w, fd);
        add_entry(w, trail_path(w->trail), ENTRY_FILE, NULL, &st);
    } else if (takes(w)) {
        visit_special(w);
    }
    close(fd);
    return 0;
}

static int visit_link(struct walk *w, struct error *err)
{
    if (w->symlinks == WALK_SYMLINKS_FOLLOW)
        return follow_link(w, err);
    if (!takes(w))
        return 0;
    if (w->symlinks == WALK_SYMLINKS_SKIP)
        return add_issue(w, ISSUE_LINK_SKIPPED, "a symbolic link: skipped");
    return keep_link(w, err);
}

/* ---- a name ---- */

int walk_visit(struct walk *w, char kind, struct error *err)
{
    struct stat st;

    if (kind == FOLDER_FOLDER)
        return visit_folder(w, false, err);
    if (kind == FOLDER_LINK)
        return visit_link(w, err);
    if (kind != FOLDER_UNKNOWN && !takes(w))
        return 0;
    if (kind == FOLDER_SPECIAL)
        return visit_special(w);
    if (fstatat(trail_fd(w->trail), trail_name(w->trail), &st, AT_SYMLINK_NOFOLLOW) !=
        0)
        return kind == FOLDER_FILE || takes(w) ? walk_miss(w, errno, err) : 0;
    if (S_ISDIR(st.st_mode))
        return visit_folder(w, false, err);
    if (S_ISLNK(st.st_mode))
        return visit_link(w, err);
    if (kind != FOLDER_FILE && !takes(w))
        return 0;
    if (!S_ISREG(st.st_mode))
        return visit_special(w);
    add_entry(w, trail_path(w->trail), ENTRY_FILE, NULL, &st);
    return 0;
}

/* ---- on the way to a listed path ---- */

static int go_down_listed(struct walk *w, bool by_link, struct error *err)
{
    struct stat st;
    int fd = open_present(w, O_PATH | O_DIRECTORY | (by_link ? 0 : O_NOFOLLOW), &st);

    if (fd < 0)
        return walk_miss_line(w, errno, err);
    if (is_left_out(w, place_of(&st))) {
        close(fd);
        leave_out(w);
        return walk_skip_listed_below(w, err);
    }
    if (by_link && trail_has(w->trail, place_of(&st))) {
        close(fd);
        return walk_miss_line(w, ELOOP, err);
    }
    if (by_link)
        count_outside(w, fd);
    trail_push(w->trail, fd, place_of(&st));
    walk_push(w, NULL, true);
    return 0;
}

int walk_visit_on_the_way(struct walk *w, struct error *err)
{
    struct stat st;

    if (fstatat(trail_fd(w->trail), trail_name(w->trail), &st, AT_SYMLINK_NOFOLLOW) !=
        0)
        return walk_miss_line(w, errno, err);
    if (S_ISLNK(st.st_mode) && w->symlinks != WALK_SYMLINKS_FOLLOW)
        return walk_miss_line(w, ELOOP, err);
    return go_down_listed(w, S_ISLNK(st.st_mode), err);
}
