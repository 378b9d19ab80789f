#ifndef TRANSFER_ARCHIVE_READER_H
#define TRANSFER_ARCHIVE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/text.h"
#include "manifest/digest.h"
#include "manifest/digest_md5.h"
#include "transfer/byte_pipe.h"

/*
 * An archive, entry by entry in its own order, as it comes through a pipe: tar, plain or
 * packed by gzip, bzip2, xz or zstd, and zip.  Which it is shows in its first bytes, not
 * in its name.
 *
 * Reading blocks and has a thread of its own; one call at a time, answered on the loop.
 * Names are as the archive has them: archive_name.h judges them.
 */
struct archive_reader;

enum archive_item_type {
    ARCHIVE_ITEM_FILE,
    ARCHIVE_ITEM_FOLDER,
    ARCHIVE_ITEM_LINK,      /* symbolic */
    ARCHIVE_ITEM_HARD_LINK, /* target: the name of an earlier entry */
    ARCHIVE_ITEM_SPECIAL    /* device, pipe, socket */
};

struct archive_item {
    struct text name, target; /* any bytes */
    enum archive_item_type type;
    bool has_size; /* not of a zip that was written as a stream and is read as one */
    uint64_t size;
    int64_t mtime_ns;
    uint32_t mode;
    bool is_encrypted;
};

/* Fill `into` with the next bytes of the item. */
struct archive_read {
    struct span into;
    struct digester *digester; /* gets the bytes; may be NULL */
    struct md5 *md5;           /* likewise */

    size_t n;    /* so many came; fewer than asked for only at the end */
    bool at_end; /* and there are no more */
};

/* err NULL: success. ERROR_CORRUPT: the archive is damaged, cut off or none;
 * ERROR_UNUSABLE: it is a web page; ERROR_IO: this item cannot be read, the next may be;
 * or what ended the pipe. */
typedef void archive_reader_fn(void *ctx, const struct error *err);

/*
 * can_seek: the pipe can go on anywhere in a file of this size; then a zip is read by its
 * central directory, and what is passed over is not fetched.  The pipe must outlive the
 * reader.
 */
struct archive_reader *archive_reader_start(struct loop *loop, struct byte_pipe *pipe,
                                            bool can_seek, uint64_t size);

/* To the next item, whatever is left of the last.  at_end: there are no more, and the
 * archive is whole. */
void archive_reader_next(struct archive_reader *reader, archive_reader_fn *done,
                         void *ctx);
bool archive_reader_at_end(const struct archive_reader *reader);

/* Valid until the next archive_reader_next(). */
const struct archive_item *archive_reader_item(const struct archive_reader *reader);

/* Can it pass over an item without fetching it?  Known from the first next on. */
bool archive_reader_can_skip(const struct archive_reader *reader);

void archive_reader_read(struct archive_reader *reader, struct archive_read *read,
                         archive_reader_fn *done, void *ctx);

/* No call may be unanswered (byte_pipe_abort() hurries one).  closed() follows, on the
 * loop, and the reader is gone. */
void archive_reader_close(struct archive_reader *reader, void (*closed)(void *ctx),
                          void *ctx);

#endif
