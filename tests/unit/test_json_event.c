/* JSON lines, byte for byte: scripts rely on every name. */
#include "agent/json_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "agent/json_line.h"

static const int64_t time_ms = INT64_C(1795353360123);
#define TIME "\"time\":\"2026-11-22T13:16:00.123Z\""

static void expect(const struct event *e, const char *golden)
{
    struct text line = {0};
    cJSON *parsed;

    json_event_add(&line, e);
    assert_string_equal(text_string(&line), golden);
    parsed = cJSON_Parse(text_string(&line));
    assert_non_null(parsed);
    cJSON_Delete(parsed);
    text_free(&line);
}

static void session(void **state)
{
    struct event e = {.kind = EVENT_SESSION, .time_ms = time_ms};

    (void)state;
    e.session.name = "imagenet";
    e.session.version = 3;
    e.session.cluster = "local";
    e.session.source = "/data/\xff\xe9t\xc3\xa9";
    e.session.session_id = "0123abcd";
    expect(&e, "{\"event\":\"session\"," TIME
               ",\"name\":\"imagenet\",\"version\":3,\"cluster\":\"local\",\"source\":"
               "\"/data/\xef\xbf\xbd\xef\xbf\xbdt\xc3\xa9\",\"source_b64\":"
               "\"L2RhdGEv/+l0w6k=\",\"resumed\":false,\"session_id\":\"0123abcd\"}\n");
}

static void scan(void **state)
{
    struct event e = {.kind = EVENT_SCAN, .time_ms = time_ms};

    (void)state;
    e.scan.files = 10;
    e.scan.bytes = UINT64_MAX;
    e.scan.done = true;
    expect(&e, "{\"event\":\"scan\"," TIME
               ",\"files\":10,\"bytes\":18446744073709551615,\"done\":true}\n");
}

static void progress(void **state)
{
    struct event e = {.kind = EVENT_PROGRESS, .time_ms = time_ms};

    (void)state;
    e.progress = (struct event_progress){.files_done = 1,
                                         .files_total = 2,
                                         .bytes_done = 3,
                                         .bytes_total = 4,
                                         .bytes_sent = 5,
                                         .rate = 6,
                                         .eta_s = 7,
                                         .retries = 8,
                                         .connections = 9,
                                         .state = STATE_UPLOADING,
                                         .scan_done = true};
    expect(&e, "{\"event\":\"progress\"," TIME
               ",\"files_done\":1,\"files_total\":2,\"bytes_done\":3,\"bytes_total\":4,"
               "\"bytes_in_flight\":0,\"bytes_sent\":5,\"rate\":6,\"eta_s\":7,"
               "\"retries\":8,\"connections\":9,"
               "\"state\":\"uploading\",\"scan_done\":true}\n");
    e.progress.eta_s = -1;
    e.progress.state = STATE_WAITING_NETWORK;
    e.progress.scan_done = false;
    e.progress.waiting_for = "no route\nto \"host\"";
    expect(&e, "{\"event\":\"progress\"," TIME
               ",\"files_done\":1,\"files_total\":2,\"bytes_done\":3,\"bytes_total\":4,"
               "\"bytes_in_flight\":0,\"bytes_sent\":5,\"rate\":6,\"eta_s\":null,"
               "\"retries\":8,\"connections\":9,"
               "\"state\":\"waiting_network\",\"scan_done\":false,\"waiting_for\":"
               "\"no route\\nto \\\"host\\\"\"}\n");
}

static void warning_and_error(void **state)
{
    struct event e = {.kind = EVENT_WARNING, .time_ms = time_ms};

    (void)state;
    e.warning.kind = "special";
    e.warning.message = "left out: a pipe";
    expect(&e, "{\"event\":\"warning\"," TIME
               ",\"kind\":\"special\",\"message\":\"left out: a pipe\"}\n");
    e.warning.path = "a\x80z";
    expect(&e,
           "{\"event\":\"warning\"," TIME ",\"path\":\"a\xef\xbf\xbdz\",\"path_b64\":"
           "\"YYB6\",\"kind\":\"special\",\"message\":\"left out: a pipe\"}\n");
    e.kind = EVENT_ERROR;
    e.error =
        (struct event_error){.kind = "auth", .message = "refused", .hint = "log in"};
    expect(&e, "{\"event\":\"error\"," TIME
               ",\"kind\":\"auth\",\"message\":\"refused\",\"hint\":\"log in\"}\n");
    e.error = (struct event_error){.kind = "io", .message = "m", .path = "p"};
    expect(&e, "{\"event\":\"error\"," TIME
               ",\"kind\":\"io\",\"message\":\"m\",\"hint\":\"\",\"path\":\"p\"}\n");
}

static void last_ones(void **state)
{
    struct event e = {.kind = EVENT_PUBLISHED, .time_ms = time_ms};

    (void)state;
    e.published = (struct event_published){.name = "n",
                                           .version = 1,
                                           .cluster = "local",
                                           .url = "file:///x/n/v1/",
                                           .files = 2,
                                           .bytes = 3,
                                           .bytes_sent = 4,
                                           .bytes_copied = 5,
                                           .parts = 6,
                                           .requests = 7,
                                           .retries = 8,
                                           .skipped = 9,
                                           .root = "sha256:00",
                                           .seconds = 1.2344};
    expect(&e, "{\"event\":\"published\"," TIME
               ",\"name\":\"n\",\"version\":1,\"cluster\":\"local\",\"url\":"
               "\"file:///x/n/v1/\",\"files\":2,\"bytes\":3,\"bytes_sent\":4,"
               "\"bytes_copied\":5,\"parts\":6,\"requests\":7,\"retries\":8,"
               "\"skipped\":9,\"root\":"
               "\"sha256:00\",\"seconds\":1.234}\n");
    e.kind = EVENT_UNCHANGED;
    e.unchanged = (struct event_unchanged){.name = "n", .version = 4};
    expect(&e, "{\"event\":\"unchanged\"," TIME ",\"name\":\"n\",\"version\":4}\n");
    e.kind = EVENT_STOPPED;
    e.stopped = (struct event_stopped){
        .resumable = true, .exit_code = 130, .reason = "interrupted"};
    expect(&e, "{\"event\":\"stopped\"," TIME
               ",\"resumable\":true,\"exit_code\":130,\"reason\":\"interrupted\"}\n");
}

/* Whatever the bytes, the line is JSON in UTF-8 and the base64 holds them all. */
static void any_bytes(void **state)
{
    (void)state;
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 1; second < 256; second += 3) {
            char path[] = {'a', (char)first, (char)second, 'z', '\0'};
            struct text line = {0};
            cJSON *parsed;

            json_line_begin(&line);
            json_line_path(&line, "path", path);
            json_line_end(&line);
            assert_true(text_is_utf8(line.data, line.size));
            assert_ptr_equal(strchr(line.data, '\n'), line.data + line.size - 1);
            parsed = cJSON_Parse(line.data);
            assert_non_null(parsed);
            if (text_is_utf8(path, 4))
                assert_string_equal(
                    cJSON_GetObjectItemCaseSensitive(parsed, "path")->valuestring,
                    path);
            else
                assert_non_null(cJSON_GetObjectItemCaseSensitive(parsed, "path_b64"));
            cJSON_Delete(parsed);
            text_free(&line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session),   cmocka_unit_test(scan),
        cmocka_unit_test(progress),  cmocka_unit_test(warning_and_error),
        cmocka_unit_test(last_ones), cmocka_unit_test(any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
