#ifndef TESTS_DROP_KIT_H
#define TESTS_DROP_KIT_H

#include "agent/ui/drop.h"

/*
 * Drops on a real server, with both their sides: pages that ask over HTTP as a browser
 * does, and a session that talks over the unix socket.  The session's process is this
 * program (stage_session()); its side of the socket is played by the test.
 */
struct stage {
    struct loop loop;
    struct server *server;
    struct broadcast *pages;
    struct children children;
    struct drops *drops;
    struct paths paths;
    char folder[64];
    unsigned n_ended;
    int code;
};

int stage_begin(void **state);
int stage_end(void **state);

/* What main() is where the program is run as a session; -1: it is not. */
int stage_session(int argc, char **argv);

/* Run the loop until this is so. */
typedef bool stage_wish(const void *ctx);
void stage_until(struct stage *s, stage_wish *wish, const void *ctx);

/* One request and its answer. */
struct client {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct text in;
    bool is_over, is_closed; /* the answer has ended; our side is closed */
};

/* target: "/answer?drop=..."; size: of the body, of which nothing is sent yet. */
void client_start(struct stage *s, struct client *c, const char *method,
                  const char *target, size_t size);
void client_send(struct client *c, const void *bytes, size_t size);
size_t client_unsent(const struct client *c);
void client_close(struct stage *s, struct client *c); /* also in its midst */

/* Wait for the answer, check its status, and close. */
void client_finish(struct stage *s, struct client *c, unsigned status);

/* The stream of events of a page; it stays open until client_close(). */
void page_open(struct stage *s, struct client *c, const char *id);

/* Until the text has been told n times. */
void client_hears(struct stage *s, const struct client *c, const char *what,
                  unsigned n);
unsigned client_count(const struct client *c, const char *what);

/* What a session has heard of the answer to one question. */
struct heard {
    unsigned n_begins, n_ends;
    uint64_t size, modified;
    struct text bytes; /* since the last begin */
    char fail[256];    /* "gone TEXT" */
};

enum { ASKS_MAX = 64 };

struct session {
    uv_pipe_t pipe;
    uv_connect_t connect;
    pid_t pid;
    struct text in; /* what is not taken to pieces yet */
    struct heard asks[ASKS_MAX];
    bool is_over, is_closed;
};

/* A drop is begun by a page; its session is connected. */
void session_start(struct stage *s, struct session *e, const char *drop,
                   const char *page, const char *label);
void session_say(struct session *e, const char *words);
void session_ask(struct session *e, unsigned ask); /* a range of a file of that name */
void session_listen(struct session *e, bool is_wanted);
void session_until_end(struct stage *s, struct session *e, unsigned ask);
void session_hang_up(struct stage *s, struct session *e);

/* Its process ends, and all of the drop with it. */
void session_kill(struct stage *s, struct session *e);

#endif
