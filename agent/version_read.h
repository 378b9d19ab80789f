#ifndef AGENT_VERSION_READ_H
#define AGENT_VERSION_READ_H

#include "agent/version.h"
#include "transfer/memory_body.h"

/*
 * What stands under one number, read without waiting: a listing of NAME/vN/ tells which of
 * its documents are there, and what they say is read only then.  deleted.json outranks
 * datastore.json, which outranks session.json.
 */
struct version_read {
    /* The question.  done() runs later, exactly once, from the loop. */
    struct agent *agent;
    void (*done)(struct version_read *r, void *ctx);
    void *ctx;

    /* The answer: err.kind is ERROR_NONE on success.  version is the caller's to free. */
    struct version version;
    struct error err;

    /* Private. */
    struct text prefix, key;
    struct store_op op;
    struct memory_sink sink;
    bool has_datastore, has_session, has_deleted, has_others;
    enum { READ_LISTING, READ_SESSION, READ_DATASTORE } phase;
};

void version_read_start(struct version_read *r, const char *name, uint64_t number);
void version_read_cancel(struct version_read *r); /* a wish */

#endif
