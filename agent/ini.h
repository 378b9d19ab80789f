#ifndef AGENT_INI_H
#define AGENT_INI_H

#include <stdbool.h>

#include "base/error.h"

/*
 * The shared files of the AWS tools, ~/.aws/config and ~/.aws/credentials: sections of
 * "key = value" lines.  (AWS CLI User Guide, "Configuration and credential file
 * settings".)
 */
struct ini;

/* Blocks.  A file that is not there is empty; ERROR_IO for one that cannot be read. */
int ini_open(struct ini **out, const char *file, struct error *err);
void ini_free(struct ini *ini);

/* NULL where there is none; valid until ini_free(). */
const char *ini_get(const struct ini *ini, const char *section, const char *key);
bool ini_has(const struct ini *ini, const char *section);

#endif
