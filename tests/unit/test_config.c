/* Where our files are, the clusters, and which is chosen: in a folder of the test's
 * own. */
#include "agent/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"

#include "remove_tree.h"

struct fixture {
    char home[64];
    struct paths paths;
    struct config config;
    struct error err;
};

static void clear_environment(void)
{
    static const char *const variables[] = {"XDG_CONFIG_HOME", "XDG_STATE_HOME",
                                            "XDG_DATA_HOME",   "XDG_RUNTIME_DIR",
                                            "GRID_CLUSTER",    "GRID_STORE"};

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    clear_environment();
    snprintf(f->home, sizeof f->home, "/tmp/test_config.XXXXXX");
    if (f == NULL || mkdtemp(f->home) == NULL)
        return -1;
    setenv("HOME", f->home, 1);
    *state = f;
    return paths_find(&f->paths, &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    config_free(&f->config);
    paths_free(&f->paths);
    remove_tree(f->home);
    free(f);
    return 0;
}

static void load(struct fixture *f)
{
    config_free(&f->config);
    if (config_load(&f->config, &f->paths, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static void write_config(struct fixture *f, const char *json)
{
    struct text file = {0};
    FILE *out;

    assert_int_equal(paths_make(&f->paths, PATHS_CONFIG, &f->err), 0);
    text_add_format(&file, "%s/config.json", f->paths.config_dir);
    out = fopen(text_string(&file), "w");
    assert_non_null(out);
    fputs(json, out);
    fclose(out);
    text_free(&file);
}

static void expect_chosen(struct fixture *f, const char *option, const char *name,
                          const char *store)
{
    const struct cluster *chosen;

    if (config_choose_cluster(&chosen, &f->config, option, &f->err) != 0)
        fail_msg("%s", f->err.text);
    assert_string_equal(chosen->name, name);
    assert_string_equal(chosen->store, store);
}

/* ---- paths ---- */

static void paths_follow_the_environment(void **state)
{
    struct fixture *f = *state;
    char expected[200];

    snprintf(expected, sizeof expected, "%s/.local/state/grid/sessions", f->home);
    assert_string_equal(f->paths.sessions_dir, expected);
    snprintf(expected, sizeof expected, "/tmp/grid-%lu", (unsigned long)geteuid());
    assert_string_equal(f->paths.runtime_dir, expected);
    paths_free(&f->paths);
    setenv("XDG_STATE_HOME", "/elsewhere", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
    setenv("XDG_DATA_HOME", "relative/is/ignored", 1);
    assert_int_equal(paths_find(&f->paths, &f->err), 0);
    assert_string_equal(f->paths.sessions_dir, "/elsewhere/grid/sessions");
    assert_string_equal(f->paths.runtime_dir, "/run/user/1/grid");
    snprintf(expected, sizeof expected, "%s/.local/share/grid", f->home);
    assert_string_equal(f->paths.data_dir, expected);
}

static void no_home_says_what_to_set(void **state)
{
    struct fixture *f = *state;

    paths_free(&f->paths);
    unsetenv("HOME");
    assert_int_equal(paths_find(&f->paths, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_USAGE);
    assert_non_null(strstr(f->err.text, "HOME is not set"));
    assert_non_null(strstr(f->err.text, "XDG_CONFIG_HOME"));
    paths_free(&f->paths);
    setenv("XDG_CONFIG_HOME", f->home, 1);
    setenv("XDG_STATE_HOME", f->home, 1);
    setenv("XDG_DATA_HOME", f->home, 1);
    assert_int_equal(paths_find(&f->paths, &f->err), 0);
}

static void folders_are_private(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    assert_int_equal(paths_make(&f->paths, PATHS_SESSIONS, &f->err), 0);
    assert_int_equal(paths_make(&f->paths, PATHS_SESSIONS, &f->err), 0);
    assert_int_equal(stat(f->paths.sessions_dir, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

static void runtime_folder_of_others_is_refused(void **state)
{
    struct fixture *f = *state;

    paths_free(&f->paths);
    setenv("XDG_RUNTIME_DIR", f->home, 1);
    assert_int_equal(paths_find(&f->paths, &f->err), 0);
    assert_int_equal(paths_make(&f->paths, PATHS_RUNTIME, &f->err), 0);
    assert_int_equal(chmod(f->paths.runtime_dir, 0777), 0);
    assert_int_equal(paths_make(&f->paths, PATHS_RUNTIME, &f->err), -1);
    assert_non_null(strstr(f->err.text, f->paths.runtime_dir));
    assert_int_equal(rmdir(f->paths.runtime_dir), 0);
    assert_int_equal(symlink(f->home, f->paths.runtime_dir), 0);
    assert_int_equal(paths_make(&f->paths, PATHS_RUNTIME, &f->err), -1);
}

/* A file where a folder is to be stands for all that cannot be made (root can make
 * anything in a folder that is merely read-only). */
static void unwritable_home_names_the_variable(void **state)
{
    struct fixture *f = *state;
    char path[200];

    snprintf(path, sizeof path, "%s/.local", f->home);
    fclose(fopen(path, "w"));
    assert_int_equal(paths_make(&f->paths, PATHS_SESSIONS, &f->err), -1);
    assert_non_null(strstr(f->err.text, f->paths.sessions_dir));
    assert_non_null(strstr(f->err.text, "set XDG_STATE_HOME"));
}

static void local_store_is_a_url(void **state)
{
    struct fixture *f = *state;
    char *url;

    paths_free(&f->paths);
    setenv("XDG_DATA_HOME", "/my data/100%/\xc3\xa9", 1);
    assert_int_equal(paths_find(&f->paths, &f->err), 0);
    url = paths_local_store_url(&f->paths);
    assert_string_equal(url, "file:///my%20data/100%25/%C3%A9/grid/datastores");
    free(url);
}

/* ---- config.json ---- */

static void survives_saving(void **state)
{
    struct fixture *f = *state;
    struct cluster lab = {.name = (char *)"lab",
                          .store = (char *)"s3://data/sets",
                          .endpoint = (char *)"https://s3.lab:9000",
                          .addressing = (char *)"path"};
    struct stat status;
    struct text file = {0};
    const struct cluster *found;

    load(f);
    assert_int_equal(f->config.n_clusters, 1);
    config_put(&f->config, &lab);
    assert_int_equal(config_set_context(&f->config, "lab", &f->err), 0);
    assert_int_equal(config_save(&f->config, &f->paths, &f->err), 0);
    load(f);
    assert_string_equal(f->config.context, "lab");
    assert_int_equal(f->config.n_clusters, 2);
    found = config_find(&f->config, "lab");
    assert_non_null(found);
    assert_string_equal(found->store, "s3://data/sets");
    assert_string_equal(found->endpoint, "https://s3.lab:9000");
    assert_string_equal(found->addressing, "path");
    assert_null(found->region);
    text_add_format(&file, "%s/config.json", f->paths.config_dir);
    assert_int_equal(stat(text_string(&file), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    text_free(&file);
}

/* The built-in cluster is not frozen where it was when the file was written. */
static void local_moves_with_the_data(void **state)
{
    struct fixture *f = *state;

    load(f);
    assert_int_equal(config_save(&f->config, &f->paths, &f->err), 0);
    paths_free(&f->paths);
    setenv("XDG_DATA_HOME", "/other", 1);
    assert_int_equal(paths_find(&f->paths, &f->err), 0);
    load(f);
    expect_chosen(f, NULL, "local", "file:///other/grid/datastores");
}

static void damage_is_named(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"format\":1} trailing",
        "{\"format\":1,\"clusters\":[]}",
        "{\"format\":1,\"clusters\":{\"a\":{}}}",
        "{\"format\":1,\"clusters\":{\"a\":{\"store\":5}}}",
        "{\"format\":1,\"clusters\":{\"a b\":{\"store\":\"x\"}}}",
        "{\"format\":1,\"context\":{}}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_config(f, bad[i]);
        error_clear(&f->err);
        assert_int_equal(config_load(&f->config, &f->paths, &f->err), -1);
        assert_int_equal(f->err.kind, ERROR_CORRUPT);
        assert_non_null(strstr(f->err.text, f->paths.config_dir));
        assert_non_null(strstr(f->err.text, "damaged"));
        config_free(&f->config);
    }
    write_config(f, "{\"format\":2}");
    assert_int_equal(config_load(&f->config, &f->paths, &f->err), -1);
    assert_non_null(strstr(f->err.text, "newer"));
}

static void a_failed_save_keeps_the_old(void **state)
{
    struct fixture *f = *state;
    struct text file = {0};

    load(f);
    /* A folder of that name cannot be replaced by a file. */
    assert_int_equal(paths_make(&f->paths, PATHS_CONFIG, &f->err), 0);
    text_add_format(&file, "%s/config.json", f->paths.config_dir);
    assert_int_equal(mkdir(text_string(&file), 0700), 0);
    assert_int_equal(config_save(&f->config, &f->paths, &f->err), -1);
    assert_non_null(strstr(f->err.text, "config.json"));
    assert_int_equal(rmdir(text_string(&file)), 0);
    assert_int_equal(rmdir(f->paths.config_dir), 0); /* no temporary file is left */
    text_free(&file);
}

/* ---- which cluster ---- */

static void chooses_in_order(void **state)
{
    struct fixture *f = *state;
    char local[200];

    snprintf(local, sizeof local, "file://%s/.local/share/grid/datastores", f->home);
    load(f);
    expect_chosen(f, NULL, "local", local);
    write_config(f, "{\"format\":1,\"last_login\":\"b\",\"clusters\":{"
                    "\"a\":{\"store\":\"s3://a\"},\"b\":{\"store\":\"s3://b\"},"
                    "\"c\":{\"store\":\"s3://c\"}}}");
    load(f);
    expect_chosen(f, NULL, "b", "s3://b");
    assert_int_equal(config_set_context(&f->config, "a", &f->err), 0);
    expect_chosen(f, NULL, "a", "s3://a");
    setenv("GRID_STORE", "s3://from-env", 1);
    expect_chosen(f, NULL, "env", "s3://from-env");
    expect_chosen(f, "env", "env", "s3://from-env");
    setenv("GRID_CLUSTER", "c", 1);
    expect_chosen(f, NULL, "c", "s3://c");
    expect_chosen(f, "b", "b", "s3://b");
    expect_chosen(f, "local", "local", local);
    setenv("GRID_CLUSTER", "", 1); /* as good as unset */
    setenv("GRID_STORE", "", 1);
    expect_chosen(f, NULL, "a", "s3://a");
}

static void unknown_clusters_get_a_hint(void **state)
{
    struct fixture *f = *state;
    const struct cluster *chosen;

    write_config(f, "{\"format\":1,\"context\":\"gone\",\"clusters\":{"
                    "\"frankfurt\":{\"store\":\"s3://f\"}}}");
    load(f);
    assert_int_equal(config_choose_cluster(&chosen, &f->config, "frankfrut", &f->err),
                     -1);
    assert_int_equal(f->err.kind, ERROR_USAGE);
    assert_non_null(strstr(f->err.text, "--cluster"));
    assert_non_null(strstr(f->err.text, "did you mean frankfurt?"));
    assert_non_null(strstr(f->err.text, "Known: frankfurt, local"));
    assert_int_equal(config_choose_cluster(&chosen, &f->config, NULL, &f->err), -1);
    assert_non_null(strstr(f->err.text, "current context"));
    setenv("GRID_CLUSTER", "zzz", 1);
    assert_int_equal(config_choose_cluster(&chosen, &f->config, NULL, &f->err), -1);
    assert_non_null(strstr(f->err.text, "GRID_CLUSTER"));
    assert_int_equal(config_set_context(&f->config, "zzz", &f->err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_follow_the_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(no_home_says_what_to_set, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_are_private, setup, teardown),
        cmocka_unit_test_setup_teardown(runtime_folder_of_others_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unwritable_home_names_the_variable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(local_store_is_a_url, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_saving, setup, teardown),
        cmocka_unit_test_setup_teardown(local_moves_with_the_data, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_save_keeps_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(chooses_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_clusters_get_a_hint, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
