/*
 * Four folders, one table: the variable that names the folder, and what stands for it
 * below HOME.  The runtime folder is the exception: without XDG_RUNTIME_DIR it is
 * /tmp/grid-UID, where anybody may have been before us, so its owner and mode are
 * checked (lstat: a link is refused too).
 */
#include "agent/paths.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

static const struct {
    const char *variable;
    const char *below_home; /* NULL: not below HOME */
    const char *folder;
} places[] = {
    [PATHS_CONFIG] = {"XDG_CONFIG_HOME", ".config", "grid"},
    [PATHS_SESSIONS] = {"XDG_STATE_HOME", ".local/state", "grid/sessions"},
    [PATHS_DATA] = {"XDG_DATA_HOME", ".local/share", "grid"},
    [PATHS_RUNTIME] = {"XDG_RUNTIME_DIR", NULL, "grid"},
};

static char **slot_of(struct paths *p, enum paths_place place)
{
    switch (place) {
    case PATHS_CONFIG:
        return &p->config_dir;
    case PATHS_SESSIONS:
        return &p->sessions_dir;
    case PATHS_DATA:
        return &p->data_dir;
    case PATHS_RUNTIME:
        break;
    }
    return &p->runtime_dir;
}

const char *paths_of(const struct paths *p, enum paths_place place)
{
    struct paths copy = *p;

    return *slot_of(&copy, place);
}

static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] == '/' ? value : NULL;
}

static int find(struct paths *p, enum paths_place place, struct error *err)
{
    const char *base = absolute(places[place].variable);
    const char *home = absolute("HOME");
    struct text path = {0};

    if (base != NULL) {
        text_add_format(&path, "%s/%s", base, places[place].folder);
    } else if (places[place].below_home == NULL) {
        text_add_format(&path, "/tmp/grid-%lu", (unsigned long)geteuid());
    } else if (home != NULL) {
        text_add_format(&path, "%s/%s/%s", strcmp(home, "/") == 0 ? "" : home,
                        places[place].below_home, places[place].folder);
    } else {
        return error_set(
            err, ERROR_USAGE, 0,
            "HOME is %s, so there is no place for grid's files: set HOME, or "
            "%s, to a folder of yours",
            getenv("HOME") != NULL ? "no absolute path" : "not set",
            places[place].variable);
    }
    *slot_of(p, place) = text_take(&path);
    return 0;
}

int paths_find(struct paths *p, struct error *err)
{
    memset(p, 0, sizeof *p);
    for (int place = PATHS_CONFIG; place <= PATHS_RUNTIME; place++)
        if (find(p, (enum paths_place)place, err) != 0)
            return -1;
    return 0;
}

void paths_free(struct paths *p)
{
    free(p->config_dir);
    free(p->sessions_dir);
    free(p->data_dir);
    free(p->runtime_dir);
    memset(p, 0, sizeof *p);
}

/* ---- making ---- */

/* mkdir -p.  0 or an errno. */
static int make_all(const char *path)
{
    char *copy = mem_copy_string(path);
    int status = 0;

    for (char *p = copy + 1; status == 0; p++) {
        bool is_end = *p == '\0';

        if (*p != '/' && !is_end)
            continue;
        *p = '\0';
        status = mkdir(copy, 0700) != 0 ? errno : 0;
        if (status != 0 && access(copy, F_OK) == 0)
            status = 0; /* it may be EROFS for one that is there, not only EEXIST */
        if (is_end)
            break;
        *p = '/';
    }
    free(copy);
    return status;
}

static int check_private(const char *path, struct error *err)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return error_errno(err, errno, "%s", path);
    if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
        (status.st_mode & 077) == 0)
        return 0;
    return error_set(err, ERROR_IO, 0,
                     "%s is not a folder of yours alone (mode 0700): remove it, or set "
                     "XDG_RUNTIME_DIR",
                     path);
}

static int make_error(enum paths_place place, const char *path, int code,
                      struct error *err)
{
    error_errno(err, code, "cannot make the folder %.120s", path);
    if (strlen(err->text) + 90 < sizeof err->text) {
        struct error why = *err;

        snprintf(err->text, sizeof err->text,
                 "%.230s; set %s to a folder that can be written", why.text,
                 places[place].variable);
    }
    return -1;
}

int paths_make(const struct paths *p, enum paths_place place, struct error *err)
{
    const char *path = paths_of(p, place);
    struct stat status;
    int code = make_all(path);

    if (code != 0)
        return make_error(place, path, code, err);
    if (place == PATHS_RUNTIME)
        return check_private(path, err);
    if (stat(path, &status) != 0)
        return make_error(place, path, errno, err);
    if (!S_ISDIR(status.st_mode))
        return make_error(place, path, ENOTDIR, err);
    if (access(path, W_OK | X_OK) != 0)
        return make_error(place, path, errno, err);
    return 0;
}

/* ---- the embedded store ---- */

char *paths_local_store_url(const struct paths *p)
{
    struct text url = {0};

    text_add(&url, "file://");
    text_add_uri(&url, p->data_dir, strlen(p->data_dir), true);
    text_add(&url, "/datastores");
    return text_take(&url);
}
