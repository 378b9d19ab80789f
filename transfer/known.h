#ifndef TRANSFER_KNOWN_H
#define TRANSFER_KNOWN_H

#include "manifest/checkpoint.h"
#include "transfer/etag.h"
#include "transfer/layout.h"

/*
 * What the store has of one file by earlier runs, held against the file as it is cut
 * now.  A part is known by the digests of its blocks, where a checkpoint has noted them,
 * else by its ETag alone, as the store lists it: then what is read of the file is held
 * against that (MD5; on a local store a block's XXH3-128).  So is a whole object.
 */
struct known {
    struct upload_record record;
    bool is_local;
    struct etag object_etag;   /* where the object is known by it alone */
    struct etag *parts_so_far; /* of such an object's parts, as the file has them */
};

/* record's memory moves here. */
void known_init(struct known *k, const struct upload_record *record, bool is_local);
void known_free(struct known *k);

/* All but that there is an object: it must be told before it is replaced. */
void known_forget(struct known *k);

/* An upload is open, and cut like this. */
bool known_has_upload(const struct known *k, const struct layout *layout);

/* A part of that upload, NULL where it has none that is cut alike. */
const struct part_record *known_part(const struct known *k, const struct layout *layout,
                                     uint32_t number);
bool known_part_by_etag(const struct part_record *part);

/* The object that is there can still be the file. */
bool known_is_object(const struct known *k, const struct layout *layout);

/* Is the MD5 needed to compare this part, of the upload or of the object? */
bool known_wants_md5(const struct known *k, const struct layout *layout,
                     uint32_t number);

/* Does the part of the file agree with what is known?  blocks: its digests; md5: NULL
 * where it could not be had.  Of an object in parts only all of them together tell:
 * known_object_agrees(), when each has been through here. */
bool known_agrees(struct known *k, const struct layout *layout, uint32_t number,
                  const struct digest *blocks, const uint8_t *md5);
bool known_object_agrees(const struct known *k, const struct layout *layout);

#endif
