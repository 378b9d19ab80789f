#ifndef MANIFEST_WALK_IMPL_H
#define MANIFEST_WALK_IMPL_H

#include <sys/stat.h>

#include "base/text.h"
#include "manifest/folder.h"
#include "manifest/listing.h"
#include "manifest/trail.h"
#include "manifest/walk.h"

/*
 * What walk.c (the stack, the order) and walk_visit.c (what becomes of a name) share;
 * for these two only.  Functions return 0, or -1 with *err set at the end of the walk.
 */
struct frame;

struct walk {
    const struct filter *filter;
    enum walk_symlinks symlinks;
    struct walk_place *leave_out;
    unsigned n_leave_out;

    struct listing_space *space;
    struct trail *trail;  /* the path is that of the name being visited */
    struct frame *frames; /* one for each folder of the trail */
    size_t n_frames, frames_room;
    struct listing *list; /* of --files-from, else NULL */

    char *file; /* the root is a file of this name that has not been told yet */
    struct stat file_stat;

    struct entry_batch *batch; /* being filled */
    char *read_buffer;
    struct text target, line; /* for one visit */
    char *root_path;          /* where it really lies; NULL where nobody can tell */
    uint64_t links_outside;
};

/* ---- walk.c ---- */

/* Go down to the folder that the trail was pushed to. */
void walk_push(struct walk *w, struct listing *listing, bool is_listed);
bool walk_is_listed(const struct walk *w); /* do the names come from a list of files? */

/* Do siblings come between the present name and what lies below it?  1, 0 or -1. */
int walk_has_between(struct walk *w, struct error *err);
void walk_defer(struct walk *w); /* visit the present name again behind them */

/* Skip the lines of the list that lie below the present name. */
int walk_skip_listed_below(struct walk *w, struct error *err);

/* Take the head of the list off, into *line. */
int walk_drop_line(struct walk *w, struct text *line, struct error *err);

/* ---- walk_visit.c ---- */

/* The names in an open folder.  *code: an errno where it cannot be read to its end. */
int walk_read_names(struct walk *w, int fd, struct listing **out, int *code,
                    struct error *err);

int walk_visit(struct walk *w, char kind, struct error *err);
int walk_visit_deferred(struct walk *w, struct error *err);
void walk_visit_single(struct walk *w);

/* The present name is a folder on the way to the path at the head of the list. */
int walk_visit_on_the_way(struct walk *w, struct error *err);

/* The present name, or the path at the head of the list, could not be looked at. */
int walk_miss(struct walk *w, int code, struct error *err);
int walk_miss_line(struct walk *w, int code, struct error *err);

#endif
