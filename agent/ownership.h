#ifndef AGENT_OWNERSHIP_H
#define AGENT_OWNERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/question.h"
#include "agent/record.h"

/*
 * Who owns a version number, told by NAME/vN/session.json (FORMATS.md, "Owning a
 * version number"): reserving one, taking one over, and the beat that keeps it.
 */
struct ownership {
    struct agent *agent;
    char *name;
    uint64_t version;
    char *prefix;                 /* "NAME/vN/" */
    struct session_record record; /* as we write it */
    bool was_alive; /* ownership_resume(): the run before may write for a while yet */

    /* What is known to stand in the store already, and need not be asked again. */
    bool has_newest;
    uint64_t newest; /* the highest number of all */
    uint64_t used;   /* a number that is known to be in use, 0: none */

    /* Private. */
    struct question ahead;
    struct beat *beat;
};

enum {
    OWNERSHIP_LOOK_MS = 10 * 1000,   /* between two looks whether it is still ours */
    OWNERSHIP_GOOD_MS = 60 * 1000,   /* for so long what was seen may be relied upon */
    OWNERSHIP_NOTICE_MS = 70 * 1000, /* after so long who was taken over has stopped */
    OWNERSHIP_BEAT_MS = 60 * 1000,   /* between two writings */
    OWNERSHIP_STALE_MS = 5 * 60 * 1000 /* an older record is of a dead run */
};

/* o->agent, o->name and o->record (session, run, source, options) are set by the
 * caller; the functions below fill in the rest. */

/* A number will be reserved: what the store can do is asked meanwhile, while other things
 * are.  ownership_end_ahead() must follow, whatever comes of it. */
void ownership_ask_ahead(struct ownership *o);
void ownership_end_ahead(struct ownership *o);

/* Reserve the next free number: one above all that stand in the store.  Where the store
 * knows no conditional put, this may take some seconds while others want it, too, or as
 * long as its listings lag.  The account's own bucket is made where there is none. */
int ownership_reserve(struct ownership *o, struct error *err);

enum ownership_past {
    OWNERSHIP_OURS,     /* nobody else has written since our last run */
    OWNERSHIP_REBOOTED, /* the same, but the machine was started anew meanwhile */
    OWNERSHIP_FOREIGN   /* another run has written: what we noted says nothing */
};

/*
 * Go on with version `o->version`.  last_run: the run that our checkpoint remembers,
 * NULL without one.  o->record.session: the session it must be, "" for any (then it is
 * filled in).  ERROR_CONFLICT: another run is alive (the text says who, where and since
 * when; take_over overrides).  ERROR_NOT_FOUND: deleted, or of another session.
 */
int ownership_resume(struct ownership *o, const char *last_run, bool take_over,
                     enum ownership_past *past, struct error *err);

/* Still ours?  ERROR_CONFLICT when another run has it, it is gone or deleted. */
int ownership_check(struct ownership *o, struct error *err);

/* The same, asked together with something else: it was ours when question_start() was
 * called. */
enum { OWNERSHIP_QUESTIONS = 2 };
void ownership_questions(const struct ownership *o,
                         struct question q[OWNERSHIP_QUESTIONS]);
int ownership_judge(const struct ownership *o,
                    const struct question q[OWNERSHIP_QUESTIONS], struct error *err);

struct ownership_events {
    /* It is another's, or gone: nothing may be touched.  At most once. */
    void (*lost)(void *ctx, const struct error *err);

    /* It is ours, but for so long nobody could look: others may have been at it. */
    void (*lapsed)(void *ctx, uint64_t ms);
};

/*
 * Look every 10 s and rewrite every minute, from the loop.  While this runs the store is
 * changed only as long as the last look is good (store_write_until).
 */
void ownership_start_beat(struct ownership *o, const struct ownership_events *events,
                          void *ctx);
void ownership_stop_beat(struct ownership *o); /* waits for what is under way */

/* The run is over, the session is not: "interrupted" or "failed". */
int ownership_leave(struct ownership *o, const char *ended, struct error *err);

/* Published: remove the record. */
int ownership_release(struct ownership *o, struct error *err);

/* Published: remove what reserving has left in session/, of which claims is a listing
 * that has been answered. */
int ownership_remove_claims(struct ownership *o, struct question *claims,
                            struct error *err);

void ownership_free(struct ownership *o);

#endif
