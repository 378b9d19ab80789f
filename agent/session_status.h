#ifndef AGENT_SESSION_STATUS_H
#define AGENT_SESSION_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * What a session says of itself in its status file (session_files.h), for `status`,
 * `resume` and other runs of the same command.
 */
enum { SESSION_STATUS_FILES = 8 };

struct session_status {
    /* source, log and socket are paths of any bytes: not to be shown as they are. */
    char *name, *cluster, *store, *source, *session, *host, *state, *log, *socket,
        *reason;
    uint64_t version;
    int64_t pid;
    int64_t updated_ms, started_ms;
    uint64_t files_done, files_total, bytes_done, bytes_total, bytes_sent, rate,
        retries;
    uint64_t bytes_in_flight; /* as in event.h */
    int64_t eta_s;
    unsigned connections;
    uint64_t limit; /* bytes a second; 0: none */
    struct {
        char *path; /* of some that are in flight; made printable by the way */
        uint64_t done, size;
    } files[SESSION_STATUS_FILES];
    unsigned n_files;
    bool scan_done;
    bool is_refusal; /* reason: the store answers, but to refuse for now */
    int exit_code;   /* of a run that has ended; -1 while it goes on */
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

/* Is it of another host that shares the folder (a home on NFS), and was it written a short
 * while ago? */
bool session_status_is_elsewhere(const struct session_status *s, int64_t now_ms);

/* Nobody else may go on with it meanwhile: ERROR_CONFLICT says who is at it, the hint
 * what to do. */
int session_status_refuse(const struct session_status *s, struct error *err);
extern const char session_busy_hint[];

/* All status files of a folder: each(ctx, status). */
int session_status_each(const char *folder,
                        void (*each)(void *ctx, const struct session_status *s),
                        void *ctx, struct error *err);

#endif
