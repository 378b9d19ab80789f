#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"

/*
 * How `grid datastore stop`, and the page, reach a running session: a socket in the
 * runtime folder (0700, ours), named in the session's status file.  One line in ("stop",
 * "limit 10485760"), one line out.
 */
struct control;

struct control_events {
    void (*stop)(void *ctx);
    void (*limit)(void *ctx, uint64_t rate); /* bytes a second; 0: none */
};

/*
 * Where the socket of a session goes: in `folder`, or, where that makes a name longer
 * than a socket may have (107 bytes), in /tmp/grid-UID, made 0700 and refused when it
 * is not ours.
 */
int control_choose_path(struct text *path, const char *folder, const char *session,
                        struct error *err);

/* The socket at path, whose folder must exist.  Trouble here costs the user `stop`, not
 * the upload: on error *out is NULL, and control_close(NULL) is harmless. */
int control_open(struct control **out, struct loop *loop, const char *path,
                 const struct control_events *events, void *ctx, struct error *err);
const char *control_path(const struct control *c); /* "" for NULL */

/* Removes the socket; the memory goes while the loop runs on. */
void control_close(struct control *c);

/* The other side: ask the session behind `path` to stop, or to send no faster.  Each
 * blocks for at most 10 s. */
int control_ask_stop(const char *path, struct error *err);
int control_ask_limit(const char *path, uint64_t rate, struct error *err);

#endif
