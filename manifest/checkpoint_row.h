#ifndef MANIFEST_CHECKPOINT_ROW_H
#define MANIFEST_CHECKPOINT_ROW_H

#include "manifest/checkpoint.h"
#include "manifest/checkpoint_db.h"

/*
 * Private to the checkpoint: its rows, and the totals that go with them.  Everything
 * that changes a file, an upload, a part, a failure or garbage goes through here, so
 * that the totals agree with the rows at every commit.  On the checkpoint's thread;
 * errors stick in db (checkpoint_db.h).
 */
struct checkpoint_rows {
    struct checkpoint_db *db;
    struct checkpoint_totals totals;
    bool has_garbage; /* there may be some */
    struct text scratch;
};

/* An entry of the plan.  Zeroed: none.  Reused from row to row: the texts keep room. */
struct file_row {
    bool exists;
    struct text path, target, etag;
    enum checkpoint_state state;
    enum entry_type type;
    struct stamp stamp; /* of the plan */
    uint32_t mode;
    int64_t read_at_ns; /* of the object, or of the open upload's first part */
    bool has_object;    /* under the file's key; what follows is of it */
    uint64_t object_size, block_size;
    bool has_hash;
    struct digest hash;
    int64_t upload; /* its id in the data base; 0: none */

    struct { /* private: what the totals hold of it */
        enum checkpoint_state state;
        enum entry_type type;
        uint64_t size;
    } counted;
};
void file_row_free(struct file_row *row);

/* May a file that has this stamp have been changed since it was read, within the same
 * tick of its clock? */
bool file_row_is_racy(const struct stamp *stamp, int64_t read_at_ns);

void checkpoint_rows_open(struct checkpoint_rows *rows, struct checkpoint_db *db);
void checkpoint_rows_free(struct checkpoint_rows *rows);

/* Commit, with the totals. */
void checkpoint_rows_commit(struct checkpoint_rows *rows);

/* Commit if a transaction has become long.  No statement may be in the midst of rows:
 * it would keep the log from starting over. */
enum { CHECKPOINT_COMMIT_WRITES = 5000, CHECKPOINT_COMMIT_MS = 500 };
void checkpoint_rows_breathe(struct checkpoint_rows *rows);

/* Of the bytes of a row, as they were put together for it. */
int64_t checkpoint_rows_checksum(const struct text *text);

/* row->exists says whether there is one. */
void checkpoint_rows_load(struct checkpoint_rows *rows, const char *path,
                          struct file_row *row);

/* From a statement of file columns that stands on a row. */
void checkpoint_rows_take(struct checkpoint_rows *rows, sqlite3_stmt *s,
                          struct file_row *row);

/* Add or change. */
void checkpoint_rows_save(struct checkpoint_rows *rows, struct file_row *row);

/* The entry is no more: what the store has of it becomes garbage. */
void checkpoint_rows_drop(struct checkpoint_rows *rows, struct file_row *row);

/* Do not rely on what lies under the file's key any more; if anything does, it is
 * garbage when the entry goes. */
void checkpoint_rows_lose_object(struct checkpoint_rows *rows, struct file_row *row);

/* ---- garbage and failures ---- */

void checkpoint_rows_add_garbage(struct checkpoint_rows *rows, const char *path,
                                 const char *upload_id);
void checkpoint_rows_remove_garbage(struct checkpoint_rows *rows, const char *path,
                                    const char *upload_id);
void checkpoint_rows_set_failure(struct checkpoint_rows *rows, const char *path,
                                 const char *reason, bool of_walk);
void checkpoint_rows_remove_failure(struct checkpoint_rows *rows, const char *path,
                                    bool of_walk_too);

#endif
