/*
 * Keys that are kept good, from a program in a home of the test's own: fetched once or
 * again, while it fails, and while it hangs.  Stories of searches that are cancelled at
 * any time; test_live_keys SEED runs one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/live_keys.h"

#include "dice.h"
#include "remove_tree.h"

enum { STORIES = 60 };

struct fixture {
    char home[64];
    struct loop loop;
    struct paths paths;
    struct cluster cluster;
    struct live_keys keys;
};

/* Prints the keys K1, K2, ... as `life`, `fail` and `hang` in the home say. */
static const char program[] =
    "#!/bin/sh\n"
    "cd \"$HOME\" || exit 1\n"
    "echo >>count\n"
    "[ ! -e hang ] || { touch begun; exec sleep 1000; }\n"
    "[ ! -e fail ] || { echo 'not now' >&2; exit 1; }\n"
    "n=$(wc -l <count)\n"
    "[ ! -e life ] || until=\", \\\"Expiration\\\": \\\"$(date -u "
    "-d \"+$(cat life) seconds\" +%FT%TZ)\\\"\"\n"
    "echo \"{\\\"Version\\\": 1, \\\"AccessKeyId\\\": \\\"K$n\\\", "
    "\\\"SecretAccessKey\\\": \\\"s\\\"$until}\"\n";

static void in_home(const struct fixture *f, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", f->home, name);
}

static void write_file(const struct fixture *f, const char *name, const char *content)
{
    char path[128];
    FILE *file;

    in_home(f, name, path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    chmod(path, 0700);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[128];

    in_home(f, name, path);
    unlink(path);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[128];

    in_home(f, name, path);
    return access(path, F_OK) == 0;
}

/* How often the program has run. */
static unsigned count(const struct fixture *f)
{
    char path[128];
    struct stat st;

    in_home(f, "count", path);
    return stat(path, &st) == 0 ? (unsigned)st.st_size : 0;
}

static int setup(void **state)
{
    static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                            "AWS_SECRET_ACCESS_KEY",
                                            "AWS_PROFILE",
                                            "AWS_DEFAULT_PROFILE",
                                            "AWS_CONFIG_FILE",
                                            "AWS_SHARED_CREDENTIALS_FILE",
                                            "AWS_WEB_IDENTITY_TOKEN_FILE"};
    struct fixture *f = calloc(1, sizeof *f);
    char path[128], config[256];

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    snprintf(f->home, sizeof f->home, "/tmp/test_live_keys.XXXXXX");
    if (mkdtemp(f->home) == NULL || loop_open(&f->loop) != 0)
        return -1;
    setenv("HOME", f->home, 1);
    in_home(f, ".aws", path);
    mkdir(path, 0700);
    write_file(f, "program", program);
    snprintf(config, sizeof config, "[default]\ncredential_process = %s/program\n",
             f->home);
    write_file(f, ".aws/config", config);
    f->paths.config_dir = f->home;
    f->cluster = (struct cluster){.name = "env", .store = "s3://bucket"};
    f->keys.search = (struct credential_search){
        .loop = &f->loop, .cluster = &f->cluster, .paths = &f->paths};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    live_keys_stop(&f->keys);
    loop_close(&f->loop);
    live_keys_free(&f->keys);
    remove_tree(f->home);
    free(f);
    return 0;
}

/* What a request is signed with now. */
static const char *given(struct fixture *f)
{
    struct s3_keys keys;
    struct error err;

    assert_int_equal(live_keys_give(&f->keys, &keys, &err), 0);
    assert_string_equal(keys.secret_key, "s");
    return keys.access_key;
}

/* Ask as requests do, until it is another one. */
static void ask_until(struct fixture *f, const char *key)
{
    char old[16];

    snprintf(old, sizeof old, "%s", given(f));
    while (strcmp(given(f), old) == 0) {
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_string_equal(given(f), key);
}

static void keys_without_an_end_are_fetched_once(void **state)
{
    struct fixture *f = *state;
    struct error err;

    assert_int_equal(live_keys_find(&f->keys, &err), 0);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(given(f), "K1");
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(count(f), 1);
    assert_string_equal(f->keys.now.provider, "process");
}

static void keys_that_end_are_fetched_before_that(void **state)
{
    struct fixture *f = *state;
    struct error err;

    write_file(f, "life", "4");
    assert_int_equal(live_keys_find(&f->keys, &err), 0);
    assert_true(f->keys.now.expires_at_ms > 0);
    write_file(f, "life", "4000");
    ask_until(f, "K2");
    assert_int_equal(count(f), 2);
}

static void a_clock_that_is_ahead_makes_no_storm(void **state)
{
    struct fixture *f = *state;
    struct error err;

    write_file(f, "life", "0");
    assert_int_equal(live_keys_find(&f->keys, &err), 0);
    for (int i = 0; i < 300; i++) {
        assert_string_equal(given(f), "K1");
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(count(f), 1);
}

static void a_failure_costs_nothing_while_the_old_ones_live(void **state)
{
    struct fixture *f = *state;
    struct error err;

    write_file(f, "life", "2");
    assert_int_equal(live_keys_find(&f->keys, &err), 0);
    write_file(f, "fail", "");
    while (count(f) < 3) { /* tried twice, with a pause */
        assert_string_equal(given(f), "K1");
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
    write_file(f, "life", "4000");
    remove_file(f, "fail");
    ask_until(f, "K4");
}

static void the_store_has_them_looked_for(void **state)
{
    struct fixture *f = *state;
    struct error err;

    assert_int_equal(live_keys_find(&f->keys, &err), 0);
    for (int i = 0; i < 10; i++)
        live_keys_expired(&f->keys); /* of ten requests: one search */
    ask_until(f, "K2");
    assert_int_equal(count(f), 2);
}

static void on_found(void *ctx)
{
    unsigned *n = ctx;

    ++*n;
}

static void a_program_that_hangs_is_left(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    write_file(f, "hang", "");
    live_keys_start(&f->keys, on_found, &n);
    while (!is_there(f, "begun"))
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    live_keys_stop(&f->keys);
    assert_int_equal(n, 1);
    assert_int_equal(f->keys.search.err.kind, ERROR_CANCELLED);
    assert_null(f->keys.now.access_key);
}

static void a_program_that_takes_too_long_is_ended(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;
    struct credential_process p = {.loop = &f->loop,
                                   .command = "sh -c 'echo half; exec sleep 1000'",
                                   .limit_ms = 50,
                                   .done = on_found,
                                   .ctx = &n};

    credential_process_start(&p);
    while (n == 0)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(p.err.kind, ERROR_AUTH);
    assert_non_null(strstr(p.err.text, "too long"));
    credential_process_clear(&p);
}

static void says_why_there_are_none(void **state)
{
    struct fixture *f = *state;
    struct error err;

    write_file(f, "fail", "");
    assert_int_equal(live_keys_find(&f->keys, &err), -1);
    assert_int_equal(err.kind, ERROR_AUTH);
    assert_non_null(strstr(err.text, "exit code 1: not now"));
}

/* ---- stories ---- */

static void prepare(struct fixture *f)
{
    remove_file(f, "fail");
    remove_file(f, "hang");
    if (roll(3) == 0)
        write_file(f, "fail", "");
    if (roll(3) == 0)
        write_file(f, "hang", "");
}

/* For a while; one that hangs is cancelled in the end. */
static void watch(struct fixture *f, const unsigned *n)
{
    struct credential_search *s = &f->keys.search;
    unsigned turns = roll(60);

    while (*n == 0 && (turns-- > 0 || !is_there(f, "hang"))) {
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(roll(500));
        if (roll(100) == 0)
            credential_search_cancel(s);
    }
    if (*n == 0)
        credential_search_cancel(s);
    while (*n == 0)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static void tell(unsigned seed)
{
    void *state = NULL;
    struct fixture *f;
    struct credential_search *s;
    unsigned n = 0;

    assert_int_equal(setup(&state), 0);
    dice_seed(seed);
    f = state;
    s = &f->keys.search;
    prepare(f);
    s->done = on_found;
    s->ctx = &n;
    credential_search_start(s);
    watch(f, &n);
    assert_int_equal(n, 1);
    assert_true((s->err.kind == ERROR_NONE) == (s->found.access_key != NULL));
    credentials_free(&s->found);
    credential_search_cancel(s); /* harmless */
    teardown(&state);
}

static void stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_without_an_end_are_fetched_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keys_that_end_are_fetched_before_that, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_is_ahead_makes_no_storm, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failure_costs_nothing_while_the_old_ones_live,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_has_them_looked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_program_that_hangs_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_program_that_takes_too_long_is_ended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(says_why_there_are_none, setup, teardown),
        cmocka_unit_test(stories),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
