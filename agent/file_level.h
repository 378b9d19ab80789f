#ifndef AGENT_FILE_LEVEL_H
#define AGENT_FILE_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "manifest/manifest.h"

/*
 * A page of the entries of a version out of the stream of all of them: those below a
 * prefix, behind one that was the last of the page before, so many at most; with
 * is_level what lies deeper is told as one folder, with what is in it.  Pure.
 */
struct file_level {
    const char *prefix; /* never NULL */
    const char *after;  /* a path, or a folder with its '/'; NULL: from the first on */
    uint64_t limit;     /* 0: none */
    bool is_level;

    void (*entry)(void *ctx, const struct manifest_line *line);
    void (*folder)(void *ctx, const char *path, uint64_t files, uint64_t bytes);
    void *ctx;

    /* Private. */
    uint64_t n_shown;
    struct text open; /* the folder whose entries come by, with its '/' */
    uint64_t files, bytes;
};

/* The first path that the page may show; what comes before it need not be told. */
void file_level_add_from(const struct file_level *l, struct text *path);

/* The next entry.  false: the page is full, or all that may
 * belong to it has come by. */
bool file_level_take(struct file_level *l, const struct manifest_line *line);

/* All have come by, or the page is full. */
void file_level_end(struct file_level *l);

#endif
