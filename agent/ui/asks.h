#ifndef AGENT_UI_ASKS_H
#define AGENT_UI_ASKS_H

#include "agent/ui/server.h"

/*
 * The questions of one session that are open, over the socket on which it asks
 * (transfer/source_socket.h has the words).  Each is told; its answer is the body of a
 * request, and goes to the session as it comes: what the session does not take is not
 * taken from the request either.  An answer that breaks off does not count, and the
 * question is told again.
 */
struct asks;

struct asks_events {
    void (*asked)(void *ctx,
                  const char *json); /* {"ask":7,...}: it is to be answered */
    void (*lost)(void *ctx);         /* the session has gone, or asks no questions */
    void (*closed)(void *ctx); /* after asks_close(), later: the last that is called */
};

struct asks *asks_new(const struct asks_events *events, void *ctx);

/* Once: the session is the connection that waits at the listener. */
void asks_accept(struct asks *all, uv_stream_t *listener);

/* The session sees its files go; what still comes of answers counts no more. */
void asks_close(struct asks *all);

/* Tell again what nobody is answering. */
void asks_tell(const struct asks *all);

/* Who is answering has gone, even if that is not seen yet. */
void asks_detach(struct asks *all);

/* The head of a request that brings an answer to the question `ask` of its query; then
 * all of it.  One that comes while another is under way takes its place: the page has
 * given that up.  all NULL: nobody asks. */
void asks_begin_answer(struct asks *all, struct exchange *x);
void asks_end_answer(struct exchange *x);

#endif
