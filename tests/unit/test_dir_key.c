/* Which keys there are, and where their temporary files lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"
#include "transfer/dir_key.h"
#include "transfer/dir_url.h"
#include "transfer/dir_uses.h"

static void test_temporary_folders(void **state)
{
    static const char *const cases[][2] = {
        {"N/v1/data/x", "N/v1/tmp"},
        {"N/v12/session.json", "N/v12/tmp"},
        {"N/v1/", "N/v1/tmp"},
        {"N/v1", "N/tmp"},
        {"N/v1x/y", "N/tmp"},
        {"N/v/y", "N/tmp"},
        {".grid-probe/x", ".grid-probe/tmp"},
        {"file", "tmp"},
        {"", "tmp"},
    };
    char folder[DIR_PATH_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        dir_key_temp_folder(folder, cases[i][0]);
        assert_string_equal(folder, cases[i][1]);
    }
}

static void test_keys(void **state)
{
    static const char *const good[] = {
        "a", "a/b", "...", "N/v1/tmpx", "N/tmp/x", "N/v1/data/tmp/x", "tmp/v1/x"};
    static const char *const bad[] = {"",     "/",    "a//b",     "a/",
                                      "../a", "a/..", "N/v1/tmp", "N/v1/tmp/x"};
    char *longest = mem_new(1, DIR_KEY_MAX + 2);
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(dir_key_check(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(dir_key_check(bad[i], &err), -1);
        assert_int_equal(err.kind, ERROR_INTERNAL);
    }
    memset(longest, 'k', DIR_KEY_MAX);
    assert_int_equal(dir_key_check(longest, &err), 0);
    longest[DIR_KEY_MAX] = 'k';
    assert_int_equal(dir_key_check(longest, &err), -1);
    free(longest);

    assert_int_equal(dir_key_check_prefix("", &err), 0);
    assert_int_equal(dir_key_check_prefix("N/v1/", &err), 0);
    assert_int_equal(dir_key_check_prefix("N/v1", &err), -1);
    assert_int_equal(dir_key_check_prefix("N/v1/tmp/", &err), -1);
}

static void test_urls(void **state)
{
    struct error err;
    char *path;

    (void)state;
    assert_int_equal(dir_url_path(&path, "file:///a%20b/c%2fd//", &err), 0);
    assert_string_equal(path, "/a b/c/d");
    free(path);
    assert_int_equal(dir_url_path(&path, "file://host/a", &err), -1);
    assert_non_null(strstr(err.text, "file:///"));
}

static void test_the_last_use_is_told(void **state)
{
    struct dir_uses *uses = dir_uses_new();

    (void)state;
    dir_uses_begin(uses, "a/tmp/1");
    dir_uses_begin(uses, "b/tmp/1");
    dir_uses_begin(uses, "a/tmp/2");
    dir_uses_begin(uses, "top");
    assert_false(dir_uses_end(uses, "a/tmp/1"));
    assert_true(dir_uses_end(uses, "b/tmp/1"));
    assert_true(dir_uses_end(uses, "a/tmp/2"));
    dir_uses_begin(uses, "a/tmp/3");
    dir_uses_free(uses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_temporary_folders),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_the_last_use_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
