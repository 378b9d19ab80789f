/*
 * Lines that a reader must take, lines that it must refuse, and thousands that were
 * damaged at random: test_manifest_line [seed].
 */
#include "manifest/manifest_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/span.h"

enum { MUTATIONS = 20000 };

#define HASH  "\"hash\":\"06b05ab6733a618578af5f94892f3950\"" /* of "abc" */
#define ZEROS "\"hash\":\"9a026d96b3c0f0fca057271c9071c99d\"" /* of two blocks' */
#define REST  "\"size\":3,\"mtime\":\"1\",\"mode\":\"0644\""
#define HEAD  "{\"path\":\""
#define TAIL  "\",\"type\":\"file\"," HASH "," REST "}"

static unsigned seed = 1;

/* The text in memory of exactly its size, so that a sanitizer sees each step beyond. */
static const char *parse(struct manifest_line *line, char **memory, const char *json,
                         size_t size)
{
    *memory = mem_copy_bytes(json, size);
    (*memory)[size] = '\n';
    return manifest_line_parse(line, *memory, size);
}

static void expect_refused(const char *json)
{
    struct manifest_line line;
    char *memory;
    const char *fault = parse(&line, &memory, json, strlen(json));

    if (fault == NULL)
        fail_msg("taken: %s", json);
    free(memory);
}

static void expect_all_refused(const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_refused(lines[i]);
}

static void expect_path(const char *json, const char *path)
{
    struct manifest_line line;
    char *memory;
    const char *fault = parse(&line, &memory, json, strlen(json));

    if (fault != NULL)
        fail_msg("%s: %s", fault, json);
    assert_string_equal(line.entry.path, path);
    free(memory);
}

static void whole_file_line(void **state)
{
    static const char json[] =
        "{\"path\":\"a\",\"type\":\"file\",\"size\":9223372036854775807," HASH
        ",\"mtime\":\"-9223372036854775808\",\"mode\":\"4755\",\"ref\":\"s3://b/k\","
        "\"etag\":\"\\\"x-2\\\"\",\"version_id\":\"v\"}";
    struct manifest_line line;
    char *memory;

    (void)state;
    assert_null(parse(&line, &memory, json, strlen(json)));
    assert_int_equal(line.entry.type, ENTRY_FILE);
    assert_true(line.entry.stamp.size == INT64_MAX);
    assert_true(line.entry.stamp.mtime_ns == INT64_MIN);
    assert_int_equal(line.entry.mode, 04755);
    assert_true(line.has_hash);
    assert_int_equal(line.hash.bytes[0], 0x06);
    assert_int_equal(line.hash.bytes[15], 0x50);
    assert_string_equal(line.ref, "s3://b/k");
    assert_string_equal(line.etag, "\"x-2\"");
    assert_string_equal(line.version_id, "v");
    assert_null(line.key);
    assert_int_equal(line.n_blocks, 0);
    free(memory);
}

static void taken(void **state)
{
    (void)state;
    expect_path(HEAD "a/b" TAIL, "a/b");
    expect_path(HEAD "\\u0061\\/\\n\\u00e4\\u20AC\\ud83d\\ude00\\\\\\\"" TAIL,
                "a/\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\\"");
    expect_path(" { \"type\" : \"dir\" ,\t\"path\" : \"d\" } ", "d");
    expect_path("{\"path_b64\":\"/2Ev/g==\",\"type\":\"dir\"}", "\xff"
                                                                "a/\xfe");
    /* what a later version of the format may add */
    expect_path("{\"path\":\"d\",\"type\":\"dir\",\"x\":[1,-2.5e+7,{\"y\":[]},\"]\","
                "true,false,null],\"z\":{},\"\":0}",
                "d");
    expect_path("{\"path\":\"o\",\"type\":\"file\",\"etag\":\"e\"," REST "}", "o");
}

static void refused_documents(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "x",
        "{\"path\":\"d\",\"type\":\"dir\"",
        "{\"path\":\"d\",\"type\":\"dir\"}}",
        "{\"path\":\"d\",\"type\":\"dir\",}",
        "{\"path\":\"d\" \"type\":\"dir\"}",
        "{path:\"d\",\"type\":\"dir\"}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* Paths that leave the data set, or are none. */
static void refused_paths(void **state)
{
    static const char *const lines[] = {
        HEAD "" TAIL,
        HEAD "/a" TAIL,
        HEAD "a/" TAIL,
        HEAD "../a" TAIL,
        HEAD "a/../../b" TAIL,
        HEAD "a//b" TAIL,
        HEAD "." TAIL,
        HEAD "a/\\u002e\\u002E/b" TAIL,
        HEAD "a\\u0000b" TAIL,
        HEAD "a\nb" TAIL,
        HEAD "\xff" TAIL,
        HEAD "\\ud800" TAIL,
        HEAD "\\ud83dx" TAIL,
        HEAD "\\ude00" TAIL,
        HEAD "\\ude00\\ude00" TAIL,
        HEAD "\\u12" TAIL,
        HEAD "\\x41" TAIL,
        HEAD "\\" TAIL,
        "{\"type\":\"dir\"}",
        "{\"path\":\"d\",\"path_b64\":\"ZA==\",\"type\":\"dir\"}",
        "{\"path\":\"d\",\"path\":\"d\",\"type\":\"dir\"}",
        "{\"path_b64\":\"AA==\",\"type\":\"dir\"}",
        "{\"path_b64\":\"ZA\",\"type\":\"dir\"}",
        "{\"path_b64\":\"Li4=\",\"type\":\"dir\"}", /* ".." */
        "{\"path\":1,\"type\":\"dir\"}",
        "{\"path\":\"d\"}",
        "{\"path\":\"d\",\"type\":\"fifo\"}",
        "{\"path\":\"d\",\"type\":\"Dir\"}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* Files that do not say what they are. */
static void refused_files(void **state)
{
    static const char *const lines[] = {
        "{\"path\":\"a\",\"type\":\"file\"," REST "}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH ",\"mtime\":\"1\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH ",\"size\":3,\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH ",\"size\":3,\"mtime\":\"1\"}",
        "{\"path\":\"a\",\"type\":\"file\",\"hash\":\"06b0\"," REST "}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":-3,\"mtime\":\"1\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":3.5,\"mtime\":\"1\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":\"3\",\"mtime\":\"1\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":9223372036854775808,\"mtime\":\"1\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":3,\"mtime\":\"9223372036854775808\",\"mode\":\"0644\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":3,\"mtime\":\"1\",\"mode\":\"0888\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH
        ",\"size\":3,\"mtime\":\"1\",\"mode\":\"10644\"}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* A key that is somebody else's. */
static void refused_keys(void **state)
{
    static const char *const lines[] = {
        "{\"path\":\"a\",\"type\":\"file\",\"key\":\"data/b\"," HASH "," REST "}",
        "{\"path\":\"a\",\"type\":\"file\",\"key\":\"../../x\"," HASH "," REST "}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* Blocks: one only, none, not of the hash, without their size. */
static void refused_blocks(void **state)
{
    static const char *const lines[] = {
        "{\"path\":\"a\",\"type\":\"file\"," HASH "," REST
        ",\"block_size\":16777216,\"blocks\":\"BrBatnM6YYV4r1+UiS85UA==\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH "," REST
        ",\"block_size\":2,\"blocks\":\"\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH "," REST ",\"block_size\":2,"
        "\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"path\":\"a\",\"type\":\"file\"," ZEROS "," REST ",\"block_size\":0,"
        "\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"path\":\"a\",\"type\":\"file\"," ZEROS "," REST ",\"block_size\":3,"
        "\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"path\":\"a\",\"type\":\"file\",\"etag\":\"e\"," REST ",\"block_size\":2,"
        "\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"path\":\"a\",\"type\":\"file\"," HASH "," REST ",\"block_size\":2}",
        "{\"path\":\"a\",\"type\":\"file\"," ZEROS "," REST
        ",\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"path\":\"a\",\"type\":\"file\"," ZEROS "," REST ",\"block_size\":2,"
        "\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", /* 33 bytes */
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* Symlinks. */
static void refused_links(void **state)
{
    static const char *const lines[] = {
        "{\"path\":\"l\",\"type\":\"symlink\"," HASH "}",
        "{\"path\":\"l\",\"type\":\"symlink\",\"target\":\"\"," HASH "}",
        "{\"path\":\"l\",\"type\":\"symlink\",\"target\":\"abc\"}",
        "{\"path\":\"l\",\"type\":\"symlink\",\"target\":\"abd\"," HASH "}",
        "{\"path\":\"l\",\"type\":\"symlink\",\"target_b64\":\"AA==\"," HASH "}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

/* Damaged where it does not matter to us. */
static void refused_additions(void **state)
{
    static const char *const lines[] = {
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":[1,}]}",
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":[1 2]}",
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":01}",
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":1.}",
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":nul}",
        "{\"path\":\"d\",\"type\":\"dir\",\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]"
        "]}",
    };

    (void)state;
    expect_all_refused(lines, ARRAY_SIZE(lines));
}

static void a_nul_ends_nothing(void **state)
{
    static const char json[] = HEAD "a" TAIL "\0" HEAD "b" TAIL;
    struct manifest_line line;
    char *memory;

    (void)state;
    assert_non_null(parse(&line, &memory, json, sizeof json - 1));
    free(memory);
}

/* ---- damage ---- */

static unsigned rng;

static size_t roll(size_t n)
{
    rng = rng * 1103515245U + 12345U;
    return (rng >> 8) % n;
}

static const char *const victims[] = {
    HEAD "train/n01440764/n01440764_10026.JPEG" TAIL,
    HEAD "\\u00e4\\ud83d\\ude00\\n\\\"\\\\" TAIL,
    "{\"path\":\"d\",\"type\":\"dir\",\"x\":[1,-2.5e+7,{\"y\":[null]},true],\"z\":{}}",
    "{\"path_b64\":\"/2Ev/g==\",\"type\":\"dir\"}",
    "{\"path\":\"l\",\"type\":\"symlink\",\"target\":\"abc\"," HASH "}",
    "{\"path\":\"l\",\"type\":\"symlink\",\"target_b64\":\"YWJj\"," HASH "}",
    "{\"path\":\"a\",\"type\":\"file\",\"ref\":\"s3://b/k\",\"etag\":\"e\","
    "\"version_id\":\"v\"," REST "}",
    "{\"path\":\"a\",\"type\":\"file\",\"hash\":"
    "\"9a026d96b3c0f0fca057271c9071c99d\"," REST
    ",\"block_size\":2,\"blocks\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
};

/* One of: another byte, a byte that means something, one less, a piece moved. */
static void damage(struct text *json)
{
    static const char telling[] = "{}[]\",:\\u0/.-e\x00\xff\x80\xed\n";
    size_t at = roll(json->size), other = roll(json->size), piece;

    switch (roll(4)) {
    case 0:
        json->data[at] = (char)roll(256);
        break;
    case 1:
        json->data[at] = telling[roll(sizeof telling)];
        break;
    case 2:
        if (json->size > 1)
            memmove(json->data + at, json->data + at + 1, --json->size - at);
        break;
    default:
        piece = 1 + roll(20);
        if (at + piece <= json->size && other + piece <= json->size)
            memmove(json->data + at, json->data + other, piece);
        break;
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(victims); i++)
        for (size_t size = 0; size < strlen(victims[i]); size++) {
            struct manifest_line line;
            char *memory;

            assert_non_null(parse(&line, &memory, victims[i], size));
            free(memory);
        }
}

/* What was taken can be written, and is then read as the same. */
static void expect_stable(const struct manifest_line *line)
{
    struct text first = {0}, second = {0};
    struct manifest_line again;
    char *memory;

    assert_null(manifest_line_fault(line));
    manifest_line_add(&first, line);
    assert_null(parse(&again, &memory, first.data, first.size - 1));
    manifest_line_add(&second, &again);
    assert_string_equal(first.data, second.data);
    text_free(&first);
    text_free(&second);
    free(memory);
}

static void damaged(void **state)
{
    int n_taken = 0;

    (void)state;
    rng = seed;
    for (int i = 0; i < MUTATIONS; i++) {
        const char *victim = victims[roll(ARRAY_SIZE(victims))];
        struct manifest_line line;
        struct text json = {0};
        char *memory;

        text_add(&json, victim);
        for (size_t n = 1 + roll(3); n > 0; n--)
            damage(&json);
        if (parse(&line, &memory, json.data, json.size) == NULL) {
            n_taken++;
            expect_stable(&line);
        }
        text_free(&json);
        free(memory);
    }
    print_message("seed %u: %d of %d taken\n", seed, n_taken, MUTATIONS);
    assert_true(n_taken > MUTATIONS / 50 && n_taken < MUTATIONS / 2);
}

static void victims_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
        struct manifest_line line;
        char *memory;

        assert_null(parse(&line, &memory, victims[i], strlen(victims[i])));
        expect_stable(&line);
        free(memory);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_line),   cmocka_unit_test(taken),
        cmocka_unit_test(refused_documents), cmocka_unit_test(refused_paths),
        cmocka_unit_test(refused_files),     cmocka_unit_test(refused_keys),
        cmocka_unit_test(refused_blocks),    cmocka_unit_test(refused_links),
        cmocka_unit_test(refused_additions), cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(victims_are_sound), cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(damaged),
    };

    if (argc > 1)
        seed = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
