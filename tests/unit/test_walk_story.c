/*
 * Random trees, with random filters, lists of files and little memory, against a plain
 * recursion (walk_tree.c).  Names are made of few letters, most of which come before
 * '/', so that siblings often lie between a folder and its content. Rerun one story:
 * test_walk_story <seed>.
 */
#include "manifest/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/span.h"
#include "walk_tree.h"

static uint64_t rng;

static unsigned roll(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % n;
}

static void roll_name(char *name)
{
    static const char letters[] = "aab.--0 \x01\xff";
    unsigned length = 1 + roll(4);

    do {
        for (unsigned i = 0; i < length; i++)
            name[i] = letters[roll(sizeof letters - 1)];
        name[length] = '\0';
    } while (strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
}

static void roll_tree(const char *base, const char *path, unsigned depth, int *links)
{
    static const char *const targets[] = {"..",  "../..",   "a", "aa",
                                          "a/a", "nowhere", "b"};
    unsigned n = roll(8);

    for (unsigned i = 0; i < n; i++) {
        char name[8], *below, *full;
        unsigned kind = roll(20);
        struct stat st;

        roll_name(name);
        assert_true(asprintf(&below, "%s%s", path, name) > 0);
        full = tree_path(base, below);
        free(below);
        if (lstat(full, &st) == 0)
            kind = 99; /* there already */
        assert_true(asprintf(&below, "%s%s%s", path, name, kind < 8 ? "/" : "") > 0);
        if (kind < 8)
            tree_folder(base, below);
        if (kind < 8 && depth > 0)
            roll_tree(base, below, depth - 1, links);
        else if (kind >= 8 && kind < 17)
            tree_file(base, below, roll(100));
        else if (kind >= 17 && kind < 19 && (*links)-- > 0)
            tree_link(base, below, targets[roll(ARRAY_SIZE(targets))]);
        else if (kind == 19)
            assert_int_equal(mkfifo(full, 0600), 0);
        free(full);
        free(below);
    }
}

/* The path in a line of walk_tree.h: without what comes behind it.  Freed by the
 * caller. */
static char *path_of(const char *line, bool is_entry)
{
    const char *start = strchr(line, ' ') + 1;
    const char *end = start + strlen(start);

    if (is_entry && strncmp(line, "dir ", 4) != 0)
        end = strrchr(start, ' '); /* sizes and targets here have no spaces */
    return mem_copy_bytes(start, (size_t)(end - start));
}

static bool is_listed(const struct lines *list, const char *path)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t length = strlen(list->lines[i]);

        if (strncmp(path, list->lines[i], length) == 0 &&
            (path[length] == '\0' || path[length] == '/'))
            return true;
    }
    return false;
}

static void drop_unlisted(struct lines *lines, const struct lines *list, bool is_entry)
{
    size_t n = 0;

    for (size_t i = 0; i < lines->n; i++) {
        char *path = path_of(lines->lines[i], is_entry);

        if (is_listed(list, path))
            lines->lines[n++] = lines->lines[i];
        else
            free(lines->lines[i]);
        free(path);
    }
    lines->n = n;
}

/* Some of the paths that are there, or folders above them, in any order. */
static void roll_list(struct setting *s, struct found *expected)
{
    struct lines list = {0};
    FILE *file = fopen(s->list, "we");

    assert_non_null(file);
    for (unsigned n = roll(12); n > 0 && expected->entries.n > 0; n--) {
        char *path =
            path_of(expected->entries.lines[roll((unsigned)expected->entries.n)], true);
        char *slash = strrchr(path, '/');

        if (slash != NULL && roll(2) == 0)
            *slash = '\0';
        if (strspn(path, " ") != strlen(path)) { /* a blank line says nothing */
            lines_add(&list, "%s", path);
            fprintf(file, "%s%s\n", roll(4) == 0 ? "./" : "", path);
        }
        free(path);
    }
    fclose(file);
    s->options.files_from = s->list;
    drop_unlisted(&expected->entries, &list, true);
    drop_unlisted(&expected->issues, &list, false);
    lines_free(&list);
}

static struct filter *roll_filter(void)
{
    static const char *const patterns[] = {"a*", "*a*",  "**/-*", "a/",
                                           "?",  "a/**", "*"};
    struct filter *filter = filter_new();
    struct error err;

    for (unsigned n = roll(4); n > 0; n--)
        filter_add(filter, roll(2) == 0, patterns[roll(ARRAY_SIZE(patterns))], &err);
    return filter;
}

static void tell(uint64_t seed)
{
    struct setting s = setting_new();
    int links = 4;

    rng = seed * 1000003;
    print_message("seed %llu\n", (unsigned long long)seed);
    roll_tree(s.base, "", 4, &links);
    for (unsigned i = 0; i < 12; i++) {
        struct found expected = {0}, found = {0};
        struct filter *filter = roll_filter();
        unsigned n_listed;

        s.options.symlinks = (enum walk_symlinks)(roll(2) * roll(3));
        s.options.sort_bytes = roll(2); /* 1: everything to disk */
        s.options.filter = filter;
        s.options.files_from = NULL;
        found_plainly(&expected, s.root, s.options.symlinks, filter);
        n_listed = roll(2);
        if (n_listed > 0)
            roll_list(&s, &expected);
        found_walk(&found, &s.options);
        lines_check(&found.entries, &expected.entries);
        lines_check(&found.issues, &expected.issues);
        found_free(&found);
        found_free(&expected);
        filter_free(filter);
    }
    setting_free(&s);
}

static void test_random_trees(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        tell(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_trees),
    };

    if (argc > 1) {
        tell(strtoull(argv[1], NULL, 10));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
