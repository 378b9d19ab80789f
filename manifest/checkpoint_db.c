#include "manifest/checkpoint_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/*
 * The write-ahead log makes a commit one append and one fsync; with
 * locking_mode=EXCLUSIVE set before its first use, its index lies on the heap, not in
 * shared memory that NFS does not have.  The lock is taken by the very first statement,
 * BEGIN EXCLUSIVE, and kept until the file is closed.  A file that is not ours is told
 * by application_id and user_version before anything is written to it; rows carry a
 * check sum of their own (checkpoint_row.c), as SQLite has none for its pages.
 *
 * files is read and written in path order, which is also the walk's: a new plan is a
 * plain append.  Parts outlive their upload: they hold the digests of a stored file's
 * blocks.
 */
enum {
    APPLICATION_ID = 0x47726964, /* "Grid" */
    FORMAT = 1
};

static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                               "PRAGMA cell_size_check=ON;"
                               "PRAGMA trusted_schema=OFF;"
                               "PRAGMA synchronous=FULL;"
                               "PRAGMA cache_size=-2048;"
                               "PRAGMA mmap_size=0;"
                               "PRAGMA temp_store=FILE;";

static const char schema[] =
    "PRAGMA application_id=0x47726964;"
    "PRAGMA user_version=1;"
    "CREATE TABLE files(path BLOB PRIMARY KEY, state INTEGER, type INTEGER, size "
    "INTEGER,"
    " mtime INTEGER, ctime INTEGER, inode INTEGER, mode INTEGER, read_at INTEGER,"
    " object_size INTEGER, hash BLOB, block_size INTEGER, upload INTEGER, etag TEXT,"
    " target BLOB, checksum INTEGER) WITHOUT ROWID;"
    "CREATE TABLE uploads(id INTEGER PRIMARY KEY, upload_id TEXT NOT NULL,"
    " part_size INTEGER, block_size INTEGER);"
    "CREATE TABLE parts(upload INTEGER, number INTEGER, size INTEGER, etag TEXT,"
    " crc32c INTEGER, blocks BLOB, checksum INTEGER, PRIMARY KEY(upload, number))"
    " WITHOUT ROWID;"
    "CREATE TABLE garbage(path BLOB, upload_id TEXT, PRIMARY KEY(path, upload_id))"
    " WITHOUT ROWID;"
    "CREATE TABLE failures(path BLOB PRIMARY KEY, reason TEXT, of_walk INTEGER)"
    " WITHOUT ROWID;"
    "CREATE TABLE seen(key BLOB PRIMARY KEY, size INTEGER, etag TEXT) WITHOUT ROWID;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE totals(id INTEGER PRIMARY KEY, files INTEGER, bytes INTEGER,"
    " directories INTEGER, symlinks INTEGER, files_stored INTEGER, bytes_stored "
    "INTEGER,"
    " part_bytes_stored INTEGER, files_failed INTEGER);"
    "INSERT INTO totals VALUES(1,0,0,0,0,0,0,0,0);";

/* Came later: made where a data base does not have it. */
static const char additions[] =
    "CREATE TABLE IF NOT EXISTS previous(path BLOB PRIMARY KEY, key BLOB,"
    " size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER, read_at INTEGER,"
    " hash BLOB, block_size INTEGER, blocks BLOB, etag TEXT, first BLOB,"
    " checksum INTEGER) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS previous_large ON previous(size, first)"
    " WHERE size >= 1048576;"
    "CREATE TABLE IF NOT EXISTS met(path BLOB PRIMARY KEY, type INTEGER) WITHOUT "
    "ROWID;";

#define PREVIOUS_COLUMNS                                                               \
    "path, key, size, mtime, ctime, inode, read_at, hash, block_size, blocks, etag,"   \
    " checksum"

#define FILE_COLUMNS                                                                   \
    "path, state, type, size, mtime, ctime, inode, mode, read_at, object_size, hash,"  \
    " block_size, upload, etag, target, checksum"

static const char *const sql_text[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_FILE_LOAD] = "SELECT " FILE_COLUMNS " FROM files WHERE path = ?1",
    [SQL_FILE_SCAN] =
        "SELECT " FILE_COLUMNS " FROM files WHERE path > ?1 ORDER BY path",
    [SQL_FILE_NEXT] = "SELECT " FILE_COLUMNS " FROM files"
                      " WHERE path > ?1 AND state IN (0, 2) ORDER BY path",
    [SQL_FILE_LARGE] = "SELECT " FILE_COLUMNS " FROM files"
                       " WHERE path > ?1 AND type = 0 AND size > ?2 ORDER BY path",
    [SQL_FILE_INSERT] = "INSERT INTO files VALUES"
                        "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    [SQL_FILE_UPDATE] =
        "UPDATE files SET state=?2, type=?3, size=?4, mtime=?5, ctime=?6,"
        " inode=?7, mode=?8, read_at=?9, object_size=?10, hash=?11,"
        " block_size=?12, upload=?13, etag=?14, target=?15, checksum=?16"
        " WHERE path=?1",
    [SQL_FILE_DELETE] = "DELETE FROM files WHERE path = ?1",
    [SQL_UPLOAD_LOAD] = "SELECT upload_id, part_size, block_size FROM uploads"
                        " WHERE id = ?1",
    [SQL_UPLOAD_INSERT] = "INSERT INTO uploads(upload_id, part_size, block_size)"
                          " VALUES(?1,?2,?3)",
    [SQL_UPLOAD_CLOSE] = "UPDATE uploads SET upload_id = '' WHERE id = ?1",
    [SQL_UPLOAD_DELETE] = "DELETE FROM uploads WHERE id = ?1",
    [SQL_PARTS_LOAD] = "SELECT number, size, etag, crc32c, blocks, checksum FROM parts"
                       " WHERE upload = ?1 ORDER BY number",
    [SQL_PARTS_BYTES] = "SELECT sum(size) FROM parts WHERE upload = ?1",
    [SQL_PARTS_DELETE] = "DELETE FROM parts WHERE upload = ?1",
    [SQL_PART_SIZE] = "SELECT size FROM parts WHERE upload = ?1 AND number = ?2",
    [SQL_PART_SET] = "REPLACE INTO parts VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [SQL_GARBAGE_ADD] = "INSERT OR IGNORE INTO garbage VALUES(?1,?2)",
    [SQL_GARBAGE_REMOVE] = "DELETE FROM garbage WHERE path = ?1 AND upload_id = ?2",
    [SQL_GARBAGE_LIST] = "SELECT path, upload_id FROM garbage LIMIT ?1",
    [SQL_FAILURE_SET] = "REPLACE INTO failures VALUES(?1,?2,?3)",
    [SQL_FAILURE_REMOVE] = "DELETE FROM failures WHERE path = ?1 AND of_walk <= ?2",
    [SQL_FAILURE_LIST] = "SELECT path, reason FROM failures ORDER BY path",
    [SQL_FAILURE_CLEAR_WALK] = "DELETE FROM failures WHERE of_walk = 1",
    [SQL_META_SET] = "REPLACE INTO meta VALUES(?1,?2)",
    [SQL_META_LIST] = "SELECT name, value FROM meta",
    [SQL_TOTALS_LOAD] = "SELECT files, bytes, directories, symlinks, files_stored,"
                        " bytes_stored, part_bytes_stored, files_failed FROM totals",
    [SQL_TOTALS_SAVE] = "UPDATE totals SET files=?1, bytes=?2, directories=?3,"
                        " symlinks=?4, files_stored=?5, bytes_stored=?6,"
                        " part_bytes_stored=?7, files_failed=?8",
    [SQL_SEEN_CLEAR] = "DELETE FROM seen",
    [SQL_SEEN_ADD] = "REPLACE INTO seen VALUES(?1,?2,?3)",
    [SQL_SEEN_FIND] = "SELECT size, etag FROM seen WHERE key = ?1",
    [SQL_SEEN_REMOVE] = "DELETE FROM seen WHERE key = ?1",
    [SQL_SEEN_LIST] = "SELECT key FROM seen ORDER BY key LIMIT ?1",
    [SQL_PREVIOUS_CLEAR] = "DELETE FROM previous",
    [SQL_PREVIOUS_ADD] =
        "INSERT INTO previous VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [SQL_PREVIOUS_AT] = "SELECT " PREVIOUS_COLUMNS " FROM previous WHERE path = ?1",
    [SQL_PREVIOUS_LIKE] = "SELECT " PREVIOUS_COLUMNS " FROM previous"
                          " WHERE size = ?1 AND size >= 1048576 AND first = ?2"
                          " LIMIT 1",
    [SQL_PREVIOUS_SIZE] = "SELECT 1 FROM previous"
                          " WHERE size = ?1 AND size >= 1048576 AND path <> ?2 LIMIT 1",
    [SQL_MET_CLEAR] = "DELETE FROM met",
    [SQL_MET_ADD] = "REPLACE INTO met VALUES(?1,?2)",
    [SQL_MET_FIND] = "SELECT type FROM met WHERE path = ?1",
    [SQL_MET_BELOW] = "SELECT 1 FROM met WHERE path > ?1 AND path < ?2 LIMIT 1",
};

static enum error_kind kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_CONFLICT;
    case SQLITE_FULL:
        return ERROR_FULL;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
        return ERROR_IO;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return ERROR_INTERNAL;
    default:
        /* Our statements are always the same and break no constraint: whatever else
         * goes wrong is for what they found in the file. */
        return ERROR_CORRUPT;
    }
}

static int errno_of_file(sqlite3 *sql, int which_file)
{
    sqlite3_file *file = NULL;
    int code = 0;

    sqlite3_file_control(sql, "main", which_file, &file);
    if (file != NULL && file->pMethods != NULL)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code);
    return code;
}

/* The errno behind an I/O error; SQLite tells it of itself only for some statements. */
static int errno_of(sqlite3 *sql)
{
    int code = sqlite3_system_errno(sql);

    if (code == 0)
        code = errno_of_file(sql, SQLITE_FCNTL_JOURNAL_POINTER); /* or the log's */
    return code != 0 ? code : errno_of_file(sql, SQLITE_FCNTL_FILE_POINTER);
}

static int set_error(const struct checkpoint_db *db, int rc, struct error *err)
{
    enum error_kind kind = kind_of(rc);
    int code = kind == ERROR_IO && db->sql != NULL ? errno_of(db->sql) : 0;

    if (kind == ERROR_IO && code != 0) /* EDQUOT and EFBIG are as good as a full disk */
        return error_errno(err, code, "checkpoint %s", db->path);
    if (kind == ERROR_CONFLICT)
        return error_set(err, kind, 0, "checkpoint %s is in use by another process",
                         db->path);
    return error_set(err, kind, 0, "checkpoint %s: %s", db->path,
                     db->sql != NULL ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc));
}

static int run_text(struct checkpoint_db *db, const char *text, struct error *err)
{
    int rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : set_error(db, rc, err);
}

static int read_number(struct checkpoint_db *db, const char *text, int64_t *out,
                       struct error *err)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db->sql, text, -1, &s, NULL);

    *out = 0;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
            *out = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
    }
    return rc == SQLITE_ROW ? 0 : set_error(db, rc, err);
}

/* Within the first transaction: an empty file becomes ours, a foreign one is refused.
 */
static int identify(struct checkpoint_db *db, bool *is_new, struct error *err)
{
    int64_t id, format, tables;

    if (read_number(db, "PRAGMA application_id", &id, err) != 0 ||
        read_number(db, "PRAGMA user_version", &format, err) != 0 ||
        read_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err) != 0)
        return -1;
    *is_new = id == 0 && format == 0 && tables == 0;
    if (*is_new || (id == APPLICATION_ID && format == FORMAT))
        return 0;
    return error_set(err, ERROR_CORRUPT, 0,
                     "%s is not a checkpoint of this grid's format", db->path);
}

static int lock_and_identify(struct checkpoint_db *db, struct error *err)
{
    bool is_new;

    /* A foreign file's log is not ours to fold. */
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (run_text(db, settings, err) != 0 || run_text(db, "BEGIN EXCLUSIVE", err) != 0 ||
        identify(db, &is_new, err) != 0)
        return -1;
    if ((is_new && run_text(db, schema, err) != 0) ||
        run_text(db, additions, err) != 0 || run_text(db, "COMMIT", err) != 0)
        return -1;
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return run_text(db, "PRAGMA journal_mode=WAL", err);
}

static int prepare(struct checkpoint_db *db, struct error *err)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(db->sql, sql_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->statements[i], NULL);

        if (rc != SQLITE_OK)
            return set_error(db, rc, err);
    }
    return 0;
}

static int open_as(struct checkpoint_db *db, const char *vfs, struct error *err)
{
    int rc = sqlite3_open_v2(db->path, &db->sql,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             vfs);

    if (rc != SQLITE_OK)
        return set_error(db, rc, err);
    return lock_and_identify(db, err) != 0 ? -1 : prepare(db, err);
}

/*
 * Do locks work in the folder of path?  Asked of a file of its own: SQLite reports
 * ENOLCK as a lock that another process holds, and to close the data base's file by
 * hand would drop every lock that this process has on it.
 */
static bool has_locks(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct text probe = {0};
    bool works = true;
    int fd;

    text_add_format(&probe, "%s.locks-%ld", path, (long)getpid());
    fd = open(text_string(&probe), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        works = fcntl(fd, F_SETLK, &lock) == 0 || errno == EAGAIN || errno == EACCES;
        unlink(text_string(&probe));
        close(fd);
    }
    text_free(&probe);
    return works;
}

static void close_sql(struct checkpoint_db *db)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->sql);
    db->sql = NULL;
}

int checkpoint_db_open(struct checkpoint_db *db, const char *path, bool *lock_works,
                       struct error *err)
{
    int rc, status;

    memset(db, 0, sizeof *db);
    db->path = mem_copy_string(path);
    *lock_works = true;
    status = open_as(db, NULL, err);
    rc = db->sql != NULL ? sqlite3_extended_errcode(db->sql) : SQLITE_NOMEM;
    if (status != 0 &&
        ((rc & 0xff) == SQLITE_BUSY || rc == SQLITE_IOERR_LOCK ||
         rc == SQLITE_IOERR_RDLOCK || rc == SQLITE_IOERR_CHECKRESERVEDLOCK) &&
        !has_locks(path)) {
        close_sql(db);
        *lock_works = false;
        status = open_as(db, "unix-none", err);
    }
    if (status != 0)
        checkpoint_db_close(db);
    return status;
}

void checkpoint_db_close(struct checkpoint_db *db)
{
    close_sql(db);
    free(db->path);
    db->path = NULL;
}

static void fail(struct checkpoint_db *db, int rc)
{
    if (!checkpoint_db_has_failed(db))
        set_error(db, rc, &db->failure);
}

void checkpoint_db_set_corrupt(struct checkpoint_db *db, const char *what)
{
    if (!checkpoint_db_has_failed(db))
        error_set(&db->failure, ERROR_CORRUPT, 0, "checkpoint %s is damaged: %s",
                  db->path, what);
}

sqlite3_stmt *checkpoint_db_start(struct checkpoint_db *db, enum checkpoint_sql which)
{
    sqlite3_reset(db->statements[which]);
    return db->statements[which];
}

void checkpoint_db_bind_bytes(sqlite3_stmt *s, int index, const void *bytes,
                              size_t size)
{
    if (bytes == NULL)
        sqlite3_bind_null(s, index);
    else
        sqlite3_bind_blob64(s, index, bytes, size, SQLITE_STATIC);
}

void checkpoint_db_bind_path(sqlite3_stmt *s, int index, const char *path)
{
    sqlite3_bind_blob64(s, index, path, strlen(path), SQLITE_STATIC);
}

void checkpoint_db_bind_u64(sqlite3_stmt *s, int index, uint64_t value)
{
    sqlite3_bind_int64(s, index, (int64_t)value);
}

uint64_t checkpoint_db_u64(sqlite3_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s, column);
}

void checkpoint_db_text(sqlite3_stmt *s, int column, struct text *out)
{
    const void *bytes = sqlite3_column_blob(s, column);

    text_clear(out);
    if (bytes != NULL)
        text_add_bytes(out, bytes, (size_t)sqlite3_column_bytes(s, column));
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void begin(struct checkpoint_db *db)
{
    sqlite3_stmt *s = checkpoint_db_start(db, SQL_BEGIN);
    int rc = sqlite3_step(s);

    sqlite3_reset(s);
    if (rc != SQLITE_DONE) {
        fail(db, rc);
        return;
    }
    db->began_at_ms = now_ms();
    db->in_transaction = true;
    db->n_writes = 0;
}

uint64_t checkpoint_db_age_ms(const struct checkpoint_db *db)
{
    return db->in_transaction ? now_ms() - db->began_at_ms : 0;
}

bool checkpoint_db_row(struct checkpoint_db *db, sqlite3_stmt *s)
{
    int rc;

    if (!checkpoint_db_has_failed(db)) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
            return true;
        if (rc != SQLITE_DONE)
            fail(db, rc);
    }
    sqlite3_reset(s);
    return false;
}

int checkpoint_db_write(struct checkpoint_db *db, sqlite3_stmt *s)
{
    int rc;

    if (!checkpoint_db_has_failed(db) && !db->in_transaction)
        begin(db);
    if (checkpoint_db_has_failed(db))
        return 0;
    rc = sqlite3_step(s);
    if (rc != SQLITE_DONE)
        fail(db, rc);
    sqlite3_reset(s);
    db->n_writes++;
    db->n_writes_ever++;
    return sqlite3_changes(db->sql);
}

void checkpoint_db_commit(struct checkpoint_db *db)
{
    sqlite3_stmt *s;
    int rc;

    if (!db->in_transaction)
        return;
    if (!checkpoint_db_has_failed(db)) {
        s = checkpoint_db_start(db, SQL_COMMIT);
        rc = sqlite3_step(s);
        sqlite3_reset(s);
        if (rc != SQLITE_DONE)
            fail(db, rc);
    }
    /* Some failures have rolled back already, others leave that to us. */
    if (checkpoint_db_has_failed(db) && sqlite3_get_autocommit(db->sql) == 0)
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    db->in_transaction = false;
    db->n_writes = 0;
}
