#ifndef AGENT_SAME_TREE_H
#define AGENT_SAME_TREE_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/source_open.h"

/*
 * Is a source still what a published version holds?  Its listing is compared with the
 * manifest: paths, types, sizes, modification times, modes and the targets of
 * links; nothing is read.  A file or folder that cannot be read is a difference, but
 * with skip_unreadable not one that the version was published without.
 *
 * 1: yes, 0: no, -1: it could not be told.  Linear code (see agent.h).
 */
int same_tree(struct agent *a, const struct version *v,
              const struct source_open *source, bool skip_unreadable,
              struct error *err);

#endif
