/*
 *   MISSING, MATCHED ---begin---> BUSY ---sent, confirmed---> STORED
 *   KNOWN, UNREAD --begin---> BUSY ---give_back---> MISSING
 *                                 ---match---> MATCHED
 *
 * Parts are begun in the order of their numbers: `next` goes up over those that do not
 * wait, and comes back to one that was read and is to be sent or copied.
 */
#include "transfer/part_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/digest.h"

int part_table_cut(struct part_table *t, uint64_t size,
                   const struct store_limits *limits, uint64_t wish,
                   const struct layout *previous, struct error *err)
{
    if (layout_of(&t->layout, size, limits, wish, previous, err) != 0)
        return -1;
    t->digests = mem_new(digest_block_count(t->layout.size, t->layout.block_size),
                         sizeof *t->digests);
    t->states = mem_new(t->layout.n_parts, sizeof *t->states);
    t->stored = mem_new(t->layout.n_parts, sizeof *t->stored);
    for (uint32_t number = 1; number <= t->layout.n_parts; number++) {
        t->stored[number - 1].number = number;
        t->stored[number - 1].size = layout_part_bytes(&t->layout, number);
    }
    part_table_reset(t);
    return 0;
}

void part_table_free(struct part_table *t)
{
    free(t->digests);
    free(t->states);
    free(t->stored);
}

void part_table_grow(struct part_table *t, uint32_t n_parts)
{
    uint64_t n_blocks = n_parts * (t->layout.part_size / t->layout.block_size);

    t->digests = mem_resize(t->digests, n_blocks, sizeof *t->digests);
    t->states = mem_resize(t->states, n_parts, sizeof *t->states);
    t->stored = mem_resize(t->stored, n_parts, sizeof *t->stored);
    for (uint32_t i = t->layout.n_parts; i < n_parts; i++) {
        t->states[i] = PART_MISSING;
        t->stored[i] =
            (struct store_part){.number = i + 1, .size = t->layout.part_size};
    }
    t->layout.n_parts = n_parts;
    t->layout.size = n_parts * t->layout.part_size;
}

void part_table_end(struct part_table *t, uint64_t size)
{
    uint64_t whole = size > 0 ? (size - 1) / t->layout.part_size : 0;

    t->layout.size = size;
    t->layout.n_parts = (uint32_t)whole + 1;
    t->stored[whole].size = layout_part_bytes(&t->layout, t->layout.n_parts);
}

static void set_state(struct part_table *t, uint32_t number, enum part_state state)
{
    t->n_matched -= t->states[number - 1] == PART_MATCHED;
    t->n_matched += state == PART_MATCHED;
    t->states[number - 1] = state;
}

static void count_stored(struct part_table *t, uint32_t number)
{
    set_state(t, number, PART_STORED);
    t->n_stored++;
    t->bytes_stored += t->stored[number - 1].size;
}

/* A part of an earlier run: what was noted of it is relied on, unless the file may be
 * another by now; one that is known by its ETag alone is compared. */
static void take_up_part(struct part_table *t, const struct known *known,
                         uint32_t number, bool must_compare)
{
    const struct part_record *record = known_part(known, &t->layout, number);
    struct store_part *stored = &t->stored[number - 1];

    if (record == NULL)
        return;
    stored->crc32c = record->crc32c;
    memcpy(stored->etag, record->etag, sizeof stored->etag);
    if (must_compare || known_part_by_etag(record)) {
        t->states[number - 1] = PART_KNOWN;
        return;
    }
    memcpy(&t->digests[layout_part_block(&t->layout, number)], record->blocks,
           record->n_blocks * sizeof *record->blocks);
    count_stored(t, number);
}

void part_table_take_up(struct part_table *t, struct known *known, bool must_compare)
{
    bool is_object = known_is_object(known, &t->layout);
    bool has_upload = known_has_upload(known, &t->layout);

    if (known->record.upload_id[0] != '\0' && !has_upload)
        known_forget(known);
    for (uint32_t number = 1; number <= t->layout.n_parts; number++) {
        if (is_object)
            t->states[number - 1] = PART_KNOWN;
        else if (has_upload)
            take_up_part(t, known, number, must_compare);
    }
}

void part_table_reset(struct part_table *t)
{
    for (uint32_t i = 0; i < t->layout.n_parts; i++)
        t->states[i] = PART_MISSING;
    t->n_stored = t->n_matched = 0;
    t->bytes_stored = 0;
    t->next = 1;
}

void part_table_look_into(struct part_table *t, uint32_t number)
{
    set_state(t, number, PART_UNREAD);
}

uint32_t part_table_next(struct part_table *t, bool may_send)
{
    for (; t->next <= t->layout.n_parts; t->next++) {
        enum part_state state = t->states[t->next - 1];
        if (state == PART_KNOWN || state == PART_UNREAD ||
            ((state == PART_MISSING || state == PART_MATCHED) && may_send))
            return t->next;
    }
    return 0;
}

enum part_state part_table_state(const struct part_table *t, uint32_t number)
{
    return t->states[number - 1];
}

void part_table_rewind(struct part_table *t)
{
    t->next = 1;
}

void part_table_begin(struct part_table *t, uint32_t number)
{
    set_state(t, number, PART_BUSY);
    t->next = number + 1;
}

static void put_back(struct part_table *t, uint32_t number, enum part_state state)
{
    set_state(t, number, state);
    if (number < t->next)
        t->next = number;
}

void part_table_give_back(struct part_table *t, uint32_t number)
{
    put_back(t, number, PART_MISSING);
}

void part_table_match(struct part_table *t, uint32_t number)
{
    put_back(t, number, PART_MATCHED);
}

void part_table_copy_none(struct part_table *t)
{
    for (uint32_t number = t->layout.n_parts; number > 0; number--)
        if (t->states[number - 1] == PART_MATCHED ||
            t->states[number - 1] == PART_UNREAD)
            part_table_give_back(t, number);
}

struct part_record part_table_sent(struct part_table *t, uint32_t number,
                                   const char *etag, uint32_t crc32c)
{
    struct store_part *stored = &t->stored[number - 1];

    memcpy(stored->etag, etag, sizeof stored->etag);
    stored->crc32c = crc32c;
    return part_table_confirmed(t, number);
}

struct part_record part_table_confirmed(struct part_table *t, uint32_t number)
{
    const struct store_part *stored = &t->stored[number - 1];
    struct part_record record = {
        .number = number,
        .size = stored->size,
        .crc32c = stored->crc32c,
        .blocks = &t->digests[layout_part_block(&t->layout, number)],
        .n_blocks = (uint32_t)layout_part_blocks(&t->layout, number),
    };

    memcpy(record.etag, stored->etag, sizeof record.etag);
    count_stored(t, number);
    return record;
}

void part_table_pass_over(struct part_table *t)
{
    t->next = t->layout.n_parts + 1;
}

bool part_table_all_begun(const struct part_table *t)
{
    return t->next > t->layout.n_parts;
}

bool part_table_all_stored(const struct part_table *t)
{
    return t->n_stored == t->layout.n_parts;
}

bool part_table_all_matched(const struct part_table *t)
{
    return t->n_matched == t->layout.n_parts;
}
