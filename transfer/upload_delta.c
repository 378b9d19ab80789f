/*
 * An upload that looks at what the previous version has, before anything is sent:
 *
 *             the file has not changed      one of its size has
 *             since it was read then        another name
 *                    |                        |
 *    COPYING <-------+                     SEARCHING (its first part is read)
 *       ^ |          |                        |
 *       | refused    +-> CREATING, SENDING    |  the size is another, or the first part
 *       | |             (too large for one    |---------> CREATING or PUTTING
 *       | v              copy: in parts)      |                   ^
 *       | OPENING                             v                   |
 *       +-------------- all agree --- MATCHING (part after part) -+ one differs
 *
 * In SENDING a part that may stand in the previous version's object is read first, and
 * copied where it does.  The first refusal of a copy ends all copying of the file.
 */
#include "transfer/upload_impl.h"

#include <string.h>

#include "base/log.h"
#include "manifest/digest.h"

static void name_source(struct upload *u)
{
    text_clear(&u->from);
    if (u->delta.file.exists && u->o.previous != NULL)
        text_add_format(&u->from, "%s%s", u->o.previous, u->delta.file.key);
}

/* ---- a file that was not touched ---- */

/* Are the parts that an earlier run has sent of what the previous version has? */
static bool agrees_with_known(const struct upload *u)
{
    const struct upload_record *known = &u->known.record;
    const struct previous_file *f = &u->delta.file;

    if (known->upload_id[0] == '\0')
        return true;
    if (u->o.must_compare || known->block_size != f->block_size)
        return false;
    for (size_t i = 0; i < known->n_parts; i++) {
        const struct part_record *part = &known->parts[i];
        uint64_t first = (part->number - 1) * (known->part_size / f->block_size);

        if (first + part->n_blocks > f->n_blocks || part->n_blocks == 0 ||
            memcmp(&f->blocks[first], part->blocks,
                   part->n_blocks * sizeof *part->blocks) != 0)
            return false;
    }
    return true;
}

bool upload_delta_is_unread(const struct upload *u)
{
    const struct previous_file *f = &u->delta.file;

    return u->delta.is_untouched && f->exists && f->size == u->stamp.size &&
           !u->known.record.has_object && agrees_with_known(u) &&
           digest_block_size(f->size, f->block_size) == f->block_size;
}

/* ---- where it goes from here ---- */

static bool can_copy_whole(const struct upload *u)
{
    return delta_has_whole(&u->delta, &u->parts.layout) &&
           u->stamp.size <= store_limits(u->o.store)->copy_max;
}

static void enter_sending(struct upload *u)
{
    part_table_rewind(&u->parts);
    if (u->upload_id[0] != '\0')
        upload_enter(u, PHASE_SENDING);
    else
        upload_enter(u, upload_is_single(u) ? PHASE_PUTTING : PHASE_CREATING);
}

static void enter_copying(struct upload *u)
{
    part_table_rewind(&u->parts);
    upload_enter(u, PHASE_COPYING);
}

static void give_up_copying(struct upload *u)
{
    u->delta.file.exists = false; /* its ETag may still be in use */
    u->delta.is_untouched = u->delta.may_have_moved = false;
    part_table_copy_none(&u->parts);
    if (u->file == NULL && !u->is_small)
        upload_open_file(u);
    else if (u->phase != PHASE_SENDING)
        enter_sending(u);
}

/* All that is missing is copied, by the digests of the previous version. */
static void begin_unread(struct upload *u)
{
    const struct part_table *t = &u->parts;

    u->read_at_ns = u->delta.file.read_at_ns;
    for (uint32_t number = 1; number <= t->layout.n_parts; number++) {
        uint64_t first = layout_part_block(&t->layout, number);

        if (part_table_state(t, number) == PART_STORED)
            continue;
        memcpy(&t->digests[first], &u->delta.file.blocks[first],
               layout_part_blocks(&t->layout, number) * sizeof *t->digests);
        part_table_match(&u->parts, number);
    }
    if (u->upload_id[0] == '\0' && can_copy_whole(u))
        enter_copying(u);
    else if (upload_is_single(u))
        give_up_copying(u); /* it is too large for a copy, but too small for parts */
    else
        enter_sending(u);
}

/* ---- parts that were read ---- */

static bool stands_there(const struct upload *u, uint32_t number, uint64_t *offset)
{
    const struct layout *layout = &u->parts.layout;
    const struct previous_file *f = &u->delta.file;

    return delta_find(&u->delta, layout, number,
                      &u->parts.digests[layout_part_block(layout, number)], offset) &&
           (f->size > store_limits(u->o.store)->copy_ranges_above ||
            f->size == layout_part_bytes(layout, number));
}

/* As it stands in the file. */
static bool stands_in_place(const struct upload *u, uint32_t number)
{
    uint64_t offset;

    return stands_there(u, number, &offset) &&
           offset == layout_part_offset(&u->parts.layout, number);
}

static void match_or_send(struct upload *u, uint32_t number)
{
    uint64_t offset;

    if (stands_there(u, number, &offset))
        part_table_match(&u->parts, number);
    else
        part_table_give_back(&u->parts, number);
}

/* Parts that may be there as they were are read first. */
static void look_into_parts(struct upload *u, uint32_t first)
{
    for (uint32_t number = first; number <= u->parts.layout.n_parts; number++)
        if (part_table_state(&u->parts, number) == PART_MISSING &&
            delta_may_have(&u->delta, &u->parts.layout, number))
            part_table_look_into(&u->parts, number);
}

/* n_read: so many parts have been looked into already. */
static void begin_known(struct upload *u, uint32_t n_read)
{
    bool may_be_whole = u->upload_id[0] == '\0' && can_copy_whole(u) &&
                        (n_read == 0 || stands_in_place(u, 1));

    name_source(u);
    if (may_be_whole || !upload_is_single(u))
        look_into_parts(u, n_read + 1);
    else
        part_table_copy_none(&u->parts); /* it is put */
    part_table_rewind(&u->parts);
    if (!may_be_whole)
        enter_sending(u);
    else if (part_table_all_matched(&u->parts))
        enter_copying(u);
    else
        upload_enter(u, PHASE_MATCHING);
}

/* ---- searching ---- */

static void look_for_another(struct upload *u)
{
    u->n_running++; /* until upload_found() */
    u->o.events->look_for(u->o.ctx, u->stamp.size, &u->parts.digests[0]);
}

static void begin_search(struct upload *u)
{
    upload_enter(u, PHASE_SEARCHING);
    part_table_rewind(&u->parts);
    if (part_table_state(&u->parts, 1) == PART_MISSING)
        part_table_look_into(&u->parts, 1);
    else
        look_for_another(u);
}

/* By its first part, unless that is noted, but doubtful. */
static bool can_search(const struct upload *u)
{
    return u->delta.may_have_moved && part_table_state(&u->parts, 1) != PART_KNOWN;
}

static void end_search(struct upload *u)
{
    u->delta.may_have_moved = false;
    if (part_table_state(&u->parts, 1) != PART_STORED)
        match_or_send(u, 1);
    begin_known(u, 1);
}

void upload_found(struct upload *u, const struct previous_file *file)
{
    u->n_running--;
    if (file->exists) {
        previous_file_free(&u->delta.file);
        u->delta.file = *file;
    }
    if (u->phase == PHASE_SEARCHING && u->err.kind == ERROR_NONE)
        end_search(u);
    upload_advance(u);
}

/* ---- the face ---- */

void upload_delta_begin(struct upload *u)
{
    name_source(u);
    if (u->delta.is_untouched)
        begin_unread(u);
    else if (can_search(u))
        begin_search(u);
    else
        begin_known(u, 0);
}

void upload_delta_on_read(struct upload *u, uint32_t number)
{
    bool is_in_place = stands_in_place(u, number);

    match_or_send(u, number);
    if (u->phase == PHASE_MATCHING && !is_in_place)
        enter_sending(u);
    if (u->phase != PHASE_SEARCHING || number != 1)
        return;
    if (is_in_place && u->delta.file.size == u->stamp.size)
        end_search(u);
    else
        look_for_another(u);
}

void upload_delta_on_matched(struct upload *u)
{
    enter_copying(u);
}

void upload_delta_refused(struct upload *u, const struct error *err)
{
    if (u->delta.file.exists)
        log_line(LOG_INFO, LOG_UPLOAD, "%s: is sent: %s", u->o.path, err->text);
    if (u->phase == PHASE_COPYING || u->phase == PHASE_SENDING)
        give_up_copying(u);
}
