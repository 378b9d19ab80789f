#ifndef TRANSFER_DIR_TREE_H
#define TRANSFER_DIR_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/span.h"
#include "transfer/dir_key.h"

/*
 * The tree of files of a file:// store.  Every function here blocks and is for worker
 * threads, several at once.  Errors name the path and what to do:
 *
 *   ERROR_NOT_FOUND   nothing there to read
 *   ERROR_CONFLICT    it exists (code EEXIST), or a file stands where a folder is
 * needed or a folder where the file should go (code ENOTDIR or EISDIR) ERROR_FULL,
 * ERROR_IO
 */
struct dir_tree;

/* path is absolute.  Touches nothing. */
struct dir_tree *dir_tree_new(const char *path);
void dir_tree_free(struct dir_tree *tree);

/* The root folder's descriptor, the tree's own; -1 and *err, ERROR_NOT_FOUND where it
 * is not there.  make: with all its parents, where needed. */
int dir_tree_root(struct dir_tree *tree, bool make, struct error *err);

/* Record what a failed system call on key means; return -1. */
int dir_tree_read_failed(const struct dir_tree *tree, const char *key, int code,
                         struct error *err);
int dir_tree_write_failed(const struct dir_tree *tree, const char *key, int code,
                          struct error *err);

/* A file that nobody sees yet.  Zeroed: none. */
struct dir_temp {
    bool is_open;
    int fd;                  /* write-only */
    char path[DIR_PATH_MAX]; /* relative to the root */
};

enum { DIR_ID_HEX = 17 }; /* sixteen random hex digits and a NUL */
void dir_tree_random_id(char out[DIR_ID_HEX]);

/* A new file of a random name in the key's temporary folder. */
int dir_tree_create_temp(struct dir_tree *tree, const char *key, struct dir_temp *temp,
                         struct error *err);

/* Like open(O_CREAT | O_EXCL) of a path, with its parents.  -1 and errno on failure. */
int dir_tree_create_file(int root, const char *path);

/* Sync it and give it its key, at once and whole; then temp is none any more, and where
 * it failed it is gone.  if_absent: ERROR_CONFLICT where the key exists, decided
 * atomically. */
int dir_tree_publish(struct dir_tree *tree, struct dir_temp *temp, const char *key,
                     bool if_absent, struct error *err);

/* Remove it.  Harmless on none. */
void dir_tree_drop_temp(struct dir_tree *tree, struct dir_temp *temp);

/* Close it; the file stays. */
void dir_tree_keep_temp(struct dir_tree *tree, struct dir_temp *temp);

/* rename() of a file to a key, with its parents, over what is there. */
int dir_tree_move(struct dir_tree *tree, const char *path, const char *key,
                  struct error *err);

/* Remove path's folder, and those above it, as long as they are empty. */
void dir_tree_prune(int root, const char *path);

/* All of it, at offset.  -1 and errno on failure. */
int dir_tree_write(int fd, struct span bytes, uint64_t offset);

/* Regular files only. */
int dir_tree_stat(struct dir_tree *tree, const char *key, struct stat *st,
                  struct error *err);

/* What the clock says that stamps the store's files: a server's on NFS. */
int64_t dir_tree_now_ms(struct dir_tree *tree, const char *key);
int64_t dir_tree_mtime_ms(const struct stat *st);

/* Remove keys, and the folders that became empty by it; what is not there is a success.
 * Stops between two keys once *stop (ERROR_CANCELLED). */
int dir_tree_remove(struct dir_tree *tree, const char *const *keys, size_t n,
                    const atomic_bool *stop, struct error *err);

/* All that was written so far survives a power loss. */
int dir_tree_sync(struct dir_tree *tree, struct error *err);

#endif
