/*
 * Files of a real folder: what reading says of one that was changed, cut short,
 * replaced or taken away meanwhile, and that holes are zeros.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/source.h"

enum { KIB = 1024, MIB = 1 << 20, BLOCK = 64 * KIB };

struct tree {
    struct loop loop;
    struct source *source;
    char root[64], scratch[80], file[80];
    struct source_op op;
    bool is_done;
    uint8_t *buffer;
    struct digester digester;
    struct digest digests[64];
};

static void on_done(struct source_op *op, void *ctx)
{
    struct tree *t = ctx;

    (void)op;
    assert_false(t->is_done);
    t->is_done = true;
}

static enum error_kind answer(struct tree *t)
{
    assert_false(t->is_done); /* never from inside the call */
    loop_run_until(&t->loop, &t->is_done);
    t->is_done = false;
    return t->op.err.kind;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void fill_with(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

static int begin(void **state)
{
    struct tree *t = mem_new(1, sizeof *t);
    struct walk_options options = {0};
    struct error err;

    snprintf(t->root, sizeof t->root, "/tmp/test_source.XXXXXX");
    assert_non_null(mkdtemp(t->root));
    snprintf(t->file, sizeof t->file, "%s/file", t->root);
    snprintf(t->scratch, sizeof t->scratch, "/tmp");
    options.root = t->root;
    options.scratch = t->scratch;
    assert_int_equal(loop_open(&t->loop), 0);
    assert_int_equal(source_open_tree(&t->source, &t->loop, &options, &err), 0);
    t->buffer = mem_new(4, MIB);
    *state = t;
    return 0;
}

static int end(void **state)
{
    struct tree *t = *state;

    if (t->op.file != NULL)
        source_close_file(t->source, t->op.file);
    source_close(t->source);
    loop_close(&t->loop);
    digester_free(&t->digester);
    unlink(t->file);
    rmdir(t->file);
    assert_int_equal(rmdir(t->root), 0);
    free(t->buffer);
    free(t);
    return 0;
}

static enum error_kind open_file(struct tree *t)
{
    source_open_file(t->source, &t->op, "file", on_done, t);
    return answer(t);
}

/* Read size bytes from offset of the file that was opened, into the buffer. */
static enum error_kind read_at(struct tree *t, uint64_t offset, size_t size,
                               const struct stamp *expected)
{
    const struct source_read read = {.offset = offset,
                                     .into = {t->buffer, size},
                                     .expected = *expected,
                                     .digester = &t->digester};

    digester_free(&t->digester);
    digester_init(&t->digester, BLOCK, t->digests);
    source_read(&t->op, t->op.file, &read, on_done, t);
    return answer(t);
}

static enum error_kind read_whole(struct tree *t, const struct stamp *expected)
{
    const struct source_read read = {.into = {t->buffer, (size_t)expected->size},
                                     .expected = *expected,
                                     .digester = &t->digester};

    digester_free(&t->digester);
    digester_init(&t->digester, BLOCK, t->digests);
    source_read_whole(t->source, &t->op, "file", &read, on_done, t);
    return answer(t);
}

static struct stamp stamp_now(const struct tree *t)
{
    struct stat st;

    assert_int_equal(lstat(t->file, &st), 0);
    return (struct stamp){
        .size = (uint64_t)st.st_size,
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
        .inode = st.st_ino};
}

static struct stamp make_file(struct tree *t, size_t size)
{
    uint8_t *bytes = mem_buffer(size + 1);

    fill_with(bytes, size, 1);
    write_file(t->file, bytes, size);
    free(bytes);
    return stamp_now(t);
}

/* The clock of the file system may be coarse: a change is made visible. */
static void touch(const struct tree *t)
{
    const struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 1}};

    assert_int_equal(utimensat(AT_FDCWD, t->file, times, 0), 0);
}

/* ---- as it should be ---- */

static void test_open_and_read(void **state)
{
    struct tree *t = *state;
    struct stamp stamp = make_file(t, 200 * KIB);
    uint8_t *expected = mem_buffer(200 * KIB);

    fill_with(expected, 200 * KIB, 1);
    assert_int_equal(open_file(t), ERROR_NONE);
    assert_true(stamp_is_same(&t->op.stamp, &stamp));
    assert_true(t->op.read_at_ns >= stamp.ctime_ns - (int64_t)1e9);
    assert_int_equal(read_at(t, 64 * KIB, 136 * KIB, &stamp), ERROR_NONE);
    assert_memory_equal(t->buffer, expected + 64 * KIB, 136 * KIB);
    digester_end(&t->digester);
    assert_int_equal(t->digester.n_done, 3);
    for (size_t i = 0; i < 3; i++) {
        size_t size = i < 2 ? 64 * KIB : 8 * KIB;
        struct digest d = digest_of_bytes(expected + (i + 1) * 64 * KIB, size);

        assert_true(digest_is_same(&d, &t->digests[i]));
    }
    assert_true(stamp_is_same(&t->op.stamp, &stamp));
    free(expected);
}

static void test_read_whole(void **state)
{
    struct tree *t = *state;
    struct stamp stamp = make_file(t, 1000);
    struct digest d;

    assert_int_equal(read_whole(t, &stamp), ERROR_NONE);
    digester_end(&t->digester);
    d = digest_of_bytes(t->buffer, 1000);
    assert_true(digest_is_same(&d, &t->digests[0]));
    assert_true(t->op.read_at_ns > 0);
    assert_true(stamp_is_same(&t->op.stamp, &stamp));
}

/* Holes are zeros, whether they are skipped or read, and so are their digests. */
static void test_holes_are_zeros(void **state)
{
    struct tree *t = *state;
    static const struct digest unset;
    uint8_t *zeros = mem_new(1, MIB);
    struct digest zero = digest_of_bytes(zeros, BLOCK), d;
    struct stamp stamp;
    int fd = open(t->file, O_CREAT | O_WRONLY, 0600);

    assert_int_equal(pwrite(fd, "here", 4, 2 * MIB + 5), 4);
    assert_int_equal(ftruncate(fd, 4 * MIB), 0);
    close(fd);
    stamp = stamp_now(t);
    memset(t->buffer, 0xff, 4 * MIB);
    assert_int_equal(open_file(t), ERROR_NONE);
    assert_int_equal(read_at(t, 0, MIB, &stamp), ERROR_NONE); /* all hole */
    assert_memory_equal(t->buffer, zeros, MIB);
    assert_int_equal(t->digester.n_done, 16);
    assert_true(digest_is_same(&t->digests[15], &zero));
    assert_int_equal(read_at(t, 3 * MIB, MIB, &stamp), ERROR_NONE); /* to the end */
    assert_memory_equal(t->buffer, zeros, MIB);
    t->digests[0] = unset;
    assert_int_equal(read_at(t, 2 * MIB, BLOCK, &stamp), ERROR_NONE); /* some data */
    memcpy(zeros + 5, "here", 4);
    assert_memory_equal(t->buffer, zeros, BLOCK);
    d = digest_of_bytes(zeros, BLOCK);
    assert_true(digest_is_same(&t->digests[0], &d));
    free(zeros);
}

static void test_a_root_that_is_a_file(void **state)
{
    struct tree *t = *state;
    struct stamp stamp = make_file(t, 10);
    struct walk_options options = {.root = t->file, .scratch = t->scratch};
    struct source *tree = t->source;
    struct entry_batch batch = {0};
    struct error err;

    assert_int_equal(source_open_tree(&t->source, &t->loop, &options, &err), 0);
    source_next(t->source, &t->op, &batch, on_done, t);
    assert_int_equal(answer(t), ERROR_NONE);
    assert_int_equal(batch.n_entries, 1);
    assert_string_equal(batch.entries[0].path, "file");
    assert_true(stamp_is_same(&batch.entries[0].stamp, &stamp));
    assert_int_equal(read_whole(t, &stamp), ERROR_NONE);
    entry_batch_free(&batch);
    source_close(t->source);
    t->source = tree;
}

static void test_the_list_twice(void **state)
{
    struct tree *t = *state;
    struct entry_batch batch = {0};
    struct error err;

    make_file(t, 10);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(source_rewind(t->source, &err), 0);
        source_next(t->source, &t->op, &batch, on_done, t);
        assert_int_equal(answer(t), ERROR_NONE);
        assert_int_equal(batch.n_entries, 1);
        assert_true(t->op.at_end);
    }
    entry_batch_free(&batch);
}

/* ---- as it should not be ---- */

static void test_vanished(void **state)
{
    struct tree *t = *state;
    struct stamp stamp = make_file(t, 1000), now;

    assert_int_equal(open_file(t), ERROR_NONE);
    unlink(t->file);
    /* Open it is still there, but it is not the one with that name any more. */
    now = t->op.stamp;
    assert_int_equal(read_at(t, 0, 1000, &now), ERROR_CHANGED);
    source_close_file(t->source, t->op.file);
    assert_int_equal(open_file(t), ERROR_NOT_FOUND);
    assert_non_null(strstr(t->op.err.text, "vanished"));
    assert_null(t->op.file);
    assert_int_equal(read_whole(t, &stamp), ERROR_NOT_FOUND);
}

static void test_a_folder_that_became_a_file(void **state)
{
    struct tree *t = *state;
    const struct source_read read = {.into = {t->buffer, 10}, .expected = {.size = 10}};

    make_file(t, 10);
    source_read_whole(t->source, &t->op, "file/below", &read, on_done, t);
    assert_int_equal(answer(t), ERROR_NOT_FOUND);
}

static void test_changed(void **state)
{
    struct tree *t = *state;
    struct stamp before = make_file(t, 1000), now;

    assert_int_equal(open_file(t), ERROR_NONE);
    write_file(t->file, "x", 1);
    assert_int_equal(truncate(t->file, 1000), 0);
    touch(t);
    now = stamp_now(t);
    assert_int_equal(read_at(t, 0, 1000, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
    assert_int_equal(read_whole(t, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
}

static void test_shorter(void **state)
{
    struct tree *t = *state;
    struct stamp before = make_file(t, 1000), now;

    assert_int_equal(open_file(t), ERROR_NONE);
    assert_int_equal(truncate(t->file, 10), 0);
    now = stamp_now(t);
    assert_int_equal(read_at(t, 0, 1000, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
    assert_int_equal(read_at(t, 500, 500, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
    assert_int_equal(read_whole(t, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
}

/* Behind what is now its end everything looks like a hole. */
static void test_a_sparse_file_shorter(void **state)
{
    struct tree *t = *state;
    struct stamp before, now;

    write_file(t->file, "x", 1);
    assert_int_equal(truncate(t->file, 4 * MIB), 0);
    before = stamp_now(t);
    assert_int_equal(open_file(t), ERROR_NONE);
    assert_int_equal(truncate(t->file, MIB), 0);
    now = stamp_now(t);
    assert_int_equal(read_at(t, 2 * MIB, MIB, &before), ERROR_CHANGED);
    assert_true(stamp_is_same(&t->op.stamp, &now));
}

static void test_longer(void **state)
{
    struct tree *t = *state;
    struct stamp before = make_file(t, 1000);

    assert_int_equal(open_file(t), ERROR_NONE);
    assert_int_equal(truncate(t->file, 1001), 0);
    assert_int_equal(read_at(t, 0, 1000, &before), ERROR_CHANGED);
    assert_int_equal(t->op.stamp.size, 1001);
    assert_int_equal(read_whole(t, &before), ERROR_CHANGED);
}

/* A pipe is not waited for. */
static void test_replaced_by_a_pipe(void **state)
{
    struct tree *t = *state;
    struct stamp before = make_file(t, 1000), now;

    unlink(t->file);
    assert_int_equal(mkfifo(t->file, 0600), 0);
    now = stamp_now(t);
    assert_int_equal(open_file(t), ERROR_NOT_FOUND);
    assert_non_null(strstr(t->op.err.text, "not a regular file"));
    assert_int_equal(read_whole(t, &before), ERROR_NOT_FOUND);
    assert_true(stamp_is_same(&t->op.stamp, &now)); /* whatever it is: as it is now */
}

static void test_replaced_by_a_folder(void **state)
{
    struct tree *t = *state;
    struct stamp before = make_file(t, 1000);

    unlink(t->file);
    assert_int_equal(mkdir(t->file, 0700), 0);
    assert_int_equal(open_file(t), ERROR_NOT_FOUND);
    assert_int_equal(read_whole(t, &before), ERROR_NOT_FOUND);
}

static void test_unreadable(void **state)
{
    struct tree *t = *state;
    struct stamp stamp = make_file(t, 1000);

    if (geteuid() == 0)
        skip(); /* may read all */
    assert_int_equal(chmod(t->file, 0), 0);
    stamp = stamp_now(t);
    assert_int_equal(read_whole(t, &stamp), ERROR_IO);
    assert_int_equal(t->op.err.code, EACCES);
}

static void test_no_such_root(void **state)
{
    struct tree *t = *state;
    struct walk_options options = {.root = t->file, .scratch = t->scratch};
    struct source *source = NULL;
    struct error err;

    assert_int_equal(source_open_tree(&source, &t->loop, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_and_read, begin, end),
        cmocka_unit_test_setup_teardown(test_read_whole, begin, end),
        cmocka_unit_test_setup_teardown(test_holes_are_zeros, begin, end),
        cmocka_unit_test_setup_teardown(test_a_root_that_is_a_file, begin, end),
        cmocka_unit_test_setup_teardown(test_the_list_twice, begin, end),
        cmocka_unit_test_setup_teardown(test_vanished, begin, end),
        cmocka_unit_test_setup_teardown(test_a_folder_that_became_a_file, begin, end),
        cmocka_unit_test_setup_teardown(test_changed, begin, end),
        cmocka_unit_test_setup_teardown(test_shorter, begin, end),
        cmocka_unit_test_setup_teardown(test_a_sparse_file_shorter, begin, end),
        cmocka_unit_test_setup_teardown(test_longer, begin, end),
        cmocka_unit_test_setup_teardown(test_replaced_by_a_pipe, begin, end),
        cmocka_unit_test_setup_teardown(test_replaced_by_a_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_unreadable, begin, end),
        cmocka_unit_test_setup_teardown(test_no_such_root, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
