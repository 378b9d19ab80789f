/*
 * How files are cut: a table of known cuts, and what must hold of any.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/span.h"
#include "dice.h"
#include "manifest/digest.h"
#include "transfer/layout.h"

enum { ROUNDS = 200000 };

static const uint64_t kib = 1 << 10, mib = 1 << 20, gib = 1 << 30;
static const uint64_t tib = (uint64_t)1 << 40;

/* S3's: 10,000 parts of 5 MiB to 5 GiB make at most 48.8 TiB. */
static const struct store_limits s3 = {.put_max = (uint64_t)5 << 30,
                                       .part_min = 5 << 20,
                                       .part_max = (uint64_t)5 << 30,
                                       .parts_max = 10000};

static const struct layout none;

static void check_cut(uint64_t size, uint64_t wish, uint64_t part_size,
                      uint64_t block_size)
{
    struct layout l;
    struct error err;

    assert_int_equal(layout_of(&l, size, &s3, wish, &none, &err), 0);
    assert_int_equal(l.part_size, part_size);
    assert_int_equal(l.block_size, block_size);
    assert_int_equal(l.n_parts, size == 0 ? 1 : (size - 1) / part_size + 1);
}

static void test_table(void **state)
{
    (void)state;
    check_cut(0, 0, 16 * mib, 16 * mib);
    check_cut(1, 0, 16 * mib, 16 * mib);
    check_cut(16 * mib, 0, 16 * mib, 16 * mib);
    check_cut(16 * mib + 1, 0, 16 * mib, 16 * mib);
    check_cut(gib, 64 * mib, 64 * mib, 16 * mib);
    check_cut(gib, 65 * mib, 80 * mib, 16 * mib); /* up to a whole block */
    check_cut(gib, 1, 16 * mib, 16 * mib);
    check_cut(10000 * 16 * mib, 0, 16 * mib, 16 * mib);
    check_cut(10000 * 16 * mib + 1, 0, 32 * mib, 16 * mib);
    check_cut(tib, 0, 112 * mib, 16 * mib);
    check_cut(tib + 1, 0, 128 * mib, 32 * mib); /* 65,536 blocks are the most */
    check_cut(5 * tib, 64 * mib, 640 * mib, 128 * mib);
    check_cut(40 * tib, 0, 5 * gib, gib);
}

static void test_the_largest_file(void **state)
{
    struct layout l;
    struct error err;
    uint64_t size = 10000 * 5 * gib; /* 48.8 TiB */

    (void)state;
    assert_int_equal(layout_of(&l, size, &s3, 0, &none, &err), 0);
    assert_int_equal(l.part_size, 5 * gib);
    assert_int_equal(l.n_parts, 10000);
    assert_int_equal(layout_of(&l, size + 1, &s3, 0, &none, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "larger than the store can hold"));
}

/* A wish beyond what the store takes is cut down to it. */
static void test_wish_too_large(void **state)
{
    struct layout l;
    struct error err;

    (void)state;
    assert_int_equal(layout_of(&l, gib, &s3, 6 * gib, &none, &err), 0);
    assert_int_equal(l.n_parts, 1);
    assert_true(l.part_size <= s3.part_max);
}

static void test_an_open_upload_keeps_its_cut(void **state)
{
    const struct layout previous = {.part_size = 48 * mib, .block_size = 16 * mib};
    struct layout l;
    struct error err;

    (void)state;
    assert_int_equal(layout_of(&l, gib, &s3, 64 * mib, &previous, &err), 0);
    assert_int_equal(l.part_size, 48 * mib);
    assert_int_equal(layout_of(&l, tib, &s3, 64 * mib, &previous, &err), 0);
    assert_int_equal(l.part_size, 112 * mib); /* it has grown: too many parts */
}

/* Made for another store. */
static void test_a_cut_that_the_store_refuses_is_not_kept(void **state)
{
    struct layout previous = {.part_size = 6 * gib, .block_size = 16 * mib};
    struct layout l;
    struct error err;

    (void)state;
    assert_int_equal(layout_of(&l, 7 * gib, &s3, 0, &previous, &err), 0);
    assert_int_equal(l.part_size, 16 * mib);
    previous.part_size = previous.block_size = mib;
    assert_int_equal(layout_of(&l, gib, &s3, 0, &previous, &err), 0);
    assert_int_equal(l.part_size, 16 * mib);
}

static uint64_t any(uint64_t most)
{
    uint64_t bits = (uint64_t)roll(65536) << 48 | (uint64_t)roll(65536) << 32 |
                    (uint64_t)roll(65536) << 16 | roll(65536);

    return (bits >> roll(64)) % (most + 1);
}

static void draw_limits(struct store_limits *limits)
{
    *limits = s3;
    if (roll(2) == 0)
        return;
    limits->part_min = any(64 * mib);
    limits->parts_max = 1 + roll(20000);
    limits->part_max = limits->part_min + 16 * mib + any(100 * gib);
}

static void check_parts(const struct layout *l)
{
    uint32_t numbers[] = {1, l->n_parts, 1 + roll(l->n_parts)};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint32_t n = numbers[i];
        uint64_t offset = layout_part_offset(l, n), bytes = layout_part_bytes(l, n);

        assert_int_equal(offset % l->block_size, 0);
        assert_int_equal(layout_part_block(l, n), offset / l->block_size);
        assert_int_equal(layout_part_blocks(l, n),
                         digest_block_count(bytes, l->block_size));
        assert_true(bytes > 0 || l->size == 0);
        if (n == l->n_parts)
            assert_int_equal(offset + bytes, l->size);
        else
            assert_int_equal(bytes, l->part_size);
    }
    assert_int_equal(layout_part_block(l, l->n_parts) +
                         layout_part_blocks(l, l->n_parts),
                     digest_block_count(l->size, l->block_size));
}

static void test_any_cut(void **state)
{
    (void)state;
    dice_seed(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct layout l, previous = {0};
        struct store_limits limits;
        uint64_t size = any(10000 * 5 * gib), wish = roll(2) * any(10 * gib);
        struct error err;

        draw_limits(&limits);
        if (roll(3) == 0) {
            previous.block_size = 16 * mib << roll(5);
            previous.part_size = previous.block_size * (1 + any(400)) + roll(2) * kib;
        }
        if (layout_of(&l, size, &limits, wish, &previous, &err) != 0) {
            /* Only where the largest parts that are whole blocks do not suffice. */
            uint64_t block = digest_block_size(size, previous.block_size);
            uint64_t largest = limits.part_max / block * block;

            assert_int_equal(err.kind, ERROR_USAGE);
            assert_true(largest == 0 || largest * limits.parts_max < size ||
                        largest < limits.part_min);
            continue;
        }
        assert_true(l.part_size % l.block_size == 0);
        assert_true(l.part_size <= limits.part_max);
        assert_true(l.part_size >= limits.part_min || l.n_parts == 1);
        assert_true(l.n_parts >= 1 && l.n_parts <= limits.parts_max);
        assert_true(digest_block_count(size, l.block_size) <= DIGEST_OLD_BLOCKS_MAX);
        check_parts(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_the_largest_file),
        cmocka_unit_test(test_wish_too_large),
        cmocka_unit_test(test_an_open_upload_keeps_its_cut),
        cmocka_unit_test(test_a_cut_that_the_store_refuses_is_not_kept),
        cmocka_unit_test(test_any_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
