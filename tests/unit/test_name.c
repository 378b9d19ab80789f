/* Names of datastores: given, derived, with a version. */
#include "agent/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"

enum what { FILE_, FOLDER, URL };

static const struct {
    const char *source;
    enum what what;
    const char *name; /* NULL: --name is asked for */
} derived[] = {
    /* the documentation's own */
    {"s3://ryft-public-sample-data/esRedditJson/", URL, "esredditjson"},
    {"https://datastore-public-bucket-access-test-bucket.s3.amazonaws.com/subfolder/"
     "trainingSet.tar.gz",
     URL, "trainingset"},
    /* s3 */
    {"s3://ryft-public-sample-data/esRedditJson", URL, "esredditjson"},
    {"S3://Bucket/a/B//", URL, "b"},
    {"s3://bucket", URL, "bucket"},
    {"s3://bucket/", URL, "bucket"},
    {"s3://bucket/data.zip", URL, "data.zip"},
    {"s3://bucket/a%20b", URL, "a20b"},
    {"s3://bucket/what?now", URL, "whatnow"},
    {"s3://", URL, NULL},
    /* URLs */
    {"http://host/a/Data.ZIP", URL, "data"},
    {"HTTPS://host/data.tgz", URL, "data"},
    {"https://host/data.tar", URL, "data"},
    {"https://host/data.csv", URL, "data.csv"},
    {"https://host/data.zip?token=a/b.tar.gz&x=1", URL, "data"},
    {"https://host/data.zip#frag/ment", URL, "data"},
    {"https://host/my%20data%2Etar.gz", URL, "mydata"},
    {"https://host/a%2Fb.zip", URL, "ab"},
    {"https://host/100%.zip", URL, "100"},
    {"https://host/%zz.zip", URL, "zz"},
    {"https://host/%C3%A9t%C3%A9.zip", URL, "t"},
    {"https://host/folder/", URL, "folder"},
    {"https://host/.zip", URL, "zip"},
    {"https://host/", URL, NULL},
    {"https://host", URL, NULL},
    {"https://host?data.zip", URL, NULL},
    {"https://user:pw@host:8080", URL, NULL},
    {"https://host/%00a.zip", URL, NULL},
    /* folders keep their suffix */
    {"/data/imagenet_folder", FOLDER, "imagenet_folder"},
    {"/data/v1.2-final", FOLDER, "v1.2-final"},
    {"/data/set.tar.gz", FOLDER, "set.tar.gz"},
    {"/My Data Set", FOLDER, "mydataset"},
    {"/data/_._hidden", FOLDER, "hidden"},
    {"/home/user/.cache", FOLDER, "cache"},
    {"/naïve café", FOLDER, "navecaf"},
    {"/a+b=c", FOLDER, "abc"},
    {"/tab\there\x7f", FOLDER, "tabhere"},
    {"/日本", FOLDER, NULL},
    {"/...", FOLDER, NULL},
    {"/", FOLDER, NULL},
    /* files lose theirs */
    {"/data/photo.PNG", FILE_, "photo"},
    {"/data/trainingSet.zip", FILE_, "trainingset"},
    {"/data/train.tar.gz", FILE_, "train"},
    {"/data/train.v1.2.csv", FILE_, "train.v1.2"},
    {"/data/noSuffix", FILE_, "nosuffix"},
    {"/data/.bashrc", FILE_, "bashrc"},
    {"/data/.tar.gz", FILE_, "tar"},
    {"/data/dot.", FILE_, "dot"},
    {"/folder.d/file", FILE_, "file"},
};

static void derives(void **state)
{
    char name[NAME_MAX_BYTES + 1];
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(derived); i++) {
        int status;

        error_clear(&err);
        status = name_derive(name, derived[i].source, derived[i].what == FOLDER, &err);
        if (derived[i].name == NULL) {
            assert_int_equal(status, -1);
            assert_int_equal(err.kind, ERROR_USAGE);
            assert_non_null(strstr(err.text, "--name"));
            continue;
        }
        if (status != 0)
            print_message("%s: %s\n", derived[i].source, err.text);
        assert_int_equal(status, 0);
        assert_string_equal(name, derived[i].name);
        assert_true(name_is_valid(name));
    }
}

static void truncates(void **state)
{
    char source[1000], name[NAME_MAX_BYTES + 1];
    struct error err;

    (void)state;
    memset(source, 'x', sizeof source);
    source[0] = '/';
    source[sizeof source - 1] = '\0';
    assert_int_equal(name_derive(name, source, true, &err), 0);
    assert_int_equal(strlen(name), NAME_MAX_BYTES);
    assert_true(name_is_valid(name));
}

static void validates(void **state)
{
    static const char *const good[] = {"a",    "A", "0", "imagenet-2012_v1.5",
                                       "x..y", "1-"};
    static const char *const bad[] = {"",    ".a", "-a",  "_a",   "a b", "a/b",
                                      "a:1", "é",  "a\n", "../a", "a%",  "a\\b"};
    char name[NAME_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(name_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(name_is_valid(bad[i]));
    memset(name, 'a', sizeof name);
    name[NAME_MAX_BYTES + 1] = '\0';
    assert_false(name_is_valid(name));
    name[NAME_MAX_BYTES] = '\0';
    assert_true(name_is_valid(name));
}

static void parses(void **state)
{
    static const char *const bad[] = {"",
                                      ":1",
                                      "a:",
                                      "a:0",
                                      "a:-1",
                                      "a:x",
                                      "a:1:2",
                                      "a b:1",
                                      "a:1 ",
                                      "a: 1",
                                      "a:99999999999999999999"};
    char name[NAME_MAX_BYTES + 1], longest[200];
    uint64_t version;
    struct error err;

    (void)state;
    assert_int_equal(name_parse(name, &version, "imagenet", &err), 0);
    assert_string_equal(name, "imagenet");
    assert_int_equal(version, 0);
    assert_int_equal(name_parse(name, &version, "imagenet:12", &err), 0);
    assert_string_equal(name, "imagenet");
    assert_int_equal(version, 12);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(name_parse(name, &version, bad[i], &err), -1);
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(name_parse(name, &version, longest, &err), -1);
}

static void knows_schemes(void **state)
{
    (void)state;
    assert_int_equal(name_scheme_of("S3://x"), NAME_S3);
    assert_int_equal(name_scheme_of("Http://x"), NAME_HTTP);
    assert_int_equal(name_scheme_of("https://x"), NAME_HTTP);
    assert_int_equal(name_scheme_of("s3:/x"), NAME_LOCAL);
    assert_int_equal(name_scheme_of("./s3"), NAME_LOCAL);
    assert_int_equal(name_scheme_of(""), NAME_LOCAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives),       cmocka_unit_test(truncates),
        cmocka_unit_test(validates),     cmocka_unit_test(parses),
        cmocka_unit_test(knows_schemes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
