#ifndef AGENT_NAME_H
#define AGENT_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Names of datastores, and what sources are called (CLI.md, "Creating datastores").
 * Pure. */
enum { NAME_MAX_BYTES = 128 };

/* [A-Za-z0-9][A-Za-z0-9._-]{0,127} */
bool name_is_valid(const char *name);

enum name_scheme { NAME_LOCAL, NAME_S3, NAME_HTTP };

/* What kind of source a SOURCE argument is: s3://, http:// and https:// in any case,
 * else a local path. */
enum name_scheme name_scheme_of(const char *source);

/*
 * The name that a source gives where --name is left out.  A local source is an
 * absolute, resolved path; is_folder tells a folder from a file.  ERROR_USAGE asks for
 * --name when nothing is left.
 */
int name_derive(char out[NAME_MAX_BYTES + 1], const char *source, bool is_folder,
                struct error *err);

/* "NAME" or "NAME:VERSION"; *version is 0 for the newest. */
int name_parse(char out[NAME_MAX_BYTES + 1], uint64_t *version, const char *spec,
               struct error *err);

#endif
