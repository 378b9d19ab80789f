#ifndef TESTS_POWER_VFS_H
#define TESTS_POWER_VFS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * SQLite's files with a memory of every change, to see what a power cut leaves of them:
 * a VFS that becomes the default one, hands all on to the system's, and keeps the
 * order of creations, writes, truncations, syncs and deletions.  Of any thread.
 */
void power_vfs_install(void);

/* Forget what was; from now on changes are kept (or not any more). */
void power_vfs_record(bool is_on);

/* Changes so far. */
size_t power_vfs_count(void);

/*
 * Write to `folder` what a cut after the first n changes may leave, by the dice.  Synced
 * data is there.  Of each other write all, none, or any of its sectors; creations,
 * deletions and truncations in their order up to some point, no earlier than the last
 * sync (a journaling file system).
 */
void power_vfs_cut(size_t n, const char *folder);

#endif
