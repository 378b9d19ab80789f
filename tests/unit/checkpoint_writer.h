#ifndef TESTS_CHECKPOINT_WRITER_H
#define TESTS_CHECKPOINT_WRITER_H

#include "checkpoint_fixture.h"

/*
 * A run of many small files and a large one: with each small file a part of the large
 * one is noted first.  What is found later must be a run that had come so far, and no
 * other: file by file, part by part.
 */

static inline void name_of(char out[16], unsigned i)
{
    snprintf(out, 16, "f%06u", i);
}

static inline void plan_files(struct fixture *f, unsigned n)
{
    struct entry_batch batch = {0};
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        name_of(name, i);
        add_file(&batch, name, 1, LONG_AGO_S);
    }
    add_file(&batch, "z-big", 1 << 30, LONG_AGO_S);
    walk(f, &batch);
}

static inline void begin_upload(struct fixture *f)
{
    checkpoint_note_upload(f->cp, "z-big",
                           &(struct upload_note){.upload_id = "id",
                                                 .part_size = 10,
                                                 .block_size = 10,
                                                 .stamp = stamp_of(1 << 30, LONG_AGO_S),
                                                 .read_at_ns = READ_AT_S * second_ns});
}

static inline void note_both(struct fixture *f, unsigned i)
{
    struct digest block = digest_like(i + 1);
    struct part_record part = {.number = i + 1, .size = 10};
    char name[16];

    part.blocks = &block;
    part.n_blocks = 1;
    checkpoint_note_part(f->cp, "z-big", &part);
    name_of(name, i);
    store(f, name, stamp_of(1, LONG_AGO_S), READ_AT_S, i);
}

/* Of n small files. */
static inline unsigned first_to_do(struct fixture *f, unsigned n)
{
    struct plan_batch batch = {0};
    unsigned first = n;

    checkpoint_next(f->cp, "", 1, &batch, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    if (batch.n_items > 0 && batch.items[0].entry.path[0] == 'f')
        first = (unsigned)strtoul(batch.items[0].entry.path + 1, NULL, 10);
    plan_batch_free(&batch);
    return first;
}

/* At least what had been flushed, and what there is of the rest is whole. */
static inline void expect_flushed(struct fixture *f, unsigned n, unsigned n_flushed)
{
    struct checkpoint_totals t;
    struct upload_record r;
    unsigned n_stored = first_to_do(f, n);

    assert_true(n_stored >= n_flushed);
    checkpoint_totals(f->cp, &t);
    assert_int_equal(t.files, n + 1);
    assert_int_equal(t.files_stored, n_stored);
    checkpoint_read_upload(f->cp, "z-big", &r, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    assert_true(r.n_parts == n_stored || r.n_parts == n_stored + 1);
    assert_int_equal(t.part_bytes_stored, 10 * r.n_parts);
    for (unsigned i = 0; i < r.n_parts; i++) {
        struct digest d = digest_like(i + 1);

        assert_int_equal(r.parts[i].number, i + 1);
        assert_true(digest_is_same(r.parts[i].blocks, &d));
    }
    upload_record_free(&r);
}

#endif
