#ifndef AGENT_SESSION_FILES_H
#define AGENT_SESSION_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/event.h"
#include "base/error.h"

/*
 * The local files of a session, in `$XDG_STATE_HOME/grid/sessions/`, all of one stem:
 *
 *   STEM.db        the checkpoint; after publication the stat cache of that version
 *   STEM.json      what `status` reads, replaced once a second
 *   STEM.log       the session's log
 *
 * The stem follows from the datastore's name, the store and the source, so that the
 * same command finds its session again: "NAME-" and 16 hexadecimal digits.
 */
struct session_files {
    char *folder, *stem;
    char *database, *status, *log, *scratch; /* scratch: prefix of manifest shards */
};

void session_files_init(struct session_files *f, const char *folder, const char *name,
                        const char *store_url, const char *source);
void session_files_free(struct session_files *f);

/* Rename a file that is in the way to "<file>.<suffix>", replacing an older one. */
int session_files_set_aside(const char *file, const char *suffix, struct error *err);

/* Remove the checkpoint with all that SQLite keeps beside it. */
void session_files_remove_database(const struct session_files *f);

/* ---- what `status` shows ---- */

struct session_status {
    char *name, *cluster, *store, *source, *session, *host, *state, *log, *socket,
        *reason;
    uint64_t version;
    int64_t pid;
    int64_t updated_ms, started_ms;
    uint64_t files_done, files_total, bytes_done, bytes_total, bytes_sent, rate,
        retries;
    int64_t eta_s;
    bool scan_done;
    int exit_code; /* of a run that has ended; -1 while it goes on */
};

/* state: "starting", "scanning", "uploading", ..., "published", "stopped", "failed".
 * Replaces the file atomically.  Blocks for a few microseconds of local disk: call it
 * on a worker. */
int session_status_write(const struct session_status *s, const char *file,
                         struct error *err);
int session_status_read(struct session_status *s, const char *file, struct error *err);
void session_status_free(struct session_status *s);

/* Is the process alive that wrote it (on this host)? */
bool session_status_is_alive(const struct session_status *s);

/* Nobody else may go on with it meanwhile: ERROR_CONFLICT says who is at it, the hint
 * what to do. */
int session_status_refuse(const struct session_status *s, struct error *err);
extern const char session_busy_hint[];

/* All status files of a folder: each(ctx, status). */
int session_status_each(const char *folder,
                        void (*each)(void *ctx, const struct session_status *s),
                        void *ctx, struct error *err);

#endif
