#ifndef AGENT_PLACE_H
#define AGENT_PLACE_H

#include <stdbool.h>

#include "agent/name.h"
#include "base/error.h"
#include "base/text.h"

/* Where a source is: what the user gave, resolved. */
struct place {
    char *path; /* absolute, links resolved */
    char *url;  /* "file://...", percent-encoded: for records and comparisons */
    bool is_folder;
};

/* ERROR_NOT_FOUND, ERROR_IO, ERROR_USAGE, with texts for people. */
int place_resolve(struct place *p, const char *source, struct error *err);
void place_free(struct place *p);

/* Is `path` (absolute) the folder, or below it? Both must exist. */
bool place_is_inside(const char *path, const char *folder);

#endif
