#ifndef TRANSFER_ARCHIVE_NAME_H
#define TRANSFER_ARCHIVE_NAME_H

#include <stdbool.h>

#include "base/text.h"

/*
 * What an archive calls its entries, held against the rules of a data set's paths
 * (entry.h).  Pure.
 */
enum archive_name {
    ARCHIVE_NAME_GOOD,
    ARCHIVE_NAME_ROOT,     /* "./": the top itself, no entry */
    ARCHIVE_NAME_ABSOLUTE, /* "/etc/passwd" */
    ARCHIVE_NAME_UPWARDS,  /* has ".." in it, wherever that leads */
    ARCHIVE_NAME_EMPTY
};

/* "./a//b/" is "a/b".  *path is set where the name is good. */
enum archive_name archive_name_read(struct text *path, const char *name);

/* Why it is refused, for people; NULL where it is not. */
const char *archive_name_fault(enum archive_name name);

/* Does a link at this path, with this target, lead out of the tree? */
bool archive_name_link_leaves(const char *path, const char *target);

#endif
