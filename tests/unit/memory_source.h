#ifndef TESTS_MEMORY_SOURCE_H
#define TESTS_MEMORY_SOURCE_H

#include "transfer/source_impl.h"

/*
 * A source in memory: a tree of files that change, shrink, vanish, turn into folders or
 * become unreadable while they are read.  It answers late and out of order, and has a
 * clock of its own.  The bytes of a version are computed from its numbers.
 */
enum { MEMORY_PAGE = 4096, MEMORY_EDITS_MAX = 6, MEMORY_VERSIONS_MAX = 64 };

/* What a file was at one time: its stamp, and what its bytes follow from. */
struct memory_version {
    struct stamp stamp;
    unsigned seed;
    struct {
        uint64_t from, to; /* pages */
        unsigned seed;
    } edits[MEMORY_EDITS_MAX];
    unsigned n_edits;
};

struct memory_file {
    char *path;
    enum { MEMORY_GONE, MEMORY_FILE, MEMORY_FOLDER, MEMORY_LINK, MEMORY_FIFO } kind;
    bool is_unreadable;
    struct memory_version now;
    struct memory_version versions[MEMORY_VERSIONS_MAX]; /* all there ever were */
    unsigned n_versions;
    unsigned n_reads;
    int64_t first_read_ns, last_read_ns; /* since memory_source_watch() */
};

struct memory_source {
    struct source source;      /* first */
    struct memory_file *files; /* in path order */
    size_t n_files, next;
    int64_t now_ns;
    uint64_t n_made;              /* inodes and seeds */
    size_t batch;                 /* entries of one answer */
    enum error_kind list_failure; /* of the listing, unless ERROR_NONE */
    unsigned n_open, n_under_way;
    uint64_t n_bytes_read;
};

void memory_source_init(struct memory_source *s, struct loop *loop);
void memory_source_free(struct memory_source *s);

/* A path that may come to be; they are added in path order, before all else. */
struct memory_file *memory_source_add(struct memory_source *s, const char *path);
struct memory_file *memory_source_find(struct memory_source *s, const char *path);

/* What happens to a file; each takes time. */
void memory_file_make(struct memory_source *s, struct memory_file *f, uint64_t size);
void memory_file_edit(struct memory_source *s, struct memory_file *f); /* some pages */
void memory_file_resize(struct memory_source *s, struct memory_file *f, uint64_t size);
void memory_file_restore(struct memory_source *s,
                         struct memory_file *f); /* its bytes */
/* Its bytes, its inode and its mtime, under another name. */
void memory_file_move(struct memory_source *s, struct memory_file *from,
                      struct memory_file *to);
void memory_file_become(struct memory_source *s, struct memory_file *f, int kind);

/* The bytes of a version. */
void memory_version_bytes(const struct memory_version *v, uint64_t offset,
                          struct span into);
bool memory_version_is(const struct memory_version *v, const void *bytes,
                       uint64_t size);

/* Forget what was read so far. */
void memory_source_watch(struct memory_source *s);

/* Time goes by. */
void memory_source_wait(struct memory_source *s, int64_t ns);

#endif
