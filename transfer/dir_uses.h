#ifndef TRANSFER_DIR_USES_H
#define TRANSFER_DIR_USES_H

#include <stdbool.h>

/*
 * How many of this process's files lie in which folder.  Counts, nothing else; for any
 * thread.  As many entries as there are folders in use.
 */
struct dir_uses;

struct dir_uses *dir_uses_new(void);
void dir_uses_free(struct dir_uses *uses);

/* path is that of a file in a folder. */
void dir_uses_begin(struct dir_uses *uses, const char *path);

/* True where it was the folder's last.  One dir_uses_begin() must have gone before. */
bool dir_uses_end(struct dir_uses *uses, const char *path);

#endif
