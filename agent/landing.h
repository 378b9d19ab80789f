#ifndef AGENT_LANDING_H
#define AGENT_LANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/entry.h"

/*
 * The folder DIR that a version is downloaded to, and the laws of what may happen there:
 *
 *   - Nothing is written outside DIR: paths come from a store and are not trusted.  A
 *     symbolic link on the way down is never followed (DIR itself may be one).
 *   - Nothing that lies in DIR is overwritten or removed.  What is in the way of an entry
 *     is ERROR_CONFLICT; a file of the same content is taken as that entry.
 *   - A file appears under its name whole, with its mode and time, and after its bytes
 *     are on the disk.
 *
 * Until then it is a "part" in a folder in DIR that is named after the version's root
 * hash, so that another run for the same version finds it, and no other.
 *
 * All functions block and belong on a worker thread; several may run at once.  They
 * return 0, or -1 with *err (paths in its text are below DIR).
 */
struct landing {
    const char *dir; /* as the user wrote it; lent */
    char *parts_name;

    /* Private. */
    int root, parts;
};

/* Make DIR and the folder of parts where they are not there.  ERROR_CONFLICT while
 * another process downloads the same version to it. */
int landing_open(struct landing *l, const char *dir, const char *root_hash,
                 struct error *err);

/* is_complete: no part is needed any more.  Harmless on one that could not be opened. */
void landing_close(struct landing *l, bool is_complete);

/* All that was placed survives a power loss. */
int landing_sync(struct landing *l, struct error *err);

/* What is at the place of a file?  Folders above it are made. */
enum landing_found {
    LANDING_NOTHING,
    LANDING_SAME, /* a file of its size and time: it was placed earlier */
    LANDING_LIKE  /* a file of its size: only its bytes can tell */
};
int landing_look(struct landing *l, const struct entry *file, enum landing_found *found,
                 struct error *err);

/* The file that is there, to be read. */
int landing_open_file(struct landing *l, const struct entry *file, int *fd,
                      struct error *err);

/* The file's part, made where it is not there; *size bytes of it are from earlier runs.
 */
int landing_open_part(struct landing *l, const struct entry *file, int *fd,
                      uint64_t *size, struct error *err);

/* Give fd the file's mode (without set-id bits) and time. */
int landing_restore(const struct entry *file, int fd, struct error *err);

/* Parts whose bytes are all there are on the disk when this returns, or have err set; of
 * many it is one sync for all.  To be done before landing_place(). */
struct landing_part {
    const struct entry *file;
    int fd;
    struct error err;
};
void landing_settle(struct landing *l, struct landing_part *const *parts, size_t n);

/* The part, whose bytes are on the disk, becomes the file. */
int landing_place(struct landing *l, const struct entry *file, int fd,
                  struct error *err);

/* An empty folder, or a link, as recorded: one that is there already is a success. */
int landing_make(struct landing *l, const struct entry *entry, struct error *err);

#endif
