/* What a session says of itself comes back from its file, and stands in the JSON. */
#include "agent/session_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static struct session_status example(char *host)
{
    return (struct session_status){
        .name = (char *)"imagenet",
        .cluster = (char *)"lab",
        .store = (char *)"s3://bucket/sets",
        .source = (char *)"/data/\xff",
        .session = (char *)"0123abcd",
        .host = host,
        .state = (char *)"uploading",
        .log = (char *)"/state/x.log",
        .socket = (char *)"",
        .reason = (char *)"",
        .version = 3,
        .pid = getpid(),
        .files_total = 10,
        .bytes_total = 1 << 30,
        .bytes_sent = 70,
        .bytes_in_flight = 60,
        .limit = 10 << 20,
        .eta_s = -1,
        .scan_done = true,
        .exit_code = -1,
    };
}

static double number_of(const struct session_status *s, const char *field)
{
    struct text line = {0};
    cJSON *object;
    double number;

    session_json_add(&line, s);
    object = cJSON_Parse(text_string(&line));
    assert_non_null(object);
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(object, field)));
    number = cJSON_GetObjectItem(object, field)->valuedouble;
    cJSON_Delete(object);
    text_free(&line);
    return number;
}

static void comes_back(void **state)
{
    char file[] = "/tmp/test_session_status.XXXXXX", host[256] = "";
    struct session_status s = example(host), read;
    int fd = mkstemp(file);
    struct error err;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    gethostname(host, sizeof host - 1);
    assert_int_equal(session_status_write(&s, file, &err), 0);
    assert_int_equal(session_status_read(&read, file, &err), 0);
    assert_string_equal(read.source, s.source);
    assert_int_equal(read.pid, s.pid);
    assert_int_equal(number_of(&read, "limit"), 10 << 20);
    assert_int_equal(number_of(&read, "bytes_in_flight"), 60);
    assert_int_equal(number_of(&read, "bytes_total"), 1 << 30);
    session_status_free(&read);
    unlink(file);
}

/* The last word of a run that was killed: nothing is on the way any more. */
static void of_one_that_is_over(void **state)
{
    char host[256] = "";
    struct session_status s = example(host);

    (void)state;
    gethostname(host, sizeof host - 1);
    s.exit_code = 75;
    assert_int_equal(number_of(&s, "bytes_in_flight"), 0);
    assert_int_equal(number_of(&s, "limit"), 10 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(of_one_that_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
