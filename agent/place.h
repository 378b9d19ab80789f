#ifndef AGENT_PLACE_H
#define AGENT_PLACE_H

#include <stdbool.h>

#include "agent/name.h"
#include "base/error.h"
#include "base/text.h"

/* Where a source is: what the user gave, resolved. */
enum place_kind { PLACE_LOCAL, PLACE_S3, PLACE_HTTP, PLACE_BROWSER };

struct place {
    enum place_kind kind;
    char *path;     /* local: absolute, links resolved; else the url: for people */
    char *url;      /* "file://...", percent-encoded, or "s3://bucket/prefix/", or of an
                   archive, without user, password and signatures: for records and
                   comparisons */
    bool is_folder; /* not one file; of s3:// it is asked, by source_access.h */
    char *bucket;   /* s3://, else NULL */
    char *key;      /* likewise: what comes behind it, without slashes at its ends */
    char *fetch;    /* http: as it is to be asked for, with all of these; else NULL */
    char *socket;   /* browser: where the page's files are asked for, else NULL */
};

/* ERROR_NOT_FOUND, ERROR_IO, ERROR_USAGE, with texts for people. */
int place_resolve(struct place *p, const char *source, struct error *err);
void place_free(struct place *p);

/* It is now known what there is behind an s3:// url. */
void place_settle(struct place *p, bool is_folder);

/* "local" (a browser's, too), "s3" or "http", as datastore.json has it. */
const char *place_kind_name(enum place_kind kind);

/* Is `path` (absolute) the folder, or below it? Both must exist. */
bool place_is_inside(const char *path, const char *folder);

#endif
