#ifndef TRANSFER_GUNZIP_H
#define TRANSFER_GUNZIP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"

/*
 * A stream of gzip members (RFC 1952), unpacked as it comes, with the checksum and the
 * length of each checked: libarchive's own filter skips both.  Blocks where `more` does.
 */
struct gunzip;

/* more(): the next bytes, valid until the next call; none at the end; -1 with err. */
typedef int gunzip_more_fn(void *ctx, struct span *bytes, struct error *err);

struct gunzip *gunzip_new(gunzip_more_fn *more, void *ctx);
void gunzip_free(struct gunzip *gunzip); /* harmless on NULL */

/* The next bytes, valid until the next call; none at the end.  ERROR_CORRUPT, also where
 * it ends too early. */
int gunzip_read(struct gunzip *gunzip, struct span *bytes, struct error *err);

#endif
