/*
 * Mostly a part stands where it stood.  Where something was put in front of it, it may
 * stand elsewhere: its first block is searched for, and the others must follow it.
 */
#include "transfer/delta.h"

#include <string.h>

#include "manifest/digest.h"

void delta_forget(struct delta *d)
{
    previous_file_free(&d->file);
    memset(d, 0, sizeof *d);
}

bool delta_fits(const struct delta *d, const struct layout *layout)
{
    return d->file.exists && d->file.block_size == layout->block_size;
}

bool delta_has_whole(const struct delta *d, const struct layout *layout)
{
    return delta_fits(d, layout) && d->file.size == layout->size;
}

bool delta_may_have(const struct delta *d, const struct layout *layout, uint32_t number)
{
    uint64_t end =
        layout_part_offset(layout, number) + layout_part_bytes(layout, number);

    return delta_fits(d, layout) &&
           (end == d->file.size ||
            (end < d->file.size && end % layout->block_size == 0));
}

static bool stands_at(const struct delta *d, uint64_t index, uint64_t n,
                      const struct digest *blocks)
{
    return index + n <= d->file.n_blocks &&
           memcmp(&d->file.blocks[index], blocks, n * sizeof *blocks) == 0;
}

bool delta_find(const struct delta *d, const struct layout *layout, uint32_t number,
                const struct digest *blocks, uint64_t *offset)
{
    uint64_t n = layout_part_blocks(layout, number);
    uint64_t index = layout_part_block(layout, number);

    if (!delta_fits(d, layout))
        return false;
    if (!stands_at(d, index, n, blocks))
        for (index = 0; index < d->file.n_blocks; index++)
            if (stands_at(d, index, n, blocks))
                break;
    *offset = index * layout->block_size;
    return index < d->file.n_blocks &&
           layout_part_bytes(layout, number) <= d->file.size - *offset;
}
