/*
 * Micro benchmarks of the product's own modules, each for about half a second of CPU
 * time of the thread that does the work.  Prints lines of `name TAB value TAB unit` for
 * bench/run --micro, which repeats and summarises.
 *
 *     micro [FOLDER]     a folder for the walk's tree, the manifest and the checkpoint
 *                        (default: a new one below /tmp)
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/micro/bench.h"

static int remove_one(const char *path, const struct stat *about, int type,
                      struct FTW *where)
{
    (void)about, (void)type, (void)where;
    return remove(path);
}

int main(int argc, char **argv)
{
    char made[] = "/tmp/grid-micro-XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(made);

    if (folder == NULL) {
        perror("micro: no folder");
        return 1;
    }
    bench_digest();
    bench_sign();
    bench_walk(folder);
    bench_manifest(folder);
    bench_checkpoint(folder);
    if (argc <= 1)
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
