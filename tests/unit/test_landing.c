/* The folder of a download: nothing outside it, nothing overwritten, parts of our own. */
#include "agent/landing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "remove_tree.h"

struct fixture {
    char top[64], dir[80], outside[80]; /* top/dir is the folder, top/outside is not */
    struct landing landing;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->top, sizeof f->top, "/tmp/test_landing.XXXXXX");
    if (mkdtemp(f->top) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/dir", f->top);
    snprintf(f->outside, sizeof f->outside, "%s/outside", f->top);
    *state = f;
    if (mkdir(f->outside, 0700) != 0)
        return -1;
    return landing_open(&f->landing, f->dir, "sha256:00", &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    landing_close(&f->landing, false);
    remove_tree(f->top);
    free(f);
    return 0;
}

static const char *below(const struct fixture *f, const char *path)
{
    static char whole[256];

    snprintf(whole, sizeof whole, "%s/%s", f->dir, path);
    return whole;
}

static struct entry file_of(const char *path)
{
    return (struct entry){.path = path,
                          .type = ENTRY_FILE,
                          .mode = 0640,
                          .stamp = {.size = 5, .mtime_ns = -1500000001}};
}

/* "hello" under path. */
static int land(struct fixture *f, const char *path)
{
    struct entry file = file_of(path);
    uint64_t there;
    int fd, status;

    if (landing_open_part(&f->landing, &file, &fd, &there, &f->err) != 0)
        return -1;
    assert_int_equal(pwrite(fd, "hello", 5, 0), 5);
    status = landing_place(&f->landing, &file, fd, &f->err);
    close(fd);
    return status;
}

static bool is_empty(const char *folder)
{
    return rmdir(folder) == 0 && mkdir(folder, 0700) == 0;
}

static void test_a_file_lands(void **state)
{
    struct fixture *f = *state;
    struct entry file = file_of("a/b/c");
    enum landing_found found;
    struct stat st;

    assert_int_equal(landing_look(&f->landing, &file, &found, &f->err), 0);
    assert_int_equal(found, LANDING_NOTHING);
    assert_int_equal(land(f, "a/b/c"), 0);
    assert_int_equal(stat(below(f, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_mtim.tv_sec, -2);
    assert_int_equal(st.st_mtim.tv_nsec, 499999999);
    assert_int_equal(landing_look(&f->landing, &file, &found, &f->err), 0);
    assert_int_equal(found, LANDING_SAME);
    file.stamp.mtime_ns++;
    assert_int_equal(landing_look(&f->landing, &file, &found, &f->err), 0);
    assert_int_equal(found, LANDING_LIKE);
    file.stamp.size++;
    assert_int_equal(landing_look(&f->landing, &file, &found, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
}

/* Here, whatever a reader of manifests lets pass. */
static void test_unsafe_paths(void **state)
{
    static const char *const paths[] = {"../outside/x", "/tmp/x", "a/../../outside/x",
                                        "..",           ".",      "",
                                        "a//x",         "./x",    "a/"};
    struct fixture *f = *state;
    enum landing_found found;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct entry file = file_of(paths[i]);
        struct entry folder = {.path = paths[i], .type = ENTRY_DIRECTORY};
        struct entry link = {.path = paths[i], .type = ENTRY_SYMLINK, .target = "t"};
        assert_int_equal(landing_look(&f->landing, &file, &found, &f->err), -1);
        assert_int_equal(f->err.kind, ERROR_CORRUPT);
        assert_int_equal(land(f, paths[i]), -1);
        assert_int_equal(landing_make(&f->landing, &folder, &f->err), -1);
        assert_int_equal(landing_make(&f->landing, &link, &f->err), -1);
    }
    assert_true(is_empty(f->outside));
}

static void test_the_parts_are_nobodys_entry(void **state)
{
    struct fixture *f = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/x", f->landing.parts_name);
    assert_int_equal(land(f, f->landing.parts_name), -1);
    assert_int_equal(land(f, path), -1);
    snprintf(path, sizeof path, "%s-x", f->landing.parts_name);
    assert_int_equal(land(f, path), 0);
}

static void test_links_on_the_way(void **state)
{
    struct fixture *f = *state;
    struct entry folder = {.path = "link/folder", .type = ENTRY_DIRECTORY};

    assert_int_equal(symlink("../outside", below(f, "link")), 0);
    assert_int_equal(mkdir(below(f, "in"), 0700), 0);
    assert_int_equal(symlink("../../outside", below(f, "in/link")), 0);
    assert_int_equal(land(f, "link/x"), -1);
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    assert_int_equal(land(f, "in/link/x"), -1);
    assert_int_equal(land(f, "in/link/deeper/x"), -1);
    assert_int_equal(landing_make(&f->landing, &folder, &f->err), -1);
    assert_true(is_empty(f->outside));
}

/* What came there after landing_look(). */
static void test_placing_overwrites_nothing(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(close(open(below(f, "x"), O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(land(f, "x"), -1);
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    assert_int_equal(stat(below(f, "x"), &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(symlink("../outside/y", below(f, "y")), 0);
    assert_int_equal(land(f, "y"), -1);
    assert_true(is_empty(f->outside));
}

static void test_a_part_is_found_again(void **state)
{
    struct fixture *f = *state;
    struct entry file = file_of("x"), other = file_of("y");
    uint64_t there;
    int fd;

    assert_int_equal(landing_open_part(&f->landing, &file, &fd, &there, &f->err), 0);
    assert_int_equal(there, 0);
    assert_int_equal(pwrite(fd, "hel", 3, 0), 3);
    close(fd);
    landing_close(&f->landing, false);
    assert_int_equal(landing_open(&f->landing, f->dir, "sha256:00", &f->err), 0);
    assert_int_equal(landing_open_part(&f->landing, &other, &fd, &there, &f->err), 0);
    assert_int_equal(there, 0);
    close(fd);
    assert_int_equal(landing_open_part(&f->landing, &file, &fd, &there, &f->err), 0);
    assert_int_equal(there, 3);
    close(fd);
    landing_close(&f->landing, true);
    assert_true(is_empty(f->dir));
    assert_int_equal(landing_open(&f->landing, f->dir, "sha256:01", &f->err), 0);
}

static void test_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct landing second;

    assert_int_equal(landing_open(&second, f->dir, "sha256:00", &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    assert_int_equal(landing_open(&second, f->dir, "sha256:01", &f->err), 0);
    landing_close(&second, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_lands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsafe_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_parts_are_nobodys_entry, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_links_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_placing_overwrites_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_part_is_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
