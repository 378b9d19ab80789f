/* Tables: columns stand under each other whatever is in the cells. */
#include "agent/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(struct table *t, const char *golden)
{
    struct text out = {0};

    table_format(t, &out);
    assert_string_equal(text_string(&out), golden);
    text_free(&out);
    table_free(t);
}

/* stdout is no terminal under ctest: no colours, UTF-8. */
static void aligns(void **state)
{
    struct table *t =
        table_new((const char *const[]){"Name", "Version", "Size", "Status"}, 4);

    (void)state;
    table_align_right(t, 1);
    table_align_right(t, 2);
    table_add(t, (const char *const[]){"imagenet", "12", "1.5 GiB", "succeeded"});
    table_add(t, (const char *const[]){"x", "1", "17 B", NULL});
    expect(t, "Name      Version     Size  Status\n"
              "imagenet       12  1.5 GiB  succeeded\n"
              "x               1     17 B  \n");
}

static void survives_names(void **state)
{
    struct table *t = table_new((const char *const[]){"Path", "Size"}, 2);

    (void)state;
    table_add(t, (const char *const[]){"\xe6\x97\xa5\xe6\x9c\xac", "1"}); /* 4 cells */
    table_add(t, (const char *const[]){"e\xcc\x81t\xc3\xa9", "2"});       /* 3 cells */
    table_add(t, (const char *const[]){"a\x1b[2J\n", "3"});
    table_add(t, (const char *const[]){"z\xe2\x80\x8bz\xff", "4"});
    expect(t, "Path            Size\n"
              "\xe6\x97\xa5\xe6\x9c\xac            1\n"
              "e\xcc\x81t\xc3\xa9             2\n"
              "a\\x1b[2J\\n      3\n"
              "z\\u{200B}z\\xff  4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns),
        cmocka_unit_test(survives_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
