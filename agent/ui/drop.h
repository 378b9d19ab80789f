#ifndef AGENT_UI_DROP_H
#define AGENT_UI_DROP_H

#include "agent/paths.h"
#include "agent/ui/broadcast.h"
#include "agent/ui/child.h"

/*
 * Uploads of files that a page has.  The session asks for what it needs over a unix
 * socket (transfer/source_socket.h); its questions go to the page as events, and the
 * page's answers, the bodies of requests, go back as they come: nothing is kept here but
 * the questions that are open.
 *
 * A page may go and come back (a reload, after which the same folder is chosen again):
 * what was asked is asked again.  When it stays away the socket is closed, which ends the
 * session so that it can go on later.
 */
struct drops;

struct drops *drops_new(struct loop *loop, struct children *children,
                        struct broadcast *pages, const struct paths *paths);

/* Every session of a drop ends; the memory goes while the loop runs on. */
void drops_end(struct drops *all);

struct drop_options {
    const char *id;                     /* what the page calls it */
    const char *page;                   /* page_id() */
    const char *label;                  /* what was chosen is called */
    const char *name, *cluster, *limit; /* "": not given */
    bool skip_unreadable, fresh;
    void (*ended)(void *ctx, int code, const char *error); /* as of a launch */
    void *ctx;
};

/* Answers x as launch_start() does.  One of the same name, cluster and label that runs
 * still is taken over by the page. */
void drops_start(struct drops *all, struct exchange *x, const struct drop_options *o);

/* A request that brings an answer: its head is there, then all of it. */
void drops_begin_answer(struct drops *all, struct exchange *x);
void drops_end_answer(struct drops *all, struct exchange *x);

void drops_page_came(struct drops *all, struct page *p);
void drops_page_went(struct drops *all, const struct page *p);

#endif
