#ifndef TRANSFER_DIR_KEY_H
#define TRANSFER_DIR_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * What the keys of a file:// store mean as paths below its root.  Pure.
 *
 * Temporary files lie in the folder "tmp" of the version a key belongs to:
 *
 *     NAME/vN/...    NAME/vN/tmp
 *     FOLDER/...     FOLDER/tmp      (no version's key)
 *     FILE           tmp
 */
enum { DIR_KEY_MAX = 1024, DIR_PATH_MAX = DIR_KEY_MAX + 300 };

/* May this key (or, with a '/' at its end or empty, prefix) be used?  ERROR_INTERNAL
 * for an empty, "." or ".." component, and for a key among the temporary files of a
 * version. */
int dir_key_check(const char *key, struct error *err);
int dir_key_check_prefix(const char *prefix, struct error *err);

/* Where the temporary files of a key or prefix lie. */
void dir_key_temp_folder(char out[DIR_PATH_MAX], const char *key);

/* Is this path of a folder "NAME/vN" or "NAME/vN/tmp"? */
bool dir_key_is_version(const char *path, size_t length);
bool dir_key_is_version_temp(const char *path, size_t length);

#endif
