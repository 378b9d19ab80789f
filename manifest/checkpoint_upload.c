#include "manifest/checkpoint_upload.h"

#include <string.h>

#include "base/mem.h"

/*
 * An upload is open while it has an upload id; completed, its parts stay for the
 * digests of the object's blocks, until the file is sent anew or its entry goes.  The
 * bytes in parts of open uploads are kept in the totals by every change.
 */
static int64_t part_checksum(struct text *scratch, int64_t upload,
                             const struct part_record *part)
{
    const uint64_t fields[] = {
        (uint64_t)upload, part->number,   part->size,
        part->crc32c,     part->n_blocks, strlen(part->etag),
    };

    text_clear(scratch);
    text_add_bytes(scratch, fields, sizeof fields);
    text_add(scratch, part->etag);
    if (part->n_blocks > 0)
        text_add_bytes(scratch, part->blocks, part->n_blocks * sizeof *part->blocks);
    return checkpoint_rows_checksum(scratch);
}

static sqlite3_stmt *start_upload(struct checkpoint_rows *rows,
                                  enum checkpoint_sql which, int64_t upload)
{
    sqlite3_stmt *s = checkpoint_db_start(rows->db, which);

    sqlite3_bind_int64(s, 1, upload);
    return s;
}

/* Its id, "" where there is none that is open; in scratch. */
static const char *open_upload_id(struct checkpoint_rows *rows,
                                  const struct file_row *row)
{
    sqlite3_stmt *s;

    text_clear(&rows->scratch);
    if (row->upload == 0)
        return "";
    s = start_upload(rows, SQL_UPLOAD_LOAD, row->upload);
    if (checkpoint_db_row(rows->db, s))
        checkpoint_db_text(s, 0, &rows->scratch);
    else
        checkpoint_db_set_corrupt(rows->db, "an upload is missing");
    sqlite3_reset(s);
    return text_string(&rows->scratch);
}

bool checkpoint_upload_is_open(struct checkpoint_rows *rows, const struct file_row *row)
{
    return open_upload_id(rows, row)[0] != '\0';
}

void checkpoint_upload_add(struct checkpoint_rows *rows, struct file_row *row,
                           const char *upload_id, uint64_t part_size,
                           uint64_t block_size)
{
    sqlite3_stmt *s = checkpoint_db_start(rows->db, SQL_UPLOAD_INSERT);

    sqlite3_bind_text(s, 1, upload_id, -1, SQLITE_STATIC);
    checkpoint_db_bind_u64(s, 2, part_size);
    checkpoint_db_bind_u64(s, 3, block_size);
    checkpoint_db_write(rows->db, s);
    row->upload = sqlite3_last_insert_rowid(rows->db->sql);
}

static uint64_t bytes_of_parts(struct checkpoint_rows *rows, int64_t upload)
{
    sqlite3_stmt *s = start_upload(rows, SQL_PARTS_BYTES, upload);
    uint64_t bytes = checkpoint_db_row(rows->db, s) ? checkpoint_db_u64(s, 0) : 0;

    sqlite3_reset(s);
    return bytes;
}

void checkpoint_upload_complete(struct checkpoint_rows *rows,
                                const struct file_row *row)
{
    if (!checkpoint_upload_is_open(rows, row))
        return;
    rows->totals.part_bytes_stored -= bytes_of_parts(rows, row->upload);
    checkpoint_db_write(rows->db, start_upload(rows, SQL_UPLOAD_CLOSE, row->upload));
}

void checkpoint_upload_forget(struct checkpoint_rows *rows, struct file_row *row,
                              bool is_gone)
{
    const char *upload_id;

    if (row->upload == 0)
        return;
    upload_id = open_upload_id(rows, row);
    if (upload_id[0] != '\0') {
        rows->totals.part_bytes_stored -= bytes_of_parts(rows, row->upload);
        if (!is_gone)
            checkpoint_rows_add_garbage(rows, text_string(&row->path), upload_id);
    }
    checkpoint_db_write(rows->db, start_upload(rows, SQL_PARTS_DELETE, row->upload));
    checkpoint_db_write(rows->db, start_upload(rows, SQL_UPLOAD_DELETE, row->upload));
    row->upload = 0;
}

static uint64_t bytes_of_part(struct checkpoint_rows *rows, int64_t upload,
                              uint32_t number)
{
    sqlite3_stmt *s = start_upload(rows, SQL_PART_SIZE, upload);
    uint64_t bytes;

    sqlite3_bind_int64(s, 2, number);
    bytes = checkpoint_db_row(rows->db, s) ? checkpoint_db_u64(s, 0) : 0;
    sqlite3_reset(s);
    return bytes;
}

void checkpoint_upload_set_part(struct checkpoint_rows *rows,
                                const struct file_row *row,
                                const struct part_record *part)
{
    sqlite3_stmt *s;

    if (checkpoint_upload_is_open(rows, row))
        rows->totals.part_bytes_stored +=
            part->size - bytes_of_part(rows, row->upload, part->number);
    s = start_upload(rows, SQL_PART_SET, row->upload);
    sqlite3_bind_int64(s, 2, part->number);
    checkpoint_db_bind_u64(s, 3, part->size);
    sqlite3_bind_text(s, 4, part->etag, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, part->crc32c);
    checkpoint_db_bind_bytes(s, 6, part->n_blocks > 0 ? part->blocks : NULL,
                             part->n_blocks * sizeof *part->blocks);
    sqlite3_bind_int64(s, 7, part_checksum(&rows->scratch, row->upload, part));
    checkpoint_db_write(rows->db, s);
}

/* The part's blocks are left as an index into out->digests, which may still move. */
static void take_part(struct checkpoint_rows *rows, sqlite3_stmt *s, int64_t upload,
                      struct upload_record *out, size_t *n_digests)
{
    size_t n_bytes = (size_t)sqlite3_column_bytes(s, 4);
    struct part_record *part;

    /* Powers of two: a file has up to 10,000 parts. */
    if ((out->n_parts & (out->n_parts - 1)) == 0)
        out->parts = mem_resize(out->parts, out->n_parts > 0 ? 2 * out->n_parts : 1,
                                sizeof *out->parts);
    part = &out->parts[out->n_parts++];
    memset(part, 0, sizeof *part);
    part->number = (uint32_t)sqlite3_column_int64(s, 0);
    part->size = checkpoint_db_u64(s, 1);
    if (sqlite3_column_bytes(s, 2) < CHECKPOINT_ETAG_MAX && sqlite3_column_text(s, 2))
        memcpy(part->etag, sqlite3_column_text(s, 2),
               (size_t)sqlite3_column_bytes(s, 2));
    part->crc32c = (uint32_t)sqlite3_column_int64(s, 3);
    part->n_blocks = (uint32_t)(n_bytes / DIGEST_BYTES);
    out->digests =
        mem_resize(out->digests, *n_digests + part->n_blocks, sizeof *out->digests);
    if (part->n_blocks > 0)
        memcpy(&out->digests[*n_digests], sqlite3_column_blob(s, 4),
               part->n_blocks * sizeof *out->digests);
    part->blocks = &out->digests[*n_digests];
    *n_digests += part->n_blocks;
    if (part_checksum(&rows->scratch, upload, part) != sqlite3_column_int64(s, 5))
        checkpoint_db_set_corrupt(rows->db, "a part's row");
}

void checkpoint_upload_load(struct checkpoint_rows *rows, const struct file_row *row,
                            struct upload_record *out)
{
    const char *upload_id = open_upload_id(rows, row);
    size_t n_digests = 0;
    sqlite3_stmt *s;

    if (row->upload == 0)
        return;
    if (strlen(upload_id) < sizeof out->upload_id)
        memcpy(out->upload_id, upload_id, strlen(upload_id) + 1);
    s = start_upload(rows, SQL_UPLOAD_LOAD, row->upload);
    if (checkpoint_db_row(rows->db, s)) {
        out->part_size = checkpoint_db_u64(s, 1);
        out->block_size = checkpoint_db_u64(s, 2);
    }
    sqlite3_reset(s);
    s = start_upload(rows, SQL_PARTS_LOAD, row->upload);
    while (checkpoint_db_row(rows->db, s))
        take_part(rows, s, row->upload, out, &n_digests);
    n_digests = 0;
    for (size_t i = 0; i < out->n_parts; i++) {
        out->parts[i].blocks = &out->digests[n_digests];
        n_digests += out->parts[i].n_blocks;
    }
}
