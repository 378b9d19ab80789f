/* A listing by pages and by folders says the same as all of it at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/file_level.h"
#include "base/mem.h"
#include "base/span.h"

static const char *const paths[] = {"a.txt", "a/b/1",   "a/b/2", "a/c",
                                    "a0",    "b/x/y/z", "c"};

struct seen {
    struct text text;
    char *last;
};

static void keep(struct seen *s, const char *path)
{
    free(s->last);
    s->last = mem_copy_string(path);
}

static void on_entry(void *ctx, const struct manifest_line *line)
{
    struct seen *s = ctx;

    text_add_format(&s->text, "%s ", line->entry.path);
    keep(s, line->entry.path);
}

static void on_folder(void *ctx, const char *path, uint64_t files, uint64_t bytes)
{
    struct seen *s = ctx;

    text_add_format(&s->text, "%s=%" PRIu64 ",%" PRIu64 " ", path, files, bytes);
    keep(s, path);
}

/* Returns the path with which it had enough, NULL where all were wanted. */
static const char *run_from(struct seen *s, struct file_level l, const char *from)
{
    const char *last = NULL;

    l.entry = on_entry;
    l.folder = on_folder;
    l.ctx = s;
    for (size_t i = 0; i < ARRAY_SIZE(paths) && last == NULL; i++) {
        const struct manifest_line line = {
            .entry = {.path = paths[i], .type = ENTRY_FILE, .stamp = {.size = 10}}};
        if (strcmp(paths[i], from) >= 0 && !file_level_take(&l, &line))
            last = paths[i];
    }
    file_level_end(&l);
    return last;
}

static const char *run(struct seen *s, struct file_level l)
{
    return run_from(s, l, "");
}

static void check(const struct file_level l, const char *expected)
{
    struct seen s = {0};

    run(&s, l);
    assert_string_equal(text_string(&s.text), expected);
    text_free(&s.text);
    free(s.last);
}

static void test_levels(void **state)
{
    (void)state;
    check((struct file_level){.prefix = ""}, "a.txt a/b/1 a/b/2 a/c a0 b/x/y/z c ");
    check((struct file_level){.prefix = "a/"}, "a/b/1 a/b/2 a/c ");
    check((struct file_level){.prefix = "", .is_level = true},
          "a.txt a/=3,30 a0 b/=1,10 c ");
    check((struct file_level){.prefix = "a/", .is_level = true}, "a/b/=2,20 a/c ");
    check((struct file_level){.prefix = "b/x/", .is_level = true}, "b/x/y/=1,10 ");
    check((struct file_level){.prefix = "nothing/", .is_level = true}, "");
}

static void test_pages(void **state)
{
    struct file_level l = {.prefix = "", .is_level = true, .limit = 2};

    (void)state;
    check(l, "a.txt a/=3,30 ");
    l.after = "a/";
    check(l, "a0 b/=1,10 ");
    l.after = "b/";
    check(l, "c ");
    l.after = "c";
    check(l, "");
}

/* Page by page, of whatever size, each entry comes once. */
static void test_all_pages(void **state)
{
    (void)state;
    for (unsigned limit = 1; limit < 8; limit++) {
        for (int is_level = 0; is_level < 2; is_level++) {
            struct file_level l = {.prefix = "", .is_level = is_level, .limit = limit};
            struct seen all = {0}, pages = {0};
            size_t before;

            run(&all, (struct file_level){.prefix = "", .is_level = is_level});
            do {
                char *after = pages.last != NULL ? mem_copy_string(pages.last) : NULL;
                before = pages.text.size;
                l.after = after;
                run(&pages, l);
                free(after);
            } while (pages.text.size > before);
            assert_string_equal(text_string(&pages.text), text_string(&all.text));
            text_free(&all.text);
            text_free(&pages.text);
            free(all.last);
            free(pages.last);
        }
    }
}

/* Where the page may begin: what lies before that path adds nothing to it. */
static void check_from(const struct file_level l, const char *expected)
{
    struct seen whole = {0}, rest = {0};
    struct text from = {0};

    file_level_add_from(&l, &from);
    assert_string_equal(text_string(&from), expected);
    run(&whole, l);
    run_from(&rest, l, text_string(&from));
    assert_string_equal(text_string(&rest.text), text_string(&whole.text));
    text_free(&from);
    text_free(&whole.text);
    text_free(&rest.text);
    free(whole.last);
    free(rest.last);
}

static void test_from(void **state)
{
    (void)state;
    check_from((struct file_level){.prefix = ""}, "");
    check_from((struct file_level){.prefix = "a/", .is_level = true}, "a/");
    check_from((struct file_level){.prefix = "", .after = "a/", .is_level = true},
               "a0");
    check_from((struct file_level){.prefix = "", .after = "a0"}, "a0");
    check_from((struct file_level){.prefix = "a/", .after = "a/b/", .is_level = true},
               "a/b0");
    check_from((struct file_level){.prefix = "b/", .after = "a/c"}, "b/");
    check_from((struct file_level){.prefix = "a/", .after = "b/"}, "b0");
}

/* Nothing behind the prefix is asked for; a folder that is open there is told. */
static void test_stops_behind_the_prefix(void **state)
{
    struct seen s = {0};

    (void)state;
    assert_string_equal(run(&s, (struct file_level){.prefix = "a/", .is_level = true}),
                        "a0");
    assert_string_equal(text_string(&s.text), "a/b/=2,20 a/c ");
    assert_null(run(&s, (struct file_level){.prefix = "", .is_level = true}));
    text_free(&s.text);
    free(s.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_all_pages),
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_stops_behind_the_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
