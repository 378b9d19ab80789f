#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "manifest/digest.h"

/*
 * The small JSON documents of a version in the store (FORMATS.md): session.json,
 * datastore.json, deleted.json.  Reading refuses a format number it does not know.
 * Strings belong to the record; free with record's own free function.
 */
enum {
    RECORD_FORMAT = 1,
    RECORD_ID_BYTES = 16,
    RECORD_ID_MAX = 2 * RECORD_ID_BYTES + 1
};

/* Who owns a version number. */
struct session_record {
    char session[RECORD_ID_MAX];
    char run[RECORD_ID_MAX]; /* a new one for each process */
    char *host, *boot_id, *user;
    char *machine, *pid_space; /* machine-id and pid namespace: what pid means where */
    int64_t pid;
    char *source;  /* resolved */
    char *options; /* those that shape the result, spelled out */
    uint64_t part_size;
    char *ended; /* NULL while the run goes on, "interrupted" or "failed" after */
};

void session_record_format(const struct session_record *r, struct text *out);
int session_record_parse(struct session_record *r, const char *json, size_t size,
                         struct error *err);
void session_record_free(struct session_record *r);

/* Who this process is: host, boot id, pid, user. */
void session_record_sign(struct session_record *r);

/* Is the process that wrote it gone for certain: same host, and the pid is dead or the
 * machine has been started anew? */
bool session_record_is_dead(const struct session_record *r);

/* A published version. */
struct datastore_shard {
    char *key; /* relative to NAME/vN/ */
    uint64_t entries, bytes;
    char sha256[2 * DIGEST_SHA256_BYTES + 1];
};

struct datastore_skipped {
    char *path, *reason;
};

struct datastore_record {
    char *name, *created_at, *source_kind, *source_url, *agent;
    char session[RECORD_ID_MAX];
    uint64_t version, files, directories, symlinks, bytes;
    bool copy;
    char *root; /* "sha256:..." */
    struct datastore_shard *shards;
    size_t n_shards;
    uint64_t skipped_count; /* of which `skipped` names the first */
    struct datastore_skipped *skipped;
    size_t n_skipped;
};

void datastore_record_format(const struct datastore_record *r, struct text *out);
int datastore_record_parse(struct datastore_record *r, const char *json, size_t size,
                           struct error *err);
void datastore_record_free(struct datastore_record *r);

/* What stays of a deleted version. */
void deleted_record_format(const char *name, uint64_t version, struct text *out);

#endif
