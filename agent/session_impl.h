#ifndef AGENT_SESSION_IMPL_H
#define AGENT_SESSION_IMPL_H

#include "agent/catalog.h"
#include "agent/control.h"
#include "agent/delivery.h"
#include "agent/detach.h"
#include "agent/ownership.h"
#include "agent/place.h"
#include "agent/publication.h"
#include "agent/report.h"
#include "agent/session.h"
#include "agent/session_files.h"
#include "agent/session_status.h"
#include "agent/signals.h"
#include "agent/source_access.h"

/* Of a store, or a server, that has never answered: it may be misspelt, or a laptop waking
 * up. */
enum { SESSION_FIRST_CONTACT_MS = 60 * 1000 };

/* Private to the session: what its files share. */
struct session {
    const struct session_request *q;
    struct options options; /* q's, with the shape of the session that is resumed */
    char *shape_storage;    /* what options.files_from then points into */
    struct agent agent;
    struct console *console;
    struct place place;
    struct source_access access; /* of an s3:// source */
    char name[NAME_MAX_BYTES + 1];
    struct text shape;
    struct session_files files;
    struct checkpoint *checkpoint;
    struct text previous; /* of the keys of the version to copy from; "": none */
    struct ownership own;
    bool owns; /* session.json is ours */
    bool is_resumed;
    bool was_reserving; /* the last run was killed meanwhile: its id, with which it may
                           have claimed a number, is taken up */
    bool is_published;  /* found so: only the tidying up is left */
    uint64_t unchanged; /* the version that still holds the source: there is no session;
                           else 0 */
    uint64_t limit;     /* as it begins: bytes a second; 0: none */
    bool is_limit_kept; /* it is the last run's */
    struct report *report;
    struct session_status status;
    char host[256]; /* status.host: the record's is replaced with each signature */
    struct control *control;
    struct signals *signals;
    struct delivery delivery;
    struct publication_left left; /* beside the version, when it is published */
    struct detach detach;
    const char *hint;  /* of the error that ended it, where its kind says too little */
    struct error lost; /* another run has taken the session over */
    bool stop_asked;   /* by `grid datastore stop`, or since the source is gone */
    const char *stop_reason; /* likewise */
    uint64_t started_ms;
};

/* ---- which session it is: session_open.c ---- */

/* Close, and wait until it is closed; harmless on NULL. */
void session_close_checkpoint(struct session *s);

/*
 * Open the checkpoint, find out which session this is, and own its version number: a
 * new one, or the one that an earlier run left, here or (without a checkpoint) in the
 * store.  With --if-changed there may be none: s->unchanged.
 */
int session_open(struct session *s, struct error *err);

/* The session that was found turns out to be published: begin another, with a number of
 * its own. */
int session_begin_next(struct session *s, struct error *err);

/* Wait until all notes are committed. */
int session_flush(struct session *s, struct error *err);

/* ---- its source: session_source.c ---- */

enum { SESSION_LEAVE_OUT_MAX = 2 };

struct session_source {
    struct source_open open;
    struct walk_place leave_out[SESSION_LEAVE_OUT_MAX]; /* what `open` points to */
    char *leave_out_key;
};

/* What is to be gone over; not to be moved. */
void session_fill_source(struct session *s, struct session_source *source);
/* The page with the files is gone: the session is to stop, resumably. */
extern const struct source_socket_events session_page_events;

void session_free_source(struct session_source *source);

/* The same of an archive behind a URL. */
void session_fill_archive(struct session *s, struct unpack_source *archive);

/* Is the source still what the published version `number` (0: the newest) holds?  1: yes,
 * 0: no, -1: it could not be told.  *v is what was found of it, to be freed in any case. */
int session_compare(struct session *s, uint64_t number, struct version *v,
                    struct error *err);

/* ---- what it tells: session_events.c ---- */

void session_warn(struct session *s, const char *kind, const char *path,
                  const char *message);
void session_tell_error(struct session *s, const char *path, const struct error *err,
                        const char *hint);

/* Its version number is owned. */
void session_tell_begun(struct session *s);

/* It goes on in the background; said with what the site may do to it there. */
void session_tell_detached(struct session *s);

/* The store does not answer: what is waited for; NULL: it answers again. */
void session_tell_away(struct session *s, const struct error *err);

void session_tell_unchanged(struct session *s);
void session_tell_published(struct session *s, const struct datastore_record *r);

/* The end without a publication, from the first error: the program's exit code, the
 * reason as the run itself says it and `status` afterwards, and the last events. */
int session_exit_code(struct session *s, const struct error *err);
const char *session_stop_reason(const struct session *s, const struct error *err);
void session_tell_stopped(struct session *s, const struct error *err, int code);

#endif
