#ifndef AGENT_OUTLET_H
#define AGENT_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/terminal.h"
#include "agent/writer.h"
#include "base/text.h"

/*
 * A writer, and the count of the warnings that it had no room for; the count is said as
 * soon as there is room, in words or as JSON.
 */
struct outlet {
    struct writer *writer; /* NULL: everything is thrown away */
    bool is_json;
    bool is_drawn_on; /* a display stands there: no line of our own before outlet_end()
                       */
    const struct terminal *terminal; /* how words are coloured */
    uint64_t n_lost;                 /* not yet told */
};

/* Words or lines of JSON; false if they are lost.  time_ms: now, for what it may have
 * to say itself. */
bool outlet_put(struct outlet *o, const struct text *bytes, enum writer_urgency urgency,
                int64_t time_ms);

/* Say what is still to be said. */
void outlet_end(struct outlet *o, int64_t time_ms);

#endif
