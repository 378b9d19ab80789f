#ifndef AGENT_UI_OUTFLOW_H
#define AGENT_UI_OUTFLOW_H

#include "agent/ui/child.h"
#include "agent/ui/server.h"

/*
 * What a command writes to its stdout, byte for byte, as a file to be saved under the
 * last component of `path`.  Where the command fails before the first byte, what it says
 * is the answer; later, the download breaks off.
 */
void outflow_start(struct exchange *x, struct children *children,
                   const char *const *arguments, const char *path);

#endif
