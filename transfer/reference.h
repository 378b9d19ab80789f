#ifndef TRANSFER_REFERENCE_H
#define TRANSFER_REFERENCE_H

#include "transfer/upload.h"

/*
 * One object of a source that stays where it is (--no-copy): it is looked at, and what
 * identifies it is noted.  The note's etag is "ETAG", or "ETAG VERSIONID" where the
 * source keeps versions; reference_split() takes that apart.
 */
struct reference;

/* Of the events done() alone comes: later, exactly once.  The end cannot be hastened but
 * by source_stop(). */
struct reference *reference_start(const struct upload_options *options);

/* In place: etag ends where the version id begins, which is returned; NULL: none. */
char *reference_split(char *etag);

#endif
