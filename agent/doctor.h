#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H

#include <stdbool.h>

#include "agent/agent.h"
#include "agent/commands.h"

/*
 * `grid cluster check`: one line a check, as soon as it is known.
 *
 *     ok     dns          s3.lab.example is 10.0.0.7
 *     note   region       the bucket is in eu-1, not in us-east-1
 *              say so: grid login ... --region eu-1
 *     fails  write        ... AccessDenied
 *              ask for the permission
 *
 * A note is what the program copes with by itself.  The tests of a kind of store are in
 * doctor_s3.h and doctor_dir.h.
 */
enum finding { FINDING_OK, FINDING_NOTE, FINDING_FAILS };

struct doctor {
    const struct command_context *c;
    struct agent *agent;
    unsigned n_failed;
    bool is_refused; /* for want of valid keys, or of a permission */
};

/* message and hint (may be NULL) are for people; ends nothing. */
void doctor_tell(struct doctor *d, const char *check, enum finding finding,
                 const char *message, const char *hint);
void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_note(struct doctor *d, const char *check, const char *hint,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What `check` came to; hint NULL: what follows from the error. */
void doctor_failed(struct doctor *d, const char *check, const struct error *err,
                   const char *hint);

/* A document that would let the keys do what they may not. */
void doctor_policy(struct doctor *d, const char *policy);

#endif
