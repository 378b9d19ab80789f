/*
 * Names of archives: what is good is a path of a data set, whatever was asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"
#include "dice.h"
#include "manifest/entry.h"
#include "transfer/archive_name.h"

static void names(void **state)
{
    static const struct {
        const char *name;
        enum archive_name verdict;
        const char *path;
    } rows[] = {
        {"a", ARCHIVE_NAME_GOOD, "a"},
        {"./a//b/", ARCHIVE_NAME_GOOD, "a/b"},
        {"a/./b/.", ARCHIVE_NAME_GOOD, "a/b"},
        {"...", ARCHIVE_NAME_GOOD, "..."},
        {"..a/b..", ARCHIVE_NAME_GOOD, "..a/b.."},
        {"a\\..\\b", ARCHIVE_NAME_GOOD, "a\\..\\b"},
        {"\xff", ARCHIVE_NAME_GOOD, "\xff"},
        {"./", ARCHIVE_NAME_ROOT, ""},
        {".", ARCHIVE_NAME_ROOT, ""},
        {"", ARCHIVE_NAME_EMPTY, ""},
        {"/", ARCHIVE_NAME_ABSOLUTE, ""},
        {"/etc/passwd", ARCHIVE_NAME_ABSOLUTE, ""},
        {"//a", ARCHIVE_NAME_ABSOLUTE, ""},
        {"..", ARCHIVE_NAME_UPWARDS, NULL},
        {"../a", ARCHIVE_NAME_UPWARDS, NULL},
        {"a/../b", ARCHIVE_NAME_UPWARDS, NULL},
        {"a/..", ARCHIVE_NAME_UPWARDS, NULL},
        {"./../a", ARCHIVE_NAME_UPWARDS, NULL},
    };
    struct text path = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum archive_name verdict = archive_name_read(&path, rows[i].name);

        assert_int_equal(verdict, rows[i].verdict);
        if (rows[i].path != NULL)
            assert_string_equal(text_string(&path), rows[i].path);
        assert_int_equal(archive_name_fault(verdict) != NULL,
                         verdict != ARCHIVE_NAME_GOOD && verdict != ARCHIVE_NAME_ROOT);
    }
    text_free(&path);
}

static void links(void **state)
{
    static const struct {
        const char *path, *target;
        bool leaves;
    } rows[] = {
        {"l", "a", false},           {"l", "../a", true},
        {"d/l", "../a", false},      {"d/l", "../../a", true},
        {"l", "/a", true},           {"l", "a/../b", false},
        {"l", "a/../../b", true},    {"d/e/l", "../..", false},
        {"d/e/l", "../../..", true}, {"l", "", false},
        {"l", ".//./a", false},      {"l", "..", true},
        {"l", "...", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(archive_name_link_leaves(rows[i].path, rows[i].target),
                         rows[i].leaves);
}

/* ---- made-up names ---- */

static void make_up(struct text *name)
{
    static const char *const pieces[] = {"/", "/",    "..", ".", "a",
                                         "b", "\xff", "\\", " ", "\n"};

    text_clear(name);
    for (unsigned n = roll(9); n > 0; n--)
        text_add(name, pieces[roll(ARRAY_SIZE(pieces))]);
}

/* Where a walk along the target ends up, folder by folder: did it ever pass the top? */
static bool walks_out(const char *path, const char *target)
{
    struct text at = {0};
    char *rest = NULL, *copy, *slash = strrchr(path, '/');
    bool is_out = target[0] == '/';

    text_add_bytes(&at, path, slash == NULL ? 0 : (size_t)(slash - path));
    copy = strdup(target);
    for (char *c = strtok_r(copy, "/", &rest); c != NULL && !is_out;
         c = strtok_r(NULL, "/", &rest)) {
        if (strcmp(c, "..") == 0) {
            is_out = at.size == 0;
            slash = at.size == 0 ? NULL : strrchr(at.data, '/');
            at.size = slash == NULL ? 0 : (size_t)(slash - at.data);
            if (at.data != NULL)
                at.data[at.size] = '\0';
        } else if (strcmp(c, ".") != 0) {
            text_add_format(&at, "%s%s", at.size > 0 ? "/" : "", c);
        }
    }
    free(copy);
    text_free(&at);
    return is_out;
}

static void tell(unsigned seed)
{
    struct text name = {0}, path = {0}, again = {0};

    dice_seed(seed);
    for (unsigned i = 0; i < 2000; i++) {
        make_up(&name);
        if (archive_name_read(&path, text_string(&name)) != ARCHIVE_NAME_GOOD)
            continue;
        assert_true(entry_path_is_safe(text_string(&path)));
        assert_int_equal(archive_name_read(&again, text_string(&path)),
                         ARCHIVE_NAME_GOOD);
        assert_string_equal(text_string(&again), text_string(&path));
        make_up(&name);
        assert_int_equal(
            archive_name_link_leaves(text_string(&path), text_string(&name)),
            walks_out(text_string(&path), text_string(&name)));
    }
    text_free(&name);
    text_free(&path);
    text_free(&again);
}

static void made_up_names(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(links),
        cmocka_unit_test(made_up_names),
    };

    dice_stories(argc, argv, 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
