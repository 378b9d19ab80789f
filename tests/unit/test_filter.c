/* The pattern language of filter.h as tables: what a rule matches, what a list takes.
 */
#include "manifest/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/span.h"

/* ---- one pattern ---- */

struct match {
    const char *pattern, *path;
    char expected; /* y: excluded; n: in; a path that ends in '/' is a folder */
};

static const struct match matches[] = {
    /* a name at any depth, and what lies in a folder of that name */
    {"x", "x", 'y'},
    {"x", "a/x", 'y'},
    {"x", "a/b/x", 'y'},
    {"x", "x/a", 'y'},
    {"x", "a/x/b/c", 'y'},
    {"x", "xx", 'n'},
    {"x", "a/xx/b", 'n'},
    {"*.tmp", "a.tmp", 'y'},
    {"*.tmp", "d/.tmp", 'y'},
    {"*.tmp", "a.tmp/kept.jpg", 'y'},
    {"*.tmp", "a.tmpx", 'n'},
    {"*", "anything/at/all", 'y'},
    {"**", "anything/at/all", 'y'},
    {"**", "e/", 'y'},
    {"a*b*c", "aXbYbZc", 'y'},
    {"a*b*c", "aXbYbZ", 'n'},
    {"a**c", "abc", 'y'},
    {"a**c", "a/c", 'n'},
    {"?", "a", 'y'},
    {"?", "ab", 'n'},
    {"?", "\xc3\xbc", 'y'},
    {"?", "\xff", 'y'},
    {"??", "\xff\xc3\xbc", 'y'},
    {"?.c", "dir/a.c", 'y'},

    /* from the root */
    {"/x", "x", 'y'},
    {"/x", "x/below", 'y'},
    {"/x", "a/x", 'n'},
    {"a/x", "a/x", 'y'},
    {"a/x", "b/a/x", 'n'},
    {"./x", "x", 'y'},
    {"./x", "a/x", 'n'},
    {"a//x", "a/x", 'y'},
    {"a/*", "a/x", 'y'},
    {"a/*", "a/x/y", 'y'},
    {"a/*", "a", 'n'},
    {"a/*/c", "a/b/c", 'y'},
    {"a/*/c", "a/b/b/c", 'n'},
    {"a/?/c", "a//c", 'n'},

    /* two stars */
    {"**/x", "x", 'y'},
    {"**/x", "a/b/x", 'y'},
    {"**/x", "a/b/x/y", 'y'},
    {"**/x", "a/b/y", 'n'},
    {"a/**", "a/x", 'y'},
    {"a/**", "a/x/y", 'y'},
    {"a/**", "a", 'n'},
    {"a/**", "a/", 'n'},
    {"a/**", "b/a/x", 'n'},
    {"a/**/x", "a/x", 'y'},
    {"a/**/x", "a/b/c/x", 'y'},
    {"a/**/x", "a/b/c/y", 'n'},
    {"a/**/b/**/c", "a/b/x/b/y/c", 'y'},
    {"a/**/b/c", "a/b/b/x/b/c", 'y'},
    {"a/**/b/c", "a/b/b/x/b/d", 'n'},
    {"**/a/b", "a/a/b", 'y'},
    {"**/**/x", "a/x", 'y'},
    {"/**/x", "x", 'y'},

    /* folders only */
    {"dir/", "dir", 'n'},
    {"dir/", "dir/", 'y'},
    {"dir/", "dir/x", 'y'},
    {"dir/", "a/dir/x", 'y'},
    {"dir/", "a/dir", 'n'},
    {"/dir/", "a/dir/x", 'n'},
    {"a/*/", "a/x", 'n'},
    {"a/*/", "a/x/y", 'y'},
    {"a/**/", "a/x", 'n'},
    {"a/**/", "a/x/y", 'y'},

    /* classes and escapes */
    {"[abc]", "b", 'y'},
    {"[abc]", "d", 'n'},
    {"[a-c]x", "cx", 'y'},
    {"[!a-c]x", "dx", 'y'},
    {"[!a-c]x", "ax", 'n'},
    {"[^a-c]x", "ax", 'n'},
    {"[]a]", "]", 'y'},
    {"[!]a]", "]", 'n'},
    {"[a-]", "-", 'y'},
    {"[a\\-c]", "b", 'n'},
    {"[a\\-c]", "-", 'y'},
    {"[\\]]", "]", 'y'},
    {"[\xc3\xa4-\xc3\xbc]", "\xc3\xb6", 'y'},
    {"[!a]", "\xc3\xb6", 'y'},
    {"[[:digit:]_]*", "7up", 'y'},
    {"[[:digit:]_]*", "_up", 'y'},
    {"[[:digit:]_]*", "up", 'n'},
    {"*[0-9][0-9]", "file1x42", 'y'},
    {"\\*", "*", 'y'},
    {"\\*", "x", 'n'},
    {"\\[a]", "[a]", 'y'},
    {"a\\?b", "a?b", 'y'},
    {"a\\?b", "axb", 'n'},
    {"\\!x", "!x", 'y'},
    {"\\\\", "\\", 'y'},
    {"*.JPG", "a.jpg", 'n'},
};

static bool takes_path(const struct filter *filter, const char *path)
{
    size_t length = strlen(path);
    char *copy = mem_copy_string(path);
    bool is_folder = path[length - 1] == '/', is_in;

    if (is_folder)
        copy[length - 1] = '\0';
    is_in = is_folder ? filter_takes_folder(filter, copy) : filter_takes(filter, copy);
    free(copy);
    return is_in;
}

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
        struct filter *filter = filter_new();
        struct error err = {0};

        if (filter_add(filter, false, matches[i].pattern, &err) != 0)
            fail_msg("%s: %s", matches[i].pattern, err.text);
        if (takes_path(filter, matches[i].path) != (matches[i].expected == 'n'))
            fail_msg("pattern %s, path %s", matches[i].pattern, matches[i].path);
        filter_free(filter);
    }
}

static void test_malformed(void **state)
{
    static const char *const malformed[] = {
        "",   "/",     "//",  ".",     "./",    "..",       "a/../b", "[abc",
        "[]", "[z-a]", "a\\", "a\\/b", "[a/b]", "[[:no:]]", "[a-",    "[!]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        struct filter *filter = filter_new();
        struct error err = {0};

        if (filter_add(filter, false, malformed[i], &err) == 0)
            fail_msg("taken: %s", malformed[i]);
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_string_equal(filter_spell(filter), "");
        filter_free(filter);
    }
}

/* ---- lists of rules ---- */

enum { MAX_RULES = 4 };

struct list {
    const char *rules[MAX_RULES]; /* with '-' or '+' in front */
    const char *path;
    bool is_in;
};

static const struct list lists[] = {
    {{NULL}, "x", true},
    {{"-*", "+*.jpg"}, "a.jpg", true},
    {{"-*", "+*.jpg"}, "deep/down/a.jpg", true},
    {{"-*", "+*.jpg"}, "deep/down/a.png", false},
    {{"-*", "+*.jpg"}, "empty/", false},
    {{"+*.jpg", "-*"}, "a.jpg", false},
    {{"+*.jpg"}, "a.png", true},
    {{"-cache/", "+keep.txt"}, "cache/keep.txt", true},
    {{"-cache/", "+keep.txt"}, "cache/other.txt", false},
    {{"-*", "+/a/**"}, "a/b/c", true},
    {{"-*", "+/a/**"}, "b/a/c", false},
    {{"-*", "+a/", "-*.o"}, "a/x.c", true},
    {{"-*", "+a/", "-*.o"}, "a/x.o", false},
    {{"-*.o", "+x.o", "-build"}, "x.o", true},
    {{"-*.o", "+x.o", "-build"}, "build/x.o", false},
};

static struct filter *filter_of(const char *const *rules)
{
    struct filter *filter = filter_new();
    struct error err;

    for (unsigned i = 0; i < MAX_RULES && rules[i] != NULL; i++)
        assert_int_equal(filter_add(filter, rules[i][0] == '+', rules[i] + 1, &err), 0);
    return filter;
}

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct filter *filter = filter_of(lists[i].rules);

        if (takes_path(filter, lists[i].path) != lists[i].is_in)
            fail_msg("list %zu (%s), path %s", i, filter_spell(filter), lists[i].path);
        filter_free(filter);
    }
}

static const struct list entered[] = {
    {{NULL}, "a", true},
    {{"-a"}, "a", false},
    {{"-a"}, "a/b", false},
    {{"-a/"}, "a", false},
    {{"-a/**"}, "a", true}, /* the folder itself may be an entry */
    {{"-a/**"}, "a/b", false},
    {{"-*"}, "a", false},
    {{"-*", "+*.jpg"}, "a", true},
    {{"-*", "+*.jpg"}, "a/b/c", true},
    {{"-*", "+/a/b/*.jpg"}, "a", true},
    {{"-*", "+/a/b/*.jpg"}, "a/b", true},
    {{"-*", "+/a/b/*.jpg"}, "a/b/c", false},
    {{"-*", "+/a/b/*.jpg"}, "a/b/c.jpg", true},
    {{"-*", "+/a/b/*.jpg"}, "a/c", false},
    {{"-*", "+/a/b/*.jpg"}, "b", false},
    {{"-*", "+/a/**/x"}, "a/b/c/d", true},
    {{"-*", "+/a/**/x"}, "b", false},
    {{"+*.jpg", "-a"}, "a", false},
    {{"-*", "+a/"}, "a", true},
    {{"-*", "+a/"}, "a/b", true},
};

static void test_enters(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(entered); i++) {
        struct filter *filter = filter_of(entered[i].rules);
        bool is_in = filter_enters(filter, entered[i].path);

        if (is_in != entered[i].is_in)
            fail_msg("list %zu (%s), folder %s", i, filter_spell(filter),
                     entered[i].path);
        filter_free(filter);
    }
}

/* Whatever the rules, no file that is in may lie below a folder that is not entered. */
static void test_enters_is_safe(void **state)
{
    static const char *const patterns[] = {"a",    "*",    "b/",     "a/**", "**/b",
                                           "/a/b", "a/*/", "[!a]/b", "b",    "a/**/b"};
    static const char *const names[] = {"a", "b", "c"};
    uint64_t seed = 42;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct filter *filter = filter_new();
        struct error err;
        char path[16] = "";

        for (unsigned i = 0; i < 3; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            filter_add(filter, seed >> 63,
                       patterns[(seed >> 33) % ARRAY_SIZE(patterns)], &err);
        }
        for (size_t length = 0; length < 8; length += 2) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            snprintf(path + length, sizeof path - length, "%s%s", length ? "/" : "",
                     names[(seed >> 33) % ARRAY_SIZE(names)]);
            length -= length == 0;
        }
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            bool is_entered = filter_enters(filter, path);
            bool is_in = filter_takes_folder(filter, path);
            *slash = '/';
            if (!is_entered && (is_in || filter_takes(filter, path)))
                fail_msg("%s: %s", filter_spell(filter), path);
        }
        filter_free(filter);
    }
}

/* ---- files of rules, and spelling ---- */

static void write_file(char *name, const char *content, size_t size)
{
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), (ssize_t)size);
    close(fd);
}

static void test_file(void **state)
{
    static const char content[] = "# objects\n\n*.o\r\n  \t\n!keep.o\n\\#x\nlast one";
    char name[] = "/tmp/test_filter.XXXXXX";
    struct filter *filter = filter_new();
    struct error err = {0};

    (void)state;
    write_file(name, content, sizeof content - 1);
    assert_int_equal(filter_add_file(filter, name, &err), 0);
    assert_false(filter_takes(filter, "a/x.o"));
    assert_true(filter_takes(filter, "a/keep.o"));
    assert_false(filter_takes(filter, "#x"));
    assert_true(filter_takes(filter, "# objects"));
    assert_false(filter_takes(filter, "last one"));
    assert_string_equal(filter_spell(filter), "-*.o +keep.o -\\#x -last%20one");
    filter_free(filter);
    unlink(name);
}

static void test_bad_files(void **state)
{
    char name[] = "/tmp/test_filter.XXXXXX";
    struct filter *filter = filter_new();
    struct error err = {0};

    (void)state;
    write_file(name, "fine\n[bad\n", 10);
    assert_int_equal(filter_add_file(filter, name, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "line 2"));
    assert_non_null(strstr(err.text, "[bad"));
    unlink(name);
    assert_int_equal(filter_add_file(filter, name, &err), -1);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(filter_add_file(filter, "/tmp", &err), -1);
    filter_free(filter);
}

static void test_spelling(void **state)
{
    static const char *const one[] = {"-a", "-b", NULL, NULL};
    static const char *const other[] = {"-a -b", NULL, NULL, NULL};
    struct filter *a = filter_of(one), *b = filter_of(other), *c = filter_of(one);

    (void)state;
    assert_string_equal(filter_spell(a), "-a -b");
    assert_string_equal(filter_spell(b), "-a%20-b");
    assert_string_equal(filter_spell(c), filter_spell(a));
    filter_free(a);
    filter_free(b);
    filter_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_enters),
        cmocka_unit_test(test_enters_is_safe), cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),      cmocka_unit_test(test_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
