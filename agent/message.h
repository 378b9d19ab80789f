#ifndef AGENT_MESSAGE_H
#define AGENT_MESSAGE_H

#include "agent/event.h"
#include "agent/terminal.h"
#include "base/error.h"
#include "base/text.h"

/*
 * Events in the words and colours for people: whole lines, with their ends, harmless on
 * a terminal whatever a file is called.  A scan that is not done has no words.
 */
void message_add(struct text *out, const struct terminal *t, const struct event *event);

/* A line of progress as plain output has it, with the time in front. */
void message_add_progress(struct text *out, const struct terminal *t, int64_t time_ms,
                          const struct event_progress *e);

/* "error: <message>" and the hint (may be NULL) indented below. */
void message_add_error(struct text *out, const struct terminal *t, const char *path,
                       const char *message, const char *hint);

/* "waiting for the network: <why>", or what else it is that is waited for. */
void message_add_waiting(struct text *out, const struct terminal *t,
                         const struct error *why);

#endif
