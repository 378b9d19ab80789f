/*
 * The plain recursion takes paths as they are and sorts all entries at the end, so it
 * has nothing in common with the walk but the rules.
 */
#include "walk_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* ---- lines ---- */

void lines_add(struct lines *lines, const char *format, ...)
{
    va_list args;

    if (lines->n == lines->room) {
        lines->room = lines->room > 0 ? 2 * lines->room : 64;
        lines->lines = mem_resize(lines->lines, lines->room, sizeof *lines->lines);
    }
    va_start(args, format);
    assert_true(vasprintf(&lines->lines[lines->n++], format, args) >= 0);
    va_end(args);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_sort(struct lines *lines)
{
    if (lines->n > 1)
        qsort(lines->lines, lines->n, sizeof *lines->lines, compare_lines);
}

void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        free(lines->lines[i]);
    free(lines->lines);
    *lines = (struct lines){0};
}

static void print_lines(const char *title, const struct lines *lines)
{
    print_message("%s:\n", title);
    for (size_t i = 0; i < lines->n && i < 200; i++)
        print_message("    %s\n", lines->lines[i]);
}

void lines_check(const struct lines *found, const struct lines *expected)
{
    bool is_same = found->n == expected->n;

    for (size_t i = 0; is_same && i < found->n; i++)
        is_same = strcmp(found->lines[i], expected->lines[i]) == 0;
    if (is_same)
        return;
    print_lines("found", found);
    print_lines("expected", expected);
    fail_msg("they differ");
}

/* ---- by the walk ---- */

static void add_entry(struct lines *lines, const struct entry *entry)
{
    const char *type = entry_type_name(entry->type);

    if (entry->type == ENTRY_FILE)
        lines_add(lines, "%s %s %ju", type, entry->path, (uintmax_t)entry->stamp.size);
    else if (entry->type == ENTRY_SYMLINK)
        lines_add(lines, "%s %s %s", type, entry->path, entry->target);
    else
        lines_add(lines, "%s %s", type, entry->path);
}

static void take_batch(struct found *found, const struct entry_batch *batch,
                       char **last)
{
    assert_true(batch->n_entries + batch->n_issues <= 1100);
    for (size_t i = 0; i < batch->n_entries; i++) {
        const char *path = batch->entries[i].path;

        if (*last != NULL && strcmp(*last, path) >= 0)
            fail_msg("%s comes before %s", *last, path);
        free(*last);
        *last = mem_copy_string(path);
        add_entry(&found->entries, &batch->entries[i]);
    }
    for (size_t i = 0; i < batch->n_issues; i++)
        lines_add(&found->issues, "%s %s", issue_kind_name(batch->issues[i].kind),
                  batch->issues[i].path);
}

void found_walk(struct found *found, const struct walk_options *options)
{
    struct entry_batch batch = {0};
    bool at_end = false;
    struct error err = {0};
    struct walk *walk;
    char *last = NULL;

    if (walk_open(&walk, options, &err) != 0)
        fail_msg("%s", err.text);
    while (!at_end) {
        if (walk_next(walk, &batch, &at_end, &err) != 0)
            fail_msg("%s", err.text);
        take_batch(found, &batch, &last);
    }
    lines_sort(&found->issues);
    free(last);
    walk_close(walk);
    entry_batch_free(&batch);
}

void found_free(struct found *found)
{
    lines_free(&found->entries);
    lines_free(&found->issues);
}

/* ---- by recursion ---- */

struct plain {
    struct found *found;
    const char *root;
    enum walk_symlinks symlinks;
    const struct filter *filter;
    struct stat above[64];
    unsigned n_above;
    struct plain_path {
        char *path, *line;
    } * paths;
    size_t n_paths, room;
};

static bool takes(const struct plain *p, const char *path, bool is_folder)
{
    if (p->filter == NULL)
        return true;
    return is_folder ? filter_takes_folder(p->filter, path)
                     : filter_takes(p->filter, path);
}

static void keep(struct plain *p, const char *path, bool is_folder, char *line)
{
    if (!takes(p, path, is_folder)) {
        free(line);
        return;
    }
    if (p->n_paths == p->room) {
        p->room = p->room > 0 ? 2 * p->room : 64;
        p->paths = mem_resize(p->paths, p->room, sizeof *p->paths);
    }
    p->paths[p->n_paths].path = mem_copy_string(path);
    p->paths[p->n_paths++].line = line;
}

static char *spell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *spell(const char *format, ...)
{
    va_list args;
    char *line;

    va_start(args, format);
    assert_true(vasprintf(&line, format, args) >= 0);
    va_end(args);
    return line;
}

static void note(struct plain *p, enum issue_kind kind, const char *path)
{
    if (takes(p, path, kind == ISSUE_LINK_LOOP))
        lines_add(&p->found->issues, "%s %s", issue_kind_name(kind), path);
}

static void recurse(struct plain *p, const char *path);

static bool is_above(const struct plain *p, const struct stat *st)
{
    for (unsigned i = 0; i < p->n_above; i++)
        if (p->above[i].st_dev == st->st_dev && p->above[i].st_ino == st->st_ino)
            return true;
    return false;
}

static void look(struct plain *p, const char *path)
{
    char *full = spell("%s/%s", p->root, path), target[PATH_MAX] = "";
    bool is_link, is_dangling;
    struct stat st;

    assert_int_equal(lstat(full, &st), 0);
    is_link = S_ISLNK(st.st_mode);
    if (is_link)
        assert_true(readlink(full, target, sizeof target - 1) > 0);
    if (is_link && p->symlinks == WALK_SYMLINKS_SKIP) {
        note(p, ISSUE_LINK_SKIPPED, path);
    } else if (is_link && p->symlinks == WALK_SYMLINKS_KEEP) {
        keep(p, path, false, spell("symlink %s %s", path, target));
    } else {
        is_dangling = stat(full, &st) != 0;
        if (is_dangling || (is_link && S_ISDIR(st.st_mode) && is_above(p, &st))) {
            note(p, is_dangling ? ISSUE_LINK_DANGLING : ISSUE_LINK_LOOP, path);
            keep(p, path, !is_dangling, spell("symlink %s %s", path, target));
        } else if (S_ISDIR(st.st_mode)) {
            recurse(p, path);
        } else if (S_ISREG(st.st_mode)) {
            keep(p, path, false, spell("file %s %ju", path, (uintmax_t)st.st_size));
        } else {
            note(p, ISSUE_SPECIAL, path);
        }
    }
    free(full);
}

static void recurse(struct plain *p, const char *path)
{
    char *full = spell("%s/%s", p->root, path);
    DIR *folder = opendir(full);
    struct dirent *found;
    bool is_empty = true;

    assert_non_null(folder);
    assert_int_equal(stat(full, &p->above[p->n_above++]), 0);
    while ((found = readdir(folder)) != NULL) {
        char *below;

        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        is_empty = false;
        below = spell("%s%s%s", path, *path != '\0' ? "/" : "", found->d_name);
        look(p, below);
        free(below);
    }
    if (is_empty && *path != '\0')
        keep(p, path, true, spell("dir %s", path));
    p->n_above--;
    closedir(folder);
    free(full);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct plain_path *)a)->path,
                  ((const struct plain_path *)b)->path);
}

void found_plainly(struct found *found, const char *root, enum walk_symlinks symlinks,
                   const struct filter *filter)
{
    struct plain p = {.found = found, .root = root, .symlinks = symlinks};

    p.filter = filter;
    recurse(&p, "");
    if (p.n_paths > 1)
        qsort(p.paths, p.n_paths, sizeof *p.paths, by_path);
    for (size_t i = 0; i < p.n_paths; i++) {
        lines_add(&found->entries, "%s", p.paths[i].line);
        free(p.paths[i].path);
        free(p.paths[i].line);
    }
    free(p.paths);
    lines_sort(&found->issues);
}

/* ---- trees ---- */

char *tree_path(const char *base, const char *path)
{
    return spell("%s/up/top/root/%s", base, path);
}

char *tree_new(void)
{
    char *base =
        mem_copy_string(access("/dev/shm", W_OK) == 0 ? "/dev/shm/test_walk.XXXXXX"
                                                      : "/tmp/test_walk.XXXXXX");
    char *scratch;

    assert_non_null(mkdtemp(base));
    scratch = spell("%s/scratch", base);
    assert_int_equal(mkdir(scratch, 0777), 0);
    assert_int_equal(chmod(scratch, 0777), 0);
    assert_int_equal(chmod(base, 0755), 0);
    tree_folder(base, "");
    free(scratch);
    return base;
}

void tree_remove(char *base)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", base, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(base);
}

static char *make_above(const char *base, const char *path)
{
    char *full = tree_path(base, path);

    for (char *slash = full + strlen(base) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(full, 0755) != 0)
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
    return full;
}

void tree_file(const char *base, const char *path, size_t size)
{
    char *full = make_above(base, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    free(full);
}

void tree_folder(const char *base, const char *path)
{
    free(make_above(base, path));
}

void tree_link(const char *base, const char *path, const char *target)
{
    char *full = make_above(base, path);

    assert_int_equal(symlink(target, full), 0);
    free(full);
}

/* ---- a setting ---- */

struct setting setting_new(void)
{
    struct setting s = {.base = tree_new()};

    assert_true(asprintf(&s.root, "%s/up/top/root", s.base) > 0);
    assert_true(asprintf(&s.scratch, "%s/scratch", s.base) > 0);
    assert_true(asprintf(&s.list, "%s/list", s.base) > 0);
    s.options.root = s.root;
    s.options.scratch = s.scratch;
    return s;
}

void setting_free(struct setting *s)
{
    tree_remove(s->base);
    free(s->root);
    free(s->scratch);
    free(s->list);
}

void write_list(struct setting *s, const char *content)
{
    FILE *file = fopen(s->list, "we");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    fclose(file);
    s->options.files_from = s->list;
}
