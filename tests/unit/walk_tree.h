#ifndef TESTS_UNIT_WALK_TREE_H
#define TESTS_UNIT_WALK_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "manifest/walk.h"

/*
 * For the tests of the walk: folders with something in them, and what is to be found
 * there as lines of text, from the walk and from a plain recursion that was written
 * without it.
 *
 * An entry is "file <path> <size>", "dir <path>" or "symlink <path> <target>", an issue
 * is
 * "<kind> <path>".
 */
struct lines {
    char **lines;
    size_t n, room;
};

void lines_add(struct lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void lines_sort(struct lines *lines);
void lines_free(struct lines *lines);
void lines_check(const struct lines *found, const struct lines *expected);

struct found {
    struct lines entries, issues;
};

/* Run a walk to its end; checks the order of its entries and the size of its batches.
 */
void found_walk(struct found *found, const struct walk_options *options);
void found_free(struct found *found);

/* The same by recursion; the filter is asked about files only.  Links outside are
 * counted where there is a place for it. */
void found_plainly(struct found *found, const char *root, enum walk_symlinks symlinks,
                   const struct filter *filter);

/* A fresh folder with "root" and "scratch" in it, for everybody; to be removed below.
 */
char *tree_new(void);
void tree_remove(char *base);

/* Make base/up/top/root/path, with the folders above it: a file of so many bytes, a
 * folder (path ends in '/'), or a link. */
void tree_file(const char *base, const char *path, size_t size);
void tree_folder(const char *base, const char *path);
void tree_link(const char *base, const char *path, const char *target);
char *tree_path(const char *base, const char *path);

/* A tree, and options to walk it. */
struct setting {
    char *base, *root, *scratch, *list;
    struct walk_options options;
};

struct setting setting_new(void);
void setting_free(struct setting *s);
void write_list(struct setting *s, const char *content); /* of files, for the options */

#endif
