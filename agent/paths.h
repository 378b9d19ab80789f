#ifndef AGENT_PATHS_H
#define AGENT_PATHS_H

#include "base/error.h"

/*
 * Where grid keeps its own files on this machine (CLI.md, "Files"), from XDG_* and
 * HOME. Relative values are ignored, as the XDG rules have it.  Nothing is made before
 * it is asked for.
 */
struct paths {
    char *config_dir;   /* config.json, credentials.json */
    char *sessions_dir; /* checkpoints and logs */
    char *data_dir;     /* the embedded store lies in "datastores" below it */
    char *runtime_dir;  /* sockets */
};

enum paths_place { PATHS_CONFIG, PATHS_SESSIONS, PATHS_DATA, PATHS_RUNTIME };

/* ERROR_USAGE, with the variable to set, where HOME is needed and not set.  *p is to be
 * freed in any case. */
int paths_find(struct paths *p, struct error *err);
void paths_free(struct paths *p);

const char *paths_of(const struct paths *p, enum paths_place place);

/*
 * Make the folder, 0700, and those above it.  The text of an error says which variable
 * moves it elsewhere.  A runtime folder that others own or may enter is refused.
 * Blocks.
 */
int paths_make(const struct paths *p, enum paths_place place, struct error *err);

/* "file://..." of the embedded store, percent-encoded; the caller frees it. */
char *paths_local_store_url(const struct paths *p);

#endif
