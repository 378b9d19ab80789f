/* Rules of paths and keys, and batches that are used again and again. */
#include "manifest/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"

static void safe_paths(void **state)
{
    static const char *const safe[] = {"a",    "a/b",       "...", ".a/..b", "a b",
                                       "\xff", "a\nb/\x01", "-",   "~"};
    static const char *const unsafe[] = {"",     "/",      "/a",   "a/",  "a//b",
                                         ".",    "..",     "./a",  "a/.", "a/..",
                                         "../a", "a/../b", "a/./b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(safe); i++)
        assert_true(entry_path_is_safe(safe[i]));
    for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++)
        assert_false(entry_path_is_safe(unsafe[i]));
}

static void expect_key(const char *path, size_t prefix_bytes, const char *key)
{
    struct text t = {0};

    text_add(&t, "s3/");
    entry_add_key(&t, path, prefix_bytes);
    assert_string_equal(text_string(&t) + 3, key);
    assert_int_equal(entry_key_is_odd(path, prefix_bytes),
                     strncmp(key, "odd/", 4) == 0);
    text_free(&t);
}

static void keys(void **state)
{
    static const char *const odd[] = {"a\nb",         "\x7f",          "\xff",
                                      "\xef\xbf\xbe", "a\xef\xbf\xbf", "\xed\xa0\x80",
                                      "a//b",         "../x",          "a/."};

    (void)state;
    expect_key("train/0.jpg", 20, "data/train/0.jpg");
    expect_key("gr\xc3\xbc\xc3\x9f & <\\>", 0, "data/gr\xc3\xbc\xc3\x9f & <\\>");
    expect_key("\xef\xbf\xbd", 0, "data/\xef\xbf\xbd"); /* U+FFFD may stand in a key */
    expect_key("a\tb", 0,
               "odd/894891f8b78a9945b0aa07e70d5f71f10b1f1990af127de561cc0ac36024c188");
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        assert_true(entry_key_is_odd(odd[i], 0));
}

static void keys_that_are_too_long(void **state)
{
    char path[1100];

    (void)state;
    memset(path, 'x', sizeof path);
    path[255] = '\0';
    assert_false(entry_key_is_odd(path, 0));
    path[255] = 'x';
    path[256] = '\0';
    assert_true(entry_key_is_odd(path, 0)); /* no file system has such a component */
    path[256] = 'x';
    for (int i = 100; i < 1000; i += 100)
        path[i] = '/';
    path[1019 - 24] = '\0';
    assert_false(entry_key_is_odd(path, 24)); /* 1,024 in all */
    assert_true(entry_key_is_odd(path, 25));
}

static void fill(struct entry_batch *batch, int n)
{
    char path[32], target[32];

    for (int i = 0; i < n; i++) {
        struct entry e = {.path = path, .target = i % 3 == 0 ? target : NULL};

        snprintf(path, sizeof path, "path/%06d", i);
        snprintf(target, sizeof target, "../target/%d", i);
        e.mode = (uint32_t)i;
        entry_batch_add(batch, &e);
        if (i % 100 == 0)
            entry_batch_add_issue(batch, ISSUE_UNREADABLE, path, "permission denied");
    }
}

static void expect_filled(const struct entry_batch *batch, size_t n)
{
    char expected[32];

    assert_int_equal(batch->n_entries, n);
    assert_int_equal(batch->n_issues, (n + 99) / 100);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &batch->entries[i];

        snprintf(expected, sizeof expected, "path/%06zu", i);
        assert_string_equal(e->path, expected);
        assert_int_equal(e->mode, i);
        assert_int_equal(e->target != NULL, i % 3 == 0);
        if (e->target != NULL) {
            snprintf(expected, sizeof expected, "../target/%zu", i);
            assert_string_equal(e->target, expected);
        }
    }
    assert_string_equal(batch->issues[0].message, "permission denied");
    assert_string_equal(issue_kind_name(batch->issues[0].kind), "unreadable");
}

static void batches(void **state)
{
    static char big[200000];
    struct entry_batch batch = {0};
    struct entry e = {.path = big, .type = ENTRY_SYMLINK};

    (void)state;
    memset(big, 'b', sizeof big - 1);
    entry_batch_clear(&batch);
    for (int round = 0; round < 4; round++) {
        fill(&batch, 10000);
        entry_batch_add(&batch, &e); /* larger than a block */
        assert_string_equal(batch.entries[10000].path, big);
        assert_string_equal(entry_type_name(batch.entries[10000].type), "symlink");
        assert_true(batch.string_bytes > 10000 * 12 + sizeof big);
        batch.n_entries--;
        expect_filled(&batch, 10000);
        entry_batch_clear(&batch);
        assert_int_equal(batch.string_bytes, 0);
        fill(&batch, 50);
        expect_filled(&batch, 50);
        entry_batch_clear(&batch);
    }
    entry_batch_free(&batch);
    entry_batch_free(&batch);
}

static void stamps(void **state)
{
    const struct stamp a = {.size = 1, .mtime_ns = 2, .ctime_ns = 3, .inode = 4};
    struct stamp b;

    (void)state;
    b = a;
    assert_true(stamp_is_same(&a, &b));
    b = a, b.size++;
    assert_false(stamp_is_same(&a, &b));
    b = a, b.mtime_ns++;
    assert_false(stamp_is_same(&a, &b));
    b = a, b.ctime_ns++;
    assert_false(stamp_is_same(&a, &b));
    b = a, b.inode++;
    assert_false(stamp_is_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe_paths),
        cmocka_unit_test(keys),
        cmocka_unit_test(keys_that_are_too_long),
        cmocka_unit_test(batches),
        cmocka_unit_test(stamps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
