/*
 * All of it on a worker, which fills in a list of findings; the loop's thread tells them.
 */
#include "agent/doctor_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "agent/trial_folder.h"
#include "base/mem.h"

enum {
    FINDINGS_MAX = 12,
    WRITE_BYTES = 1 << 20,
    WRITES_MAX = 64,
    WRITE_NS = 1500 * 1000 * 1000,
    SLOW_FSYNC_MS = 100,
    LITTLE_BYTES = 1 << 30,
    LITTLE_FILES = 10000
};

struct result {
    const char *check;
    enum finding finding;
    struct error err; /* where it fails */
    char message[320];
    const char *hint;
};

struct place {
    char *folder;
    struct trial_folder trial; /* it is there, meanwhile */
    char *scratch;             /* a folder of ours in it */
    bool is_state;
    struct result results[FINDINGS_MAX];
    unsigned n;
};

/* ---- findings ---- */

static struct result *add(struct place *p, const char *check, enum finding finding)
{
    struct result *r = &p->results[p->n++];

    r->check = check;
    r->finding = finding;
    return r;
}

static void add_failure(struct place *p, const char *check, const char *path,
                        const char *hint)
{
    struct result *r = add(p, check, FINDING_FAILS);

    error_errno(&r->err, errno, "%s", path);
    r->hint = hint;
}

static void add_words(struct place *p, const char *check, enum finding finding,
                      const char *words, const char *hint)
{
    struct result *r = add(p, check, finding);

    snprintf(r->message, sizeof r->message, "%.300s", words);
    r->hint = hint;
}

/* ---- the folder ---- */

static void add_error(struct place *p, const char *check, const struct error *err,
                      const char *hint)
{
    struct result *r = add(p, check, FINDING_FAILS);

    r->err = *err;
    r->hint = hint;
}

static void tell_folder(struct place *p)
{
    char words[320];

    snprintf(words, sizeof words,
             trial_folder_is_new(&p->trial) ? "%.250s is made when it is needed"
                                            : "%.250s is there",
             p->folder);
    add_words(p, "folder", FINDING_OK, words, NULL);
}

static bool make_folder(struct place *p)
{
    struct error err;

    if (trial_folder_begin(&p->trial, p->folder, &err) == 0)
        return true;
    add_error(p, "folder", &err,
              "let this user make it, or name another folder: grid login --store "
              "file:///FOLDER");
    return false;
}

static bool make_scratch(struct place *p)
{
    struct error err;

    if (trial_folder_write(&p->trial, &p->scratch, &err) == 0) {
        add_words(p, "write", FINDING_OK, "it may be written to", NULL);
        return true;
    }
    add_error(p, "write", &err, "let this user write there, or name another folder");
    return false;
}

static char *file_in(const struct place *p, const char *name)
{
    struct text path = {0};

    text_add_format(&path, "%s/%s", p->scratch, name);
    return text_take(&path);
}

/* ---- what its file system can ---- */

static uint64_t elapsed_ns(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - since->tv_sec) * UINT64_C(1000000000) +
           (uint64_t)now.tv_nsec - (uint64_t)since->tv_nsec;
}

/* A byte that survives a power cut. */
static void check_fsync(struct place *p, int fd)
{
    struct timespec begun;
    char words[100];
    uint64_t ms;

    clock_gettime(CLOCK_MONOTONIC, &begun);
    if (write(fd, "x", 1) != 1 || fsync(fd) != 0) {
        add_failure(p, "fsync", p->folder,
                    "what is stored there may be lost in a power cut");
        return;
    }
    ms = elapsed_ns(&begun) / 1000000;
    snprintf(words, sizeof words, "a file is on disk in %" PRIu64 " ms", ms);
    if (ms < SLOW_FSYNC_MS)
        add_words(p, "fsync", FINDING_OK, words, NULL);
    else
        add_words(p, "fsync", FINDING_NOTE, words,
                  "many small files will take long: the disk is slow, or busy");
}

/* What the store relies on: a name is taken by one only (link), and replaced at once. */
static void check_rename(struct place *p, const char *file)
{
    char *link_path = file_in(p, "link"), *moved = file_in(p, "moved");
    struct stat s;

    if (link(file, link_path) == 0 && link(file, link_path) != 0 && errno == EEXIST)
        add_words(p, "exclusive", FINDING_OK, "of two who write at once one is refused",
                  NULL);
    else if (renameat2(AT_FDCWD, file, AT_FDCWD, moved, RENAME_NOREPLACE) == 0 &&
             rename(moved, file) == 0)
        add_words(p, "exclusive", FINDING_OK,
                  "there are no hard links, but a name is not taken twice", NULL);
    else
        add_failure(p, "exclusive", p->folder,
                    "neither hard links nor RENAME_NOREPLACE work there: use another "
                    "file system");
    if (rename(file, moved) == 0 && stat(moved, &s) == 0 && rename(moved, file) == 0)
        add_words(p, "rename", FINDING_OK, "a file is replaced at once", NULL);
    else
        add_failure(p, "rename", p->folder, "use another file system");
    unlink(link_path);
    free(link_path);
    free(moved);
}

static void check_locks(struct place *p, int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_SETLK, &lock) == 0)
        add_words(p, p->is_state ? "state locks" : "locks", FINDING_OK,
                  "file locks work", NULL);
    else if (p->is_state)
        add_words(p, "state locks", FINDING_NOTE,
                  "file locks do not work: checkpoints are kept in the runtime folder",
                  "set XDG_STATE_HOME to a folder on a local disk");
    else
        add_words(p, "locks", FINDING_NOTE, "file locks do not work",
                  "grid does not need them there");
}

/* Names that differ in case only: told, since copies to elsewhere may meet it. */
static void check_case(struct place *p)
{
    char *upper = file_in(p, "FILE");

    if (access(upper, F_OK) == 0)
        add_words(p, "names", FINDING_NOTE,
                  "names that differ in case alone are one name there",
                  "grid keeps such files apart by itself");
    free(upper);
}

static void check_space(struct place *p)
{
    struct statvfs s;
    struct text words = {0};
    uint64_t free_bytes;
    bool is_little;

    if (statvfs(p->folder, &s) != 0) {
        add_failure(p, p->is_state ? "state space" : "space", p->folder, NULL);
        return;
    }
    free_bytes = (uint64_t)s.f_bavail * s.f_frsize;
    is_little =
        free_bytes < LITTLE_BYTES || (s.f_files != 0 && s.f_favail < LITTLE_FILES);
    text_add_size(&words, free_bytes);
    text_add(&words, " free");
    if (s.f_files != 0)
        text_add_format(&words, ", room for %" PRIu64 " files", (uint64_t)s.f_favail);
    add_words(
        p, p->is_state ? "state space" : "space",
        is_little && !p->is_state ? FINDING_NOTE : FINDING_OK, text_string(&words),
        is_little && !p->is_state ? "that is little: free some, or use another place"
                                  : NULL);
    text_free(&words);
}

/* Sequential, with what the page cache still holds written out at the end. */
static void check_speed(struct place *p, int fd)
{
    char *block = mem_new(WRITE_BYTES, 1);
    struct text words = {0};
    struct timespec begun;
    uint64_t written = 0, ns;

    memset(block, 'g', WRITE_BYTES);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (unsigned i = 0; i < WRITES_MAX && elapsed_ns(&begun) < WRITE_NS; i++) {
        ssize_t n = write(fd, block, WRITE_BYTES);

        if (n <= 0)
            break;
        written += (uint64_t)n;
    }
    if (written == 0 || fdatasync(fd) != 0) {
        add_failure(p, "throughput", p->folder, NULL);
    } else {
        ns = elapsed_ns(&begun);
        text_add_size(&words, (uint64_t)((double)written * 1e9 / (double)(ns + 1)));
        text_add(&words, "/s written to disk (a short look)");
        add_words(p, "throughput", FINDING_OK, text_string(&words), NULL);
    }
    text_free(&words);
    free(block);
}

/* ---- the visit ---- */

static void examine_file(struct place *p)
{
    char *file = file_in(p, "file");
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        add_failure(p, "write", file, NULL);
    } else {
        check_locks(p, fd);
        if (!p->is_state) {
            check_fsync(p, fd);
            check_rename(p, file);
            check_case(p);
            check_speed(p, fd);
        }
        close(fd);
        unlink(file);
    }
    free(file);
}

static void examine_folder(struct place *p)
{
    if (!p->is_state)
        tell_folder(p);
    if (!make_scratch(p))
        return;
    if (p->is_state) /* said in one line */
        snprintf(p->results[p->n - 1].message, sizeof p->results[0].message,
                 "checkpoints and logs go to %.200s", p->folder);
    check_space(p);
    examine_file(p);
    rmdir(p->scratch);
}

static void examine(void *ctx)
{
    struct place *p = ctx;

    if (!make_folder(p))
        return;
    examine_folder(p);
    trial_folder_end(&p->trial);
}

static void tell(struct doctor *d, const struct result *r, bool is_state)
{
    const char *check =
        is_state && strncmp(r->check, "state", 5) != 0 ? "state" : r->check;

    if (r->finding == FINDING_FAILS)
        doctor_failed(d, check, &r->err, r->hint);
    else
        doctor_tell(d, check, r->finding, r->message, r->hint);
}

static void visit(struct doctor *d, const char *folder, bool is_state)
{
    struct place p = {.folder = mem_copy_string(folder), .is_state = is_state};

    agent_work(d->agent, examine, &p);
    for (unsigned i = 0; i < p.n; i++)
        tell(d, &p.results[i], is_state);
    free(p.folder);
    free(p.scratch);
}

void doctor_dir_store(struct doctor *d)
{
    struct store_options wanted = {0};
    struct error err;

    if (agent_open_store(d->agent, d->c->cluster, d->c->paths, &wanted, &err) != 0)
        doctor_failed(d, "settings", &err, NULL);
    else
        visit(d, store_folder(d->agent->store), false);
}

void doctor_dir_state(struct doctor *d)
{
    visit(d, paths_of(d->c->paths, PATHS_SESSIONS), true);
}
