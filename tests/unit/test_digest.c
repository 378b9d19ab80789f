/* Digests against published values, and cut in every way a stream can be cut. */
#include "manifest/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "manifest/crc32c.h"

static void expect_hex(const void *bytes, size_t size, const char *hex)
{
    struct text t = {0};

    text_add_hex(&t, bytes, size);
    assert_string_equal(text_string(&t), hex);
    text_free(&t);
}

/* Bytes that look random and are the same in every run. */
static uint8_t *noise(size_t size)
{
    uint8_t *bytes = mem_buffer(size);
    uint32_t rng = 1;

    for (size_t i = 0; i < size; i++) {
        rng = rng * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(rng >> 24);
    }
    return bytes;
}

static void xxh3_of_published_values(void **state)
{
    struct digest d;

    (void)state;
    d = digest_of_bytes("", 0);
    expect_hex(d.bytes, sizeof d, "99aa06d3014798d86001c324468d497f");
    d = digest_of_bytes("abc", 3);
    expect_hex(d.bytes, sizeof d, "06b05ab6733a618578af5f94892f3950");
}

static void crc32c_of_published_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(digest_crc32c(0, "", 0), 0);
    assert_int_equal(digest_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes); /* RFC 3720, B.4 */
    assert_int_equal(digest_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(digest_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(digest_crc32c(0, bytes, 32), 0x46dd794e);
}

static void crc32c_in_pieces(void **state)
{
    enum { SIZE = 3000 };
    uint8_t *bytes = noise(SIZE);
    uint32_t whole = digest_crc32c(0, bytes, SIZE);

    (void)state;
    for (size_t cut = 0; cut <= 100; cut++) {
        uint32_t crc = digest_crc32c(0, bytes, cut);

        assert_int_equal(crc, crc32c_portable(0, bytes, cut));
        crc = crc32c_portable(crc, bytes + cut, 1000 - cut);
        assert_int_equal(digest_crc32c(crc, bytes + 1000, SIZE - 1000), whole);
    }
    free(bytes);
}

static void sha256_of_published_values(void **state)
{
    static const char abc[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    uint8_t out[DIGEST_SHA256_BYTES];
    struct sha256 s;

    (void)state;
    digest_sha256(out, "abc", 3);
    expect_hex(out, sizeof out, abc);
    sha256_init(&s);
    sha256_add(&s, "a", 1);
    sha256_add(&s, "", 0);
    sha256_add(&s, "bc", 2);
    sha256_end(&s, out);
    expect_hex(out, sizeof out, abc);
    sha256_init(&s);
    sha256_free(&s);
    sha256_free(&s);
}

static void sizes_of_blocks(void **state)
{
    const uint64_t mib = 1 << 20, tib = UINT64_C(1) << 40;

    (void)state;
    assert_int_equal(digest_block_size(0, 0), 16 * mib);
    assert_int_equal(digest_block_size(tib, 0), 16 * mib); /* 65,536 of them */
    assert_int_equal(digest_block_size(tib + 1, 0), 32 * mib);
    assert_int_equal(digest_block_size(5 * tib, 0), 128 * mib);
    assert_true(digest_block_size(UINT64_MAX, 0) == UINT64_C(1) << 48);
    /* grown since the previous version */
    assert_int_equal(digest_block_size(4 * tib, 16 * mib), 16 * mib);
    assert_int_equal(digest_block_size(4 * tib + 1, 16 * mib), 128 * mib);
    /* shrunk since the previous version */
    assert_int_equal(digest_block_size(100 * mib, 32 * mib), 32 * mib);
    /* a previous version that nobody here has written */
    assert_int_equal(digest_block_size(100 * mib, 1), 16 * mib);
    assert_int_equal(digest_block_size(100 * mib, 17 * mib), 16 * mib);

    assert_int_equal(digest_block_count(0, 16 * mib), 1);
    assert_int_equal(digest_block_count(16 * mib, 16 * mib), 1);
    assert_int_equal(digest_block_count(16 * mib + 1, 16 * mib), 2);
}

/* Digests of `size` bytes in blocks of 64, handed over in steps of `step`. */
static void expect_blocks(const uint8_t *bytes, size_t size, size_t step)
{
    enum { BLOCK = 64, MOST = 5 };
    struct digest out[MOST + 1];
    struct digester d;
    size_t n = (size_t)digest_block_count(size, BLOCK);

    memset(out, 0xaa, sizeof out);
    digester_init(&d, BLOCK, out);
    for (size_t at = 0; at < size; at += step)
        digester_add(&d, bytes + at, size - at < step ? size - at : step);
    digester_end(&d);
    assert_int_equal(d.n_done, n);
    for (size_t i = 0; i < n; i++) {
        size_t length = size - i * BLOCK < BLOCK ? size - i * BLOCK : BLOCK;
        struct digest expected = digest_of_bytes(bytes + i * BLOCK, length);

        assert_true(digest_is_same(&out[i], &expected));
    }
    assert_int_equal(out[n].bytes[0], 0xaa); /* and nothing behind them */
    digester_free(&d);
    digester_free(&d);
}

static void blocks_of_a_stream(void **state)
{
    uint8_t *bytes = noise(320);

    (void)state;
    for (size_t size = 0; size <= 320; size++) {
        expect_blocks(bytes, size, 1);
        expect_blocks(bytes, size, 63);
        expect_blocks(bytes, size, 64);
        expect_blocks(bytes, size, 320);
    }
    free(bytes);
}

static void hash_of_a_file(void **state)
{
    struct digest blocks[2] = {digest_of_bytes("one", 3), digest_of_bytes("two", 3)};
    struct digest hash = digest_of_blocks(blocks, 1), both;

    (void)state;
    assert_true(digest_is_same(&hash, &blocks[0]));
    assert_false(digest_is_same(&hash, &blocks[1]));
    hash = digest_of_blocks(blocks, 2);
    both = digest_of_bytes(blocks, sizeof blocks);
    assert_true(digest_is_same(&hash, &both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_of_published_values),
        cmocka_unit_test(crc32c_of_published_values),
        cmocka_unit_test(crc32c_in_pieces),
        cmocka_unit_test(sha256_of_published_values),
        cmocka_unit_test(sizes_of_blocks),
        cmocka_unit_test(blocks_of_a_stream),
        cmocka_unit_test(hash_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
