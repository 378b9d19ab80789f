#ifndef MANIFEST_RUN_FILE_H
#define MANIFEST_RUN_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A file without a name that holds runs: sorted sequences of bytes that wait to be
 * merged. It is used like a stack: who puts runs on it cuts it back to where it began.
 * The file is made with the first byte written.  Everything here blocks.
 */
struct run_file;

struct run {
    uint64_t start, size;
    unsigned level; /* how often its bytes were merged; for the owner of the run */
};

struct run_file *run_file_new(const char *scratch_folder);
void run_file_free(struct run_file *file);

/* Where the next run begins. */
uint64_t run_file_end(const struct run_file *file);

/* Add to the run at the end; it can be read once it was ended. */
int run_file_write(struct run_file *file, const void *bytes, size_t size,
                   struct error *err);
int run_file_end_run(struct run_file *file, struct run *out, struct error *err);

int run_file_read(const struct run_file *file, uint64_t offset, void *into, size_t size,
                  struct error *err);

/* Forget all runs from here on. */
void run_file_cut(struct run_file *file, uint64_t end);

/* Give the disk blocks of a run in the middle back, where the file system can. */
void run_file_punch(struct run_file *file, const struct run *run);

#endif
