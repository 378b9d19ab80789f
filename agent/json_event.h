#ifndef AGENT_JSON_EVENT_H
#define AGENT_JSON_EVENT_H

#include "agent/event.h"
#include "base/text.h"

/*
 * One event as one line of JSON, with the field names of CLI.md ("Output"): "event" and
 * "time" first.  For --json and for the session's log file.  The line's end is
 * included.
 */
void json_event_add(struct text *line, const struct event *event);

#endif
