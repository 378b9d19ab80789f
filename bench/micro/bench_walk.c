/* A tree of empty files, 1,000 a folder, whose names the kernel has in its caches. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/micro/bench.h"
#include "manifest/walk.h"

enum { PER_FOLDER = 1000 };

static void fail_by_errno(const char *path)
{
    struct error err;

    bench_check(error_set(&err, ERROR_IO, errno, "%s: %s", path, strerror(errno)),
                &err);
}

static void make_tree(const char *root)
{
    char path[200];

    if (mkdir(root, 0777) != 0)
        fail_by_errno(root);
    for (unsigned i = 0; i < BENCH_ENTRIES; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/%03u", root, i / PER_FOLDER);
        if (i % PER_FOLDER == 0 && mkdir(path, 0777) != 0)
            fail_by_errno(path);
        snprintf(path, sizeof path, "%s/%03u/%06u", root, i / PER_FOLDER, i);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        if (fd < 0)
            fail_by_errno(path);
        close(fd);
    }
}

static size_t walk_once(const char *root, const char *scratch)
{
    const struct walk_options options = {.root = root, .scratch = scratch};
    struct entry_batch batch = {0};
    struct error err = {0};
    struct walk *walk;
    bool at_end = false;
    size_t n = 0;

    bench_check(walk_open(&walk, &options, &err), &err);
    while (!at_end) {
        bench_check(walk_next(walk, &batch, &at_end, &err), &err);
        n += batch.n_entries;
    }
    walk_close(walk);
    entry_batch_free(&batch);
    return n;
}

void bench_walk(const char *folder)
{
    char root[160];
    double begin, spent = 0;
    size_t n = 0;

    snprintf(root, sizeof root, "%s/tree", folder);
    make_tree(root);
    walk_once(root, folder); /* into the caches */
    begin = bench_thread_s();
    while (spent < bench_long_s) {
        n += walk_once(root, folder);
        spent = bench_thread_s() - begin;
    }
    bench_print("walk", (double)n / spent, "entries per CPU s");
}
