#ifndef TESTS_REMOVE_TREE_H
#define TESTS_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int remove_one(const char *path, const struct stat *s, int type,
                             struct FTW *ftw)
{
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

/* A test's scratch folder, with all that is in it; links are not followed. */
static inline void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
