/*
 * The part size is the smallest multiple of the block size that satisfies everybody:
 * the user's wish, as far as the store takes parts so large, the store's least part,
 * and its greatest number of parts.
 */
#include "transfer/layout.h"

#include <inttypes.h>
#include <stdbool.h>

#include "manifest/digest.h"

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t count_parts(uint64_t size, uint64_t part_size)
{
    return size == 0 ? 1 : divide_up(size, part_size);
}

static bool can_keep(const struct layout *previous, uint64_t size,
                     const struct store_limits *limits)
{
    return previous->part_size > 0 && previous->block_size > 0 &&
           previous->part_size % previous->block_size == 0 &&
           previous->part_size >= limits->part_min &&
           previous->part_size <= limits->part_max &&
           count_parts(size, previous->part_size) <= limits->parts_max &&
           digest_block_count(size, previous->block_size) <= DIGEST_OLD_BLOCKS_MAX;
}

int layout_of(struct layout *out, uint64_t size, const struct store_limits *limits,
              uint64_t wish, const struct layout *previous, struct error *err)
{
    uint64_t least, most;

    out->size = size;
    if (can_keep(previous, size, limits)) {
        out->block_size = previous->block_size;
        out->part_size = previous->part_size;
    } else {
        out->block_size = digest_block_size(size, previous->block_size);
        most = limits->part_max - limits->part_max % out->block_size;
        least = greatest(greatest(wish < most ? wish : most, limits->part_min), 1);
        least = greatest(least, divide_up(size, limits->parts_max));
        out->part_size = divide_up(least, out->block_size) * out->block_size;
    }
    if (out->part_size > limits->part_max)
        return error_set(err, ERROR_USAGE, 0,
                         "is larger than the store can hold (%" PRIu32
                         " parts of %" PRIu64 " bytes)",
                         limits->parts_max, limits->part_max);
    out->n_parts = (uint32_t)count_parts(size, out->part_size);
    return 0;
}

uint64_t layout_part_offset(const struct layout *l, uint32_t number)
{
    return (uint64_t)(number - 1) * l->part_size;
}

uint64_t layout_part_bytes(const struct layout *l, uint32_t number)
{
    uint64_t left = l->size - layout_part_offset(l, number);

    return left < l->part_size ? left : l->part_size;
}

uint64_t layout_part_block(const struct layout *l, uint32_t number)
{
    return layout_part_offset(l, number) / l->block_size;
}

uint64_t layout_part_blocks(const struct layout *l, uint32_t number)
{
    return digest_block_count(layout_part_bytes(l, number), l->block_size);
}
