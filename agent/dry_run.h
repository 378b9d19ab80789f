#ifndef AGENT_DRY_RUN_H
#define AGENT_DRY_RUN_H

#include "agent/session.h"

/* `create --dry-run`: what would be sent and asked; changes nothing.  Returns the exit
 * code. */
int dry_run(const struct session_request *request);

#endif
