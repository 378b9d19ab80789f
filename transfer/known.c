/*
 * Three ways in which something is known, and what is compared then:
 *
 *     part, noted with digests    the digests of its blocks
 *     part, listed by the store   its ETag: the MD5 of its bytes; on a local store the
 *                                 XXH3-128, which is the digest of its only block
 *     object, found by HEAD       its ETag: the MD5, or that of the parts' MD5s, which
 *                                 are gathered as the parts are read
 */
#include "transfer/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

void known_init(struct known *k, const struct upload_record *record, bool is_local)
{
    memset(k, 0, sizeof *k);
    k->record = *record;
    k->is_local = is_local;
}

void known_free(struct known *k)
{
    upload_record_free(&k->record);
    free(k->parts_so_far);
    k->parts_so_far = NULL;
}

void known_forget(struct known *k)
{
    bool has_object = k->record.has_object;

    known_free(k);
    k->record.has_object = has_object;
}

static bool has_same_blocks(const struct known *k, const struct layout *layout)
{
    return k->record.block_size == layout->block_size ||
           layout->size <= layout->block_size;
}

/* ---- an open upload ---- */

bool known_has_upload(const struct known *k, const struct layout *layout)
{
    return k->record.upload_id[0] != '\0' && k->record.part_size == layout->part_size &&
           has_same_blocks(k, layout);
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = ((const struct part_record *)left)->number;
    uint32_t b = ((const struct part_record *)right)->number;

    return (a > b) - (a < b);
}

bool known_part_by_etag(const struct part_record *part)
{
    return part->n_blocks == 0;
}

/* An ETag that says something of the content. */
static bool is_telling(const struct known *k, const struct layout *layout,
                       const struct part_record *part)
{
    struct etag etag;

    if (k->is_local)
        return layout_part_blocks(layout, part->number) == 1;
    return etag_parse(&etag, part->etag) && etag.n_parts == 0;
}

const struct part_record *known_part(const struct known *k, const struct layout *layout,
                                     uint32_t number)
{
    const struct part_record wanted = {.number = number};
    const struct part_record *part;

    if (k->record.n_parts == 0)
        return NULL;
    part = bsearch(&wanted, k->record.parts, k->record.n_parts, sizeof wanted,
                   compare_numbers);
    if (part == NULL || part->size != layout_part_bytes(layout, number))
        return NULL;
    if (known_part_by_etag(part))
        return is_telling(k, layout, part) ? part : NULL;
    return part->n_blocks == layout_part_blocks(layout, number) ? part : NULL;
}

/* ---- a whole object ---- */

/* Nothing but its ETag is known of it. */
static bool is_object_by_etag(const struct known *k)
{
    return k->record.n_parts == 0 && !k->is_local;
}

static bool has_object_etag(const struct known *k, const struct layout *layout,
                            struct etag *out)
{
    return etag_parse(out, k->record.etag) &&
           (out->n_parts == layout->n_parts ||
            (out->n_parts == 0 && layout->n_parts == 1));
}

/* Its blocks' digests lie in one run, whatever it was cut into. */
static bool has_all_blocks(const struct known *k, const struct layout *layout)
{
    uint64_t n = 0;

    for (size_t i = 0; i < k->record.n_parts; i++)
        n += k->record.parts[i].n_blocks;
    return has_same_blocks(k, layout) &&
           n == digest_block_count(layout->size, layout->block_size);
}

bool known_is_object(const struct known *k, const struct layout *layout)
{
    struct etag etag;

    if (k->record.upload_id[0] != '\0' || !k->record.has_object ||
        k->record.object_size != layout->size)
        return false;
    return is_object_by_etag(k) ? has_object_etag(k, layout, &etag)
                                : has_all_blocks(k, layout);
}

/* ---- comparing ---- */

bool known_wants_md5(const struct known *k, const struct layout *layout,
                     uint32_t number)
{
    if (k->is_local)
        return false;
    if (k->record.upload_id[0] == '\0')
        return is_object_by_etag(k);
    return known_part_by_etag(known_part(k, layout, number));
}

static bool blocks_agree(const struct known *k, const struct layout *layout,
                         uint32_t number, const struct digest *blocks)
{
    const struct digest *known =
        k->record.upload_id[0] == '\0'
            ? &k->record.digests[layout_part_block(layout, number)]
            : known_part(k, layout, number)->blocks;

    return memcmp(known, blocks, layout_part_blocks(layout, number) * sizeof *known) ==
           0;
}

/* A file:// store's ETag is the XXH3-128 of the part: of one block, the block's digest.
 */
static bool local_etag_agrees(const struct part_record *part,
                              const struct digest *block)
{
    struct digest known;
    size_t size;

    return text_parse_hex(part->etag, strlen(part->etag), &known, sizeof known,
                          &size) == 0 &&
           size == sizeof known && memcmp(&known, block, sizeof known) == 0;
}

static bool part_agrees(const struct part_record *part, const uint8_t *md5)
{
    struct etag etag;

    return md5 != NULL && etag_parse(&etag, part->etag) && etag.n_parts == 0 &&
           memcmp(etag.md5, md5, sizeof etag.md5) == 0;
}

static bool object_part_agrees(struct known *k, const struct layout *layout,
                               uint32_t number, const uint8_t *md5)
{
    if (md5 == NULL || !has_object_etag(k, layout, &k->object_etag))
        return false;
    if (k->object_etag.n_parts == 0)
        return memcmp(k->object_etag.md5, md5, sizeof k->object_etag.md5) == 0;
    if (k->parts_so_far == NULL)
        k->parts_so_far = mem_new(layout->n_parts, sizeof *k->parts_so_far);
    memcpy(k->parts_so_far[number - 1].md5, md5, sizeof k->parts_so_far->md5);
    return true;
}

bool known_agrees(struct known *k, const struct layout *layout, uint32_t number,
                  const struct digest *blocks, const uint8_t *md5)
{
    const struct part_record *part;

    if (k->record.upload_id[0] == '\0' && is_object_by_etag(k))
        return object_part_agrees(k, layout, number, md5);
    part = known_part(k, layout, number);
    if (k->record.upload_id[0] == '\0' || !known_part_by_etag(part))
        return blocks_agree(k, layout, number, blocks);
    return k->is_local ? local_etag_agrees(part, blocks) : part_agrees(part, md5);
}

bool known_object_agrees(const struct known *k, const struct layout *layout)
{
    struct etag etag;

    return k->parts_so_far == NULL ||
           (etag_of_parts(&etag, k->parts_so_far, layout->n_parts) &&
            memcmp(etag.md5, k->object_etag.md5, sizeof etag.md5) == 0);
}
