/*
 * What the store is found to hold of a file whose notes are lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dice.h"
#include "memory_store.h"
#include "transfer/lookup.h"

enum { STORIES = 100, MIB = 1 << 20, BLOCK = DIGEST_BLOCK };

static const char key[] = "NAME/v1/data/file";

struct world {
    struct loop loop;
    struct budget *budget;
    struct memory_store store;
    struct store_limits limits;
    uint8_t *bytes; /* of the file: 40 MiB */
    struct lookup *lookup;
    struct upload_record found;
    struct error err;
    bool is_done;
};

static void on_done(void *ctx, const struct upload_record *found,
                    const struct error *err)
{
    struct world *w = ctx;

    assert_false(w->is_done);
    assert_int_equal(w->store.n_under_way, 0);
    w->lookup = NULL;
    w->is_done = true;
    w->found = *found;
    error_clear(&w->err);
    if (err != NULL)
        w->err = *err;
}

static void open_world(struct world *w, bool is_local)
{
    struct store_options options = {.loop = &w->loop, .jobs = 2};

    memset(w, 0, sizeof *w);
    loop_open(&w->loop);
    options.budget = w->budget = budget_new(&w->loop, STORE_CHUNK);
    w->limits = (struct store_limits){.put_max = UINT64_MAX,
                                      .part_min = 1,
                                      .part_max = UINT64_MAX / 2,
                                      .parts_max = MEMORY_PARTS_MAX,
                                      .is_local = is_local};
    memory_store_open(&w->store, &options, &w->limits);
}

static void close_world(struct world *w)
{
    upload_record_free(&w->found);
    memory_store_close(&w->store);
    memory_store_free(&w->store);
    loop_close(&w->loop);
    budget_free(w->budget);
    free(w->bytes);
}

static int begin(void **state)
{
    struct world *w = mem_new(1, sizeof *w);

    dice_seed(1);
    open_world(w, true);
    w->bytes = mem_new(40, MIB);
    for (size_t i = 0; i < 40; i++)
        memset(w->bytes + i * MIB, (int)i + 1, MIB);
    *state = w;
    return 0;
}

static int end(void **state)
{
    close_world(*state);
    free(*state);
    return 0;
}

static void start(struct world *w, uint64_t size, uint64_t part_size)
{
    struct lookup_options options = {.loop = &w->loop,
                                     .store = w->store.store,
                                     .key = key,
                                     .size = size,
                                     .part_size = part_size,
                                     .done = on_done,
                                     .ctx = w};

    upload_record_free(&w->found);
    w->is_done = false;
    w->lookup = lookup_start(&options);
    assert_false(w->is_done);
}

static void look(struct world *w, uint64_t size, uint64_t part_size)
{
    start(w, size, part_size);
    loop_run_until(&w->loop, &w->is_done);
    assert_int_equal(w->err.kind, ERROR_NONE);
}

static void assert_nothing(const struct world *w)
{
    assert_false(w->found.has_object);
    assert_string_equal(w->found.upload_id, "");
    assert_int_equal(w->found.n_parts, 0);
}

static void assert_object(const struct world *w, uint64_t size)
{
    size_t n = 0;

    assert_true(w->found.has_object);
    assert_int_equal(w->found.object_size, size);
    assert_string_equal(w->found.upload_id, "");
    for (size_t i = 0; i < w->found.n_parts; i++)
        for (uint32_t b = 0; b < w->found.parts[i].n_blocks; b++, n++) {
            uint64_t at = (uint64_t)n * BLOCK, left = size - at;
            struct digest d =
                digest_of_bytes(w->bytes + at, (size_t)(left < BLOCK ? left : BLOCK));

            assert_true(digest_is_same(&d, &w->found.parts[i].blocks[b]));
        }
    assert_int_equal(n, size == 0 ? 1 : (size - 1) / BLOCK + 1);
}

static void test_nothing_there(void **state)
{
    look(*state, 1000, 0);
    assert_nothing(*state);
    look(*state, 40 * MIB, 0);
    assert_nothing(*state);
}

static void test_an_object_is_read_back(void **state)
{
    static const uint64_t sizes[] = {0, 1, 1000, BLOCK, BLOCK + 1, 40 * MIB};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        memory_store_put(&w->store, key, w->bytes, sizes[i]);
        look(w, sizes[i], 0);
        assert_object(w, sizes[i]);
        look(w, sizes[i], 32 * MIB);
        assert_object(w, sizes[i]);
    }
}

static void test_an_object_of_another_size(void **state)
{
    struct world *w = *state;

    memory_store_put(&w->store, key, w->bytes, 1001);
    look(w, 1000, 0);
    assert_nothing(w);
    look(w, 40 * MIB, 0);
    assert_nothing(w);
}

/* Where reading back costs as much as sending nothing is read: the ETag tells. */
static void test_a_store_that_is_far_away(void **state)
{
    struct world *w = *state;

    w->store.store->limits.is_local = false;
    w->store.has_md5_etags = true;
    memory_store_put(&w->store, key, "hello", 5);
    look(w, 5, 0);
    assert_true(w->found.has_object);
    assert_int_equal(w->found.object_size, 5);
    assert_int_equal(w->found.n_parts, 0);
    assert_string_equal(w->found.etag, "5d41402abc4b2a76b9719d911017c592");
    assert_int_equal(w->store.store->counts.bytes_received, 0);
}

/* An ETag that says nothing of the content is of no use. */
static void test_a_store_whose_etags_tell_nothing(void **state)
{
    struct world *w = *state;

    w->store.store->limits.is_local = false;
    memory_store_put(&w->store, key, w->bytes, 1000);
    look(w, 1000, 0);
    assert_nothing(w);
}

static struct memory_upload *make_upload(struct world *w, uint64_t part_size,
                                         uint64_t size)
{
    struct memory_upload *other =
        memory_store_create(&w->store, "NAME/v1/data/file2", part_size);
    struct memory_upload *u = memory_store_create(&w->store, key, part_size);

    memory_store_set_part(&w->store, other, 1, "x", 1);
    for (uint32_t n = 1; n <= 3; n += 2) { /* the second is missing */
        uint64_t at = (n - 1) * part_size, left = size > at ? size - at : 0;

        if (left > 0)
            memory_store_set_part(&w->store, u, n, w->bytes + at,
                                  left < part_size ? left : part_size);
    }
    return u;
}

static void test_an_open_upload(void **state)
{
    struct world *w = *state;
    struct memory_upload *u;

    for (unsigned i = 0; i < 3; i++) /* there are more pages */
        memory_store_create(&w->store, "NAME/v1/data/file.old", BLOCK);
    u = make_upload(w, BLOCK, 40 * MIB);
    look(w, 40 * MIB, 0);
    assert_string_equal(w->found.upload_id, u->id);
    assert_int_equal(w->found.part_size, BLOCK);
    assert_int_equal(w->found.n_parts, 2);
    assert_int_equal(w->found.parts[0].number, 1);
    assert_int_equal(w->found.parts[0].n_blocks, 0);
    assert_string_equal(w->found.parts[0].etag, u->parts[0].etag);
    assert_int_equal(w->found.parts[1].number, 3);
    assert_int_equal(w->found.parts[1].size, 8 * MIB);
    assert_string_equal(w->found.parts[1].etag, u->parts[2].etag);
}

/* A run was killed while it asked for one, and the next came first. */
static void test_the_best_of_several_uploads(void **state)
{
    struct world *w = *state;
    struct memory_upload *u;

    memory_store_create(&w->store, key, BLOCK);
    u = make_upload(w, BLOCK, 40 * MIB);
    memory_store_set_part(&w->store, memory_store_create(&w->store, key, BLOCK), 2,
                          w->bytes + BLOCK, BLOCK);
    memory_store_create(&w->store, key, BLOCK);
    make_upload(w, 8 * MIB, 40 * MIB);
    look(w, 40 * MIB, 0);
    assert_string_equal(w->found.upload_id, u->id);
    assert_int_equal(w->found.n_parts, 2);
}

static void test_an_upload_of_another_cut_is_left_alone(void **state)
{
    struct world *w = *state;

    make_upload(w, 8 * MIB, 40 * MIB);
    look(w, 40 * MIB, 0);
    assert_nothing(w);
}

static void test_an_upload_without_parts_is_left_alone(void **state)
{
    struct world *w = *state;

    memory_store_create(&w->store, key, BLOCK);
    look(w, 40 * MIB, 0);
    assert_nothing(w);
}

static void test_the_store_refuses(void **state)
{
    struct world *w = *state;

    w->store.refusal = ERROR_AUTH;
    start(w, 1000, 0);
    loop_run_until(&w->loop, &w->is_done);
    assert_int_equal(w->err.kind, ERROR_AUTH);
    assert_nothing(w);
}

/* A file that no store can hold fails in its upload, not here. */
static void test_a_file_too_large(void **state)
{
    struct world *w = *state;

    w->store.store->limits.part_max = BLOCK;
    look(w, UINT64_MAX / 4, 0);
    assert_nothing(w);
}

/* ---- stories: answers that are late or bad, and cancels ---- */

static void tell(unsigned seed)
{
    struct world *w = mem_new(1, sizeof *w);
    uint64_t size = roll(3) == 0 ? 20 * MIB : roll(600000);
    unsigned turns = 0, cancel_at = roll(2) == 0 ? 1 + roll(40) : 0;

    (void)seed;
    open_world(w, roll(4) > 0);
    w->bytes = mem_new(1, (size_t)size + 1);
    if (roll(2) == 0)
        memory_store_put(&w->store, key, w->bytes, size);
    else
        for (unsigned n = roll(3); n > 0; n--)
            make_upload(w, BLOCK, size);
    w->store.bad_percent = roll(2) * roll(40);
    w->store.forget_percent = roll(2) * 10;
    start(w, size, 0);
    while (!w->is_done) {
        if (++turns == cancel_at)
            lookup_cancel(w->lookup);
        uv_run(&w->loop.uv, UV_RUN_ONCE);
    }
    if (w->err.kind == ERROR_CANCELLED)
        assert_true(cancel_at > 0);
    else if (w->err.kind != ERROR_NONE)
        assert_int_equal(w->err.kind, ERROR_TRANSIENT);
    if (w->found.has_object)
        assert_object(w, size);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&w->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(budget_in_use(w->budget), 0);
    close_world(w);
    free(w);
}

static void test_stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, begin, end),
        cmocka_unit_test_setup_teardown(test_an_object_is_read_back, begin, end),
        cmocka_unit_test_setup_teardown(test_an_object_of_another_size, begin, end),
        cmocka_unit_test_setup_teardown(test_a_store_that_is_far_away, begin, end),
        cmocka_unit_test_setup_teardown(test_a_store_whose_etags_tell_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_an_open_upload, begin, end),
        cmocka_unit_test_setup_teardown(test_the_best_of_several_uploads, begin, end),
        cmocka_unit_test_setup_teardown(test_an_upload_of_another_cut_is_left_alone,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_an_upload_without_parts_is_left_alone,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_the_store_refuses, begin, end),
        cmocka_unit_test_setup_teardown(test_a_file_too_large, begin, end),
        cmocka_unit_test(test_stories),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
