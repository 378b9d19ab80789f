#ifndef AGENT_SESSION_FILES_H
#define AGENT_SESSION_FILES_H

#include "base/error.h"

/*
 * The local files of a session, in `$XDG_STATE_HOME/grid/sessions/`, all of one stem:
 *
 *   STEM.db        the checkpoint; after publication the stat cache of that version
 *   STEM.db.cache  the same of the version before, while the next is being made
 *   STEM.json      what `status` reads, replaced once a second (session_status.h)
 *   STEM.log       the session's log
 *
 * The stem follows from the datastore's name, the store and the source, so that the
 * same command finds its session again: "NAME-" and 16 hexadecimal digits.
 */
struct session_files {
    char *folder, *stem;
    char *database, *cache, *status, *log,
        *scratch; /* scratch: prefix of manifest shards */
};

void session_files_init(struct session_files *f, const char *folder, const char *name,
                        const char *store_url, const char *source);
void session_files_free(struct session_files *f);

/* Rename a file that is in the way to "<file>.<suffix>", replacing an older one. */
int session_files_set_aside(const char *file, const char *suffix, struct error *err);

/* Remove the checkpoint with all that SQLite keeps beside it. */
void session_files_remove_database(const struct session_files *f);

#endif
