/*
 * Open are the root and the newest levels without a gap:
 *
 *     level   0   1   2   3  ...  lowest  ...  n_levels - 1
 *     fd     open -1  -1  -1       open          open
 *
 * Going down closes the lowest when there are too many.  Coming back up to a level that
 * was closed opens it, and some above it on the way, by their paths from the root: then
 * the next levels upwards cost nothing, and a deep tree is not quadratic in its depth.
 * It is the path that counts: where a folder was replaced meanwhile, the new one is
 * read.
 */
#include "manifest/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "manifest/folder.h"

enum { MAX_OPEN = 40, OPEN_AGAIN = 24 };

struct level {
    struct walk_place place;
    size_t base; /* bytes of the path up to this folder, '/' included */
    int fd;
};

struct trail {
    struct text path;
    struct level *levels;
    size_t n_levels, room, lowest;
};

struct trail *trail_new(int root_fd, struct walk_place place)
{
    struct trail *trail = mem_new(1, sizeof *trail);

    trail->room = 16;
    trail->levels = mem_new(trail->room, sizeof *trail->levels);
    trail->levels[0] = (struct level){place, 0, root_fd};
    trail->n_levels = trail->lowest = 1;
    text_add(&trail->path, "");
    return trail;
}

void trail_free(struct trail *trail)
{
    if (trail == NULL)
        return;
    while (trail->n_levels > 0)
        trail_pop(trail);
    free(trail->levels);
    text_free(&trail->path);
    free(trail);
}

static void close_level(struct level *level)
{
    if (level->fd >= 0)
        close(level->fd);
    level->fd = -1;
}

void trail_push(struct trail *trail, int fd, struct walk_place place)
{
    if (trail->n_levels == trail->room) {
        trail->room *= 2;
        trail->levels = mem_resize(trail->levels, trail->room, sizeof *trail->levels);
    }
    text_add(&trail->path, "/");
    trail->levels[trail->n_levels++] = (struct level){place, trail->path.size, fd};
    if (trail->n_levels - trail->lowest > MAX_OPEN)
        close_level(&trail->levels[trail->lowest++]);
}

void trail_pop(struct trail *trail)
{
    close_level(&trail->levels[--trail->n_levels]);
    if (trail->lowest > trail->n_levels)
        trail->lowest = trail->n_levels;
}

/* ---- descriptors ---- */

/* Open a level by its path below another one. */
static int open_level(struct trail *trail, size_t i, const struct level *from)
{
    struct level *level = &trail->levels[i];

    level->fd = folder_open_below(from->fd, trail->path.data + from->base,
                                  level->base - 1 - from->base,
                                  O_PATH | O_DIRECTORY | O_CLOEXEC);
    return level->fd;
}

int trail_fd(struct trail *trail)
{
    size_t last = trail->n_levels - 1;
    size_t first = last > OPEN_AGAIN ? last - OPEN_AGAIN : 1;

    if (trail->levels[last].fd >= 0)
        return trail->levels[last].fd;
    for (size_t i = first; i <= last; i++) {
        const struct level *from = &trail->levels[i == first ? 0 : i - 1];
        int code;

        if (open_level(trail, i, from) >= 0)
            continue;
        code = errno;
        while (i-- > first)
            close_level(&trail->levels[i]);
        errno = code;
        return -1;
    }
    trail->lowest = first;
    return trail->levels[last].fd;
}

bool trail_has(const struct trail *trail, struct walk_place place)
{
    for (size_t i = 0; i < trail->n_levels; i++)
        if (trail->levels[i].place.inode == place.inode &&
            trail->levels[i].place.device == place.device)
            return true;
    return false;
}

/* ---- the path ---- */

size_t trail_base(const struct trail *trail)
{
    return trail->levels[trail->n_levels - 1].base;
}

void trail_set_name(struct trail *trail, const char *name, size_t length)
{
    size_t base = trail_base(trail);

    trail->path.size = base;
    if (base > 0)
        trail->path.data[base - 1] = '/'; /* it may have been cut off below */
    text_add_bytes(&trail->path, name, length);
    if (length == 0 && base > 0)
        trail->path.size--;
    trail->path.data[trail->path.size] = '\0';
}

const char *trail_path(const struct trail *trail)
{
    return trail->path.data;
}

const char *trail_name(const struct trail *trail)
{
    return trail->path.data + trail_base(trail);
}
