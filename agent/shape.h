#ifndef AGENT_SHAPE_H
#define AGENT_SHAPE_H

#include "agent/options.h"
#include "base/text.h"

/*
 * The options that shape the result (filters, --files-from, symlink policy), as one
 * line that is equal for equal options.  It stands in the checkpoint and in
 * session.json, and can be turned back into options by a resume that was not given
 * them.
 */
void shape_format(const struct options *o, struct text *out);

/* Into o->symlinks, o->filter (made anew), o->files_from (points into *storage, which
 * the caller frees).  ERROR_CORRUPT where it cannot be understood. */
int shape_apply(struct options *o, const char *shape, char **storage,
                struct error *err);

#endif
