#ifndef AGENT_UI_BROADCAST_H
#define AGENT_UI_BROADCAST_H

#include <stdint.h>

#include "agent/ui/server.h"

/*
 * The one stream of events to every page that is open (server-sent events).  A page that
 * does not read is cut off; it connects again, and is told everything anew.
 */
struct broadcast;
struct page; /* one that is connected */

struct broadcast_events {
    void (*came)(void *ctx, struct page *p); /* to be told what there is */
    void (*went)(void *ctx, struct page *p);
};

struct broadcast *broadcast_open(struct loop *loop,
                                 const struct broadcast_events *events, void *ctx);

/* When no page is connected any more. */
void broadcast_close(struct broadcast *b);

/* The request becomes the stream to a page, which calls itself `id`. */
void broadcast_join(struct broadcast *b, struct exchange *x, const char *id);

/* NULL: no page of that name is connected. */
struct page *broadcast_find(const struct broadcast *b, const char *id);
const char *page_id(const struct page *p);

/* event: a word; json: one line, an end of line is harmless. */
void broadcast_tell(struct broadcast *b, const char *event, const char *json);
void page_tell(struct page *p, const char *event, const char *json);
unsigned broadcast_pages(const struct broadcast *b);

#endif
