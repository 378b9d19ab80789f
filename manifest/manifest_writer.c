/*
 * Lines are gathered up to 64 KiB, deflated into a buffer of 64 KiB, and written; what
 * is written goes into the shard's SHA-256 too, so that nothing is read back.
 *
 * A shard is opened together with the writer and closed when the next one is due or the
 * writer ends; the last of summary.shards is the one that is open.  gzip's header has
 * no name and no time, so that the same lines give the same bytes with one version of
 * zlib.
 *
 * The first failure is kept: a list with a gap must never be ended well.
 */
#include "manifest/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "base/mem.h"
#include "manifest/manifest_line.h"
#include "manifest/manifest_order.h"

enum { CHUNK_BYTES = 64 << 10 };
enum { LEVEL = 3 };             /* half of a line is digest: higher levels gain 3 % */
enum { GZIP_WINDOW = 15 + 16 }; /* of deflateInit2(): 32 KiB, with gzip's header */

struct manifest_writer {
    char *path_prefix;
    uint64_t shard_entries;
    struct manifest_summary summary;
    struct manifest_order order;
    struct sha256 root;
    struct text root_part;
    struct error failed;

    /* The open shard. */
    int fd; /* -1: none */
    z_stream z;
    struct sha256 sha256;
    struct text lines; /* not deflated yet */
    uint8_t out[CHUNK_BYTES];
};

static struct manifest_shard *open_shard_of(struct manifest_writer *w)
{
    return &w->summary.shards[w->summary.n_shards - 1];
}

static int open_shard(struct manifest_writer *w, struct error *err)
{
    struct text file = {0};
    struct manifest_shard *shard;

    text_add_format(&file, "%s%05zu.jsonl.gz", w->path_prefix, w->summary.n_shards);
    unlink(text_string(&file)); /* left over from a run that was killed */
    w->fd = open(text_string(&file), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        error_errno(err, errno, "%s", text_string(&file));
        text_free(&file);
        return -1;
    }
    w->summary.shards = mem_resize(w->summary.shards, w->summary.n_shards + 1,
                                   sizeof w->summary.shards[0]);
    w->summary.n_shards++;
    shard = open_shard_of(w);
    *shard = (struct manifest_shard){.file = text_take(&file)};
    w->z = (z_stream){0};
    sha256_init(&w->sha256);
    if (deflateInit2(&w->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return error_set(err, ERROR_INTERNAL, 0, "zlib: out of memory");
    return 0;
}

static int write_out(struct manifest_writer *w, size_t size, struct error *err)
{
    struct manifest_shard *shard = open_shard_of(w);
    const uint8_t *at = w->out;

    sha256_add(&w->sha256, at, size);
    shard->bytes += size;
    while (size > 0) {
        ssize_t n = write(w->fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "%s", shard->file);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* flush: Z_NO_FLUSH or Z_FINISH. */
static int deflate_lines(struct manifest_writer *w, int flush, struct error *err)
{
    /* zlib counts in 32 bits; a chunk and one line have some 6 MB at most. */
    w->z.next_in = (z_const Bytef *)w->lines.data;
    w->z.avail_in = (uInt)w->lines.size;
    do {
        w->z.next_out = w->out;
        w->z.avail_out = sizeof w->out;
        deflate(&w->z, flush); /* cannot fail with a sound state and room */
        if (write_out(w, sizeof w->out - w->z.avail_out, err) != 0)
            return -1;
    } while (w->z.avail_out == 0);
    text_clear(&w->lines);
    return 0;
}

static int close_shard(struct manifest_writer *w, struct error *err)
{
    struct manifest_shard *shard = open_shard_of(w);
    int fd = w->fd;

    if (deflate_lines(w, Z_FINISH, err) != 0)
        return -1;
    if (fsync(fd) != 0)
        return error_errno(err, errno, "%s", shard->file);
    w->fd = -1;
    deflateEnd(&w->z);
    sha256_end(&w->sha256, shard->sha256);
    if (close(fd) != 0)
        return error_errno(err, errno, "%s", shard->file);
    return 0;
}

int manifest_writer_open(struct manifest_writer **out, const char *path_prefix,
                         uint64_t shard_entries, struct error *err)
{
    struct manifest_writer *w = mem_new(1, sizeof *w);

    w->path_prefix = mem_copy_string(path_prefix);
    w->shard_entries = shard_entries > 0 ? shard_entries : MANIFEST_SHARD_ENTRIES;
    w->fd = -1;
    sha256_init(&w->root);
    if (open_shard(w, err) != 0) {
        manifest_writer_free(w);
        return -1;
    }
    *out = w;
    return 0;
}

static void count(struct manifest_writer *w, const struct manifest_line *line)
{
    open_shard_of(w)->entries++;
    switch (line->entry.type) {
    case ENTRY_FILE:
        w->summary.files++;
        w->summary.bytes += line->entry.stamp.size;
        break;
    case ENTRY_DIRECTORY:
        w->summary.directories++;
        break;
    case ENTRY_SYMLINK:
        w->summary.symlinks++;
        break;
    }
    text_clear(&w->root_part);
    manifest_line_add_root(&w->root_part, line);
    sha256_add(&w->root, w->root_part.data, w->root_part.size);
}

static int add(struct manifest_writer *w, const struct manifest_line *line,
               struct error *err)
{
    const char *fault = manifest_line_fault(line);

    if (fault == NULL)
        fault = manifest_order_next(&w->order, &line->entry);
    if (fault != NULL)
        return error_set(err, ERROR_INTERNAL, 0, "manifest: %s: %s", fault,
                         line->entry.path);
    if (open_shard_of(w)->entries == w->shard_entries &&
        (close_shard(w, err) != 0 || open_shard(w, err) != 0))
        return -1;
    count(w, line);
    manifest_line_add(&w->lines, line);
    return w->lines.size >= CHUNK_BYTES ? deflate_lines(w, Z_NO_FLUSH, err) : 0;
}

int manifest_writer_add(struct manifest_writer *w, const struct manifest_line *line,
                        struct error *err)
{
    if (w->failed.kind != ERROR_NONE || add(w, line, &w->failed) != 0) {
        *err = w->failed;
        return -1;
    }
    return 0;
}

int manifest_writer_end(struct manifest_writer *w, struct manifest_summary *summary,
                        struct error *err)
{
    if (w->failed.kind != ERROR_NONE || close_shard(w, &w->failed) != 0) {
        *err = w->failed;
        return -1;
    }
    sha256_end(&w->root, w->summary.root);
    *summary = w->summary;
    w->summary = (struct manifest_summary){0};
    return 0;
}

void manifest_writer_free(struct manifest_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0)
        close(w->fd);
    deflateEnd(&w->z); /* harmless on one that is not begun */
    for (size_t i = 0; i < w->summary.n_shards; i++)
        unlink(w->summary.shards[i].file);
    manifest_summary_free(&w->summary);
    manifest_order_free(&w->order);
    sha256_free(&w->root);
    sha256_free(&w->sha256);
    text_free(&w->root_part);
    text_free(&w->lines);
    free(w->path_prefix);
    free(w);
}

void manifest_summary_free(struct manifest_summary *summary)
{
    for (size_t i = 0; i < summary->n_shards; i++)
        free(summary->shards[i].file);
    free(summary->shards);
    *summary = (struct manifest_summary){0};
}
