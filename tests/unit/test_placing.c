/*
 * Files that are put in their places together: each done once, each by itself where one of
 * them cannot be.
 */
#include "agent/placing.h"

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

enum { FILES = 60 };

struct place;

struct file {
    struct place *place;
    char path[32];
    struct entry entry;
    struct placing_file placing;
    unsigned n_done;
};

struct place {
    char top[64];
    struct loop loop;
    struct landing landing;
    struct placing placing;
    struct file files[FILES];
    unsigned n_left;
    bool is_over;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct error err;

    *state = p;
    snprintf(p->top, sizeof p->top, "/tmp/test_placing.XXXXXX");
    if (mkdtemp(p->top) == NULL || loop_open(&p->loop) != 0 ||
        landing_open(&p->landing, p->top, "root", &err) != 0)
        return -1;
    placing_init(&p->placing, &p->loop, &p->landing);
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    landing_close(&p->landing, true);
    loop_close(&p->loop);
    remove_tree(p->top);
    free(p);
    return 0;
}

static void on_done(void *ctx)
{
    struct file *f = ctx;

    f->n_done++;
    close(f->placing.part.fd);
    f->place->is_over = --f->place->n_left == 0;
}

/* Its part, with all its bytes. */
static void make(struct place *p, unsigned i)
{
    struct file *f = &p->files[i];
    struct error err;
    uint64_t size;
    int fd;

    f->place = p;
    snprintf(f->path, sizeof f->path, "d%u/f%u", i % 5, i);
    f->entry =
        (struct entry){.path = f->path,
                       .type = ENTRY_FILE,
                       .mode = 0640,
                       .stamp = {.size = strlen(f->path), .mtime_ns = 7000000001}};
    assert_int_equal(landing_open_part(&p->landing, &f->entry, &fd, &size, &err), 0);
    assert_int_equal(write(fd, f->path, strlen(f->path)), strlen(f->path));
    assert_int_equal(write(fd, "tail", 4), 4); /* of an earlier run: to be cut off */
    f->placing = (struct placing_file){
        .part = {.file = &f->entry, .fd = fd}, .done = on_done, .ctx = f};
    p->n_left++;
}

static bool is_there(const struct place *p, unsigned i)
{
    const struct file *f = &p->files[i];
    char whole[128], bytes[64] = "";
    struct stat st;
    FILE *file;

    snprintf(whole, sizeof whole, "%s/%s", p->top, f->path);
    if (stat(whole, &st) != 0)
        return false;
    file = fopen(whole, "r");
    assert_non_null(file);
    assert_non_null(fgets(bytes, sizeof bytes, file));
    fclose(file);
    assert_string_equal(bytes, f->path);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_mtim.tv_sec, 7);
    return true;
}

static void one(void **state)
{
    struct place *p = *state;

    make(p, 0);
    placing_add(&p->placing, &p->files[0].placing);
    assert_int_equal(p->files[0].n_done, 0); /* never before it has returned */
    loop_run_until(&p->loop, &p->is_over);
    assert_int_equal(p->files[0].placing.part.err.kind, ERROR_NONE);
    assert_true(is_there(p, 0));
}

static void many_while_others_are_at_it(void **state)
{
    struct place *p = *state;

    for (unsigned i = 0; i < FILES; i++)
        make(p, i);
    for (unsigned i = 0; i < FILES; i++)
        placing_add(&p->placing, &p->files[i].placing);
    loop_run_until(&p->loop, &p->is_over);
    for (unsigned i = 0; i < FILES; i++) {
        assert_int_equal(p->files[i].n_done, 1);
        assert_int_equal(p->files[i].placing.part.err.kind, ERROR_NONE);
        assert_true(is_there(p, i));
    }
}

static void one_that_cannot_be_harms_no_other(void **state)
{
    struct place *p = *state;
    int read_only;

    for (unsigned i = 0; i < 20; i++)
        make(p, i);
    mkdirat(p->landing.root, "d3", 0700); /* in the way of d3/f3 */
    mkdirat(p->landing.root, "d3/f3", 0700);
    read_only = open("/dev/null", O_RDONLY); /* cannot be cut */
    dup2(read_only, p->files[7].placing.part.fd);
    close(read_only);
    for (unsigned i = 0; i < 20; i++)
        placing_add(&p->placing, &p->files[i].placing);
    loop_run_until(&p->loop, &p->is_over);
    assert_int_equal(p->files[3].placing.part.err.kind, ERROR_CONFLICT);
    assert_int_not_equal(p->files[7].placing.part.err.kind, ERROR_NONE);
    assert_false(is_there(p, 7));
    for (unsigned i = 0; i < 20; i++)
        assert_true(i == 3 || i == 7 || is_there(p, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one, setup, teardown),
        cmocka_unit_test_setup_teardown(many_while_others_are_at_it, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_harms_no_other, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
