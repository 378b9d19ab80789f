#ifndef AGENT_ARCHIVE_LOOK_H
#define AGENT_ARCHIVE_LOOK_H

#include "agent/agent.h"
#include "transfer/unpack.h"

/*
 * What is behind the URL of an archive now?  Its first bytes are asked for, and no more.
 * Waits.
 */
struct archive_look {
    bool has_size, can_seek;
    uint64_t size;
    struct text validator; /* as unpack.h notes it; empty: the server gives none */
};

int archive_look(struct agent *a, const struct unpack_source *source,
                 struct archive_look *out, struct error *err);
void archive_look_free(struct archive_look *look);

/* The file with the CAs of URLs, as the environment names it; NULL: the system's. */
const char *archive_look_ca_file(void);

/* What to do where it was the URL's server, and not the store, that did not answer; NULL:
 * that is not what err says. */
const char *archive_look_hint(const struct agent *a, const struct error *err);

#endif
