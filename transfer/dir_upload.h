#ifndef TRANSFER_DIR_UPLOAD_H
#define TRANSFER_DIR_UPLOAD_H

#include "transfer/dir_notes.h"
#include "transfer/dir_tree.h"
#include "transfer/store_impl.h"

/*
 * Multipart uploads of a file:// store.  An upload is two files in the key's temporary
 * folder: "<id>" with the bytes where they will be in the object, and "<id>.p" that
 * says which parts are there.  All functions block and are for worker threads; several
 * parts of one upload may be written at once.
 */

/* A new upload's id. */
int dir_upload_create(struct dir_tree *tree, const char *key, uint64_t size,
                      uint64_t part_size, char id[DIR_ID_HEX], struct error *err);

/* A part on its way in.  Zeroed: none. */
struct dir_part {
    bool is_open;
    bool is_hole; /* its range holds no data: zeros need not be written */
    int data, notes;
    uint32_t number;
    uint64_t offset, size;
};

/*
 * Begin to write a part (again): what the notes say of it is taken back first, and its
 * range becomes a hole.  ERROR_NOT_FOUND: no such upload of that key; ERROR_INTERNAL:
 * no such part in it.
 */
int dir_upload_open_part(struct dir_tree *tree, const struct store_op *op,
                         struct dir_part *part, struct error *err);

/* The bytes at a position of the part.  -1 and errno on failure. */
int dir_upload_write_part(struct dir_part *part, struct span bytes, uint64_t position);

/* All of it is written: sync, then note it.  -1 and errno on failure. */
int dir_upload_end_part(struct dir_part *part, const uint8_t etag[DIR_ETAG_BYTES]);
void dir_upload_close_part(struct dir_part *part); /* harmless on none */

/*
 * The object, where op's parts are just the ones that are there: else ERROR_CORRUPT. An
 * unknown upload of a key that has an object of that size is a success: the answer to
 * an earlier completion was lost.
 */
int dir_upload_complete(struct dir_tree *tree, const struct store_op *op,
                        struct error *err);

/* Also for what a crash has left: id may be any name in the temporary folder. */
int dir_upload_abort(struct dir_tree *tree, const char *key, const char *id,
                     struct error *err);

int dir_upload_list_parts(struct dir_tree *tree, const char *key, const char *id,
                          struct store_items *items, struct error *err);

/* Whose upload is id in the temporary folder?  False: it is none, but something is left
 * of one. */
bool dir_upload_read_info(int root, const char *folder, const char *id,
                          struct dir_notes_header *info);

#endif
