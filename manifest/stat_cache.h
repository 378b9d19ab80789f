#ifndef MANIFEST_STAT_CACHE_H
#define MANIFEST_STAT_CACHE_H

#include "manifest/checkpoint_row.h"

/*
 * Private to the checkpoint: the data base of an earlier session, whose rows tell which
 * stamp a file had when it was read and what its digest was.  Read in path order, in one
 * pass.  Whatever is wrong with it, it knows less, or nothing.  On one thread.
 */
struct stat_cache;

/* NULL: there is none. */
struct stat_cache *stat_cache_open(const char *path);
void stat_cache_close(struct stat_cache *cache); /* harmless on NULL */

/* Are its ETags those of what this session has published? */
bool stat_cache_is_of(const struct stat_cache *cache, const char *session);

/* A file that was stored, NULL where it knows of none.  Each path must come after the
 * last one; valid until the next call. */
const struct file_row *stat_cache_find(struct stat_cache *cache, const char *path);

#endif
