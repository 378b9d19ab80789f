#ifndef MANIFEST_FILE_LIST_H
#define MANIFEST_FILE_LIST_H

#include <stdbool.h>

#include "base/error.h"
#include "manifest/listing.h"

/*
 * The file of --files-from: relative paths, one a line, in any order and number.  Blank
 * lines are skipped; "./", "//" and a '/' at the end are dropped; an absolute path or
 * one with ".." is ERROR_USAGE and named.
 */

/*
 * The paths, sorted, with the kind '?'; NULL where there are none.  *has_root: one of
 * the lines is ".".  Blocks.
 */
int file_list_read(struct listing **out, bool *has_root, const char *file,
                   struct listing_space *space, struct error *err);

#endif
