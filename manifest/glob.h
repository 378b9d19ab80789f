#ifndef MANIFEST_GLOB_H
#define MANIFEST_GLOB_H

#include <stdbool.h>

#include "base/error.h"

/*
 * One pattern of a filter, in the language that filter.h explains, and what it has to
 * say about a path.  '?' and a class stand for one character of UTF-8, or for one byte
 * where the path is not UTF-8.
 */
struct glob;

enum glob_match {
    GLOB_NO,    /* neither the path nor anything below it */
    GLOB_BELOW, /* not the path, but perhaps something below it */
    GLOB_YES    /* the path, or a folder above it */
};

/* NULL and ERROR_USAGE for a pattern that is empty or malformed. */
struct glob *glob_new(const char *pattern, struct error *err);
void glob_free(struct glob *glob);

enum glob_match glob_match(const struct glob *glob, const char *path, bool is_folder);

#endif
