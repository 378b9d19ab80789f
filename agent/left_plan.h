#ifndef AGENT_LEFT_PLAN_H
#define AGENT_LEFT_PLAN_H

#include "agent/catalog.h"
#include "agent/paths.h"

/*
 * The plan that an unfinished session of this machine has left behind: of use where it
 * alone tells for which keys uploads may be open (open_uploads.h).
 */

/* Abort what may be open of a version that is about to be deleted.  0 also where there
 * is nothing to be known: no plan here, or not of this session.  ERROR_CONFLICT: a run
 * has it open. */
int left_plan_abort_uploads(struct agent *a, const struct paths *paths,
                            const struct version *v, struct error *err);

/* It is deleted: nobody is to be told any more that it can be resumed. */
void left_plan_forget_status(struct agent *a, const struct paths *paths,
                             const struct version *v);

#endif
