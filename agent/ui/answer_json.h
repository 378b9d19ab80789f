#ifndef AGENT_UI_ANSWER_JSON_H
#define AGENT_UI_ANSWER_JSON_H

#include <cjson/cJSON.h>

#include "agent/ui/server.h"

/* Whole answers in JSON, and questions. */
void answer_json(struct exchange *x, const char *json);

/* {"error":"...","kind":"..."}; the status follows from the kind. */
void answer_error(struct exchange *x, const struct error *err);
void answer_refusal(struct exchange *x, unsigned status, const char *why);

/* The object in the body; NULL: there is none, and the answer has been given. */
cJSON *question_of(struct exchange *x);

/* "" where there is no such string. */
const char *question_string(const cJSON *question, const char *name);
bool question_flag(const cJSON *question, const char *name);

#endif
