#ifndef MANIFEST_CHECKPOINT_DB_H
#define MANIFEST_CHECKPOINT_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/*
 * Private to the checkpoint: its SQLite file - format, lock, statements, transaction.
 *
 * The first error sticks in `failure`: from then on checkpoint_db_row() finds nothing
 * and checkpoint_db_write() does nothing, so that callers go on without looking at each
 * call. One thread at a time.
 */
enum checkpoint_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_FILE_LOAD,
    SQL_FILE_SCAN,
    SQL_FILE_NEXT,
    SQL_FILE_LARGE,
    SQL_FILE_INSERT,
    SQL_FILE_UPDATE,
    SQL_FILE_DELETE,
    SQL_UPLOAD_LOAD,
    SQL_UPLOAD_INSERT,
    SQL_UPLOAD_CLOSE,
    SQL_UPLOAD_DELETE,
    SQL_PARTS_LOAD,
    SQL_PARTS_BYTES,
    SQL_PARTS_DELETE,
    SQL_PART_SIZE,
    SQL_PART_SET,
    SQL_GARBAGE_ADD,
    SQL_GARBAGE_REMOVE,
    SQL_GARBAGE_LIST,
    SQL_FAILURE_SET,
    SQL_FAILURE_REMOVE,
    SQL_FAILURE_LIST,
    SQL_FAILURE_CLEAR_WALK,
    SQL_META_SET,
    SQL_META_LIST,
    SQL_TOTALS_LOAD,
    SQL_TOTALS_SAVE,
    SQL_SEEN_CLEAR,
    SQL_SEEN_ADD,
    SQL_SEEN_FIND,
    SQL_SEEN_REMOVE,
    SQL_SEEN_LIST,
    SQL_PREVIOUS_CLEAR,
    SQL_PREVIOUS_ADD,
    SQL_PREVIOUS_AT,
    SQL_PREVIOUS_LIKE,
    SQL_PREVIOUS_SIZE,
    SQL_MET_CLEAR,
    SQL_MET_ADD,
    SQL_MET_FIND,
    SQL_MET_BELOW,
    SQL_COUNT
};

struct checkpoint_db {
    sqlite3 *sql;
    sqlite3_stmt *statements[SQL_COUNT];
    char *path;
    struct error failure;
    bool in_transaction;
    unsigned n_writes; /* of the transaction */
    uint64_t n_writes_ever;
    uint64_t began_at_ms;
};

/* As checkpoint_open() says. */
int checkpoint_db_open(struct checkpoint_db *db, const char *path, bool *lock_works,
                       struct error *err);
void checkpoint_db_close(struct checkpoint_db *db);

/* The statement, ready for its values to be bound. */
sqlite3_stmt *checkpoint_db_start(struct checkpoint_db *db, enum checkpoint_sql which);

/* NULL bytes bind NULL; they must live until the statement has run. */
void checkpoint_db_bind_bytes(sqlite3_stmt *s, int index, const void *bytes,
                              size_t size);
void checkpoint_db_bind_path(sqlite3_stmt *s, int index, const char *path);
void checkpoint_db_bind_u64(sqlite3_stmt *s, int index, uint64_t value);

/* Columns; a NULL is 0 or empty. */
uint64_t checkpoint_db_u64(sqlite3_stmt *s, int column);
void checkpoint_db_text(sqlite3_stmt *s, int column, struct text *out);

/* Is there another row?  The statement rests when there is none. */
bool checkpoint_db_row(struct checkpoint_db *db, sqlite3_stmt *s);

/* Run a statement that changes something, within a transaction.  Returns how many rows
 * it changed. */
int checkpoint_db_write(struct checkpoint_db *db, sqlite3_stmt *s);

/* Commit, or roll back where something failed. */
void checkpoint_db_commit(struct checkpoint_db *db);

/* Of the transaction; 0 without one. */
uint64_t checkpoint_db_age_ms(const struct checkpoint_db *db);

/* What was read makes no sense. */
void checkpoint_db_set_corrupt(struct checkpoint_db *db, const char *what);

static inline bool checkpoint_db_has_failed(const struct checkpoint_db *db)
{
    return db->failure.kind != ERROR_NONE;
}

#endif
