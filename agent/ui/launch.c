/* The lines are read to the end, so that the session is not held up by a full pipe. */
#include "agent/ui/launch.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "agent/json_line.h"
#include "base/mem.h"

struct launch {
    struct exchange *x; /* NULL: answered, or gone */
    struct launch_options options;
    struct text error; /* the last */
};

static void end_answer(struct launch *l)
{
    if (l->x == NULL)
        return;
    l->x->gone = NULL;
    exchange_end(l->x);
    l->x = NULL;
}

static bool is_event(const char *word, const cJSON *event)
{
    const cJSON *kind = cJSON_GetObjectItem(event, "event");

    return cJSON_IsString(kind) && strcmp(kind->valuestring, word) == 0;
}

static void keep_error(struct launch *l, const cJSON *event)
{
    const cJSON *message = cJSON_GetObjectItem(event, "message");

    text_clear(&l->error);
    text_add(&l->error, cJSON_IsString(message) ? message->valuestring : "");
}

static void on_line(void *ctx, const char *line, size_t size)
{
    struct launch *l = ctx;
    cJSON *event = cJSON_ParseWithLength(line, size);

    if (l->x != NULL && event != NULL) {
        exchange_write(l->x, line, size);
        exchange_write(l->x, "\n", 1);
    }
    if (is_event("error", event))
        keep_error(l, event);
    if (is_event("session", event) || is_event("unchanged", event))
        end_answer(l);
    cJSON_Delete(event);
}

static void write_exit(struct launch *l, int code, const char *errors)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "event", "exit");
    json_line_i64(&line, "code", code);
    json_line_string(&line, "errors", errors);
    json_line_end(&line);
    exchange_write(l->x, line.data, line.size);
    text_free(&line);
}

static void on_ended(void *ctx, int code, const char *errors)
{
    struct launch *l = ctx;

    if (l->x != NULL)
        write_exit(l, code, errors);
    end_answer(l);
    if (l->options.ended != NULL)
        l->options.ended(l->options.ctx, code, text_string(&l->error));
    text_free(&l->error);
    free(l);
}

static const struct child_events child_events = {.line = on_line, .ended = on_ended};

static void on_gone(struct exchange *x)
{
    struct launch *l = x->owner;

    l->x = NULL;
}

void launch_start(struct exchange *x, const struct launch_options *options)
{
    struct launch *l = mem_new(1, sizeof *l);
    const struct child_options child = {
        .all = options->children,
        .arguments = options->arguments,
        .variable = options->variable,
        .is_session = true,
        .events = &child_events,
        .ctx = l,
    };

    l->x = x;
    l->options = *options;
    x->owner = l;
    x->gone = on_gone;
    exchange_stream(x, 200, "application/x-ndjson");
    (void)child_start(&child);
}
