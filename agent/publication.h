#ifndef AGENT_PUBLICATION_H
#define AGENT_PUBLICATION_H

#include "agent/agent.h"
#include "agent/ownership.h"
#include "agent/record.h"
#include "manifest/checkpoint.h"

/*
 * From "all objects are stored" to "published" (FORMATS.md, "Publishing"): foreign
 * uploads are aborted, the manifest is exported from the checkpoint and stored, and
 * datastore.json comes last: its presence is the publication.  Can be repeated after
 * any interruption.
 */
struct publication_options {
    struct ownership *ownership;
    struct checkpoint *checkpoint;
    const char *source_kind, *source_url;
    bool no_copy; /* the objects stay below source_url, and the notes refer to them */
    const char *scratch; /* "<folder>/<session>.manifest-": shards are written there */
};

/* What others and reserving have left beside the version: it is looked for while the
 * record is put, and goes with publication_tidy().  Zeroed at first. */
enum { PUBLICATION_LEFT = 2 };
struct publication_left {
    struct question q[PUBLICATION_LEFT];
    size_t n;
};

/* record is filled with what was published; the caller frees it. */
int publication_run(struct agent *a, const struct publication_options *options,
                    struct datastore_record *record, struct publication_left *left,
                    struct error *err);

/* After an interruption right behind the publication: 1 when our session's
 * datastore.json is there (record is filled), 0 when not, -1 on errors, ERROR_CONFLICT
 * when another session's stands there. */
int publication_find(struct agent *a, const struct ownership *o,
                     struct datastore_record *record, struct error *err);

/* What is left to tidy up once it is published: the session's record, strays. */
int publication_tidy(struct agent *a, struct ownership *o,
                     struct publication_left *left, struct error *err);

#endif
