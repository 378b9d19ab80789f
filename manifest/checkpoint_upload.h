#ifndef MANIFEST_CHECKPOINT_UPLOAD_H
#define MANIFEST_CHECKPOINT_UPLOAD_H

#include "manifest/checkpoint_row.h"

/*
 * Private to the checkpoint: a file's upload and its parts.  Where row->upload changes
 * the row is to be saved.  As checkpoint_row.h otherwise.
 */

/* The upload's parts; upload_id "" once it is completed.  Harmless without one. */
void checkpoint_upload_load(struct checkpoint_rows *rows, const struct file_row *row,
                            struct upload_record *out);
bool checkpoint_upload_is_open(struct checkpoint_rows *rows,
                               const struct file_row *row);
/* upload_id "": of a stored object. */
void checkpoint_upload_add(struct checkpoint_rows *rows, struct file_row *row,
                           const char *upload_id, uint64_t part_size,
                           uint64_t block_size);
void checkpoint_upload_complete(struct checkpoint_rows *rows,
                                const struct file_row *row);

/* Forget the upload and its parts; an open one becomes garbage unless it is gone. */
void checkpoint_upload_forget(struct checkpoint_rows *rows, struct file_row *row,
                              bool is_gone);
void checkpoint_upload_set_part(struct checkpoint_rows *rows,
                                const struct file_row *row,
                                const struct part_record *part);

#endif
