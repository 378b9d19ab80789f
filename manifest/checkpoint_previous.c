/*
 * Filling is a merge of two streams in path order, the manifest's lines and the rows of
 * the stat cache.  It begins with an empty table, and the mark that it is complete is
 * written behind its last row: killed in the middle, the next run begins again.
 */
#include "manifest/checkpoint_previous.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/checkpoint_impl.h"

static const char mark[] = "previous";

void previous_file_free(struct previous_file *file)
{
    free(file->path);
    free(file->key);
    free(file->blocks);
    memset(file, 0, sizeof *file);
}

/* ---- rows ---- */

static void add_sized(struct text *text, const void *bytes, size_t size)
{
    const uint64_t length = size;

    text_add_bytes(text, &length, sizeof length);
    text_add_bytes(text, bytes, size);
}

static int64_t checksum_of(struct text *scratch, const struct previous_file *f)
{
    const uint64_t fields[] = {
        f->size,
        f->block_size,
        (uint64_t)f->stamp.mtime_ns,
        (uint64_t)f->stamp.ctime_ns,
        f->stamp.inode,
        (uint64_t)f->read_at_ns,
    };

    text_clear(scratch);
    text_add_bytes(scratch, fields, sizeof fields);
    text_add_bytes(scratch, f->hash.bytes, sizeof f->hash.bytes);
    add_sized(scratch, f->path, strlen(f->path));
    add_sized(scratch, f->key, f->key != NULL ? strlen(f->key) : 0);
    add_sized(scratch, f->etag, strlen(f->etag));
    add_sized(scratch, f->blocks, f->n_blocks * sizeof *f->blocks);
    return checkpoint_rows_checksum(scratch);
}

static void add_row(struct checkpoint *cp, const struct previous_file *f)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_PREVIOUS_ADD);

    checkpoint_db_bind_path(s, 1, f->path);
    checkpoint_db_bind_bytes(s, 2, f->key, f->key != NULL ? strlen(f->key) : 0);
    checkpoint_db_bind_u64(s, 3, f->size);
    sqlite3_bind_int64(s, 4, f->stamp.mtime_ns);
    sqlite3_bind_int64(s, 5, f->stamp.ctime_ns);
    checkpoint_db_bind_u64(s, 6, f->stamp.inode);
    sqlite3_bind_int64(s, 7, f->read_at_ns);
    checkpoint_db_bind_bytes(s, 8, f->hash.bytes, sizeof f->hash.bytes);
    checkpoint_db_bind_u64(s, 9, f->block_size);
    checkpoint_db_bind_bytes(s, 10, f->n_blocks > 1 ? f->blocks : NULL,
                             f->n_blocks * sizeof *f->blocks);
    sqlite3_bind_text(s, 11, f->etag, -1, SQLITE_STATIC);
    checkpoint_db_bind_bytes(s, 12,
                             f->size >= PREVIOUS_MOVED_MIN ? f->blocks[0].bytes : NULL,
                             sizeof f->blocks[0].bytes);
    sqlite3_bind_int64(s, 13, checksum_of(&cp->rows.scratch, f));
    checkpoint_db_write(&cp->db, s);
}

static char *copy_column(sqlite3_stmt *s, int column)
{
    size_t size = (size_t)sqlite3_column_bytes(s, column);

    return mem_copy_bytes(size > 0 ? sqlite3_column_blob(s, column) : "", size);
}

/* The digest of an only block is the hash. */
static void take_blocks(struct previous_file *f, sqlite3_stmt *s, int column)
{
    bool is_only = sqlite3_column_type(s, column) == SQLITE_NULL;
    size_t n =
        is_only ? 1 : (size_t)sqlite3_column_bytes(s, column) / sizeof *f->blocks;

    f->n_blocks = n;
    f->blocks = mem_new(n, sizeof *f->blocks);
    if (is_only)
        f->blocks[0] = f->hash;
    else if (n > 0)
        memcpy(f->blocks, sqlite3_column_blob(s, column), n * sizeof *f->blocks);
}

/* Most stand where their path says. */
static void take_key(struct previous_file *f)
{
    struct text key = {0};

    if (f->key != NULL)
        return;
    text_add_format(&key, "data/%s", f->path);
    f->key = text_take(&key);
}

/* From a statement that stands on a row; it rests afterwards. */
static void take_row(struct checkpoint *cp, sqlite3_stmt *s, struct previous_file *f)
{
    f->path = copy_column(s, 0);
    if (sqlite3_column_type(s, 1) != SQLITE_NULL)
        f->key = copy_column(s, 1);
    f->size = checkpoint_db_u64(s, 2);
    f->stamp.mtime_ns = sqlite3_column_int64(s, 3);
    f->stamp.ctime_ns = sqlite3_column_int64(s, 4);
    f->stamp.inode = checkpoint_db_u64(s, 5);
    f->read_at_ns = sqlite3_column_int64(s, 6);
    if (sqlite3_column_bytes(s, 7) == DIGEST_BYTES)
        memcpy(f->hash.bytes, sqlite3_column_blob(s, 7), DIGEST_BYTES);
    f->block_size = checkpoint_db_u64(s, 8);
    take_blocks(f, s, 9);
    if (sqlite3_column_bytes(s, 10) < CHECKPOINT_ETAG_MAX && sqlite3_column_text(s, 10))
        memcpy(f->etag, sqlite3_column_text(s, 10),
               (size_t)sqlite3_column_bytes(s, 10) + 1);
    f->exists = checksum_of(&cp->rows.scratch, f) == sqlite3_column_int64(s, 11);
    if (!f->exists)
        checkpoint_db_set_corrupt(&cp->db, "a row of the previous version");
    take_key(f);
    f->is_settled = f->read_at_ns != 0;
    if (f->is_settled)
        f->stamp.size = f->size;
    sqlite3_reset(s);
}

/* ---- filling ---- */

static void run_begin(struct checkpoint *cp, struct job *job)
{
    stat_cache_close(cp->cache);
    cp->cache = job->path != NULL ? stat_cache_open(job->path) : NULL;
    cp->is_cache_of_version =
        cp->cache != NULL && stat_cache_is_of(cp->cache, job->text);
    checkpoint_db_write(&cp->db, checkpoint_db_start(&cp->db, SQL_PREVIOUS_CLEAR));
}

void checkpoint_previous_begin(struct checkpoint *cp, const char *cache,
                               const char *session, checkpoint_done_fn *done, void *ctx)
{
    checkpoint_job_start(cp, checkpoint_job_new(run_begin, cache, session), done, ctx);
}

/* The block size of a file of one block is not told: of those that a file can have, the
 * smallest that makes it one. */
static uint64_t block_size_of(const struct manifest_line *line)
{
    uint64_t size = DIGEST_BLOCK;

    if (line->n_blocks > 1)
        return line->block_size;
    while (size < line->entry.stamp.size)
        size *= 2;
    return size;
}

/* Is the local file that the cache knows what the version holds?  Then its stamp counts.
 */
static void add_stamp(struct checkpoint *cp, struct previous_file *f)
{
    const struct file_row *row =
        cp->cache != NULL ? stat_cache_find(cp->cache, f->path) : NULL;

    if (row == NULL || row->object_size != f->size || row->stamp.size != f->size ||
        !digest_is_same(&row->hash, &f->hash))
        return;
    if (cp->is_cache_of_version && row->etag.size < sizeof f->etag)
        memcpy(f->etag, text_string(&row->etag), row->etag.size + 1);
    if (row->read_at_ns == 0 || file_row_is_racy(&row->stamp, row->read_at_ns) ||
        row->stamp.inode == 0) /* size and time alone do not tell */
        return;
    f->stamp = row->stamp;
    f->read_at_ns = row->read_at_ns;
}

static void add_line(struct checkpoint *cp, const struct manifest_line *line)
{
    struct previous_file f = {
        .path = (char *)line->entry.path,
        .key = (char *)line->key,
        .size = line->entry.stamp.size,
        .hash = line->hash,
        .block_size = block_size_of(line),
        .blocks = line->n_blocks > 1 ? (struct digest *)line->blocks
                                     : (struct digest *)&line->hash,
        .n_blocks = line->n_blocks > 1 ? line->n_blocks : 1,
    };

    add_stamp(cp, &f);
    add_row(cp, &f);
}

static bool can_be_copied(const struct manifest_line *line)
{
    return line->entry.type == ENTRY_FILE && line->has_hash && line->ref == NULL;
}

static void run_add(struct checkpoint *cp, struct job *job)
{
    for (size_t i = 0; i < job->args.lines.n_lines; i++)
        if (can_be_copied(&job->args.lines.lines[i]))
            add_line(cp, &job->args.lines.lines[i]);
}

void checkpoint_previous_add(struct checkpoint *cp, const struct manifest_line *lines,
                             size_t n_lines, checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_add, NULL, NULL);

    job->args.lines.lines = lines;
    job->args.lines.n_lines = n_lines;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_end(struct checkpoint *cp, struct job *job)
{
    (void)job;
    stat_cache_close(cp->cache);
    cp->cache = NULL;
}

void checkpoint_previous_end(struct checkpoint *cp, const char *name,
                             checkpoint_done_fn *done, void *ctx)
{
    checkpoint_set(cp, mark, name);
    checkpoint_job_start(cp, checkpoint_job_new(run_end, NULL, NULL), done, ctx);
}

char *checkpoint_previous_name(struct checkpoint *cp)
{
    return checkpoint_get(cp, mark);
}

/* ---- asking ---- */

static void find(struct checkpoint *cp, sqlite3_stmt *s, struct previous_file *out)
{
    if (checkpoint_db_row(&cp->db, s))
        take_row(cp, s, out);
}

static bool has_moved_to(struct checkpoint *cp, const char *path, uint64_t size)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_PREVIOUS_SIZE);
    bool has;

    checkpoint_db_bind_u64(s, 1, size);
    checkpoint_db_bind_path(s, 2, path);
    has = checkpoint_db_row(&cp->db, s);
    sqlite3_reset(s);
    return has;
}

static void run_at(struct checkpoint *cp, struct job *job)
{
    struct previous_answer *out = job->args.at.out;
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_PREVIOUS_AT);

    checkpoint_db_bind_path(s, 1, job->path);
    find(cp, s, &out->file);
    out->may_have_moved = job->args.at.size >= PREVIOUS_MOVED_MIN &&
                          has_moved_to(cp, job->path, job->args.at.size);
}

void checkpoint_previous_at(struct checkpoint *cp, const char *path, uint64_t size,
                            struct previous_answer *out, checkpoint_done_fn *done,
                            void *ctx)
{
    struct job *job = checkpoint_job_new(run_at, path, NULL);

    memset(out, 0, sizeof *out);
    job->args.at.out = out;
    job->args.at.size = size;
    checkpoint_job_start(cp, job, done, ctx);
}

static void run_like(struct checkpoint *cp, struct job *job)
{
    sqlite3_stmt *s = checkpoint_db_start(&cp->db, SQL_PREVIOUS_LIKE);
    const struct digest *first = &job->args.like.first;

    checkpoint_db_bind_u64(s, 1, job->args.like.size);
    checkpoint_db_bind_bytes(s, 2, first->bytes, sizeof first->bytes);
    find(cp, s, job->args.like.out);
}

void checkpoint_previous_like(struct checkpoint *cp, uint64_t size,
                              const struct digest *first, struct previous_file *out,
                              checkpoint_done_fn *done, void *ctx)
{
    struct job *job = checkpoint_job_new(run_like, NULL, NULL);

    memset(out, 0, sizeof *out);
    job->args.like.out = out;
    job->args.like.size = size;
    job->args.like.first = *first;
    checkpoint_job_start(cp, job, done, ctx);
}
