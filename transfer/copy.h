#ifndef TRANSFER_COPY_H
#define TRANSFER_COPY_H

#include "transfer/upload.h"

/*
 * One file on its way into a store that reaches it by itself (source_from): copied by
 * the store in one go, or part by part.  No byte of it passes through us, so its digest
 * is not known and the note has none; what it is, its ETag tells.
 *
 * It is used as an upload (upload.h), with the same events.  Where the store cannot
 * copy it the outcome says so (is_refused): the bytes are to be sent.
 */
struct copy;

/* known: an open upload that may be relied on, or zeroed; its memory is the copy's from
 * here on. must_compare of the options is of no use: nothing can be compared. */
struct copy *copy_start(const struct upload_options *options,
                        const struct upload_record *known);
bool copy_step(struct copy *copy);
void copy_cancel(struct copy *copy);
uint64_t copy_progress(const struct copy *copy); /* bytes */

/* Is it copied in one go? */
bool copy_is_single(const struct store *store, uint64_t size);

#endif
