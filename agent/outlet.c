/* Only what is WRITER_IF_ROOM is counted: progress is out of date anyway. */
#include "agent/outlet.h"

#include <inttypes.h>

#include "agent/json_event.h"
#include "agent/message.h"

static void tell_lost(struct outlet *o, enum writer_urgency urgency, int64_t time_ms)
{
    struct text words = {0}, line = {0};
    struct event e = {.kind = EVENT_WARNING, .time_ms = time_ms};

    text_add_format(
        &words, "%" PRIu64 " more lines like these were not shown: the reader was slow",
        o->n_lost);
    e.warning.kind = "not_shown";
    e.warning.message = text_string(&words);
    if (o->is_json)
        json_event_add(&line, &e);
    else
        message_add(&line, o->terminal, &e);
    if (writer_put(o->writer, line.data, line.size, urgency))
        o->n_lost = 0;
    text_free(&words);
    text_free(&line);
}

bool outlet_put(struct outlet *o, const struct text *bytes, enum writer_urgency urgency,
                int64_t time_ms)
{
    if (o->writer == NULL || bytes->size == 0)
        return true;
    if (o->n_lost > 0 && !o->is_drawn_on && urgency != WRITER_IF_IDLE)
        tell_lost(o, urgency, time_ms);
    if (writer_put(o->writer, bytes->data, bytes->size, urgency))
        return true;
    if (urgency == WRITER_IF_ROOM)
        o->n_lost++;
    return false;
}

void outlet_end(struct outlet *o, int64_t time_ms)
{
    if (o->writer != NULL && o->n_lost > 0)
        tell_lost(o, WRITER_ALWAYS, time_ms);
}
