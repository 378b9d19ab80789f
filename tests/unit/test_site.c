/*
 * What logind.conf says in all its places, for whom, and Slurm.
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

#include "agent/site.h"
#include "remove_tree.h"

static int make_root(void **state)
{
    char *root = strdup("/tmp/grid-site-XXXXXX");

    *state = root;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    remove_tree(*state);
    free(*state);
    return 0;
}

static void put(const char *root, const char *path, const char *content)
{
    char full[512];
    FILE *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void log_in(const char *root)
{
    put(root, "/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n");
}

/* What is said to a user there. */
static bool is_warned(const char *root, const char *user)
{
    struct site site = {.root = root, .user = user};
    struct text out = {0};
    bool is_warned;

    site_add_limits(&site, &out);
    is_warned = strstr(text_string(&out), "KillUserProcesses") != NULL;
    assert_true(is_warned == (out.size > 0));
    text_free(&out);
    return is_warned;
}

static void test_nothing_is_said_where_nothing_is_known(void **state)
{
    assert_false(is_warned(*state, "alice"));
    log_in(*state);
    assert_false(is_warned(*state, "alice"));
    put(*state, "/etc/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n");
    assert_false(is_warned(*state, "alice"));
}

static void test_killing_is_named(void **state)
{
    log_in(*state);
    put(*state, "/etc/systemd/logind.conf", "[Login]\nKillUserProcesses=yes\n");
    assert_true(is_warned(*state, "alice"));
    assert_true(is_warned(*state, NULL));
    assert_false(is_warned(*state, "root")); /* unless excluded users are named */
    put(*state, "/proc/self/cgroup", "0::/system.slice/cron.service\n");
    assert_false(is_warned(*state, "alice")); /* it is in no login's scope */
}

static void test_words_for_yes(void **state)
{
    static const char *const yes[] = {"1", "true", "ON", "Yes", "y"};
    static const char *const no[] = {"0", "false", "off", "no", ""};

    log_in(*state);
    for (size_t i = 0; i < 5; i++) {
        char line[64];

        snprintf(line, sizeof line, "[Login]\nKillUserProcesses=%s\n", yes[i]);
        put(*state, "/etc/systemd/logind.conf", line);
        assert_true(is_warned(*state, "alice"));
        snprintf(line, sizeof line, "[Login]\nKillUserProcesses = %s\n", no[i]);
        put(*state, "/etc/systemd/logind.conf", line);
        assert_false(is_warned(*state, "alice"));
    }
}

static void test_lists_of_users(void **state)
{
    log_in(*state);
    put(*state, "/etc/systemd/logind.conf",
        "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=bob carol\n");
    assert_true(is_warned(*state, "root"));
    assert_true(is_warned(*state, "carolyn"));
    assert_false(is_warned(*state, "carol"));
    put(*state, "/etc/systemd/logind.conf", "[Login]\nKillOnlyUsers=bob carol\n");
    assert_true(is_warned(*state, "bob")); /* whatever KillUserProcesses says */
    assert_false(is_warned(*state, "alice"));
}

/* A drop-in outranks the file; a later name an earlier one; /etc the same name in /usr. */
static void test_which_file_counts(void **state)
{
    log_in(*state);
    put(*state, "/usr/lib/systemd/logind.conf", "[Login]\nKillUserProcesses=yes\n");
    assert_true(is_warned(*state, "alice"));
    put(*state, "/etc/systemd/logind.conf", "[Login]\nKillUserProcesses=no\n");
    assert_false(is_warned(*state, "alice"));
    put(*state, "/usr/lib/systemd/logind.conf.d/50-site.conf",
        "[Login]\nKillUserProcesses=yes\n");
    assert_true(is_warned(*state, "alice"));
    put(*state, "/etc/systemd/logind.conf.d/50-site.conf", "[Login]\n");
    assert_false(is_warned(*state, "alice"));
    put(*state, "/run/systemd/logind.conf.d/60-later.conf",
        "[Login]\nKillUserProcesses=yes\n");
    assert_true(is_warned(*state, "alice"));
    put(*state, "/etc/systemd/logind.conf.d/99-notes.txt",
        "[Login]\nKillUserProcesses=no\n");
    assert_true(is_warned(*state, "alice"));
}

static void test_slurm(void **state)
{
    struct site site = {.root = *state, .user = "alice", .job = "4711", .step = "2"};
    struct text out = {0};

    site_add_limits(&site, &out);
    assert_non_null(strstr(text_string(&out), "job 4711, step 2"));
    text_clear(&out);
    site.step = NULL;
    site_add_limits(&site, &out);
    assert_non_null(strstr(text_string(&out), "job 4711:"));
    text_clear(&out);
    site.job = ""; /* a variable that was cleared */
    site_add_limits(&site, &out);
    assert_int_equal(out.size, 0);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_said_where_nothing_is_known,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_killing_is_named, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_words_for_yes, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_lists_of_users, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_which_file_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_slurm, make_root, remove_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
