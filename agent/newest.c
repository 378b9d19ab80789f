#include "agent/newest.h"

#include <string.h>

static void end(struct newest *n)
{
    if (n->contents != NULL)
        contents_close(n->contents);
    n->contents = NULL;
}

int newest_open(struct newest *n, struct agent *a, const char *name, struct error *err)
{
    memset(n, 0, sizeof *n);
    if (catalog_find(a, name, 0, &n->version, err) != 0)
        return err->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (n->version.record.copy)
        n->contents = contents_open(a, &n->version);
    return 0;
}

void newest_close(struct newest *n)
{
    end(n);
    version_free(&n->version);
}

/* Have a line to look at.  1: there is one, 0: no more, -1: error. */
static int have_line(struct newest *n, struct error *err)
{
    int status = 1;

    if (n->contents == NULL)
        return 0;
    if (n->next == n->lines.n_lines) {
        status = contents_next(n->contents, &n->lines, err);
        n->next = 0;
    }
    if (status != 1)
        end(n);
    return status;
}

static bool is_same(const struct manifest_line *line, const struct entry *entry)
{
    return strcmp(line->entry.path, entry->path) == 0 &&
           line->entry.type == ENTRY_FILE && line->has_hash &&
           line->entry.stamp.size == entry->stamp.size &&
           line->entry.stamp.mtime_ns == entry->stamp.mtime_ns;
}

int newest_has(struct newest *n, const struct entry *entry, struct error *err)
{
    int status;

    while ((status = have_line(n, err)) == 1 &&
           strcmp(n->lines.lines[n->next].entry.path, entry->path) < 0)
        n->next++;
    return status == 1 ? is_same(&n->lines.lines[n->next], entry) : status;
}
