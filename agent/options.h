#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/filter.h"
#include "manifest/walk.h"

/*
 * The command line, taken apart (CLI.md).  Options may stand before or after positional
 * arguments, as `--opt value` or `--opt=value`; "--" ends them.  Of an option given
 * twice the last counts.  Unknown commands and options are refused with the nearest
 * known one. options_table.h describes every command: its options, its positional
 * arguments, its help.
 */
enum command {
    COMMAND_HELP, /* text was printed already; exit 0 */
    COMMAND_VERSION,
    COMMAND_LOGIN,
    COMMAND_LOGOUT,
    COMMAND_USER,
    COMMAND_USER_SET_CONTEXT,
    COMMAND_CLUSTER,
    COMMAND_CLUSTER_CHECK,
    COMMAND_CLUSTER_DELETE,
    COMMAND_CREATE,
    COMMAND_RESUME,
    COMMAND_LIST,
    COMMAND_STATUS,
    COMMAND_STOP,
    COMMAND_FILES,
    COMMAND_DIFF,
    COMMAND_VERIFY,
    COMMAND_DOWNLOAD,
    COMMAND_DELETE,
    COMMAND_PRUNE,
    COMMAND_URL,
    COMMAND_CLEARCACHE,
    COMMAND_CREDENTIAL,
    COMMAND_CREDENTIAL_CREATE,
    COMMAND_CREDENTIAL_DELETE,
    COMMAND_CAT,
    COMMAND_UI,
    COMMAND_COMPLETION_BASH,
    COMMAND_COMPLETION_ZSH,
    COMMAND_COMPLETION_FISH
};

enum { OPTIONS_POSITIONALS_MAX = 2, OPTIONS_JOBS_MAX = 1024 };
#define OPTIONS_NO_LIMIT UINT64_MAX

struct options {
    enum command command;
    const char *positional[OPTIONS_POSITIONALS_MAX]; /* NULL where left out */

    const char
        *source;      /* create: from --source or the positional argument, never NULL */
    const char *name; /* a valid name, or NULL */
    const char *cluster;
    bool json, quiet, verbose, yes, global, show_incomplete, incomplete, watch, deep;
    bool dry_run, fresh, take_over, skip_unreadable, no_delta, if_changed, detach,
        no_copy, request_payer;
    bool level, no_open;
    enum walk_symlinks symlinks;
    struct filter
        *filter; /* create, download: --exclude... in the order given; else NULL */
    const char *files_from;
    const char *storage_class; /* NULL: the store's default */
    const char *sse, *sse_key; /* "AES256" or "aws:kms"; its key; or NULL */
    unsigned jobs;             /* 0: not given */
    uint64_t part_size;        /* 0: not given */
    uint64_t max_memory;       /* 0: not given */
    uint64_t give_up_after_ms; /* 0: not given */
    uint64_t presign_ms;       /* url; 0: not given */
    uint64_t max_extracted;    /* 0: not given */
    uint64_t bwlimit;          /* bytes a second, or OPTIONS_NO_LIMIT; 0: not given */
    uint64_t version;          /* delete; 0: not given */
    uint64_t keep;             /* prune; at least 1 */
    uint64_t port;             /* ui; 0: one that is free */
    uint64_t limit;            /* files; 0: all of them */
    const char *after;         /* files; NULL: from the first on */

    /* login */
    const char *username, *profile, *store, *endpoint, *region, *ca_file, *addressing,
        *sign_payload;
    char *key;     /* a copy: the argument itself has been wiped */
    char *address; /* likewise, of a SOURCE with a password in it */
    bool key_stdin;

    /* credential create */
    const char *type, *role_arn, *external_id;
};

/*
 * 0, or -1 with ERROR_USAGE (the text names the thing and, where there is one, the
 * nearest known).  Prints help texts itself, to stdout.  Reads the file of
 * --exclude-from.  Strings point into argv; a secret in argv is wiped.  *o is to be
 * freed in any case.
 */
int options_parse(struct options *o, int argc, char **argv, struct error *err);
void options_free(struct options *o);

#endif
