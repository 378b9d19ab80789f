/*
 * What the walk finds in small trees that are written down here.  Random trees are in
 * test_walk_story.c, large ones in test_walk_size.c.
 */
#include "manifest/walk.h"

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

/* Entries and issues as lines of one string each. */
static void check_walk(const struct setting *s, const char *entries, const char *issues)
{
    struct found found = {0};
    char *all[2] = {NULL, NULL};

    found_walk(&found, &s->options);
    for (unsigned i = 0; i < 2; i++) {
        const struct lines *lines = i == 0 ? &found.entries : &found.issues;
        size_t size;
        FILE *out = open_memstream(&all[i], &size);

        for (size_t j = 0; j < lines->n; j++)
            fprintf(out, "%s\n", lines->lines[j]);
        fclose(out);
    }
    assert_string_equal(all[0], entries);
    assert_string_equal(all[1], issues);
    free(all[0]);
    free(all[1]);
    found_free(&found);
}

static void check_refused(const struct walk_options *options, enum error_kind kind,
                          const char *text)
{
    struct error err = {0};
    struct walk *walk = NULL;

    assert_int_equal(walk_open(&walk, options, &err), -1);
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, err.text);
}

/* ---- order ---- */

static void test_order(void **state)
{
    struct setting s = setting_new();

    (void)state;
    tree_file(s.base, "a/x", 1);
    tree_file(s.base, "a.b", 2);
    tree_file(s.base, "a-/y", 3);
    tree_file(s.base, "a-b", 4);
    tree_file(s.base, "a-b.c", 5);
    tree_file(s.base, "a--/z", 6);
    tree_file(s.base, "a0", 7);
    tree_folder(s.base, "e/");
    tree_file(s.base, "e.x", 8);
    tree_folder(s.base, "f/");
    tree_file(s.base, "\xff", 9);
    check_walk(&s,
               "file a--/z 6\nfile a-/y 3\nfile a-b 4\nfile a-b.c 5\nfile a.b 2\n"
               "file a/x 1\nfile a0 7\ndir e\nfile e.x 8\ndir f\nfile \xff 9\n",
               "");
    setting_free(&s);
}

static void test_stamps(void **state)
{
    struct setting s = setting_new();
    struct timespec times[2] = {{1, 0}, {1700000000, 123456789}};
    struct entry_batch batch = {0};
    struct error err;
    struct walk *walk;
    struct stat st;
    bool at_end;
    char *path = tree_path(s.base, "f");

    (void)state;
    tree_file(s.base, "f", 4321);
    assert_int_equal(chmod(path, 04751), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(walk_open(&walk, &s.options, &err), 0);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_true(at_end);
    assert_int_equal(batch.n_entries, 1);
    assert_int_equal(batch.entries[0].mode, 04751);
    assert_int_equal(batch.entries[0].stamp.size, 4321);
    assert_int_equal(batch.entries[0].stamp.mtime_ns, 1700000000123456789);
    assert_int_equal(batch.entries[0].stamp.ctime_ns,
                     st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
    assert_int_equal(batch.entries[0].stamp.inode, st.st_ino);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_true(at_end && batch.n_entries == 0);
    walk_close(walk);
    entry_batch_free(&batch);
    free(path);
    setting_free(&s);
}

/* ---- the root ---- */

static void test_roots(void **state)
{
    struct setting s = setting_new();
    char *fifo = tree_path(s.base, "pipe"), *file = tree_path(s.base, "d/one.txt");
    char *link = tree_path(s.base, "link"), *folder_link = tree_path(s.base, "to-d");
    char *missing = tree_path(s.base, "missing"), *empty = tree_path(s.base, "empty");

    (void)state;
    tree_file(s.base, "d/one.txt", 5);
    tree_folder(s.base, "empty/");
    tree_link(s.base, "link", "d/one.txt");
    tree_link(s.base, "to-d", "d");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    s.options.symlinks = WALK_SYMLINKS_KEEP;
    s.options.root = file;
    check_walk(&s, "file one.txt 5\n", "");
    s.options.root = link;
    check_walk(&s, "file link 5\n", "");
    s.options.root = folder_link;
    check_walk(&s, "file one.txt 5\n", "");
    s.options.root = empty;
    check_walk(&s, "", "");
    s.options.root = missing;
    check_refused(&s.options, ERROR_NOT_FOUND, "no such file or folder");
    s.options.root = fifo;
    check_refused(&s.options, ERROR_USAGE, "neither");
    s.options.root = file;
    write_list(&s, "one.txt\n");
    check_refused(&s.options, ERROR_USAGE, "list of files");
    free(fifo);
    free(file);
    free(link);
    free(folder_link);
    free(missing);
    free(empty);
    setting_free(&s);
}

/* ---- links and special files ---- */

static void make_links(const struct setting *s)
{
    char *fifo = tree_path(s->base, "d/pipe");

    tree_file(s->base, "d/f", 1);
    tree_folder(s->base, "e/");
    tree_link(s->base, "d/up", "..");
    tree_link(s->base, "d/self", "../d");
    tree_link(s->base, "knot", "knot");
    tree_link(s->base, "gone", "no/where");
    tree_link(s->base, "to-d", "d");
    tree_link(s->base, "to-e", "e");
    tree_link(s->base, "to-f", "d/f");
    tree_link(s->base, "to-pipe", "d/pipe");
    tree_link(s->base, "out", "../outside");
    tree_link(s->base, "out-f", "../outside/g");
    tree_file(s->base, "../outside/g", 7);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    free(fifo);
}

static void test_follow(void **state)
{
    struct setting s = setting_new();
    struct entry_batch batch = {0};
    struct error err;
    struct walk *walk;
    bool at_end;

    (void)state;
    make_links(&s);
    check_walk(&s,
               "file d/f 1\nsymlink d/self ../d\nsymlink d/up ..\ndir e\n"
               "symlink gone no/where\nsymlink knot knot\nfile out-f 7\nfile out/g 7\n"
               "file to-d/f 1\nsymlink to-d/self ../d\nsymlink to-d/up ..\ndir to-e\n"
               "file to-f 1\n",
               "link_dangling gone\nlink_dangling knot\nlink_loop d/self\n"
               "link_loop d/up\nlink_loop to-d/self\nlink_loop to-d/up\n"
               "special d/pipe\nspecial to-d/pipe\nspecial to-pipe\n");
    assert_int_equal(walk_open(&walk, &s.options, &err), 0);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_int_equal(walk_links_outside(walk), 2);
    walk_close(walk);
    entry_batch_free(&batch);
    setting_free(&s);
}

static void test_keep_and_skip(void **state)
{
    struct setting s = setting_new();
    char *path = tree_path(s.base, "long"), *target = mem_new(4096, 1), *expected;

    (void)state;
    make_links(&s);
    s.options.symlinks = WALK_SYMLINKS_SKIP;
    check_walk(&s, "file d/f 1\ndir e\n",
               "link_skipped d/self\nlink_skipped d/up\nlink_skipped gone\n"
               "link_skipped knot\nlink_skipped out\nlink_skipped out-f\n"
               "link_skipped to-d\nlink_skipped to-e\nlink_skipped to-f\n"
               "link_skipped to-pipe\nspecial d/pipe\n");
    memset(target, 'x', 4095);
    assert_int_equal(symlink(target, path), 0);
    s.options.symlinks = WALK_SYMLINKS_KEEP;
    assert_true(asprintf(&expected,
                         "file d/f 1\nsymlink d/self ../d\nsymlink d/up ..\ndir e\n"
                         "symlink gone no/where\nsymlink knot knot\nsymlink long %s\n"
                         "symlink out ../outside\nsymlink out-f ../outside/g\n"
                         "symlink to-d d\nsymlink to-e e\nsymlink to-f d/f\n"
                         "symlink to-pipe d/pipe\n",
                         target) > 0);
    check_walk(&s, expected, "special d/pipe\n");
    free(expected);
    free(target);
    free(path);
    setting_free(&s);
}

/* ---- what is left out ---- */

static void test_filter(void **state)
{
    struct setting s = setting_new();
    struct filter *filter = filter_new();
    struct error err;

    (void)state;
    make_links(&s);
    tree_file(s.base, "p/q/a.jpg", 1);
    tree_file(s.base, "p/q/a.png", 1);
    tree_file(s.base, "b.jpg", 2);
    filter_add(filter, false, "*", &err);
    filter_add(filter, true, "*.jpg", &err);
    s.options.filter = filter;
    check_walk(&s, "file b.jpg 2\nfile p/q/a.jpg 1\n", "");
    filter_free(filter);

    /* no entry for a folder whose content is filtered out */
    filter = filter_new();
    filter_add(filter, false, "/p/q/**", &err);
    filter_add(filter, false, "to-*", &err);
    filter_add(filter, false, "/d", &err);
    filter_add(filter, false, "/[gkoe]*", &err);
    s.options.filter = filter;
    check_walk(&s, "file b.jpg 2\n", "");
    filter_free(filter);
    setting_free(&s);
}

static void test_leave_out(void **state)
{
    struct setting s = setting_new();
    char *store = tree_path(s.base, "a/store");
    struct walk_place places[2] = {{1, 1}};
    struct stat st;

    (void)state;
    tree_file(s.base, "a/store/x", 1);
    tree_file(s.base, "a/y", 2);
    tree_link(s.base, "b", "a/store");
    assert_int_equal(stat(store, &st), 0);
    places[1] = (struct walk_place){st.st_dev, st.st_ino};
    s.options.leave_out = places;
    s.options.n_leave_out = 2;
    check_walk(&s, "file a/y 2\n", "store_inside a/store\nstore_inside b\n");
    write_list(&s, "a/store/x\na/store/z\na/y\nb\n");
    check_walk(&s, "file a/y 2\n", "store_inside a/store\nstore_inside b\n");
    free(store);
    setting_free(&s);
}

/* As somebody for whom permissions count. */
static void test_unreadable(void **state)
{
    struct setting s = setting_new();
    char *closed = tree_path(s.base, "closed"), *blind = tree_path(s.base, "blind");
    bool is_root = geteuid() == 0;

    (void)state;
    tree_file(s.base, "a", 1);
    tree_file(s.base, "blind/f", 1);
    tree_file(s.base, "closed/f", 1);
    tree_link(s.base, "link", "blind/f");
    tree_file(s.base, "z", 1);
    assert_int_equal(chmod(closed, 0), 0);
    assert_int_equal(chmod(blind, 0444), 0); /* names, but nothing about them */
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    check_walk(&s, "file a 1\nfile z 1\n",
               "unreadable blind/f\nunreadable closed\nunreadable link\n");
    s.options.root = closed;
    check_refused(&s.options, ERROR_IO, "closed");
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(closed, 0755), 0);
    assert_int_equal(chmod(blind, 0755), 0);
    free(closed);
    free(blind);
    setting_free(&s);
}

/* ---- a list of files ---- */

static void make_listed(const struct setting *s)
{
    tree_file(s->base, "a.b", 1);
    tree_file(s->base, "a/c/d", 2);
    tree_file(s->base, "a/c/e", 3);
    tree_file(s->base, "a/f", 4);
    tree_folder(s->base, "g/");
    tree_file(s->base, "h", 5);
    tree_link(s->base, "l", "a/c");
    tree_link(s->base, "a/up", "..");
    tree_file(s->base, "not/this", 6);
}

static void test_files_from(void **state)
{
    struct setting s = setting_new();

    (void)state;
    make_listed(&s);
    write_list(&s, "h\n\n./a/c/e\n  \na.b\na//f\nh\nl/d\ng/\nnowhere\nh/below\nno/x");
    check_walk(&s,
               "file a.b 1\nfile a/c/e 3\nfile a/f 4\ndir g\nfile h 5\nfile l/d 2\n",
               "not_listed h/below\nnot_listed no/x\nnot_listed nowhere\n");
    write_list(&s, "a/c/d\na.b\na/\na/f\nl\n");
    check_walk(&s,
               "file a.b 1\nfile a/c/d 2\nfile a/c/e 3\nfile a/f 4\nsymlink a/up ..\n"
               "file l/d 2\nfile l/e 3\n",
               "link_loop a/up\n");
    write_list(&s, "a/up/h\na/up\n");
    check_walk(&s, "symlink a/up ..\n", "link_loop a/up\nnot_listed a/up/h\n");
    s.options.symlinks = WALK_SYMLINKS_KEEP;
    write_list(&s, "l/d\nl\nh\n");
    check_walk(&s, "file h 5\nsymlink l a/c\n", "not_listed l/d\n");
    write_list(&s, "h\n.\n");
    check_walk(&s,
               "file a.b 1\nfile a/c/d 2\nfile a/c/e 3\nfile a/f 4\nsymlink a/up ..\n"
               "dir g\nfile h 5\nsymlink l a/c\nfile not/this 6\n",
               "");
    write_list(&s, "");
    check_walk(&s, "", "");
    setting_free(&s);
}

static void test_bad_lists(void **state)
{
    struct setting s = setting_new();

    (void)state;
    make_listed(&s);
    write_list(&s, "h\n/etc/passwd\n");
    check_refused(&s.options, ERROR_USAGE, "line 2: '/etc/passwd'");
    write_list(&s, "h\n\na/../../x\n");
    check_refused(&s.options, ERROR_USAGE, "line 3: 'a/../../x'");
    unlink(s.list);
    check_refused(&s.options, ERROR_NOT_FOUND, s.list);
    setting_free(&s);
}

/* ---- changes under way ---- */

static void test_vanished(void **state)
{
    struct setting s = setting_new();
    struct entry_batch batch = {0};
    struct error err;
    struct walk *walk;
    bool at_end;
    char *path, *folder = tree_path(s.base, "z");

    (void)state;
    tree_file(s.base, "a", 1);
    tree_file(s.base, "b", 1);
    tree_file(s.base, "z/f", 1);
    assert_int_equal(walk_open(&walk, &s.options, &err), 0); /* the names are read */
    path = tree_path(s.base, "b");
    unlink(path);
    free(path);
    path = tree_path(s.base, "z/f");
    unlink(path);
    free(path);
    rmdir(folder);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_true(at_end);
    assert_int_equal(batch.n_entries, 1);
    assert_int_equal(batch.n_issues, 0);
    walk_close(walk);
    entry_batch_free(&batch);
    free(folder);
    setting_free(&s);
}

/* Behind a path, until the next call. */
static const char *path_with(const char *path, const char *name)
{
    static char whole[300];

    snprintf(whole, sizeof whole, "%s%s", path, name);
    return whole;
}

/* Walk on after the first batch, in which the folder in question was looked at. */
static size_t finish(struct walk *walk, struct entry_batch *batch, char **last)
{
    struct error err;
    size_t n_entries = 0;
    bool at_end = false;

    while (!at_end) {
        assert_int_equal(walk_next(walk, batch, &at_end, &err), 0);
        for (size_t i = 0; i < batch->n_entries; i++) {
            assert_true(strcmp(*last, batch->entries[i].path) < 0);
            free(*last);
            *last = mem_copy_string(batch->entries[i].path);
        }
        n_entries += batch->n_entries;
        assert_int_equal(batch->n_issues, 0);
    }
    return n_entries;
}

/* A folder that was put off and has become empty is no entry: it would come too late.
 */
static void test_emptied(void **state)
{
    struct setting s = setting_new();
    struct entry_batch batch = {0};
    char *file = tree_path(s.base, "a/f"), *last = mem_copy_string(""), name[16];
    struct error err;
    struct walk *walk;
    bool at_end;

    (void)state;
    tree_file(s.base, "a/f", 1);
    for (unsigned i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "a.%04u", i);
        tree_file(s.base, name, 1);
    }
    assert_int_equal(walk_open(&walk, &s.options, &err), 0);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_int_equal(batch.n_entries, 1000);
    unlink(file);
    assert_int_equal(finish(walk, &batch, &last), 500);
    assert_string_equal(last, "a.1499");
    walk_close(walk);
    entry_batch_free(&batch);
    free(last);
    free(file);
    setting_free(&s);
}

/* A folder above is renamed when it is too far up to be open still. */
static void test_moved(void **state)
{
    struct setting s = setting_new();
    struct entry_batch batch = {0};
    char *from = tree_path(s.base, "a"), *to = tree_path(s.base, "b");
    char path[256] = "", *last = mem_copy_string("");
    struct error err;
    struct walk *walk;
    bool at_end;

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        snprintf(path + strlen(path), sizeof path - strlen(path), "a/");
        tree_file(s.base, path_with(path, "z"), 1);
    }
    for (unsigned i = 0; i < 1500; i++) {
        char name[16];

        snprintf(name, sizeof name, "f%04u", i);
        tree_file(s.base, path_with(path, name), 1);
    }
    assert_int_equal(walk_open(&walk, &s.options, &err), 0);
    assert_int_equal(walk_next(walk, &batch, &at_end, &err), 0);
    assert_int_equal(batch.n_entries, 1000);
    assert_int_equal(rename(from, to), 0);
    /* 500 files, and "z" in folders that are open; the others are gone */
    assert_in_range(finish(walk, &batch, &last), 520, 549);
    walk_close(walk);
    entry_batch_free(&batch);
    free(last);
    free(from);
    free(to);
    setting_free(&s);
}

static void test_open_file(void **state)
{
    struct setting s = setting_new();
    int root = open(s.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
    char *fifo = tree_path(s.base, "pipe");
    struct stat st;

    (void)state;
    tree_file(s.base, "d/f", 12);
    tree_link(s.base, "l", "d");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fd = walk_open_file(root, "l/f");
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 12);
    close(fd);
    fd = walk_open_file(root, "pipe"); /* would wait for a writer */
    assert_true(fd >= 0);
    close(fd);
    free(fifo);
    close(root);
    setting_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),         cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_roots),         cmocka_unit_test(test_follow),
        cmocka_unit_test(test_keep_and_skip), cmocka_unit_test(test_filter),
        cmocka_unit_test(test_leave_out),     cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_files_from),    cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_vanished),      cmocka_unit_test(test_emptied),
        cmocka_unit_test(test_moved),         cmocka_unit_test(test_open_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
