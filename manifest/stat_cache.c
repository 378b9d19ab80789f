/*
 * One statement runs through all rows, side by side with the paths that are asked for.
 */
#include "manifest/stat_cache.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct stat_cache {
    struct checkpoint_db db;
    struct checkpoint_rows rows;
    struct file_row row; /* row.exists: the one the statement stands on */
    sqlite3_stmt *scan;
    char *session;
};

static void advance(struct stat_cache *c)
{
    c->row.exists = false;
    if (checkpoint_db_row(&c->db, c->scan))
        checkpoint_rows_take(&c->rows, c->scan, &c->row);
}

static void load_session(struct stat_cache *c)
{
    sqlite3_stmt *s = checkpoint_db_start(&c->db, SQL_META_LIST);

    while (checkpoint_db_row(&c->db, s)) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        const char *value = (const char *)sqlite3_column_text(s, 1);

        if (name == NULL || value == NULL || strcmp(name, "session") != 0)
            continue;
        free(c->session);
        c->session = mem_copy_string(value);
    }
}

struct stat_cache *stat_cache_open(const char *path)
{
    struct stat_cache *c;
    struct error err;
    bool lock_works;

    if (access(path, R_OK | W_OK) != 0)
        return NULL; /* else it would be made */
    c = mem_new(1, sizeof *c);
    if (checkpoint_db_open(&c->db, path, &lock_works, &err) != 0) {
        log_line(LOG_WARNING, LOG_CHECKPOINT, "the stat cache is not used: %s",
                 err.text);
        free(c);
        return NULL;
    }
    checkpoint_rows_open(&c->rows, &c->db);
    load_session(c);
    c->scan = checkpoint_db_start(&c->db, SQL_FILE_SCAN);
    checkpoint_db_bind_path(c->scan, 1, "");
    advance(c);
    return c;
}

void stat_cache_close(struct stat_cache *c)
{
    if (c == NULL)
        return;
    if (checkpoint_db_has_failed(&c->db))
        log_line(LOG_WARNING, LOG_CHECKPOINT, "the stat cache: %s", c->db.failure.text);
    sqlite3_reset(c->scan);
    checkpoint_db_close(&c->db);
    checkpoint_rows_free(&c->rows);
    file_row_free(&c->row);
    free(c->session);
    free(c);
}

bool stat_cache_is_of(const struct stat_cache *c, const char *session)
{
    return c->session != NULL && strcmp(c->session, session) == 0;
}

const struct file_row *stat_cache_find(struct stat_cache *c, const char *path)
{
    const struct file_row *row = &c->row;

    while (row->exists && strcmp(text_string(&row->path), path) < 0)
        advance(c);
    if (!row->exists || strcmp(text_string(&row->path), path) != 0)
        return NULL;
    return row->type == ENTRY_FILE && row->state == CHECKPOINT_STORED &&
                   row->has_object && row->has_hash
               ? row
               : NULL;
}
