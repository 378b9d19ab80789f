/* The body of a question is small (SERVER_BODY_MAX), and parsed at once. */
#include "agent/ui/answer_json.h"

#include <string.h>

#include "agent/json_line.h"

static const char type[] = "application/json";

void answer_json(struct exchange *x, const char *json)
{
    exchange_answer(x, 200, type, json, strlen(json));
}

static void refuse(struct exchange *x, unsigned status, const char *why,
                   const char *kind)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "error", why);
    json_line_string(&line, "kind", kind);
    json_line_end(&line);
    exchange_answer(x, status, type, line.data, line.size);
    text_free(&line);
}

void answer_refusal(struct exchange *x, unsigned status, const char *why)
{
    refuse(x, status, why, "");
}

void answer_error(struct exchange *x, const struct error *err)
{
    unsigned status = err->kind == ERROR_NOT_FOUND  ? 404
                      : err->kind == ERROR_USAGE    ? 400
                      : err->kind == ERROR_CONFLICT ? 409
                                                    : 500;

    refuse(x, status, err->text, error_kind_name(err->kind));
}

cJSON *question_of(struct exchange *x)
{
    cJSON *question = cJSON_ParseWithLength(text_string(&x->body), x->body.size);

    if (cJSON_IsObject(question))
        return question;
    cJSON_Delete(question);
    answer_refusal(x, 400, "the body is no JSON object");
    return NULL;
}

const char *question_string(const cJSON *question, const char *name)
{
    const cJSON *field = cJSON_GetObjectItem(question, name);

    return cJSON_IsString(field) ? field->valuestring : "";
}

bool question_flag(const cJSON *question, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(question, name));
}
