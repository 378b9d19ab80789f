/*
 * logind.conf lies in four places, of which the first counts, and so for each name of a
 * drop-in; the drop-ins are read in the order of their names, and the last word counts
 * (logind.conf(5), "Configuration Directories and Precedence").  What no file says is
 * KillUserProcesses=no, as Debian, Ubuntu, Fedora and RHEL build it.
 */
#include "agent/site.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/ini.h"
#include "base/mem.h"
#include "base/span.h"

static const char *const places[] = {"/etc", "/run", "/usr/local/lib", "/usr/lib"};

/* ---- logind ---- */

struct logind {
    bool kills;
    char *only, *except; /* lists of users; NULL: not said */
};

/* key: in lower case, as ini.h keeps them. */
static void take(char **setting, const struct ini *ini, const char *key)
{
    const char *value = ini_get(ini, "Login", key);

    if (value == NULL)
        return;
    free(*setting);
    *setting = mem_copy_string(value);
}

/* systemd.syntax(7): booleans. */
static bool is_yes(const char *word)
{
    static const char *const words[] = {"1", "yes", "y", "true", "t", "on"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(word, words[i]) == 0)
            return true;
    return false;
}

/* False: it is not there, or we may not read it. */
static bool read_file(struct logind *l, const char *path)
{
    char *kills = NULL;
    struct error ignored;
    struct ini *ini;
    bool is_there = access(path, R_OK) == 0;

    if (is_there && ini_open(&ini, path, &ignored) == 0) {
        take(&kills, ini, "killuserprocesses");
        take(&l->only, ini, "killonlyusers");
        take(&l->except, ini, "killexcludeusers");
        if (kills != NULL)
            l->kills = is_yes(kills);
    }
    if (is_there)
        ini_free(ini);
    free(kills);
    return is_there;
}

/* The first of the places that has it. */
static void read_first(struct logind *l, const char *root, const char *name)
{
    bool is_read = false;

    for (size_t i = 0; i < ARRAY_SIZE(places) && !is_read; i++) {
        struct text path = {0};

        text_add_format(&path, "%s%s/systemd/%s", root, places[i], name);
        is_read = read_file(l, text_string(&path));
        text_free(&path);
    }
}

struct drop_ins {
    char **names; /* "logind.conf.d/NAME.conf" */
    size_t n;
};

static void collect(struct drop_ins *all, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t length = strlen(entry->d_name);
        struct text name = {0};

        if (length < 6 || strcmp(entry->d_name + length - 5, ".conf") != 0)
            continue;
        text_add_format(&name, "logind.conf.d/%s", entry->d_name);
        all->names = mem_resize(all->names, all->n + 1, sizeof *all->names);
        all->names[all->n++] = text_take(&name);
    }
    if (dir != NULL)
        closedir(dir);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void logind_read(struct logind *l, const char *root)
{
    struct drop_ins all = {NULL, 0};

    read_first(l, root, "logind.conf");
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct text folder = {0};

        text_add_format(&folder, "%s%s/systemd/logind.conf.d", root, places[i]);
        collect(&all, text_string(&folder));
        text_free(&folder);
    }
    if (all.n > 0)
        qsort(all.names, all.n, sizeof *all.names, compare_names);
    for (size_t i = 0; i < all.n; i++) {
        if (i == 0 || strcmp(all.names[i], all.names[i - 1]) != 0)
            read_first(l, root, all.names[i]);
    }
    for (size_t i = 0; i < all.n; i++)
        free(all.names[i]);
    free(all.names);
}

/* A list of words between blanks. */
static bool names_user(const char *list, const char *user)
{
    size_t length = strlen(user);

    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, " \t");

        if (size == length && strncmp(list, user, size) == 0)
            return true;
        list += size;
        list += strspn(list, " \t");
    }
    return false;
}

/* As manager_shall_kill() of systemd has it. */
static bool kills_user(const struct logind *l, const char *user)
{
    if (user != NULL &&
        (l->except == NULL ? strcmp(user, "root") == 0 : names_user(l->except, user)))
        return false;
    if (l->only != NULL && l->only[0] != '\0')
        return user != NULL && names_user(l->only, user);
    return l->kills;
}

/* Only what is in the scope of a login session ends with it. */
static bool is_in_session(const char *root)
{
    struct text path = {0};
    char line[512];
    bool is_in = false;
    FILE *stream;

    text_add_format(&path, "%s/proc/self/cgroup", root);
    stream = fopen(text_string(&path), "re");
    text_free(&path);
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL)
        is_in |= strstr(line, "/session-") != NULL && strstr(line, ".scope") != NULL;
    if (stream != NULL)
        fclose(stream);
    return is_in;
}

static void add_logind(const struct site *site, struct text *out)
{
    struct logind l = {false, NULL, NULL};

    if (!is_in_session(site->root))
        return;
    logind_read(&l, site->root);
    if (kills_user(&l, site->user))
        text_add(out, "this machine ends what a user has left behind at logout "
                      "(KillUserProcesses of logind): stay logged in, or begin it with "
                      "`systemd-run --user --scope grid ...` where `loginctl "
                      "enable-linger` is allowed");
    free(l.only);
    free(l.except);
}

/* ---- Slurm ---- */

static void add_slurm(const struct site *site, struct text *out)
{
    if (site->job == NULL || site->job[0] == '\0')
        return;
    if (out->size > 0)
        text_add(out, "; ");
    text_add_format(out, "Slurm ends it together with job %.40s", site->job);
    if (site->step != NULL && site->step[0] != '\0')
        text_add_format(out, ", step %.40s", site->step);
    text_add(out, ": without --detach the job waits for it");
}

void site_add_limits(const struct site *site, struct text *out)
{
    add_logind(site, out);
    add_slurm(site, out);
}

void site_look(struct site *site, const char *user)
{
    *site = (struct site){
        .root = "",
        .user = user,
        .job = getenv("SLURM_JOB_ID"),
        .step = getenv("SLURM_STEP_ID"),
    };
}
