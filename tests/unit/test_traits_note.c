/*
 * What is remembered of a store: for a day, and only where the file is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/traits_note.h"

static const char store[] = "https://s3.lab bucket 0";
static const char traits[] = "1 checks=crc32c-trailer if-none-match=yes";
static const int64_t then_ms = 1795000000123;

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/grid-note-XXXXXX");

    *state = folder;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static void each_file(const char *folder, char path[512],
                      void (*each)(const char *path, void *ctx), void *ctx)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, 512, "%s/%s", folder, entry->d_name);
        each(path, ctx);
    }
    closedir(dir);
}

static void remove_file(const char *path, void *ctx)
{
    (void)ctx;
    unlink(path);
}

static int remove_folder(void **state)
{
    char path[512];

    each_file(*state, path, remove_file, NULL);
    rmdir(*state);
    free(*state);
    return 0;
}

static void assert_note(const char *folder, const char *of, int64_t now_ms,
                        const char *expected)
{
    char *found = traits_note_read(folder, of, now_ms);

    if (expected == NULL)
        assert_null(found);
    else
        assert_string_equal(found, expected);
    free(found);
}

static void a_day_long(void **state)
{
    const char *folder = *state;

    assert_note(folder, store, then_ms, NULL);
    traits_note_write(folder, store, traits, then_ms);
    assert_note(folder, store, then_ms, traits);
    assert_note(folder, store, then_ms + TRAITS_NOTE_MS - 1, traits);
    assert_note(folder, store, then_ms + TRAITS_NOTE_MS, NULL);
    assert_note(folder, store, then_ms - 1, NULL);
    assert_note(folder, "https://s3.lab other 0", then_ms, NULL);
    traits_note_write(folder, store, "1 checks=none if-none-match=no", then_ms + 5);
    assert_note(folder, store, then_ms + 5, "1 checks=none if-none-match=no");
}

struct damage {
    size_t size; /* of the file */
    char bytes[4096];
};

static void load(const char *path, void *ctx)
{
    struct damage *d = ctx;
    int fd = open(path, O_RDONLY);

    d->size = (size_t)read(fd, d->bytes, sizeof d->bytes);
    close(fd);
}

static void rewrite(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* Cut anywhere, or with one bit turned: either it does not count, or it says the same.
 */
static void damaged_anyhow(void **state)
{
    const char *folder = *state;
    struct damage d;
    char path[512];
    unsigned n_whole = 0;

    traits_note_write(folder, store, traits, then_ms);
    each_file(folder, path, load, &d);
    assert_true(d.size > 80);
    for (size_t n = 0; n < d.size; n++) {
        rewrite(path, d.bytes, n);
        assert_note(folder, store, then_ms + 1000, NULL);
    }
    for (size_t bit = 0; bit < 8 * d.size; bit++) {
        struct damage copy = d;
        char *found;

        copy.bytes[bit / 8] = (char)(copy.bytes[bit / 8] ^ 1 << bit % 8);
        rewrite(path, copy.bytes, copy.size);
        found = traits_note_read(folder, store, then_ms + 1000);
        if (found != NULL)
            assert_string_equal(found, traits);
        n_whole += found != NULL;
        free(found);
    }
    assert_true(n_whole < 8); /* white space may stand for other white space */
}

static void another_format(void **state)
{
    const char *folder = *state;
    struct damage d;
    char path[512], *at;

    traits_note_write(folder, store, traits, then_ms);
    each_file(folder, path, load, &d);
    d.bytes[d.size] = '\0';
    at = strstr(d.bytes, "\"format\":1");
    assert_non_null(at);
    at[strlen("\"format\":")] = '2';
    rewrite(path, d.bytes, d.size);
    assert_note(folder, store, then_ms, NULL);
}

static void nowhere_to_write(void **state)
{
    (void)state;
    traits_note_write("/nonexistent/folder", store, traits, then_ms);
    assert_note("/nonexistent/folder", store, then_ms, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_day_long, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(damaged_anyhow, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(another_format, make_folder, remove_folder),
        cmocka_unit_test(nowhere_to_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
