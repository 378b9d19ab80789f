#ifndef TRANSFER_DIR_URL_H
#define TRANSFER_DIR_URL_H

#include "base/error.h"

#define DIR_URL_SCHEME "file://"

/* The folder of "file:///ABS/PATH", %XX decoded, without slashes at its end; the caller
 * frees it.  ERROR_USAGE, which says how it is written, for any other url. */
int dir_url_path(char **out, const char *url, struct error *err);

#endif
