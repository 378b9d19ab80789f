#ifndef AGENT_SOURCE_ACCESS_H
#define AGENT_SOURCE_ACCESS_H

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "agent/place.h"
#include "agent/role_access.h"
#include "transfer/source_s3.h"

/*
 * How the bucket of an s3:// source is read: where it is and with whose keys, found out
 * by trying one after the other:
 *
 *   1. the cluster's own keys, at the cluster's endpoint
 *   2. those of the AWS tools, at the endpoint that they are set to
 *   3. no keys at all, at either
 *   4. each registered role (`grid credential`)
 *
 * It has a memory budget of its own (transfer/object_stream.h).
 */
struct source_access {
    struct store *store; /* keys are relative to the source's prefix */
    char *prefix;        /* of that store: "", or with a '/' at its end */
    char *single;        /* the one object; NULL: all below the prefix */

    /* Private. */
    struct budget *budget;
    struct cluster cluster;
    struct cluster_store keys;
    struct config config; /* for its roles */
    struct role_access *roles;
    struct role_access *role; /* in use, or NULL */
};

struct source_access_options {
    struct agent *agent; /* its store is open, where there is one */
    const struct cluster *cluster;
    const struct paths *paths;
    const struct store_options *wanted; /* jobs, how long to wait, whom to tell */
    uint64_t memory;                    /* for payload */
    bool request_payer;
    const char *files_from; /* ERROR_USAGE unless NULL: that is for local folders */
    bool may_be_empty;      /* what was there once need not be there any more */
};

/*
 * place is settled by it: is it one object or a prefix?  ERROR_AUTH where nobody may read
 * it; ERROR_NOT_FOUND where there is nothing.  For linear code.  *out is to be closed and
 * freed in any case.
 */
int source_access_open(struct source_access *out, struct place *place,
                       const struct source_access_options *options, struct error *err);

/*
 * Its objects as a source, for this store.  What is returned is pointed to, and to be
 * freed after the source is closed.
 */
char *source_access_options_of(const struct source_access *s, const struct place *place,
                               const struct store *store, const struct filter *filter,
                               struct source_s3_options *out);

/* ERROR_USAGE where the source lies inside the store. */
int source_access_check(const struct source_access *s, const struct place *place,
                        const struct store *store, struct error *err);

/* The objects that a version refers to (--no-copy), wherever they are: keys are the
 * paths.  Nothing is opened for other versions: out->store is NULL then. */
int source_access_open_references(struct source_access *out, struct agent *a,
                                  const struct version *v,
                                  const struct command_context *c, struct error *err);

/* Waits until nothing is under way. Before the loop is closed. */
void source_access_close(struct source_access *s, struct agent *a);
void source_access_free(struct source_access *s); /* after it is */

#endif
