#ifndef AGENT_SESSION_JSON_H
#define AGENT_SESSION_JSON_H

#include "agent/session_status.h"
#include "base/text.h"

/* A session as one line of JSON: `status --json`, and what the page is told. */
void session_json_add(struct text *line, const struct session_status *s);

/* It goes on, here or on another machine that shares the folder. */
bool session_json_goes_on(const struct session_status *s);

/* Where it does not: "succeeded", "interrupted" or "failed". */
const char *session_json_state(const struct session_status *s);

#endif
