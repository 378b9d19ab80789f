#ifndef AGENT_LIKENESS_H
#define AGENT_LIKENESS_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/place.h"

/*
 * Is this folder what an unfinished version was begun from?  Elsewhere it has another
 * path, and some of it may have changed; but where nothing of what is stored is in it,
 * it is another one, and going on would remove all that is there.
 *
 * 0: it may be; -1: it is not, or error.  Looks at some of the objects; waits.
 */
int likeness_check(struct agent *a, const struct version *v, const struct place *place,
                   struct error *err);

#endif
