/*
 * ETags, and what the store is known to have of a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/known.h"

enum { BLOCK = DIGEST_BLOCK };

static const struct layout three = {
    .size = 2 * BLOCK + 5, .block_size = BLOCK, .part_size = BLOCK, .n_parts = 3};
static const struct layout one = {
    .size = 5, .block_size = BLOCK, .part_size = BLOCK, .n_parts = 1};

static void md5_of(uint8_t out[DIGEST_MD5_BYTES], const char *text)
{
    struct md5 md5;

    md5_init(&md5);
    md5_add(&md5, text, strlen(text));
    assert_true(md5_end(&md5, out));
}

/* ---- ETags ---- */

static void test_etags_are_read(void **state)
{
    struct etag etag;
    char back[STORE_ETAG_MAX];

    (void)state;
    assert_true(etag_parse(&etag, "5d41402abc4b2a76b9719d911017c592"));
    assert_int_equal(etag.n_parts, 0);
    assert_int_equal(etag.md5[0], 0x5d);
    etag_format(back, &etag);
    assert_string_equal(back, "5d41402abc4b2a76b9719d911017c592");
    assert_true(etag_parse(&etag, "5d41402abc4b2a76b9719d911017c592-10000"));
    assert_int_equal(etag.n_parts, 10000);
    etag_format(back, &etag);
    assert_string_equal(back, "5d41402abc4b2a76b9719d911017c592-10000");
}

static void test_what_is_no_md5(void **state)
{
    static const char *const others[] = {"",
                                         "-",
                                         "5d41402abc4b2a76b9719d911017c59",
                                         "5d41402abc4b2a76b9719d911017c5921",
                                         "5d41402abc4b2a76b9719d911017c592-",
                                         "5d41402abc4b2a76b9719d911017c592-0",
                                         "5d41402abc4b2a76b9719d911017c592-1x",
                                         "5d41402abc4b2a76b9719d911017c592-4294967296",
                                         "xd41402abc4b2a76b9719d911017c592"};
    struct etag etag;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(etag_parse(&etag, others[i]));
}

/* printf a | md5sum, and of the two digests' bytes one behind the other. */
static void test_etag_of_parts(void **state)
{
    struct etag parts[2] = {0}, whole;
    char text[STORE_ETAG_MAX];

    (void)state;
    md5_of(parts[0].md5, "a");
    md5_of(parts[1].md5, "b");
    assert_true(etag_of_parts(&whole, parts, 2));
    etag_format(text, &whole);
    assert_string_equal(text, "96e024ba2074fe77e8e965ba43a704be-2");
}

/* ---- an open upload ---- */

static struct known make(bool is_local, const char *etag1, const char *etag3)
{
    struct upload_record record = {
        .upload_id = "u", .part_size = BLOCK, .block_size = BLOCK};
    struct known k;

    record.parts = mem_new(2, sizeof *record.parts);
    record.n_parts = 2;
    record.parts[0].number = 1;
    record.parts[0].size = BLOCK;
    memcpy(record.parts[0].etag, etag1, strlen(etag1) + 1);
    record.parts[1].number = 3;
    record.parts[1].size = 5;
    memcpy(record.parts[1].etag, etag3, strlen(etag3) + 1);
    known_init(&k, &record, is_local);
    return k;
}

static void test_parts_by_md5(void **state)
{
    struct known k = make(false, "0cc175b9c0f1b6a831c399e269772661",
                          "5d41402abc4b2a76b9719d911017c592");
    const struct digest none = {0};
    uint8_t md5[DIGEST_MD5_BYTES];

    (void)state;
    assert_true(known_has_upload(&k, &three));
    assert_false(known_is_object(&k, &three));
    assert_null(known_part(&k, &three, 2));
    assert_non_null(known_part(&k, &three, 3));
    assert_true(known_part_by_etag(known_part(&k, &three, 3)));
    assert_true(known_wants_md5(&k, &three, 3));
    md5_of(md5, "hello");
    assert_true(known_agrees(&k, &three, 3, &none, md5));
    assert_false(known_agrees(&k, &three, 1, &none, md5));
    assert_false(known_agrees(&k, &three, 3, &none, NULL));
    known_free(&k);
}

static void test_parts_that_cannot_be_told(void **state)
{
    struct known k = make(false, "0cc175b9c0f1b6a831c399e269772661-2", "abc");
    struct layout other = three;

    (void)state;
    assert_null(known_part(&k, &three, 1));
    assert_null(known_part(&k, &three, 3));
    other.part_size = 2 * BLOCK;
    assert_false(known_has_upload(&k, &other));
    known_free(&k);
}

static void test_parts_of_a_local_store(void **state)
{
    struct digest d = digest_of_bytes("hello", 5), other = digest_of_bytes("hallo", 5);
    struct text hex = {0};
    struct known k;

    (void)state;
    text_add_hex(&hex, d.bytes, sizeof d.bytes);
    k = make(true, text_string(&hex), text_string(&hex));
    assert_false(known_wants_md5(&k, &three, 3));
    assert_true(known_agrees(&k, &three, 3, &d, NULL));
    assert_false(known_agrees(&k, &three, 3, &other, NULL));
    known_free(&k);
    text_free(&hex);
}

/* ---- a whole object ---- */

static struct known make_object(uint64_t size, const char *etag)
{
    struct upload_record record = {.has_object = true, .object_size = size};
    struct known k;

    memcpy(record.etag, etag, strlen(etag) + 1);
    known_init(&k, &record, false);
    return k;
}

static void test_an_object_by_md5(void **state)
{
    struct known k = make_object(5, "5d41402abc4b2a76b9719d911017c592");
    const struct digest none = {0};
    uint8_t md5[DIGEST_MD5_BYTES];

    (void)state;
    assert_true(known_is_object(&k, &one));
    assert_true(known_wants_md5(&k, &one, 1));
    md5_of(md5, "hello");
    assert_true(known_agrees(&k, &one, 1, &none, md5));
    assert_true(known_object_agrees(&k, &one));
    md5_of(md5, "hallo");
    assert_false(known_agrees(&k, &one, 1, &none, md5));
    known_free(&k);
}

static void test_an_object_in_parts(void **state)
{
    static const char *const texts[] = {"a", "b", "c"};
    const struct digest none = {0};
    struct etag parts[3] = {0}, whole;
    char etag[STORE_ETAG_MAX];
    struct known k;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        md5_of(parts[i].md5, texts[i]);
    assert_true(etag_of_parts(&whole, parts, 3));
    etag_format(etag, &whole);
    for (unsigned changed = 0; changed <= 3; changed++) {
        k = make_object(three.size, etag);
        assert_true(known_is_object(&k, &three));
        for (uint32_t number = 3; number >= 1; number--) {
            uint8_t md5[DIGEST_MD5_BYTES];
            md5_of(md5, number == changed ? "x" : texts[number - 1]);
            assert_true(known_agrees(&k, &three, number, &none, md5));
        }
        assert_int_equal(known_object_agrees(&k, &three), changed == 0);
        known_free(&k);
    }
}

static void test_objects_that_cannot_be_told(void **state)
{
    struct known k = make_object(5, "5d41402abc4b2a76b9719d911017c592-2");

    (void)state;
    assert_false(known_is_object(&k, &one));
    k = make_object(three.size, "5d41402abc4b2a76b9719d911017c592");
    assert_false(known_is_object(&k, &three));
    k = make_object(three.size, "5d41402abc4b2a76b9719d911017c592-2");
    assert_false(known_is_object(&k, &three));
    k = make_object(4, "5d41402abc4b2a76b9719d911017c592");
    assert_false(known_is_object(&k, &one));
    known_forget(&k);
    assert_true(k.record.has_object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_etags_are_read),
        cmocka_unit_test(test_what_is_no_md5),
        cmocka_unit_test(test_etag_of_parts),
        cmocka_unit_test(test_parts_by_md5),
        cmocka_unit_test(test_parts_that_cannot_be_told),
        cmocka_unit_test(test_parts_of_a_local_store),
        cmocka_unit_test(test_an_object_by_md5),
        cmocka_unit_test(test_an_object_in_parts),
        cmocka_unit_test(test_objects_that_cannot_be_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
