#ifndef MANIFEST_FOLDER_H
#define MANIFEST_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/*
 * What the walk asks of the system about folders.  Functions that fail say why in
 * errno. Everything here blocks.
 */

/*
 * openat() for a path of any length below a folder, links in it followed; "" is the
 * folder itself.  Returns a descriptor or -1.
 */
int folder_open_below(int folder, const char *path, size_t length, int flags);

enum folder_kind { /* as far as the listing tells; printable, for listings */
                   FOLDER_FILE = 'f',
                   FOLDER_FOLDER = 'd',
                   FOLDER_LINK = 'l',
                   FOLDER_SPECIAL = 's',
                   FOLDER_UNKNOWN = '?'
};

enum { FOLDER_BUFFER_BYTES = 64 << 10 };

struct folder_reader { /* zeroed but for these two, which are lent by the caller */
    int fd;
    char *buffer; /* FOLDER_BUFFER_BYTES, aligned as malloc() does */

    /* Private. */
    size_t at, filled;
};

struct folder_name {
    const char *name; /* valid until the next call */
    enum folder_kind kind;
};

/* The next name, in no order, without "." and "..": 1, 0 at the end, or -1. */
int folder_next(struct folder_reader *reader, struct folder_name *out);

/* The target of a link, however long, replaces what is in *target: 0 or -1. */
int folder_read_link(int folder, const char *name, struct text *target);

/* Where an open file or folder really lies, NULL where the system does not tell. */
char *folder_real_path(int fd);

/* Does it lie in that folder, or is it the folder?  True where nobody can tell. */
bool folder_lies_in(int fd, const char *real_path);

#endif
