/*
 * A stack of folders, each with its sorted names; a step looks at one name.  The order
 * of whole paths is almost that of names: a file x comes at "x", but what lies in a
 * folder x comes at "x/", and siblings like "x.txt" or "x-1" lie between the two, as
 * '.' and '-' come before '/'.  So at the name of a folder
 *
 *     no sibling between   read it: an entry of its own if it is empty, else go down
 *     siblings between     look whether it is empty; if not, put it off until they are
 * done
 *
 * Folders that are put off are beginnings of each other ("x", "x-", "x-a" ...), the
 * longest is due first; so one string and some lengths hold them all.
 *
 * With --files-from the names come from one sorted list of paths: a folder on the way
 * to a listed path has as names whatever the head of the list has behind the folder's
 * path.  A folder that is itself listed is read as usual, and lines below it are
 * skipped.
 *
 * A name whose kind the listing tells is dismissed by the filter before it is looked
 * at. The visits are in walk_visit.c.
 */
#include "manifest/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "manifest/file_list.h"
#include "manifest/walk_impl.h"

enum { BATCH_ENTRIES = 1000, BATCH_BYTES = 256 << 10 };

/* A batch is handed over after so many names even where nearly all are filtered out. */
enum { BATCH_STEPS = 20000 };

enum { DEFAULT_SORT_BYTES = 4 << 20 };

struct deferred {
    struct text name; /* the longest */
    size_t *lengths;  /* of all of them, the longest last */
    size_t n, room;
};

struct frame {
    struct listing *listing;
    struct deferred *deferred; /* NULL until there is one */
    bool is_listed;            /* the names come from the list of --files-from */
};

/* ---- frames ---- */

static struct frame *top(const struct walk *w)
{
    return &w->frames[w->n_frames - 1];
}

void walk_push(struct walk *w, struct listing *listing, bool is_listed)
{
    if (w->n_frames == w->frames_room) {
        w->frames_room = w->frames_room > 0 ? 2 * w->frames_room : 16;
        w->frames = mem_resize(w->frames, w->frames_room, sizeof *w->frames);
    }
    w->frames[w->n_frames++] = (struct frame){listing, NULL, is_listed};
}

static void leave_folder(struct walk *w)
{
    struct frame *frame = top(w);

    listing_free(frame->listing);
    if (frame->deferred != NULL) {
        text_free(&frame->deferred->name);
        free(frame->deferred->lengths);
        free(frame->deferred);
    }
    w->n_frames--;
    trail_pop(w->trail);
}

bool walk_is_listed(const struct walk *w)
{
    return top(w)->is_listed;
}

/* ---- names ---- */

/* The next name in the newest folder; in a listed one with all that follows in its
 * line. */
static int peek_name(struct walk *w, struct listing_name *out, struct error *err)
{
    size_t base = trail_base(w->trail);
    int found;

    if (!top(w)->is_listed)
        return listing_peek(top(w)->listing, out, err);
    if (w->list == NULL)
        return 0;
    found = listing_peek(w->list, out, err);
    if (found != 1)
        return found;
    if (out->length <= base || memcmp(out->name, trail_path(w->trail), base) != 0)
        return 0;
    out->name += base;
    out->length -= base;
    return 1;
}

/* Go on to the next name that is not equal to this one. */
static int next_name(struct walk *w, const char *name, struct error *err)
{
    struct listing *listing = top(w)->is_listed ? w->list : top(w)->listing;
    struct listing_name next;
    int found;

    do {
        if (listing_next(listing, err) != 0)
            return -1;
        found = peek_name(w, &next, err);
    } while (found == 1 && strcmp(next.name, name) == 0);
    return found < 0 ? -1 : 0;
}

static bool is_between(const struct listing_name *next, const char *folder,
                       size_t length)
{
    return next->length > length && memcmp(next->name, folder, length) == 0 &&
           (unsigned char)next->name[length] < '/';
}

int walk_has_between(struct walk *w, struct error *err)
{
    const char *name = trail_name(w->trail);
    struct listing_name next;
    int found = peek_name(w, &next, err);

    return found == 1 ? is_between(&next, name, strlen(name)) : found;
}

void walk_defer(struct walk *w)
{
    const char *name = trail_name(w->trail);
    struct deferred *d = top(w)->deferred;

    if (d == NULL)
        d = top(w)->deferred = mem_new(1, sizeof *d);
    if (d->n == d->room) {
        d->room = d->room > 0 ? 2 * d->room : 4;
        d->lengths = mem_resize(d->lengths, d->room, sizeof *d->lengths);
    }
    text_clear(&d->name);
    text_add(&d->name, name);
    d->lengths[d->n++] = d->name.size;
}

int walk_skip_listed_below(struct walk *w, struct error *err)
{
    const char *path = trail_path(w->trail);
    size_t length = strlen(path);
    struct listing_name next;
    int found;

    if (w->list == NULL)
        return 0;
    while ((found = listing_peek(w->list, &next, err)) == 1 && next.length > length &&
           next.name[length] == '/' && memcmp(next.name, path, length) == 0)
        if (listing_next(w->list, err) != 0)
            return -1;
    return found < 0 ? -1 : 0;
}

int walk_drop_line(struct walk *w, struct text *line, struct error *err)
{
    struct listing_name next;

    if (listing_peek(w->list, &next, err) != 1)
        return -1;
    text_clear(line);
    text_add_bytes(line, next.name, next.length);
    return next_name(w, line->data + trail_base(w->trail), err);
}

/* ---- steps ---- */

static int visit_deferred(struct walk *w, struct deferred *d, struct error *err)
{
    trail_set_name(w->trail, d->name.data, d->lengths[--d->n]);
    return walk_visit_deferred(w, err);
}

/* The folder went away while it was walked, or its path cannot be opened again. */
static int lose_folder(struct walk *w, int code, struct error *err)
{
    struct listing_name next;
    int result = 0;

    if (top(w)->is_listed) {
        result = peek_name(w, &next, err);
        if (result == 1)
            return walk_miss_line(w, code, err);
    } else {
        trail_set_name(w->trail, NULL, 0);
        result = walk_miss(w, code, err);
    }
    leave_folder(w);
    return result;
}

static int step(struct walk *w, struct error *err)
{
    struct deferred *d = top(w)->deferred;
    struct listing_name next;
    int found;

    if (trail_fd(w->trail) < 0)
        return lose_folder(w, errno, err);
    found = peek_name(w, &next, err);
    if (found < 0)
        return -1;
    if (d != NULL && d->n > 0 &&
        !(found == 1 && is_between(&next, d->name.data, d->lengths[d->n - 1])))
        return visit_deferred(w, d, err);
    if (found == 0) {
        leave_folder(w);
        return 0;
    }
    if (top(w)->is_listed) {
        const char *slash = memchr(next.name, '/', next.length);

        if (slash != NULL) {
            trail_set_name(w->trail, next.name, (size_t)(slash - next.name));
            return walk_visit_on_the_way(w, err);
        }
    }
    trail_set_name(w->trail, next.name, next.length);
    if (next_name(w, trail_name(w->trail), err) != 0)
        return -1;
    return walk_visit(w, next.kind, err);
}

static bool is_full(const struct entry_batch *batch)
{
    return batch->n_entries + batch->n_issues >= BATCH_ENTRIES ||
           batch->string_bytes >= BATCH_BYTES;
}

int walk_next(struct walk *walk, struct entry_batch *batch, bool *at_end,
              struct error *err)
{
    entry_batch_clear(batch);
    walk->batch = batch;
    if (walk->file != NULL) {
        walk_visit_single(walk);
        free(walk->file);
        walk->file = NULL;
    }
    for (unsigned n = 0; walk->n_frames > 0 && !is_full(batch) && n < BATCH_STEPS; n++)
        if (step(walk, err) != 0)
            return -1;
    *at_end = walk->n_frames == 0;
    return 0;
}

uint64_t walk_links_outside(const struct walk *walk)
{
    return walk->links_outside;
}

/* ---- opening and closing ---- */

static int open_file(struct walk *w, const struct walk_options *options,
                     const struct stat *st, struct error *err)
{
    const char *slash = strrchr(options->root, '/');

    if (options->files_from != NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "a list of files needs a folder as source, '%s' is a file",
                         options->root);
    w->file = mem_copy_string(slash != NULL ? slash + 1 : options->root);
    w->file_stat = *st;
    return 0;
}

static int open_folder(struct walk *w, const struct walk_options *options,
                       const struct stat *st, struct error *err)
{
    struct walk_place place = {st->st_dev, st->st_ino};
    struct listing *listing = NULL;
    bool has_root = true;
    int fd, code = 0;

    if (options->files_from != NULL &&
        file_list_read(&w->list, &has_root, options->files_from, w->space, err) != 0)
        return -1;
    fd = open(options->root, O_DIRECTORY | O_CLOEXEC | (has_root ? O_RDONLY : O_PATH));
    if (fd < 0)
        return error_errno(err, errno, "cannot read '%s'", options->root);
    w->trail = trail_new(fd, place);
    w->root_path = folder_real_path(fd);
    if (has_root) {
        listing_free(w->list); /* says no more than "everything" */
        w->list = NULL;
        if (walk_read_names(w, fd, &listing, &code, err) != 0)
            return -1;
    }
    if (code != 0) {
        listing_free(listing);
        return error_errno(err, code, "cannot read '%s'", options->root);
    }
    if (listing != NULL || !has_root)
        walk_push(w, listing, !has_root);
    return 0;
}

static int open_root(struct walk *w, const struct walk_options *options,
                     struct error *err)
{
    struct stat st;

    if (stat(options->root, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return error_set(err, ERROR_NOT_FOUND, errno,
                             "'%s': no such file or folder", options->root);
        return error_errno(err, errno, "cannot look at '%s'", options->root);
    }
    if (S_ISREG(st.st_mode))
        return open_file(w, options, &st, err);
    if (S_ISDIR(st.st_mode))
        return open_folder(w, options, &st, err);
    return error_set(err, ERROR_USAGE, 0, "'%s' is neither a folder nor a file",
                     options->root);
}

int walk_open(struct walk **out, const struct walk_options *options, struct error *err)
{
    struct walk *w = mem_new(1, sizeof *w);
    size_t places_bytes = options->n_leave_out * sizeof *w->leave_out;

    w->filter = options->filter;
    w->symlinks = options->symlinks;
    w->n_leave_out = options->n_leave_out;
    w->leave_out = mem_buffer(places_bytes);
    if (places_bytes > 0)
        memcpy(w->leave_out, options->leave_out, places_bytes);
    w->space = listing_space_new(options->scratch, options->sort_bytes > 0
                                                       ? options->sort_bytes
                                                       : DEFAULT_SORT_BYTES);
    w->read_buffer = mem_buffer(FOLDER_BUFFER_BYTES);
    if (open_root(w, options, err) != 0) {
        walk_close(w);
        return -1;
    }
    *out = w;
    return 0;
}

void walk_close(struct walk *w)
{
    if (w == NULL)
        return;
    while (w->n_frames > 0)
        leave_folder(w);
    listing_free(w->list);
    listing_space_free(w->space);
    trail_free(w->trail);
    text_free(&w->target);
    text_free(&w->line);
    free(w->frames);
    free(w->leave_out);
    free(w->read_buffer);
    free(w->root_path);
    free(w->file);
    free(w);
}

int walk_open_file(int root_fd, const char *path)
{
    return folder_open_below(root_fd, path, strlen(path),
                             O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}
