#include "manifest/checkpoint_row.h"

#include <stdlib.h>
#include <string.h>

#include "manifest/checkpoint_upload.h"

/*
 * A change is always: load the row, change the struct, save it.  The totals follow from
 * that: saving takes away what the row counted for when it was loaded and adds what it
 * counts for now.  They are a row of the data base themselves, written with each
 * commit, so that opening a plan of ten million files need not count them.
 *
 * Each row carries a check sum over its fields.  SQLite notices a broken page
 * structure, but not a flipped bit in a digest or a stamp, which would otherwise be
 * published.
 */
enum { COLUMN_CHECKSUM = 15 };

/* FAT's clock is the coarsest. */
static const int64_t racy_ns = 2000000000;

void file_row_free(struct file_row *row)
{
    text_free(&row->path);
    text_free(&row->target);
    text_free(&row->etag);
}

bool file_row_is_racy(const struct stamp *stamp, int64_t read_at_ns)
{
    return stamp->mtime_ns >= read_at_ns - racy_ns ||
           stamp->ctime_ns >= read_at_ns - racy_ns;
}

void checkpoint_rows_free(struct checkpoint_rows *rows)
{
    text_free(&rows->scratch);
}

/* ---- check sums ---- */

static void add_sized(struct text *text, const void *bytes, size_t size)
{
    uint64_t length = size;

    text_add_bytes(text, &length, sizeof length);
    text_add_bytes(text, bytes, size);
}

int64_t checkpoint_rows_checksum(const struct text *text)
{
    struct digest digest = digest_of_bytes(text_string(text), text->size);
    int64_t sum;

    memcpy(&sum, digest.bytes, sizeof sum);
    return sum;
}

static int64_t file_checksum(struct text *scratch, const struct file_row *row)
{
    const uint64_t fields[] = {
        row->state,
        row->type,
        row->stamp.size,
        (uint64_t)row->stamp.mtime_ns,
        (uint64_t)row->stamp.ctime_ns,
        row->stamp.inode,
        row->mode,
        (uint64_t)row->read_at_ns,
        row->has_object,
        row->object_size,
        row->has_hash,
        row->block_size,
        (uint64_t)row->upload,
    };

    text_clear(scratch);
    text_add_bytes(scratch, fields, sizeof fields);
    if (row->has_hash)
        text_add_bytes(scratch, row->hash.bytes, sizeof row->hash.bytes);
    add_sized(scratch, text_string(&row->path), row->path.size);
    add_sized(scratch, text_string(&row->etag), row->etag.size);
    add_sized(scratch, text_string(&row->target), row->target.size);
    return checkpoint_rows_checksum(scratch);
}

/* ---- totals ---- */

void checkpoint_rows_open(struct checkpoint_rows *rows, struct checkpoint_db *db)
{
    struct checkpoint_totals *t = &rows->totals;
    sqlite3_stmt *s = checkpoint_db_start(db, SQL_TOTALS_LOAD);

    rows->db = db;
    if (checkpoint_db_row(db, s)) {
        t->files = checkpoint_db_u64(s, 0);
        t->bytes = checkpoint_db_u64(s, 1);
        t->directories = checkpoint_db_u64(s, 2);
        t->symlinks = checkpoint_db_u64(s, 3);
        t->files_stored = checkpoint_db_u64(s, 4);
        t->bytes_stored = checkpoint_db_u64(s, 5);
        t->part_bytes_stored = checkpoint_db_u64(s, 6);
        t->files_failed = checkpoint_db_u64(s, 7);
    } else {
        checkpoint_db_set_corrupt(db, "no totals");
    }
    sqlite3_reset(s);
    s = checkpoint_db_start(db, SQL_GARBAGE_LIST);
    sqlite3_bind_int(s, 1, 1);
    rows->has_garbage = checkpoint_db_row(db, s);
    sqlite3_reset(s);
}

void checkpoint_rows_commit(struct checkpoint_rows *rows)
{
    const struct checkpoint_totals *t = &rows->totals;
    sqlite3_stmt *s;

    if (!rows->db->in_transaction)
        return;
    s = checkpoint_db_start(rows->db, SQL_TOTALS_SAVE);
    checkpoint_db_bind_u64(s, 1, t->files);
    checkpoint_db_bind_u64(s, 2, t->bytes);
    checkpoint_db_bind_u64(s, 3, t->directories);
    checkpoint_db_bind_u64(s, 4, t->symlinks);
    checkpoint_db_bind_u64(s, 5, t->files_stored);
    checkpoint_db_bind_u64(s, 6, t->bytes_stored);
    checkpoint_db_bind_u64(s, 7, t->part_bytes_stored);
    checkpoint_db_bind_u64(s, 8, t->files_failed);
    checkpoint_db_write(rows->db, s);
    checkpoint_db_commit(rows->db);
}

void checkpoint_rows_breathe(struct checkpoint_rows *rows)
{
    if (rows->db->in_transaction &&
        (rows->db->n_writes >= CHECKPOINT_COMMIT_WRITES ||
         checkpoint_db_age_ms(rows->db) >= CHECKPOINT_COMMIT_MS))
        checkpoint_rows_commit(rows);
}

/* What the row counted for when it was loaded or saved last. */
static void uncount(struct checkpoint_totals *t, const struct file_row *row)
{
    switch (row->counted.type) {
    case ENTRY_FILE:
        t->files--;
        t->bytes -= row->counted.size;
        if (row->counted.state == CHECKPOINT_STORED) {
            t->files_stored--;
            t->bytes_stored -= row->counted.size;
        }
        break;
    case ENTRY_DIRECTORY:
        t->directories--;
        break;
    case ENTRY_SYMLINK:
        t->symlinks--;
        break;
    }
}

static void count(struct checkpoint_totals *t, struct file_row *row)
{
    switch (row->type) {
    case ENTRY_FILE:
        t->files++;
        t->bytes += row->stamp.size;
        if (row->state == CHECKPOINT_STORED) {
            t->files_stored++;
            t->bytes_stored += row->stamp.size;
        }
        break;
    case ENTRY_DIRECTORY:
        t->directories++;
        break;
    case ENTRY_SYMLINK:
        t->symlinks++;
        break;
    }
    row->counted.state = row->state;
    row->counted.type = row->type;
    row->counted.size = row->stamp.size;
}

/* ---- files ---- */

static bool is_sound(const struct file_row *row, sqlite3_stmt *s)
{
    return row->path.size > 0 && strlen(text_string(&row->path)) == row->path.size &&
           row->type <= ENTRY_SYMLINK && row->state <= CHECKPOINT_FAILED &&
           (!row->has_hash || sqlite3_column_bytes(s, 10) == DIGEST_BYTES) &&
           (row->type != ENTRY_FILE || row->state != CHECKPOINT_STORED ||
            row->has_object);
}

void checkpoint_rows_take(struct checkpoint_rows *rows, sqlite3_stmt *s,
                          struct file_row *row)
{
    checkpoint_db_text(s, 0, &row->path);
    row->state = (enum checkpoint_state)sqlite3_column_int(s, 1);
    row->type = (enum entry_type)sqlite3_column_int(s, 2);
    row->stamp.size = checkpoint_db_u64(s, 3);
    row->stamp.mtime_ns = sqlite3_column_int64(s, 4);
    row->stamp.ctime_ns = sqlite3_column_int64(s, 5);
    row->stamp.inode = checkpoint_db_u64(s, 6);
    row->mode = (uint32_t)sqlite3_column_int64(s, 7);
    row->read_at_ns = sqlite3_column_int64(s, 8);
    row->has_object = sqlite3_column_type(s, 9) != SQLITE_NULL;
    row->object_size = checkpoint_db_u64(s, 9);
    row->has_hash = sqlite3_column_type(s, 10) != SQLITE_NULL;
    if (row->has_hash && sqlite3_column_bytes(s, 10) == DIGEST_BYTES)
        memcpy(row->hash.bytes, sqlite3_column_blob(s, 10), DIGEST_BYTES);
    row->block_size = checkpoint_db_u64(s, 11);
    row->upload = sqlite3_column_int64(s, 12);
    checkpoint_db_text(s, 13, &row->etag);
    checkpoint_db_text(s, 14, &row->target);

    row->counted.state = row->state;
    row->counted.type = row->type;
    row->counted.size = row->stamp.size;
    row->exists = is_sound(row, s) && file_checksum(&rows->scratch, row) ==
                                          sqlite3_column_int64(s, COLUMN_CHECKSUM);
    if (!row->exists)
        checkpoint_db_set_corrupt(rows->db, "a file's row");
}

void checkpoint_rows_load(struct checkpoint_rows *rows, const char *path,
                          struct file_row *row)
{
    sqlite3_stmt *s = checkpoint_db_start(rows->db, SQL_FILE_LOAD);

    row->exists = false;
    checkpoint_db_bind_path(s, 1, path);
    if (checkpoint_db_row(rows->db, s))
        checkpoint_rows_take(rows, s, row);
    sqlite3_reset(s);
}

static void bind_file(sqlite3_stmt *s, const struct file_row *row)
{
    checkpoint_db_bind_path(s, 1, text_string(&row->path));
    sqlite3_bind_int(s, 2, (int)row->state);
    sqlite3_bind_int(s, 3, (int)row->type);
    checkpoint_db_bind_u64(s, 4, row->stamp.size);
    sqlite3_bind_int64(s, 5, row->stamp.mtime_ns);
    sqlite3_bind_int64(s, 6, row->stamp.ctime_ns);
    checkpoint_db_bind_u64(s, 7, row->stamp.inode);
    sqlite3_bind_int64(s, 8, row->mode);
    sqlite3_bind_int64(s, 9, row->read_at_ns);
    if (row->has_object)
        checkpoint_db_bind_u64(s, 10, row->object_size);
    else
        sqlite3_bind_null(s, 10);
    checkpoint_db_bind_bytes(s, 11, row->has_hash ? row->hash.bytes : NULL,
                             DIGEST_BYTES);
    checkpoint_db_bind_u64(s, 12, row->block_size);
    if (row->upload != 0)
        sqlite3_bind_int64(s, 13, row->upload);
    else
        sqlite3_bind_null(s, 13);
    if (row->etag.size > 0)
        sqlite3_bind_text64(s, 14, text_string(&row->etag), row->etag.size,
                            SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(s, 14);
    checkpoint_db_bind_bytes(s, 15,
                             row->target.size > 0 ? text_string(&row->target) : NULL,
                             row->target.size);
}

void checkpoint_rows_remove_failure(struct checkpoint_rows *rows, const char *path,
                                    bool of_walk_too)
{
    sqlite3_stmt *s = checkpoint_db_start(rows->db, SQL_FAILURE_REMOVE);

    checkpoint_db_bind_path(s, 1, path);
    sqlite3_bind_int(s, 2, of_walk_too);
    rows->totals.files_failed -= (uint64_t)checkpoint_db_write(rows->db, s);
}

void checkpoint_rows_save(struct checkpoint_rows *rows, struct file_row *row)
{
    sqlite3_stmt *s =
        checkpoint_db_start(rows->db, row->exists ? SQL_FILE_UPDATE : SQL_FILE_INSERT);

    if (row->exists)
        uncount(&rows->totals, row);
    if (row->exists && row->counted.state == CHECKPOINT_FAILED &&
        row->state != CHECKPOINT_FAILED)
        checkpoint_rows_remove_failure(rows, text_string(&row->path), false);
    bind_file(s, row);
    sqlite3_bind_int64(s, COLUMN_CHECKSUM + 1, file_checksum(&rows->scratch, row));
    checkpoint_db_write(rows->db, s);
    count(&rows->totals, row);
    row->exists = true;
}

void checkpoint_rows_drop(struct checkpoint_rows *rows, struct file_row *row)
{
    const char *path = text_string(&row->path);
    sqlite3_stmt *s;

    checkpoint_upload_forget(rows, row, false);
    if (row->type == ENTRY_FILE) /* also one whose note a crash has swallowed */
        checkpoint_rows_add_garbage(rows, path, "");
    if (row->counted.state == CHECKPOINT_FAILED)
        checkpoint_rows_remove_failure(rows, path, false);
    s = checkpoint_db_start(rows->db, SQL_FILE_DELETE);
    checkpoint_db_bind_path(s, 1, path);
    checkpoint_db_write(rows->db, s);
    uncount(&rows->totals, row);
    row->exists = false;
}

void checkpoint_rows_lose_object(struct checkpoint_rows *rows, struct file_row *row)
{
    if (row->upload != 0 && !checkpoint_upload_is_open(rows, row))
        checkpoint_upload_forget(rows, row, true);
    row->has_hash = false;
    text_clear(&row->etag);
    if (row->state != CHECKPOINT_FAILED &&
        !(row->state == CHECKPOINT_RECHECK && row->upload != 0))
        row->state = CHECKPOINT_PLANNED;
    checkpoint_rows_save(rows, row);
}

/* ---- garbage and failures ---- */

static sqlite3_stmt *start_garbage(struct checkpoint_rows *rows,
                                   enum checkpoint_sql which, const char *path,
                                   const char *upload_id)
{
    sqlite3_stmt *s = checkpoint_db_start(rows->db, which);

    checkpoint_db_bind_path(s, 1, path);
    sqlite3_bind_text(s, 2, upload_id, -1, SQLITE_STATIC);
    return s;
}

void checkpoint_rows_add_garbage(struct checkpoint_rows *rows, const char *path,
                                 const char *upload_id)
{
    rows->has_garbage = true;
    checkpoint_db_write(rows->db,
                        start_garbage(rows, SQL_GARBAGE_ADD, path, upload_id));
}

void checkpoint_rows_remove_garbage(struct checkpoint_rows *rows, const char *path,
                                    const char *upload_id)
{
    if (rows->has_garbage) /* mostly there is none, and this is on the way of every file
                            */
        checkpoint_db_write(rows->db,
                            start_garbage(rows, SQL_GARBAGE_REMOVE, path, upload_id));
}

void checkpoint_rows_set_failure(struct checkpoint_rows *rows, const char *path,
                                 const char *reason, bool of_walk)
{
    sqlite3_stmt *s;

    checkpoint_rows_remove_failure(rows, path, true);
    s = checkpoint_db_start(rows->db, SQL_FAILURE_SET);
    checkpoint_db_bind_path(s, 1, path);
    sqlite3_bind_text(s, 2, reason, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 3, of_walk);
    checkpoint_db_write(rows->db, s);
    rows->totals.files_failed++;
}
