/* Growing strings, escaping, and what people may type. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"

static void expect_json(const char *bytes, size_t size, const char *json)
{
    struct text t = {0};

    text_add_json(&t, bytes, size);
    assert_string_equal(text_string(&t), json);
    text_free(&t);
}

static void expect_printable(const char *bytes, const char *shown)
{
    struct text t = {0};

    text_add_printable(&t, bytes, strlen(bytes));
    assert_string_equal(text_string(&t), shown);
    text_free(&t);
}

static void expect_uri(const char *bytes, size_t size, bool keep_slash, const char *uri)
{
    struct text t = {0};

    text_add_uri(&t, bytes, size, keep_slash);
    assert_string_equal(text_string(&t), uri);
    text_free(&t);
}

static void percent_encodes(void **state)
{
    (void)state;
    expect_uri("", 0, true, "");
    expect_uri("AZaz09-._~", 10, false, "AZaz09-._~");
    expect_uri("a/b c+d", 7, true, "a/b%20c%2Bd");
    expect_uri("a/b", 3, false, "a%2Fb");
    expect_uri("\0\x7f\xff%*'!", 7, true, "%00%7F%FF%25%2A%27%21");
    expect_uri("\xe1\x88\xb4", 3, true, "%E1%88%B4");
}

static void grows(void **state)
{
    struct text t = {0};
    char *taken;

    (void)state;
    assert_string_equal(text_string(&t), "");
    text_add(&t, "");
    assert_non_null(t.data);
    for (int i = 0; i < 1000; i++)
        text_add_format(&t, "%d,", i);
    assert_int_equal(t.size, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(t.data), t.size);
    assert_memory_equal(t.data, "0,1,2,3,", 8);
    assert_string_equal(t.data + t.size - 8, "998,999,");
    text_clear(&t);
    assert_string_equal(text_string(&t), "");
    text_add_bytes(&t, "a\0b", 3);
    assert_int_equal(t.size, 3);
    assert_memory_equal(t.data, "a\0b", 4);
    taken = text_take(&t);
    assert_null(t.data);
    assert_string_equal(taken, "a");
    free(taken);
    taken = text_take(&t);
    assert_string_equal(taken, "");
    free(taken);
}

static void formats_of_any_length(void **state)
{
    (void)state;
    /* Around every edge of the room: nothing is cut off, nothing written beyond it. */
    for (int length = 0; length < 300; length++) {
        struct text t = {0};

        text_add(&t, "x");
        text_add_format(&t, "%*s", length, "");
        assert_int_equal(t.size, 1 + length);
        assert_int_equal(strlen(t.data), t.size);
        text_free(&t);
    }
}

static void json_strings(void **state)
{
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json("a/b c", 5, "\"a/b c\"");
    expect_json("\"\\\n\t\r\b\f", 7, "\"\\\"\\\\\\n\\t\\r\\b\\f\"");
    expect_json("a\0b\x1b\x7f", 5, "\"a\\u0000b\\u001b\\u007f\"");
    expect_json("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11,
                "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
}

static void printable(void **state)
{
    (void)state;
    expect_printable("", "");
    expect_printable("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    expect_printable("a\nb\tc\rd", "a\\nb\\tc\\rd");
    expect_printable("\x1b[31mred\x7f", "\\x1b[31mred\\x7f");
    expect_printable("\xc2\x9b"
                     "31m",
                     "\\xc2\\x9b31m"); /* CSI as U+009B */
    expect_printable("\xff-\xc3", "\\xff-\\xc3");
    expect_printable("\xe2\x80\xae"
                     "gpj.exe",
                     "\\xe2\\x80\\xaegpj.exe");
    expect_printable("\xe2\x82\xac\xe2\x80\x93",
                     "\xe2\x82\xac\xe2\x80\x93"); /* EUR, dash */
}

static void utf8(void **state)
{
    static const char *const good[] = {"",
                                       "plain ASCII, longer than eight",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "1234567\xc3\xa4"
                                       "123456789"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xc3(",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "12345678\xfe"
                                      "12345678"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
}

static void hex(void **state)
{
    struct text t = {0};
    uint8_t bytes[4];
    size_t size;

    (void)state;
    text_add_hex(&t, "\x00\x1f\xab\xff", 4);
    assert_string_equal(text_string(&t), "001fabff");
    assert_int_equal(text_parse_hex("001fABff", 8, bytes, 4, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "\x00\x1f\xab\xff", 4);
    assert_int_equal(text_parse_hex("", 0, bytes, 4, &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(text_parse_hex("0", 1, bytes, 4, &size), -1);
    assert_int_equal(text_parse_hex("0g", 2, bytes, 4, &size), -1);
    assert_int_equal(text_parse_hex("0011223344", 10, bytes, 4, &size), -1);
    text_free(&t);
}

static void expect_base64(const char *plain, const char *encoded)
{
    struct text t = {0};
    uint8_t bytes[16];
    size_t size;

    text_add_base64(&t, plain, strlen(plain));
    assert_string_equal(text_string(&t), encoded);
    assert_int_equal(text_parse_base64(encoded, strlen(encoded), bytes, 6, &size), 0);
    assert_int_equal(size, strlen(plain));
    assert_memory_equal(bytes, plain, size);
    text_free(&t);
}

static void base64(void **state)
{
    static const char *const bad[] = {"A",    "AA",   "AAA",  "AAA!",
                                      "====", "A===", "AA=A", "QQ==QQ==",
                                      "QR==", "QUJ=", "AA-_"};
    uint8_t bytes[16];
    size_t size;

    (void)state;
    expect_base64("", ""); /* RFC 4648, section 10 */
    expect_base64("f", "Zg==");
    expect_base64("fo", "Zm8=");
    expect_base64("foo", "Zm9v");
    expect_base64("foob", "Zm9vYg==");
    expect_base64("fooba", "Zm9vYmE=");
    expect_base64("foobar", "Zm9vYmFy");
    expect_base64("\xff\xef\xbe", "/+++");
    assert_int_equal(text_parse_base64("Zm9vYmFy", 8, bytes, 5, &size), -1);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(text_parse_base64(bad[i], strlen(bad[i]), bytes, 16, &size),
                         -1);
}

static void whole_numbers(void **state)
{
    static const char *const bad[] = {"",   "-1",  "+1",  " 1",
                                      "1 ", "0x1", "1.0", "18446744073709551616"};
    uint64_t n;

    (void)state;
    assert_int_equal(text_parse_u64("18446744073709551615", &n), 0);
    assert_true(n == UINT64_MAX);
    assert_int_equal(text_parse_u64("007", &n), 0);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(text_parse_u64(bad[i], &n), -1);
}

static void sizes_typed(void **state)
{
    static const struct {
        const char *typed;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"1024", 1024},
                {"64M", UINT64_C(64) << 20},
                {"1.5G", UINT64_C(3) << 29},
                {"16MiB", 16 << 20},
                {"20kB", 20480},
                {"7b", 7},
                {"0.5k", 512},
                {"1.125T", UINT64_C(9) << 37},
                {"15E", UINT64_C(15) << 60}};
    static const char *const bad[] = {"",    "M",   "-1M", "1.5", "1.5B", "1.G", "1X",
                                      "1MM", "1iB", "16E", "1 M", ".5G",  "1Mi"};
    uint64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(text_parse_size(good[i].typed, &n), 0);
        assert_true(n == good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(text_parse_size(bad[i], &n), -1);
}

static void durations_typed(void **state)
{
    static const struct {
        const char *typed;
        uint64_t ms;
    } good[] = {{"never", 0},       {"0", 0},
                {"90", 90000},      {"90s", 90000},
                {"500ms", 500},     {"10m", 600000},
                {"2h", 7200000},    {"1d", 86400000},
                {"1h30m", 5400000}, {"1d2h3m4s5ms", 93784005}};
    static const char *const bad[] = {"",
                                      "h",
                                      "1x",
                                      "1h30",
                                      "30m1h",
                                      "1m1m",
                                      "-1s",
                                      "1.5h",
                                      "1 h",
                                      "Never",
                                      "18446744073709551615",
                                      "99999999999999d"};
    uint64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(text_parse_duration_ms(good[i].typed, &n), 0);
        assert_true(n == good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(text_parse_duration_ms(bad[i], &n), -1);
}

static void for_people(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *shown;
    } sizes[] = {{0, "0 B"},
                 {17, "17 B"},
                 {1023, "1023 B"},
                 {1024, "1 KiB"},
                 {1536, "1.5 KiB"},
                 {16 << 20, "16 MiB"},
                 {(16 << 20) + 1, "16.0 MiB"},
                 {UINT64_C(3) << 29, "1.5 GiB"},
                 {(1 << 20) - 1, "1.0 MiB"},
                 {(100 << 20) + (1 << 19), "101 MiB"},
                 {UINT64_MAX, "16.0 EiB"}};
    static const struct {
        uint64_t seconds;
        const char *shown;
    } durations[] = {{0, "0 s"},         {59, "59 s"},
                     {60, "1 min"},      {200, "3 min 20 s"},
                     {3600, "1 h"},      {7500, "2 h 5 min"},
                     {90000, "1 d 1 h"}, {86400 * 400 + 5, "400 d"}};
    struct text t = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        text_clear(&t);
        text_add_size(&t, sizes[i].bytes);
        assert_string_equal(text_string(&t), sizes[i].shown);
    }
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        text_clear(&t);
        text_add_duration(&t, durations[i].seconds);
        assert_string_equal(text_string(&t), durations[i].shown);
    }
    text_free(&t);
}

static void expect_time(int64_t ms, const char *string)
{
    char out[TEXT_TIME_MAX];
    int64_t back;

    text_time(out, ms);
    assert_string_equal(out, string);
    assert_int_equal(text_parse_time(out, &back), 0);
    assert_true(back == ms);
}

static void times(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-11-22",
                                      "2026-11-22T13:16:00",
                                      "2026-11-22T13:16:00.Z",
                                      "2026-13-22T13:16:00Z",
                                      "2026-02-30T13:16:00Z",
                                      "2026-11-22T24:16:00Z",
                                      "2026-11-22T13:16:00ZZ",
                                      "2026-11-22T13:16:00+1:00"};
    char out[TEXT_TIME_MAX];
    int64_t ms;

    (void)state;
    expect_time(0, "1970-01-01T00:00:00.000Z");
    expect_time(-1, "1969-12-31T23:59:59.999Z");
    expect_time(INT64_C(1795353360123), "2026-11-22T13:16:00.123Z");
    expect_time(INT64_C(1709164800000), "2024-02-29T00:00:00.000Z");
    assert_int_equal(text_parse_time("2026-11-22T14:16:00.1239+01:00", &ms), 0);
    assert_true(ms == INT64_C(1795353360123));
    assert_int_equal(text_parse_time("2026-11-22T13:16:00Z", &ms), 0);
    assert_true(ms == INT64_C(1795353360000));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(text_parse_time(bad[i], &ms), -1);
    text_time(out, INT64_MAX); /* nonsense from a server stays in bounds */
    text_time(out, INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(percent_encodes),
        cmocka_unit_test(formats_of_any_length),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(printable),
        cmocka_unit_test(utf8),
        cmocka_unit_test(hex),
        cmocka_unit_test(base64),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(sizes_typed),
        cmocka_unit_test(durations_typed),
        cmocka_unit_test(for_people),
        cmocka_unit_test(times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
