#ifndef MANIFEST_ENTRY_H
#define MANIFEST_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/*
 * One file, empty directory or symbolic link of a data set.
 *
 * Paths are relative to the root of the data set, '/' between components, no leading or
 * trailing '/', never "." or ".." as a component.  They are bytes: any but NUL may
 * stand in them.  The one global order is that of memcmp over the whole path (a shorter
 * path before a longer one that it begins).
 */
enum entry_type { ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK };

/* What tells that a file is still the one we looked at. */
struct stamp {
    uint64_t size;              /* bytes; 0 for directories and symlinks */
    int64_t mtime_ns, ctime_ns; /* since the epoch */
    uint64_t inode;             /* 0 where the source has none */
};

struct entry {
    const char *path;   /* owned by whoever made the entry (a batch, a row) */
    const char *target; /* of a symlink, else NULL; bytes like a path */
    enum entry_type type;
    uint32_t mode; /* permission bits, 07777 */
    struct stamp stamp;
};

/* Something in the source that is not, or not quite, as the user may expect. */
enum issue_kind {
    ISSUE_UNREADABLE,    /* counts as a file that could not be read */
    ISSUE_SPECIAL,       /* socket, device or pipe: left out */
    ISSUE_LINK_LOOP,     /* a link to its own ancestor: kept as a link */
    ISSUE_LINK_DANGLING, /* kept as a link */
    ISSUE_LINK_SKIPPED,  /* by --symlinks skip */
    ISSUE_STORE_INSIDE,  /* the store or our own state lies in the source: left out */
    ISSUE_BAD_KEY,       /* an object whose key cannot be a path: left out */
    ISSUE_NOT_LISTED,    /* named by --files-from but not there: as unreadable */
    ISSUE_UNSAFE,        /* of an archive: a name that leads out of it: as unreadable */
    ISSUE_IN_THE_WAY,   /* likewise: below a file or a link, or the reverse: the same */
    ISSUE_LINK_OUTSIDE, /* likewise: it leads out of the archive: kept as a link */
    ISSUE_DUPLICATE,    /* likewise: named more than once: the last one counts */
    ISSUE_EXPANDS       /* likewise: unpacked it is very much larger: goes on */
};

struct issue {
    const char *path;    /* owned by the batch */
    const char *message; /* "permission denied"; owned by the batch */
    enum issue_kind kind;
};

/*
 * Entries in path order, and issues in no order, with the memory of their strings.  A
 * batch is filled by one owner, then read by another.
 */
struct entry_batch {
    struct entry *entries;
    size_t n_entries, entries_room;
    struct issue *issues;
    size_t n_issues, issues_room;

    size_t string_bytes; /* in the strings of all entries and issues, with their NULs */
    struct entry_block
        *blocks; /* private: strings are handed out of blocks that stay */
};

/* A zeroed batch is empty.  Strings are copied. */
void entry_batch_add(struct entry_batch *batch, const struct entry *entry);
void entry_batch_add_issue(struct entry_batch *batch, enum issue_kind kind,
                           const char *path, const char *message);
void entry_batch_clear(struct entry_batch *batch); /* empty; may keep memory */
void entry_batch_free(struct entry_batch *batch);

bool stamp_is_same(const struct stamp *a, const struct stamp *b);

const char *entry_type_name(enum entry_type type); /* file, dir, symlink */
const char *issue_kind_name(enum issue_kind kind); /* unreadable, special, ... */
bool issue_is_failure(enum issue_kind kind);       /* it counts as unreadable */

/*
 * The key of the file's object, relative to NAME/vN/ (FORMATS, "A manifest line"):
 * "data/<path>", or "odd/<SHA-256 hex of the path>" where the path is not UTF-8, holds
 * a byte below 0x20, 0x7f, U+FFFE or U+FFFF, has an empty, "." or ".." component, a
 * component over 255 bytes, or would make a whole key (prefix_bytes, counting up to and
 * with the '/' behind vN, plus this) longer than 1,024 bytes.
 */
void entry_add_key(struct text *key, const char *path, size_t prefix_bytes);
bool entry_key_is_odd(const char *path, size_t prefix_bytes);

/* "odd/<SHA-256 hex of the path>" in any case: also where keys collide in the store. */
void entry_add_odd_key(struct text *key, const char *path);

/* "No such name may leave the data set": the rules at the top of this page hold. */
bool entry_path_is_safe(const char *path);

#endif
