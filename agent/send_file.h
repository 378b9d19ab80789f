#ifndef AGENT_SEND_FILE_H
#define AGENT_SEND_FILE_H

#include "agent/agent.h"

/* Put one local file (a manifest shard) into the store under key, in parts where it is
 * large.  Linear code (see agent.h). */
int send_file(struct agent *a, const char *file, const char *key, struct error *err);

#endif
