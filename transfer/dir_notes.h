#ifndef TRANSFER_DIR_NOTES_H
#define TRANSFER_DIR_NOTES_H

#include <stdint.h>

#include "transfer/dir_etag.h"
#include "transfer/dir_key.h"

/*
 * The file that says which parts of an upload are there (dir_upload.h).  Integers are
 * little-endian; n counts from 1:
 *
 *       0  8     "gridpart"
 *       8  4     format, 1
 *      12  4     length of the key
 *      16  8     size of the object
 *      24  8     size of all parts but the last
 *      32  1,024 the key, zeros behind it
 *   1,056  16    XXH3-128 of the above
 *   1,072  48    a part, part n at 1,072 + 48 (n - 1); zeros: not there
 *                   0  4   n              4  4   zero
 *                   8  8   size          16  16  XXH3-128 of the bytes
 *                  32  16  XXH3-128 of the 32 before
 *
 * All functions block; they return -1 and errno on failure.
 */
enum { DIR_NOTES_PARTS_MAX = 10000 };

struct dir_notes_header {
    char key[DIR_KEY_MAX + 1];
    uint64_t size, part_size;
};

struct dir_notes_part {
    uint32_t number; /* 0: not there */
    uint64_t size;
    uint8_t etag[DIR_ETAG_BYTES];
};

/* Written and synced. */
int dir_notes_write_header(int fd, const struct dir_notes_header *header);

/* EBADMSG where it is not whole. */
int dir_notes_read_header(int fd, struct dir_notes_header *header);

int dir_notes_write_part(int fd, const struct dir_notes_part *part);

/* n parts from number `first` on; what is not there or not whole has number 0. */
int dir_notes_read_parts(int fd, uint32_t first, struct dir_notes_part *parts,
                         size_t n);

/* The part is no longer there, for good. */
int dir_notes_take_back(int fd, uint32_t number);

#endif
