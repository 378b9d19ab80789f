#ifndef TRANSFER_LAYOUT_H
#define TRANSFER_LAYOUT_H

#include <stdint.h>

#include "base/error.h"
#include "transfer/store.h"

/*
 * How a file is cut: into blocks that are hashed, and parts that are sent.  Part
 * boundaries lie on block boundaries, all parts but the last are equal (FORMATS,
 * "Hashes"; S3-NOTES). Pure.
 */
struct layout {
    uint64_t size, block_size, part_size;
    uint32_t n_parts; /* at least 1: an empty file is one empty part */
};

/*
 * wish: the user's --part-size, 0 for none; previous: the part and block size that an
 * open upload of this file has already, zeroed for none, kept where it still can be.
 * ERROR_USAGE where the store cannot hold a file so large.
 */
int layout_of(struct layout *out, uint64_t size, const struct store_limits *limits,
              uint64_t wish, const struct layout *previous, struct error *err);

uint64_t layout_part_offset(const struct layout *l, uint32_t number);
uint64_t layout_part_bytes(const struct layout *l, uint32_t number);

/* Index of the part's first block, and how many it has. */
uint64_t layout_part_block(const struct layout *l, uint32_t number);
uint64_t layout_part_blocks(const struct layout *l, uint32_t number);

#endif
