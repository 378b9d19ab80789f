#ifndef AGENT_TRIAL_FOLDER_H
#define AGENT_TRIAL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Can a folder be made, and be written to?  Found out by doing it, since permission bits
 * do not tell (root, NFS, /proc), and undone afterwards.  Everything here blocks.
 */
struct trial_folder {
    char *path;
    size_t *made; /* lengths of the beginnings of path that were made */
    size_t n_made;
};

/* Make what is missing of the absolute path.  Where it fails all that was made is gone
 * again, and there is nothing to end. */
int trial_folder_begin(struct trial_folder *t, const char *path, struct error *err);

bool trial_folder_is_new(const struct trial_folder *t);

/* An empty folder in it, to be removed by the caller and to be freed. */
int trial_folder_write(const struct trial_folder *t, char **scratch, struct error *err);

/* Remove what was made; what somebody has put something into stays. */
void trial_folder_end(struct trial_folder *t);

#endif
