#ifndef AGENT_FAR_STATUS_H
#define AGENT_FAR_STATUS_H

#include "agent/commands.h"

/*
 * `status NAME` where no session of that name was ever on this machine: what the store
 * knows of its newest version, whose session.json says who is at it and when it was last
 * heard of.  With --watch again and again until it ends.  Returns the exit code.
 */
int far_status_show(const struct command_context *c, const char *name);

#endif
