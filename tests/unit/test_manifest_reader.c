/*
 * Shards that were cut, glued, or damaged at random: test_manifest_reader [seed].
 */
#include "manifest/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/shard_kit.h"

enum { MUTATIONS = 5000 };

static unsigned seed = 1;

static const char two_dirs[] = "{\"path\":\"a\",\"type\":\"dir\"}\n"
                               "{\"path\":\"b\",\"type\":\"dir\"}\n";

static void several_members(void **state)
{
    struct text whole =
        shard_gzip_string("{\"path\":\"a\",\"type\":\"dir\"}\n{\"path\"");
    struct text second = shard_gzip_string(":\"b\",\"type\":\"dir\"}\n"),
                empty = shard_gzip_string("");

    (void)state;
    text_add_bytes(&whole, empty.data, empty.size);
    text_add_bytes(&whole, second.data, second.size);
    shard_expect_lines(&whole, 4096, two_dirs);
    shard_expect_lines(&whole, 1, two_dirs);
    text_free(&whole);
    text_free(&second);
    text_free(&empty);
}

static void cut_anywhere(void **state)
{
    struct text shard = shard_gzip_string(two_dirs);

    (void)state;
    shard_expect_lines(&shard, 4096, two_dirs);
    while (shard.size > 0) {
        shard.size--;
        shard_expect_corrupt(&shard);
    }
    text_free(&shard);
}

static void not_a_shard(void **state)
{
    static const char *const malformed[] = {
        "\n",
        "{\"path\":\"a\",\"type\":\"dir\"}", /* no newline */
        "{\"path\":\"a\",\"type\":\"dir\"}\n\n",
        "{\"path\":\"b\",\"type\":\"dir\"}\n{\"path\":\"a\",\"type\":\"dir\"}\n",
        "{\"path\":\"a\",\"type\":\"dir\"}\n{\"path\":\"a\",\"type\":\"dir\"}\n",
        "{\"path\":\"l\",\"type\":\"symlink\",\"target\":\"abc\","
        "\"hash\":\"06b05ab6733a618578af5f94892f3950\"}\n"
        "{\"path\":\"l/x\",\"type\":\"dir\"}\n",
    };
    struct text shard;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        shard = shard_gzip_string(malformed[i]);
        shard_expect_corrupt(&shard);
        text_free(&shard);
    }
    shard = shard_gzip_string(two_dirs);
    text_add(&shard, "behind");
    shard_expect_corrupt(&shard);
    text_clear(&shard);
    text_add(&shard, two_dirs); /* plain */
    shard_expect_corrupt(&shard);
    text_free(&shard);
}

static void order_from_shard_to_shard(void **state)
{
    struct collected c = {0};
    struct manifest_reader *r = manifest_reader_new(shard_collect, &c);
    struct text shard = shard_gzip_string(two_dirs);
    struct error err = {0};

    (void)state;
    assert_int_equal(shard_feed(r, &shard, 4096, &err), 0);
    assert_int_equal(manifest_reader_end(r, &err), 0);
    assert_int_equal(shard_feed(r, &shard, 4096, &err), -1);
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_string_equal(err.text, "line 1: path out of order");
    assert_int_equal(c.n_lines, 2);
    manifest_reader_free(r);
    text_free(&shard);
    text_free(&c.lines);
}

static void each_may_end_it(void **state)
{
    struct collected c = {.most = 1};
    struct manifest_reader *r = manifest_reader_new(shard_collect, &c);
    struct text shard = shard_gzip_string(two_dirs);
    struct error err = {0};

    (void)state;
    assert_int_equal(shard_feed(r, &shard, 4096, &err), -1);
    assert_string_equal(err.text, "enough");
    error_clear(&err);
    assert_int_equal(manifest_reader_end(r, &err), -1);
    assert_int_equal(err.kind, ERROR_FULL);
    assert_int_equal(c.n_lines, 1);
    manifest_reader_free(r);
    text_free(&shard);
    text_free(&c.lines);
}

static void a_line_too_long(void **state)
{
    struct text line = {0}, shard;
    struct collected c = {0};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < (64 << 20) / 64; i++)
        text_add(&line,
                 "                                                                ");
    shard =
        shard_gzip(line.data, line.size); /* a bomb: 64 MB from 300 KB, no newline */
    assert_int_equal(shard_read(&c, &shard, shard.size, &err), -1);
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_string_equal(err.text, "line 1: too long");
    text_free(&line);
    text_free(&shard);
}

/* The lines are the right ones, or the shard is refused: a CRC guards it. */
static void damaged_shards(void **state)
{
    struct text expected = shard_read_file(GRID_GOLDEN_DIR "/manifest-small.jsonl");
    struct text good = shard_gzip(expected.data, expected.size);
    uint32_t rng = seed;

    (void)state;
    for (int i = 0; i < MUTATIONS; i++) {
        struct collected c = {0};
        struct text shard = {0};
        struct error err = {0};

        text_add_bytes(&shard, good.data, good.size);
        rng = rng * 1664525 + 1013904223;
        shard.data[(rng >> 8) % shard.size] ^= (char)(1 << (rng >> 29));
        if (shard_read(&c, &shard, 1 + (rng >> 4) % 500, &err) == 0)
            assert_string_equal(text_string(&c.lines), expected.data);
        else
            assert_int_equal(err.kind, ERROR_CORRUPT);
        text_free(&c.lines);
        text_free(&shard);
    }
    text_free(&good);
    text_free(&expected);
}

/* Damage below the CRC, as a hostile writer makes it. */
static void damaged_text(void **state)
{
    struct text good = shard_read_file(GRID_GOLDEN_DIR "/manifest-small.jsonl");
    uint32_t rng = seed;
    int n_taken = 0;

    (void)state;
    for (int i = 0; i < MUTATIONS; i++) {
        struct collected c = {0};
        struct text plain = {0}, shard;
        struct error err = {0};

        text_add_bytes(&plain, good.data, good.size);
        rng = rng * 1664525 + 1013904223;
        plain.data[(rng >> 12) % plain.size] = (char)(rng >> 4);
        shard = shard_gzip(plain.data, plain.size);
        if (shard_read(&c, &shard, 4096, &err) == 0)
            n_taken++;
        else
            assert_int_equal(err.kind, ERROR_CORRUPT);
        text_free(&c.lines);
        text_free(&plain);
        text_free(&shard);
    }
    print_message("seed %u: %d of %d taken\n", seed, n_taken, MUTATIONS);
    assert_true(n_taken > 0 && n_taken < MUTATIONS);
    text_free(&good);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_members), cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(not_a_shard),     cmocka_unit_test(order_from_shard_to_shard),
        cmocka_unit_test(each_may_end_it), cmocka_unit_test(a_line_too_long),
        cmocka_unit_test(damaged_shards),  cmocka_unit_test(damaged_text),
    };

    if (argc > 1)
        seed = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
