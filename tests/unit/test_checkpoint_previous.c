/* What a session knows of the previous version, and what of it the stat cache may tell to
 * be on this machine still. */
#include "checkpoint_fixture.h"

#include "manifest/checkpoint_previous.h"

enum { MIB = 1 << 20 };

static struct manifest_line line_of(const char *path, uint64_t size, unsigned hash)
{
    return (struct manifest_line){.entry = {.path = path, .stamp = {.size = size}},
                                  .has_hash = true,
                                  .hash = digest_like(hash)};
}

static void begin(struct fixture *f, const char *session)
{
    char cache[128];

    snprintf(cache, sizeof cache, "%s.cache", f->path);
    checkpoint_previous_begin(f->cp, cache, session, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
}

static void add(struct fixture *f, const struct manifest_line *lines, size_t n)
{
    checkpoint_previous_add(f->cp, lines, n, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
}

static void end(struct fixture *f)
{
    checkpoint_previous_end(f->cp, "NAME/v1/", on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
}

/* What is known of path; the caller frees. */
static struct previous_file at(struct fixture *f, const char *path, uint64_t size,
                               bool *may_have_moved)
{
    struct previous_answer found;

    checkpoint_previous_at(f->cp, path, size, &found, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    *may_have_moved = found.may_have_moved;
    return found.file;
}

/* The session that stored the files a, b, ... of a version is the stat cache of this. */
static void leave_cache(struct fixture *f)
{
    char cache[128];

    checkpoint_set(f->cp, "session", "one");
    close_it(f);
    snprintf(cache, sizeof cache, "%s.cache", f->path);
    assert_int_equal(rename(f->path, cache), 0);
    assert_int_equal(open_again(f), ERROR_NONE);
}

static void remove_cache(struct fixture *f)
{
    char cache[128];

    snprintf(cache, sizeof cache, "%s.cache", f->path);
    unlink(cache);
    teardown(f);
}

static void it_is_known_by_path(void **state)
{
    struct digest blocks[2] = {digest_like(1), digest_like(2)};
    struct manifest_line lines[] = {line_of("a", 10, 7), line_of("b", 20 * MIB, 8),
                                    line_of("c", 20 * MIB, 9), line_of("d", 10, 10),
                                    line_of("e", 10, 11)};
    struct previous_file found;
    struct fixture f;
    char *name;
    bool moved;

    (void)state;
    setup(&f);
    lines[1].blocks = blocks;
    lines[1].n_blocks = 2;
    lines[1].block_size = DIGEST_BLOCK;
    lines[3].has_hash = false; /* an object copied without being read */
    lines[4].key = "odd/1234";
    begin(&f, "one");
    add(&f, lines, 2);
    assert_null(checkpoint_previous_name(f.cp));
    add(&f, lines + 2, 3);
    end(&f);
    reopen(&f);
    name = checkpoint_previous_name(f.cp);
    assert_string_equal(name, "NAME/v1/");
    free(name);

    found = at(&f, "a", 10, &moved);
    assert_true(found.exists && !found.is_settled && !moved);
    assert_string_equal(found.key, "data/a");
    assert_string_equal(found.etag, "");
    assert_int_equal(found.size, 10);
    assert_int_equal(found.block_size, DIGEST_BLOCK);
    assert_int_equal(found.n_blocks, 1);
    assert_true(digest_is_same(&found.blocks[0], &found.hash));
    previous_file_free(&found);
    found = at(&f, "b", 20 * MIB, &moved);
    assert_int_equal(found.n_blocks, 2);
    assert_memory_equal(found.blocks, blocks, sizeof blocks);
    assert_true(moved); /* c is of this size, too */
    previous_file_free(&found);
    found = at(&f, "c", 20 * MIB, &moved);
    assert_int_equal(found.block_size, 2 * DIGEST_BLOCK); /* it had one block */
    previous_file_free(&found);
    found = at(&f, "d", 10, &moved);
    assert_false(found.exists);
    found = at(&f, "e", 10, &moved);
    assert_string_equal(found.key, "odd/1234");
    previous_file_free(&found);
    teardown(&f);
}

static void it_is_known_by_its_first_block(void **state)
{
    struct digest blocks[2] = {digest_like(1), digest_like(2)};
    struct digest first = digest_like(1), other = digest_like(2);
    struct manifest_line lines[] = {line_of("a", MIB - 1, 1), line_of("b", MIB, 1),
                                    line_of("c", 20 * MIB, 9)};
    struct previous_file found;
    struct fixture f;
    bool moved;

    (void)state;
    setup(&f);
    lines[2].blocks = blocks;
    lines[2].n_blocks = 2;
    lines[2].block_size = DIGEST_BLOCK;
    begin(&f, "one");
    add(&f, lines, 3);
    end(&f);
    at(&f, "x", MIB - 1, &moved);
    assert_false(moved); /* too small to be looked for */
    at(&f, "x", MIB, &moved);
    assert_true(moved);
    found = at(&f, "b", MIB, &moved);
    assert_false(moved); /* it is the only one */
    previous_file_free(&found);
    checkpoint_previous_like(f.cp, MIB, &first, &found, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_string_equal(found.path, "b");
    previous_file_free(&found);
    checkpoint_previous_like(f.cp, 20 * MIB, &first, &found, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_string_equal(found.path, "c");
    previous_file_free(&found);
    checkpoint_previous_like(f.cp, MIB, &other, &found, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_false(found.exists);
    teardown(&f);
}

/* Files of the cache, and what the manifest has of them. */
static void fill_with_cache(struct fixture *f, const char *session)
{
    const struct manifest_line lines[] = {
        line_of("another", 1, 99), line_of("missing", 1, 1), line_of("racy", 1, 1),
        line_of("same", 1, 1), line_of("size", 2, 1)};
    struct entry_batch batch = {0};

    add_file(&batch, "another", 1, LONG_AGO_S);
    add_file(&batch, "racy", 1, READ_AT_S - 1);
    add_file(&batch, "same", 1, LONG_AGO_S);
    add_file(&batch, "size", 1, LONG_AGO_S);
    add_file(&batch, "unsent", 1, LONG_AGO_S);
    walk(f, &batch);
    store(f, "another", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(f, "racy", stamp_of(1, READ_AT_S - 1), READ_AT_S, 1);
    store(f, "same", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(f, "size", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    leave_cache(f);
    begin(f, session);
    add(f, lines, 3);
    add(f, lines + 3, 2);
    end(f);
}

static void the_stat_cache_counts_where_it_agrees(void **state)
{
    static const char *const unsettled[] = {"another", "missing", "racy", "size"};
    const struct stamp stamp = stamp_of(1, LONG_AGO_S);
    struct previous_file found;
    struct fixture f;
    bool moved;

    (void)state;
    setup(&f);
    fill_with_cache(&f, "one");
    for (size_t i = 0; i < sizeof unsettled / sizeof *unsettled; i++) {
        found = at(&f, unsettled[i], 1, &moved);
        assert_true(found.exists);
        assert_false(found.is_settled);
        previous_file_free(&found);
    }
    found = at(&f, "same", 1, &moved);
    assert_true(found.is_settled);
    assert_true(stamp_is_same(&found.stamp, &stamp));
    assert_int_equal(found.read_at_ns, READ_AT_S * second_ns);
    assert_string_equal(found.etag, "etag");
    previous_file_free(&found);
    remove_cache(&f);
}

/* That the file has this digest is true for whatever version; the ETag is not. */
static void the_etag_is_of_one_version(void **state)
{
    struct previous_file found;
    struct fixture f;
    bool moved;

    (void)state;
    setup(&f);
    fill_with_cache(&f, "two");
    found = at(&f, "same", 1, &moved);
    assert_true(found.is_settled);
    assert_string_equal(found.etag, "");
    previous_file_free(&found);
    remove_cache(&f);
}

static void a_damaged_cache_knows_nothing(void **state)
{
    const struct manifest_line line = line_of("same", 1, 1);
    struct previous_file found;
    struct fixture f;
    char cache[128];
    FILE *file;
    bool moved;

    (void)state;
    setup(&f);
    snprintf(cache, sizeof cache, "%s.cache", f.path);
    file = fopen(cache, "w");
    fputs("not a data base, but of some length, as of a file that was cut", file);
    fclose(file);
    begin(&f, "one");
    add(&f, &line, 1);
    end(&f);
    found = at(&f, "same", 1, &moved);
    assert_true(found.exists && !found.is_settled);
    previous_file_free(&found);
    remove_cache(&f);
}

/* Killed in the middle: it is not complete, and begins with nothing. */
static void it_is_filled_anew(void **state)
{
    const struct manifest_line lines[] = {line_of("a", 1, 1), line_of("b", 1, 2)};
    struct previous_file found;
    struct fixture f;
    bool moved;

    (void)state;
    setup(&f);
    begin(&f, "one");
    add(&f, lines, 2);
    reopen(&f);
    assert_null(checkpoint_previous_name(f.cp));
    begin(&f, "one");
    add(&f, lines + 1, 1);
    end(&f);
    found = at(&f, "a", 1, &moved);
    assert_false(found.exists);
    found = at(&f, "b", 1, &moved);
    assert_true(found.exists);
    previous_file_free(&found);
    teardown(&f);
}

/* The plan as of an earlier run was copied unread while the walk came by. */
static void nobody_has_looked_at_what_was_copied_unread(void **state)
{
    struct stored_note note = {.stamp = stamp_of(1, LONG_AGO_S),
                               .read_at_ns = READ_AT_S * second_ns,
                               .hash = digest_like(1),
                               .has_hash = true,
                               .etag = "etag",
                               .block_size = DIGEST_BLOCK};
    struct fixture f;

    (void)state;
    setup(&f);
    walk_file(&f, "a", 1, LONG_AGO_S + 5);
    note.stamp.inode = 8; /* of a file that had the name before */
    note.is_unread = true;
    checkpoint_note_stored(f.cp, "a", &note);
    assert_string_equal(to_do(&f), "a:recheck+");
    note.stamp = stamp_of(1, LONG_AGO_S + 5);
    checkpoint_note_stored(f.cp, "a", &note);
    assert_string_equal(to_do(&f), "");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_known_by_path),
        cmocka_unit_test(it_is_known_by_its_first_block),
        cmocka_unit_test(the_stat_cache_counts_where_it_agrees),
        cmocka_unit_test(the_etag_is_of_one_version),
        cmocka_unit_test(a_damaged_cache_knows_nothing),
        cmocka_unit_test(it_is_filled_anew),
        cmocka_unit_test(nobody_has_looked_at_what_was_copied_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
