/* Fields of JSON documents: what is no UTF-8, and what another program may have written. */
#include "agent/json_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/span.h"

static void check_printed(cJSON *object, const char *json)
{
    char *printed = cJSON_PrintUnformatted(object);

    assert_string_equal(printed, json);
    cJSON_free(printed);
    cJSON_Delete(object);
}

static void strings_go_in(void **state)
{
    cJSON *object = cJSON_CreateObject();

    (void)state;
    json_field_add_string(object, "none", NULL);
    json_field_add_string(object, "utf8", "\xc3\xa9\n");
    json_field_add_string(object, "bytes", "a\xff");
    json_field_add_printable(object, "none", NULL);
    json_field_add_printable(object, "printable", "\xc3\xa9\n");
    json_field_add_u64(object, "size", UINT64_C(1) << 53);
    check_printed(object, "{\"utf8\":\"\xc3\xa9\\n\",\"bytes\":\"a\\\\xff\","
                          "\"printable\":\"\xc3\xa9\\\\n\","
                          "\"size\":9007199254740992}");
}

static const struct {
    const char *json;
    uint64_t u64;
    int64_t i64;
} numbers[] = {
    {"{}", 0, 0},
    {"{\"n\":null}", 0, 0},
    {"{\"n\":\"7\"}", 0, 0},
    {"{\"n\":7}", 7, 7},
    {"{\"n\":-7}", 0, -7},
    {"{\"n\":9000000000000000}", UINT64_C(9000000000000000), INT64_C(9000000000000000)},
    {"{\"n\":9000000000000002}", 0, 0},
    {"{\"n\":-9000000000000002}", 0, 0},
    {"{\"n\":1e300}", 0, 0},
};

static void check_path(const char *path, const char *json)
{
    cJSON *object = cJSON_CreateObject(), *again;
    char *found;

    json_field_add_path(object, "p", path);
    again = cJSON_Parse(json);
    found = json_field_path(again, "p", NULL);
    if (path == NULL)
        assert_null(found);
    else
        assert_string_equal(found, path);
    free(found);
    cJSON_Delete(again);
    check_printed(object, json);
}

static void paths_go_both_ways(void **state)
{
    (void)state;
    check_path(NULL, "{}");
    check_path("", "{\"p\":\"\"}");
    check_path("\xc3\xa9\n\x1b\\", "{\"p\":\"\xc3\xa9\\n\\u001b\\\\\"}");
    check_path("a\xff", "{\"p_b64\":\"Yf8=\"}");
    check_path("/\xff\xfe\n", "{\"p_b64\":\"L//+Cg==\"}");
}

/* By another program. */
static void malformed_paths(void **state)
{
    static const char *const objects[] = {"{}", "{\"p_b64\":7}", "{\"p_b64\":\"Y\"}",
                                          "{\"p_b64\":\"AA==\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        cJSON *object = cJSON_Parse(objects[i]);
        char *found = json_field_path(object, "p", "else");

        assert_string_equal(found, "else");
        free(found);
        cJSON_Delete(object);
    }
}

static void numbers_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        cJSON *object = cJSON_Parse(numbers[i].json);

        assert_int_equal(json_field_u64(object, "n"), numbers[i].u64);
        assert_int_equal(json_field_i64(object, "n"), numbers[i].i64);
        cJSON_Delete(object);
    }
}

static void check_string(const char *json, const char *otherwise, const char *string)
{
    cJSON *object = cJSON_Parse(json);
    char *found = json_field_string(object, "s", otherwise);

    if (string == NULL)
        assert_null(found);
    else
        assert_string_equal(found, string);
    free(found);
    cJSON_Delete(object);
}

static void strings_come_out(void **state)
{
    (void)state;
    check_string("{\"s\":\"here\"}", "otherwise", "here");
    check_string("{\"s\":\"\"}", "otherwise", "");
    check_string("{}", "otherwise", "otherwise");
    check_string("{}", NULL, NULL);
    check_string("{\"s\":7}", "", "");
    check_string("{\"s\":null}", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_go_in),    cmocka_unit_test(paths_go_both_ways),
        cmocka_unit_test(malformed_paths),  cmocka_unit_test(numbers_come_out),
        cmocka_unit_test(strings_come_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
