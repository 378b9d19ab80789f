#ifndef MANIFEST_MANIFEST_H
#define MANIFEST_MANIFEST_H

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"
#include "manifest/digest.h"
#include "manifest/entry.h"

/*
 * The published list of a version's entries: gzip'd JSON lines in shards (FORMATS,
 * "A manifest line").  Writing and reading are streams: memory does not grow with the
 * number of entries.  Everything here blocks and belongs on a worker thread.
 */
struct manifest_line {
    struct entry entry; /* stamp.ctime_ns and stamp.inode are not part of a line */
    bool has_hash;
    struct digest hash;
    uint64_t block_size;         /* where n_blocks > 1 */
    const struct digest *blocks; /* NULL unless there is more than one */
    size_t n_blocks;
    const char *key;  /* relative to NAME/vN/, NULL where it is data/<path> */
    const char *etag; /* these three NULL but for --no-copy and store copies */
    const char *ref;
    const char *version_id;
};

/* The format allows 1,000,000.  A shard is read from its beginning: so many take a tenth
 * of a second, and that is what it takes to begin anywhere in the list. */
enum { MANIFEST_SHARD_ENTRIES = 100000 };

struct manifest_shard {
    char *file; /* local path of the finished shard */
    uint64_t entries;
    uint64_t bytes;                      /* of the .gz */
    uint8_t sha256[DIGEST_SHA256_BYTES]; /* of the .gz */
};

struct manifest_summary {
    uint64_t files, directories, symlinks, bytes;
    uint8_t root[DIGEST_SHA256_BYTES];
    struct manifest_shard *shards;
    size_t n_shards;
};

/*
 * Writes shards "<path_prefix>00000.jsonl.gz", ... (an existing one is replaced). Lines
 * must come in path order: one that does not is ERROR_INTERNAL.  A set of no entries
 * has one empty shard.
 */
struct manifest_writer;
int manifest_writer_open(struct manifest_writer **out, const char *path_prefix,
                         uint64_t shard_entries, struct error *err);
int manifest_writer_add(struct manifest_writer *w, const struct manifest_line *line,
                        struct error *err);

/* Close the last shard, fsync, and fill summary, which then belongs to the caller. */
int manifest_writer_end(struct manifest_writer *w, struct manifest_summary *summary,
                        struct error *err);
void manifest_writer_free(struct manifest_writer *w); /* unlinks what is not ended */
void manifest_summary_free(struct manifest_summary *summary);

/*
 * Reads one shard, fed in pieces of any size; calls each() for every line.  The line is
 * valid during the call.  each() returns -1 with *err set to end the reading. Malformed
 * gzip or JSON, an unsafe path or lines out of order are ERROR_CORRUPT.
 */
typedef int manifest_each_fn(void *ctx, const struct manifest_line *line,
                             struct error *err);
struct manifest_reader;
struct manifest_reader *manifest_reader_new(manifest_each_fn *each, void *ctx);
int manifest_reader_feed(struct manifest_reader *r, struct span bytes,
                         struct error *err);
int manifest_reader_end(struct manifest_reader *r, struct error *err); /* complete? */
void manifest_reader_free(struct manifest_reader *r);

#endif
