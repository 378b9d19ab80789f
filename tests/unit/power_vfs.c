/*
 * The journal of changes is one array for all files.  A cut plays it from the start
 * into images in memory: one an inode, and which inode a name stands for.
 */
#include "power_vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>

#include "base/mem.h"
#include "dice.h"

enum { SECTOR = 512, NAMES_MAX = 8, NAME_MAX_BYTES = 64, INODES_MAX = 256 };
enum { NOBODY = INODES_MAX };

struct change {
    enum { CREATED, WRITTEN, TRUNCATED, SYNCED, DELETED } kind;
    unsigned inode, name;
    size_t at, size; /* TRUNCATED: to at */
    uint8_t *bytes;
};

struct power_file {
    sqlite3_file base;
    unsigned inode; /* NOBODY: is not kept */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    bool is_on;
    struct change *changes;
    size_t n_changes, room;
    char names[NAMES_MAX][NAME_MAX_BYTES]; /* without their folder */
    unsigned n_names, n_inodes, inode_of[NAMES_MAX];
} power = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the journal ---- */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static unsigned find_name(const char *path)
{
    const char *name = last_name(path);
    unsigned i = 0;

    while (i < power.n_names && strcmp(power.names[i], name) != 0)
        i++;
    if (i == power.n_names) {
        assert_true(i < NAMES_MAX && strlen(name) < NAME_MAX_BYTES);
        snprintf(power.names[i], NAME_MAX_BYTES, "%s", name);
        power.inode_of[i] = NOBODY;
        power.n_names++;
    }
    return i;
}

static void keep(struct change change, const void *bytes)
{
    if (!power.is_on)
        return;
    if (power.n_changes == power.room) {
        power.room = 2 * power.room + 1024;
        power.changes = mem_resize(power.changes, power.room, sizeof *power.changes);
    }
    if (bytes != NULL) {
        change.bytes = mem_new(change.size, 1);
        memcpy(change.bytes, bytes, change.size);
    }
    power.changes[power.n_changes++] = change;
}

static void keep_locked(struct change change, const void *bytes)
{
    if (change.inode == NOBODY)
        return;
    pthread_mutex_lock(&power.lock);
    keep(change, bytes);
    pthread_mutex_unlock(&power.lock);
}

static unsigned keep_open(const char *path)
{
    unsigned name, inode;

    pthread_mutex_lock(&power.lock);
    name = find_name(path);
    if (power.is_on && power.inode_of[name] == NOBODY) {
        assert_true(power.n_inodes < INODES_MAX);
        power.inode_of[name] = power.n_inodes++;
        keep((struct change){.kind = CREATED,
                             .inode = power.inode_of[name],
                             .name = name},
             NULL);
    }
    inode = power.is_on ? power.inode_of[name] : NOBODY;
    pthread_mutex_unlock(&power.lock);
    return inode;
}

static void keep_deletion(const char *path)
{
    unsigned name;

    pthread_mutex_lock(&power.lock);
    name = find_name(path);
    keep((struct change){.kind = DELETED, .name = name}, NULL);
    power.inode_of[name] = NOBODY;
    pthread_mutex_unlock(&power.lock);
}

/* ---- SQLite's face ---- */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct power_file *)file)->real;
}

static int do_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);

    return real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int do_read(sqlite3_file *file, void *into, int size, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), into, size, at);
}

static int do_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    keep_locked((struct change){.kind = WRITTEN,
                                .inode = ((struct power_file *)file)->inode,
                                .at = (size_t)at,
                                .size = (size_t)size},
                bytes);
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, size, at);
}

static int do_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    keep_locked((struct change){.kind = TRUNCATED,
                                .inode = ((struct power_file *)file)->inode,
                                .at = (size_t)size},
                NULL);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

/* The system's own sync would only take time. */
static int do_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    keep_locked(
        (struct change){.kind = SYNCED, .inode = ((struct power_file *)file)->inode},
        NULL);
    return SQLITE_OK;
}

static int do_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int do_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int do_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int do_check(sqlite3_file *file, int *is_locked)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_locked);
}

static int do_control(sqlite3_file *file, int what, void *value)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, value);
}

static int do_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

static int do_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = do_close,
                                           .xRead = do_read,
                                           .xWrite = do_write,
                                           .xTruncate = do_truncate,
                                           .xSync = do_sync,
                                           .xFileSize = do_size,
                                           .xLock = do_lock,
                                           .xUnlock = do_unlock,
                                           .xCheckReservedLock = do_check,
                                           .xFileControl = do_control,
                                           .xSectorSize = do_sector,
                                           .xDeviceCharacteristics = do_traits};

static int do_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file,
                   int flags, int *out_flags)
{
    struct power_file *f = (struct power_file *)file;
    int rc;

    (void)vfs;
    f->real = (sqlite3_file *)(f + 1);
    f->inode = NOBODY;
    rc = power.real->xOpen(power.real, path, f->real, flags, out_flags);
    f->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
    if (rc == SQLITE_OK && path != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0)
        f->inode = keep_open(path);
    return rc;
}

static int do_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    keep_deletion(path);
    return power.real->xDelete(power.real, path, sync_folder);
}

void power_vfs_install(void)
{
    power.real = sqlite3_vfs_find(NULL);
    power.vfs = *power.real;
    power.vfs.zName = "power";
    power.vfs.szOsFile += (int)sizeof(struct power_file);
    power.vfs.xOpen = do_open;
    power.vfs.xDelete = do_delete;
    assert_int_equal(sqlite3_vfs_register(&power.vfs, 1), SQLITE_OK);
}

void power_vfs_record(bool is_on)
{
    pthread_mutex_lock(&power.lock);
    if (is_on) {
        for (size_t i = 0; i < power.n_changes; i++)
            free(power.changes[i].bytes);
        free(power.changes);
        power.changes = NULL;
        power.n_changes = power.room = 0;
        power.n_names = power.n_inodes = 0;
    }
    power.is_on = is_on;
    pthread_mutex_unlock(&power.lock);
}

size_t power_vfs_count(void)
{
    size_t n;

    pthread_mutex_lock(&power.lock);
    n = power.n_changes;
    pthread_mutex_unlock(&power.lock);
    return n;
}

/* ---- the cut ---- */

struct image {
    uint8_t *bytes;
    size_t size;
    size_t synced_to; /* changes before this one are on the disk */
};

struct cut {
    struct image images[INODES_MAX];
    unsigned inode_of[NAMES_MAX];
    size_t folder_to; /* creations, deletions, truncations before this one are */
    enum { ALL, NOTHING, SOME } luck; /* of what was not synced */
};

static void resize(struct image *image, size_t size)
{
    if (size > image->size) {
        image->bytes = mem_resize(image->bytes, size, 1);
        memset(image->bytes + image->size, 0, size - image->size);
    }
    image->size = size;
}

static void put(struct image *image, const struct change *c, size_t from, size_t size)
{
    if (c->at + from + size > image->size)
        resize(image, c->at + from + size);
    memcpy(image->bytes + c->at + from, c->bytes + from, size);
}

/* Sectors as the disk has them, not as the write began. */
static void put_some(struct image *image, const struct change *c)
{
    size_t from = 0;

    while (from < c->size) {
        size_t n = SECTOR - (c->at + from) % SECTOR;

        n = n < c->size - from ? n : c->size - from;
        if (roll(2) == 0)
            put(image, c, from, n);
        from += n;
    }
}

static void play(struct cut *cut, size_t i)
{
    const struct change *c = &power.changes[i];
    struct image *image = &cut->images[c->inode];
    bool is_synced = i < image->synced_to;

    switch (c->kind) {
    case CREATED:
        if (i < cut->folder_to)
            cut->inode_of[c->name] = c->inode;
        break;
    case DELETED:
        if (i < cut->folder_to)
            cut->inode_of[c->name] = NOBODY;
        break;
    case TRUNCATED:
        if (is_synced || i < cut->folder_to)
            resize(image, c->at);
        break;
    case WRITTEN:
        if (is_synced || cut->luck == ALL)
            put(image, c, 0, c->size);
        else if (cut->luck == SOME)
            put_some(image, c);
        break;
    default:
        break;
    }
}

static void write_image(const struct image *image, const char *folder, const char *name)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wbe");
    assert_non_null(file);
    if (image->size > 0)
        assert_int_equal(fwrite(image->bytes, 1, image->size, file), image->size);
    assert_int_equal(fclose(file), 0);
}

void power_vfs_cut(size_t n, const char *folder)
{
    struct cut *cut = mem_new(1, sizeof *cut);

    for (size_t i = 0; i < n; i++) {
        if (power.changes[i].kind != SYNCED)
            continue;
        cut->images[power.changes[i].inode].synced_to = i;
        cut->folder_to = i;
    }
    cut->folder_to += roll((unsigned)(n - cut->folder_to) + 1);
    cut->luck = roll(3);
    for (unsigned i = 0; i < power.n_names; i++)
        cut->inode_of[i] = NOBODY;
    for (size_t i = 0; i < n; i++)
        play(cut, i);
    for (unsigned i = 0; i < power.n_names; i++)
        if (cut->inode_of[i] != NOBODY)
            write_image(&cut->images[cut->inode_of[i]], folder, power.names[i]);
    for (unsigned i = 0; i < INODES_MAX; i++)
        free(cut->images[i].bytes);
    free(cut);
}
