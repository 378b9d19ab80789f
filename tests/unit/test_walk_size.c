/*
 * What the walk costs in trees of a size that shows it: memory and descriptors.
 */
#include "manifest/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "walk_tree.h"

enum { MANY = 200000, DEPTH = 3000 };

struct most { /* seen between batches */
    long resident_bytes, fds;
};

static bool has_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

/* Sanitizers have memory of their own. */
static void check_growth(const struct most *most, long before)
{
    print_message("grew by %ld KiB\n", (most->resident_bytes - before) / 1024);
    assert_true(has_sanitizer() || most->resident_bytes - before < 4 << 20);
}

static long resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static long open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long n = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void look(struct most *most)
{
    long bytes = resident_bytes(), fds = open_fds();

    if (bytes > most->resident_bytes)
        most->resident_bytes = bytes;
    if (fds > most->fds)
        most->fds = fds;
}

static void run_through(const struct walk_options *options, struct most *most,
                        size_t *n_entries)
{
    struct entry_batch batch = {0};
    struct error err = {0};
    struct walk *walk;
    bool at_end = false;
    char *last = mem_copy_string("");

    assert_int_equal(walk_open(&walk, options, &err), 0);
    while (!at_end) {
        assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
        assert_int_equal(batch.n_issues, 0);
        for (size_t i = 0; i < batch.n_entries; i++)
            assert_true(strcmp(i > 0 ? batch.entries[i - 1].path : last,
                               batch.entries[i].path) < 0);
        if (batch.n_entries > 0) {
            free(last);
            last = mem_copy_string(batch.entries[batch.n_entries - 1].path);
        }
        *n_entries += batch.n_entries;
        look(most);
    }
    free(last);
    walk_close(walk);
    entry_batch_free(&batch);
}

/* All different, in no order. */
enum { NAME_ROOM = 16 };
static void name_many(char name[NAME_ROOM], unsigned i)
{
    snprintf(name, NAME_ROOM, "%08x", i * 2654435761u);
}

/* Every other file, twice. */
static void write_long_list(struct setting *s)
{
    FILE *file;

    write_list(s, "");
    file = fopen(s->list, "we");
    assert_non_null(file);
    for (unsigned i = 0; i < 2 * MANY; i += 2) {
        char name[NAME_ROOM];

        name_many(name, i % MANY);
        fprintf(file, "%s\n", name);
    }
    fclose(file);
}

static void test_many_files(void **state)
{
    struct setting s = setting_new();
    int root = open(s.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct most most = {0};
    size_t n_entries = 0;
    char name[NAME_ROOM];
    long before;

    (void)state;
    assert_true(root >= 0);
    for (unsigned i = 0; i < MANY; i++) {
        name_many(name, i);
        assert_int_equal(mknodat(root, name, S_IFREG | 0600, 0), 0);
    }
    close(root);
    s.options.sort_bytes = 64 << 10;
    before = resident_bytes();
    run_through(&s.options, &most, &n_entries);
    assert_int_equal(n_entries, MANY);
    check_growth(&most, before);
    write_long_list(&s);
    n_entries = 0;
    run_through(&s.options, &most, &n_entries);
    assert_int_equal(n_entries, MANY / 2);
    check_growth(&most, before);
    setting_free(&s);
}

static void make_deep(int root, const char *name)
{
    int fd = dup(root);

    for (unsigned i = 0; i < DEPTH; i++) {
        int next;

        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        assert_int_equal(mknodat(next, "a", S_IFREG | 0600, 0), 0);
        assert_int_equal(mknodat(next, "z", S_IFREG | 0600, 0), 0);
        close(fd);
        fd = next;
    }
    close(fd);
}

static void test_deep(void **state)
{
    static const char name[] = "folder-with-a-name";
    struct setting s = setting_new();
    int root = open(s.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
    struct most most = {0};
    size_t n_entries = 0;
    long before, fds_before;
    char *path = mem_new(DEPTH * sizeof name + 2, 1);

    (void)state;
    make_deep(root, name);
    before = resident_bytes();
    fds_before = open_fds();
    run_through(&s.options, &most, &n_entries);
    assert_int_equal(n_entries, 2 * DEPTH);
    assert_true(most.fds - fds_before <= 48);
    check_growth(&most, before);

    for (size_t i = 0; i < DEPTH; i++) {
        memcpy(path + i * sizeof name, name, sizeof name - 1);
        path[(i + 1) * sizeof name - 1] = '/';
    }
    path[DEPTH * sizeof name] = 'z';
    fd = walk_open_file(root, path);
    assert_true(fd >= 0);
    close(fd);
    path[DEPTH * sizeof name] = 'y';
    assert_int_equal(walk_open_file(root, path), -1);
    assert_int_equal(errno, ENOENT);
    memset(path, 'x', DEPTH * sizeof name);
    assert_int_equal(walk_open_file(root, path), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(open_fds(), fds_before);
    free(path);
    close(root);
    setting_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
