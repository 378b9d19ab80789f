#include <string.h>

#include "manifest/checkpoint_impl.h"

/*
 * All files in order, each of which may be changed or dropped while the cursor stands
 * on it.  The statement starts over behind the last row after every change, as a
 * statement that is under way may come upon a changed row once more; and every thousand
 * rows, so that in between a long transaction can be committed and the log begin anew.
 */
enum { CURSOR_ROWS = 1000 };

static void start(struct cursor *c)
{
    c->s = checkpoint_db_start(&c->cp->db, SQL_FILE_SCAN);
    checkpoint_db_bind_bytes(c->s, 1, text_string(&c->after), c->after.size);
    c->n_rows = 0;
    c->n_writes = c->cp->db.n_writes_ever;
}

void checkpoint_cursor_advance(struct cursor *c)
{
    if (c->n_rows == CURSOR_ROWS || c->n_writes != c->cp->db.n_writes_ever) {
        text_clear(&c->after);
        text_add(&c->after, text_string(&c->row->path));
        sqlite3_reset(c->s);
        checkpoint_rows_breathe(&c->cp->rows);
        start(c);
    }
    c->row->exists = false;
    if (checkpoint_db_row(&c->cp->db, c->s)) {
        checkpoint_rows_take(&c->cp->rows, c->s, c->row);
        c->n_rows++;
    }
}

void checkpoint_cursor_open(struct cursor *c, struct checkpoint *cp, const char *after)
{
    memset(c, 0, sizeof *c);
    c->cp = cp;
    c->row = &cp->row;
    text_add(&c->after, after);
    start(c);
    checkpoint_cursor_advance(c);
}

void checkpoint_cursor_close(struct cursor *c)
{
    sqlite3_reset(c->s);
    text_free(&c->after);
}
