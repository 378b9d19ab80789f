#ifndef AGENT_OPEN_UPLOADS_H
#define AGENT_OPEN_UPLOADS_H

#include "agent/question.h"
#include "manifest/checkpoint.h"

/*
 * Multipart uploads that nobody will complete: they are not seen, but paid for.  Linear
 * code over the store (see agent.h); none of one's own may be under way.
 *
 * Most stores list them by prefix.  Where only the exact key is understood
 * (store_limits: lists_exact_key) they can be found for keys that are known from
 * elsewhere alone: the plan's, or those of a listing of objects.
 */

/* All below "NAME/vN/", on file:// stray temporary files, too; by exact key those of the
 * plan's files that have more than one part.  checkpoint NULL: there is no plan; an
 * exact-key store then has nothing to be asked for.  part_size: --part-size, 0 if none. */
int open_uploads_abort(struct agent *a, const char *prefix,
                       struct checkpoint *checkpoint, uint64_t part_size,
                       struct error *err);

/* The same, of a listing by prefix (STORE_LIST_UPLOADS) that has been answered. */
int open_uploads_abort_listed(struct agent *a, struct question *listed,
                              struct error *err);

/* Those of these keys, whatever the store. */
int open_uploads_abort_keys(struct agent *a, const char *const *keys, size_t n,
                            struct error *err);

/* May an object of this size have had an upload that only its exact key finds? */
bool open_uploads_are_hidden(const struct agent *a, uint64_t size);

#endif
