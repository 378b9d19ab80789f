#ifndef AGENT_UI_SESSION_WATCH_H
#define AGENT_UI_SESSION_WATCH_H

#include <stdbool.h>

#include "base/loop.h"

/*
 * All sessions of this machine, whoever has begun them, by their status files, looked at
 * once a second on a worker.  Those that were published or given up more than a day ago
 * are left out.
 */
struct session_watch;

struct watched_session {
    char *id, *name, *cluster, *source, *socket, *log;
    char *json; /* a line for the page */
    bool is_running;
    bool is_published;
};

struct session_watch_events {
    void (*changed)(void *ctx, const struct watched_session *s); /* or new */
    void (*gone)(void *ctx, const struct watched_session *s);
};

struct session_watch *session_watch_start(struct loop *loop, const char *folder,
                                          const struct session_watch_events *events,
                                          void *ctx);

/* The memory goes while the loop runs on. */
void session_watch_stop(struct session_watch *w);

/* Valid until the loop runs on.  NULL: there is none of that id. */
const struct watched_session *session_watch_find(const struct session_watch *w,
                                                 const char *id);
void session_watch_each(const struct session_watch *w,
                        void (*each)(void *ctx, const struct watched_session *s),
                        void *ctx);

#endif
