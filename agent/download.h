#ifndef AGENT_DOWNLOAD_H
#define AGENT_DOWNLOAD_H

#include <stdint.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "manifest/entry.h"
#include "manifest/filter.h"

/*
 * A published version's files into a folder (landing.h says what may happen there):
 * many files and blocks at once, every block verified against the manifest before it
 * counts.  Run again it goes on where it stopped.  What fails for one entry alone is
 * told and does not hold up the others; what would fail for all (no network, no space,
 * a signal) ends it.
 */
struct download_problem {
    const char *path;
    const char *status; /* "damaged", "missing", "in the way", "failed" */
    const struct error *err;
};

struct download_options {
    struct agent *agent;
    const struct version *version;
    const char *dir;
    const struct filter *filter; /* what is wanted of it; NULL: all */
    struct store *references;    /* as verify.h has it */
    void (*problem)(void *ctx, const struct download_problem *problem);
    void *ctx;
};

/* Changes as it goes on. */
struct download_summary {
    uint64_t files, bytes;  /* that are there now, complete */
    uint64_t files_present; /* of them, those that were there before */
    uint64_t bytes_fetched; /* and written, whatever became of them */
    uint64_t bytes_kept;    /* that were there before */
    uint64_t directories, symlinks;
    uint64_t problems;
};

/* Is this entry let through?  filter may be NULL. */
bool download_wants(const struct filter *filter, const struct entry *entry);

/* Linear code (see agent.h).  -1 when it could not be done, not when an entry had a
 * problem. */
int download_run(const struct download_options *options,
                 struct download_summary *summary, struct error *err);

#endif
