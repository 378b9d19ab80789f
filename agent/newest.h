#ifndef AGENT_NEWEST_H
#define AGENT_NEWEST_H

#include "agent/catalog.h"
#include "agent/contents.h"
#include "manifest/entry.h"

/*
 * Which files of a source the newest version has already, as far as their sizes and
 * times tell: side by side with its list, in path order.  For an estimate; linear code
 * (see agent.h).
 */
struct newest { /* zeroed: it has none */
    struct version version;

    /* Private. */
    struct contents *contents; /* NULL: at the end, or there is none */
    struct contents_batch lines;
    size_t next; /* of the lines */
};

/* 0, also where there is no version that could be copied from; -1: it could not be told.
 * ERROR_CORRUPT: it cannot be read, and has nothing. */
int newest_open(struct newest *n, struct agent *a, const char *name, struct error *err);
void newest_close(struct newest *n);

/* Each path must come after the last one.  1 or 0; -1: its list cannot be read, said once,
 * from then on it has nothing. */
int newest_has(struct newest *n, const struct entry *entry, struct error *err);

#endif
