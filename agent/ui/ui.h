#ifndef AGENT_UI_UI_H
#define AGENT_UI_UI_H

#include "agent/commands.h"
#include "agent/ui/broadcast.h"
#include "agent/ui/child.h"
#include "agent/ui/drop.h"
#include "agent/ui/guard.h"
#include "agent/ui/server.h"
#include "agent/ui/session_watch.h"

/*
 * `grid ui`: what its files share.  The page's requests are answered in api*.c, by
 * running this same program; see API.md.
 */
struct ui {
    const struct command_context *command;
    struct loop loop;
    struct server *server;
    struct guard guard;
    struct children children;
    struct broadcast *pages;
    struct session_watch *sessions;
    struct drops *drops;
    bool is_ending;
};

/* The head of a request that has passed the guard: where does its body go? */
void api_begin(struct ui *ui, struct exchange *x);

/* A request that has passed the guard, its body in x->body; answered now or later. */
void api_answer(struct ui *ui, struct exchange *x);

/* Several at once have the right to change the list of datastores: the pages look
 * again. */
void ui_tell_changed(struct ui *ui, const char *what);

/* ---- parts of api_answer ---- */

typedef void api_fn(struct ui *ui, struct exchange *x);

struct api_route {
    const char *method, *path;
    api_fn *answer;
};

extern const char api_drop_answer[]; /* its body is not collected */

/* The routes of one part, ended by one without a path. */
extern const struct api_route api_lookups[], api_sessions[], api_clusters[];

#endif
