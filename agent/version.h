#ifndef AGENT_VERSION_H
#define AGENT_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/name.h"
#include "agent/record.h"

/* One number of a datastore, and what became of it. */
enum version_status {
    VERSION_NONE,        /* nothing that counts stands under this number */
    VERSION_SUCCEEDED,   /* published */
    VERSION_UPLOADING,   /* a session is under way */
    VERSION_INTERRUPTED, /* a session that can be resumed */
    VERSION_FAILED,      /* the same; some files could not be read */
    VERSION_DELETED,
    VERSION_DAMAGED /* its datastore.json cannot be read; `damage` says why */
};

const char *version_status_name(enum version_status status);

struct version {
    char name[NAME_MAX_BYTES + 1];
    uint64_t number;
    enum version_status status;
    bool has_leftovers; /* deleted, but not to the end: to be deleted again */
    struct error damage;
    struct datastore_record record; /* where it succeeded */
    struct session_record session;  /* where a session stands, or has not tidied up */
    int64_t session_at_ms;          /* its last sign of life, by the store's clock */
    int64_t session_age_ms;         /* how long ago that was, by the same */
};

void version_free(struct version *v);

#endif
