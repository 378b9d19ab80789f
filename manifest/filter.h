#ifndef MANIFEST_FILTER_H
#define MANIFEST_FILTER_H

#include <stdbool.h>

#include "base/error.h"

/*
 * --exclude, --include and --exclude-from: an ordered list of glob rules.
 *
 * A pattern without '/' matches the name of a file or folder at any depth.  One with
 * '/' (a leading one is dropped) matches the whole path from the root: '*' and '?' do
 * not cross '/', a component of two stars matches any number of components (at the end:
 * all that lies below, not the folder itself).  A trailing '/' matches folders only.
 * [abc], [a-z], [!a-z] and [[:digit:]] as in the shell; '\' takes the next character
 * literally. A rule matches a file when it matches the file or a folder above it.  The
 * last rule that matches decides; a file that no rule matches is in.  (As with aws s3
 * sync, but for the names at any depth.)
 */
struct filter;

struct filter *filter_new(void);
void filter_free(struct filter *filter);

/* ERROR_USAGE for a malformed or empty pattern, or one with "..". */
int filter_add(struct filter *filter, bool is_include, const char *pattern,
               struct error *err);

/* Rules of exclusion, one a line; blank lines and lines that begin with '#' are
 * skipped,
 * "!pattern" includes.  A CR at the end of a line is dropped.  Blocks. */
int filter_add_file(struct filter *filter, const char *file, struct error *err);

/* Is this file or link in?  (A link that is followed counts as what it leads to.) */
bool filter_takes(const struct filter *filter, const char *path);

/* The same for a folder, which is an entry when it is empty. */
bool filter_takes_folder(const struct filter *filter, const char *path);

/* May this folder, or anything below it, be in?  False lets the walk leave it out
 * unread. */
bool filter_enters(const struct filter *filter, const char *path);

/*
 * A line of printable ASCII that is equal for equal rules, "" for none: part of
 * "options that shape the result".  Valid until the next change.
 */
const char *filter_spell(const struct filter *filter);

#endif
