#ifndef TESTS_UNIT_SHARD_KIT_H
#define TESTS_UNIT_SHARD_KIT_H

#include "base/text.h"
#include "manifest/manifest.h"

/* What the tests of the manifest's writer and reader share.  Texts are the caller's. */
struct text shard_read_file(const char *path);
struct text shard_gzip(const char *bytes, size_t size);
struct text shard_gzip_string(const char *string);

/* What a reader reads, as lines again. */
struct collected {
    struct text lines;
    size_t n_lines, most; /* most: then shard_collect() fails; 0: never */
};
int shard_collect(void *ctx, const struct manifest_line *line, struct error *err);

/* Feed a shard in pieces of `step` bytes; shard_read() with a reader of its own, to the
 * end. */
int shard_feed(struct manifest_reader *r, const struct text *shard, size_t step,
               struct error *err);
int shard_read(struct collected *c, const struct text *shard, size_t step,
               struct error *err);

void shard_expect_corrupt(const struct text *shard);
void shard_expect_lines(const struct text *shard, size_t step, const char *lines);

#endif
