/* What a log may and may not hold, from one thread and from many. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"

struct logged {
    FILE *file;
    char text[1 << 20];
};

static int open_file(void **state)
{
    struct logged *l = mem_new(1, sizeof *l);

    l->file = tmpfile();
    assert_non_null(l->file);
    log_open(fileno(l->file), LOG_INFO);
    *state = l;
    return 0;
}

static int close_file(void **state)
{
    struct logged *l = *state;

    log_open(-1, LOG_NOTHING);
    fclose(l->file);
    free(l);
    return 0;
}

static const char *read_all(struct logged *l)
{
    ssize_t n = pread(fileno(l->file), l->text, sizeof l->text - 1, 0);

    assert_true(n >= 0);
    l->text[n] = '\0';
    return l->text;
}

static void a_line(void **state)
{
    const char *line;
    char time[TEXT_TIME_MAX] = "";
    int64_t ms;

    errno = ENOENT;
    log_line(LOG_INFO, LOG_STORE, "part %d sent", 7);
    assert_int_equal(errno, ENOENT);
    line = read_all(*state);
    memcpy(time, line, strlen("2026-11-22T13:16:00.123Z"));
    assert_int_equal(text_parse_time(time, &ms), 0);
    assert_string_equal(line + strlen(time), " info store part 7 sent\n");
}

static void only_wanted_levels(void **state)
{
    log_line(LOG_DEBUG, LOG_HTTP, "unwanted");
    assert_string_equal(read_all(*state), "");
    assert_true(log_wants(LOG_ERROR));
    assert_true(log_wants(LOG_INFO));
    assert_false(log_wants(LOG_DEBUG));
    log_open(-1, LOG_DEBUG);
    assert_false(log_wants(LOG_ERROR));
    log_line(LOG_ERROR, LOG_HTTP, "nowhere to go");
    assert_string_equal(read_all(*state), "");
}

static void nothing_that_commands_a_terminal(void **state)
{
    const char *line;

    log_line(LOG_WARNING, LOG_SOURCE, "name %s", "a\nb\x1b[2J\xff");
    line = read_all(*state);
    assert_non_null(strstr(line, " warning source name a\\nb\\x1b[2J\\xff\n"));
}

static void no_secrets(void **state)
{
    const char *all;

    log_hide("");
    log_hide(NULL);
    log_hide("hush");
    log_hide("hush-hush/and+more");
    log_hide("two\nlines");
    for (int i = 0; i < 40; i++) {
        char secret[32];
        snprintf(secret, sizeof secret, "token-%02d!", i);
        log_hide(secret);
        log_hide(secret);
    }
    log_line(LOG_ERROR, LOG_AGENT, "a=hush-hush/and+more b=hush c=two\nlines d=%s",
             "token-00!token-39!");
    all = read_all(*state);
    assert_non_null(strstr(all, "a=*** b=*** c=*** d=******\n"));
}

enum { THREADS = 8, LINES = 500 };

static void *log_much(void *ctx)
{
    for (int i = 0; i < LINES; i++)
        log_line(LOG_INFO, LOG_UPLOAD, "<%s %03d>", (const char *)ctx, i);
    return NULL;
}

static void whole_lines_from_many_threads(void **state)
{
    static char names[THREADS][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    pthread_t threads[THREADS];
    const char *at;
    int n = 0;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (at = read_all(*state); *at != '\0'; at = strchr(at, '\n') + 1, n++) {
        assert_memory_equal(at + 24, " info upload <", 14);
        assert_memory_equal(at + 43, ">\n", 2);
    }
    assert_int_equal(n, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line, open_file, close_file),
        cmocka_unit_test_setup_teardown(only_wanted_levels, open_file, close_file),
        cmocka_unit_test_setup_teardown(nothing_that_commands_a_terminal, open_file,
                                        close_file),
        cmocka_unit_test_setup_teardown(no_secrets, open_file, close_file),
        cmocka_unit_test_setup_teardown(whole_lines_from_many_threads, open_file,
                                        close_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
