#ifndef AGENT_SOURCE_OPEN_H
#define AGENT_SOURCE_OPEN_H

#include "agent/agent.h"
#include "agent/place.h"
#include "transfer/source.h"
#include "transfer/source_s3.h"
#include "transfer/source_socket.h"

/*
 * A source of any kind, to be opened as often as it is gone over: the one place that
 * knows all kinds.
 */
struct source_open {
    enum place_kind kind;
    struct walk_options walk;    /* local */
    struct source_s3_options s3; /* s3:// */
    const char *socket;          /* browser */
    const struct source_socket_events *socket_events;
    void *socket_ctx;
};

/* For linear code.  What the options point to must outlive the source. */
int source_open(struct source **out, struct agent *a, const struct source_open *options,
                struct error *err);

/*
 * Its entries one by one, for linear code.  issue() tells what was met on the way; may
 * be NULL.
 */
struct source_walk {
    struct agent *agent;
    struct source *source;
    void (*issue)(void *ctx, const struct issue *issue);
    void *ctx;

    /* Private. */
    struct entry_batch batch;
    size_t next;
    bool is_at_end;
};

/* NULL: the end, or *err.  Valid until the next call. */
const struct entry *source_walk_next(struct source_walk *w, struct error *err);

/* The source is closed, too; harmless where there is none. */
void source_walk_end(struct source_walk *w);

#endif
