/*
 * `clearcache`: what is kept on this machine to go on faster, of sessions that do not run
 * and of stores.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/commands.h"
#include "agent/exit_code.h"
#include "agent/session_status.h"
#include "agent/traits_note.h"
#include "base/text.h"

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);

    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* "NAME-0123.db" of a session that is running must stay. */
static bool is_in_use(const char *folder, const char *name)
{
    const char *dot = strstr(name, ".db");
    struct session_status s;
    struct text file = {0};
    struct error ignored;
    bool is_alive;

    text_add_format(&file, "%s/%.*s.json", folder, (int)(dot - name), name);
    is_alive = session_status_read(&s, text_string(&file), &ignored) == 0 &&
               session_status_is_alive(&s);
    session_status_free(&s);
    text_free(&file);
    return is_alive;
}

static bool is_checkpoint(const char *name)
{
    return ends_with(name, ".db") || ends_with(name, ".db-wal") ||
           ends_with(name, ".db-shm") || ends_with(name, ".db-journal") ||
           ends_with(name, ".db.cache") || ends_with(name, ".db.damaged");
}

/* What was found out about a store is found out again. */
static bool is_note(const char *name)
{
    return ends_with(name, traits_note_suffix);
}

static int clear_folder(const char *folder, unsigned *n_kept, struct error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int status = 0;

    if (dir == NULL)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read %s", folder);
    while ((entry = readdir(dir)) != NULL && status == 0) {
        if (!is_checkpoint(entry->d_name) && !is_note(entry->d_name))
            continue;
        if (is_checkpoint(entry->d_name) && is_in_use(folder, entry->d_name))
            ++*n_kept;
        else if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
            status =
                error_errno(err, errno, "cannot remove %s/%s", folder, entry->d_name);
    }
    closedir(dir);
    return status;
}

int command_clearcache(const struct command_context *c)
{
    struct error err;
    unsigned n_kept = 0;

    if (clear_folder(paths_of(c->paths, PATHS_SESSIONS), &n_kept, &err) != 0)
        return command_fail(c->options, &err);
    printf("the local checkpoints are gone%s\n",
           n_kept > 0 ? ", but for those of running uploads" : "");
    return EXIT_DONE;
}
