/* A line into words: what a POSIX shell makes of it, less all that it expands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/shell_words.h"
#include "base/span.h"

static const struct {
    const char *line;
    const char *words[6]; /* NULL behind the last; none at all: no line */
} rows[] = {
    {"", {NULL}},
    {" \t\n ", {NULL}},
    {"a", {"a"}},
    {"  a  b\tc\nd ", {"a", "b", "c", "d"}},
    {"'a b' \"c d\"", {"a b", "c d"}},
    {"a'b c'd\"e f\"g", {"ab cde fg"}},
    {"'' \"\" a", {"", "", "a"}},
    {"a\\ b c\\\\d \\'e", {"a b", "c\\d", "'e"}},
    {"'a\\' \"b\\\"c\\\\d\\e\"", {"a\\", "b\"c\\d\\e"}},
    {"'\"' \"'\"", {"\"", "'"}},
    {"$HOME `id` a;b|c *", {"$HOME", "`id`", "a;b|c", "*"}},
};

static void splits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t n, expected = 0;
        char **words = shell_words_split(rows[i].line, &n);

        while (rows[i].words[expected] != NULL)
            expected++;
        assert_non_null(words);
        assert_int_equal(n, expected);
        for (size_t w = 0; w < n; w++)
            assert_string_equal(words[w], rows[i].words[w]);
        assert_null(words[n]);
        shell_words_free(words);
    }
}

static void refuses(void **state)
{
    static const char *const lines[] = {"'",         "a 'b", "\"",
                                        "a \"b\\\"", "a\\",  "'a\\'\\"};
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_null(shell_words_split(lines[i], &n));
    shell_words_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(splits),
                                       cmocka_unit_test(refuses)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
