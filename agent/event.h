#ifndef AGENT_EVENT_H
#define AGENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The one stream of events of an upload (CLI.md, "Output").  It feeds the terminal,
 * `--json`, the log file, and what `status` reads.  Strings belong to the sender and
 * are valid during the call.
 */
enum event_kind {
    EVENT_SESSION,
    EVENT_DETACHED,
    EVENT_SCAN,
    EVENT_PROGRESS,
    EVENT_WARNING,
    EVENT_ERROR,
    EVENT_PUBLISHED,
    EVENT_UNCHANGED,
    EVENT_STOPPED
};

enum progress_state {
    STATE_SCANNING,
    STATE_UPLOADING,
    STATE_WAITING_NETWORK,
    STATE_WAITING_CREDENTIALS,
    STATE_PUBLISHING
};

enum { EVENT_FILES_SHOWN = 8 };

struct event_session {
    const char *name, *cluster, *source, *session_id, *url;
    uint64_t version;
    bool resumed;
};

/* It goes on in the background: the last word in the foreground. */
struct event_detached {
    const char *name, *cluster, *session_id, *log;
    uint64_t version;
    int64_t pid;
};

struct event_scan {
    uint64_t files, bytes; /* found so far */
    bool done;
};

/* Sent at least once a second, best four times: what shows it has no clock of its own.
 */
struct event_progress {
    uint64_t files_done, files_total, bytes_done, bytes_total, bytes_sent;
    uint64_t bytes_copied;    /* inside the store, in this run */
    uint64_t bytes_in_flight; /* read or sent, not confirmed: no part of bytes_done */
    uint64_t rate;            /* bytes a second */
    int64_t eta_s;            /* -1: not known */
    uint64_t retries;
    unsigned connections;
    enum progress_state state;
    bool scan_done;  /* totals are final */
    bool is_fetched; /* the source is an archive that is downloaded: */
    uint64_t bytes_fetched, fetch_size; /* so much of it so far; size 0: not known */
    const char *waiting_for;            /* NULL, or why and since when, for people */
    bool is_refusal;                    /* it answers, but to refuse for now (5xx) */
    struct {
        const char *path;
        uint64_t done, size;
    } files[EVENT_FILES_SHOWN]; /* some of those in flight */
    unsigned n_files;
};

struct event_warning {
    const char *path; /* may be NULL */
    const char *kind, *message;
};

struct event_error {
    const char *kind, *message, *hint, *path; /* hint and path may be NULL */
};

struct event_published {
    const char *name, *cluster, *url, *root; /* root: "sha256:..." */
    uint64_t version, files, bytes, bytes_sent, bytes_copied, parts, requests, retries;
    uint64_t skipped; /* files and folders left out by --skip-unreadable */
    double seconds;
};

struct event_unchanged {
    const char *name;
    uint64_t version;
};

struct event_stopped {
    bool resumable;
    bool is_nothing_stored; /* so far: there is nothing that could be lost */
    int exit_code;
    const char *reason, *resume_command; /* for people; the command may be NULL */
};

struct event {
    enum event_kind kind;
    int64_t time_ms; /* since the epoch */
    union {
        struct event_session session;
        struct event_detached detached;
        struct event_scan scan;
        struct event_progress progress;
        struct event_warning warning;
        struct event_error error;
        struct event_published published;
        struct event_unchanged unchanged;
        struct event_stopped stopped;
    };
};

/* As in JSON: "session", "scan", ...; "scanning", "waiting_network", ... */
const char *event_kind_name(enum event_kind kind);
const char *progress_state_name(enum progress_state state);

#endif
