/*
 * Listings of random names against qsort, with so little memory that they go to disk,
 * and several of them in use as a walk does it: a new one while the one below is half
 * read. Rerun one story: test_listing <seed>.
 */
#include "manifest/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/span.h"

static uint64_t rng;

static unsigned roll(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % n;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "kname": the kind and the name, as it must come out. */
static char *roll_name(void)
{
    static const char letters[] = "ab./-\xff\x01 ";
    size_t length = roll(200) == 0 ? 1 + roll(30000) : 1 + roll(12);
    char *name = mem_buffer(length + 2);

    for (size_t i = 1; i <= length; i++)
        name[i] = letters[roll(sizeof letters - 1)];
    name[length + 1] = '\0';
    name[0] = name[1]; /* the kind follows from the name, so equal ones are equal */
    return name;
}

static void check_next(struct listing *listing, const char *expected)
{
    struct listing_name found;
    struct error err;

    for (unsigned i = 0; i < 2; i++) { /* looking twice changes nothing */
        assert_int_equal(listing_peek(listing, &found, &err), 1);
        assert_string_equal(found.name, expected + 1);
        assert_int_equal(found.length, strlen(expected + 1));
        assert_int_equal(found.kind, expected[0]);
    }
    assert_int_equal(listing_next(listing, &err), 0);
}

static void tell_level(struct listing_space *space, unsigned depth)
{
    size_t n = roll(4) == 0 ? roll(20000) : roll(200);
    char **names = mem_new(n, sizeof *names);
    struct listing *listing;
    struct listing_name found;
    struct error err;

    for (size_t i = 0; i < n; i++) {
        names[i] = roll_name();
        assert_int_equal(
            listing_add(space, names[i][0], names[i] + 1, strlen(names[i] + 1), &err),
            0);
    }
    assert_int_equal(listing_end(space, &listing, &err), 0);
    for (size_t i = 0; i < n; i++)
        names[i]++;
    qsort(names, n, sizeof *names, by_bytes);
    assert_true((listing == NULL) == (n == 0));
    for (size_t i = 0; i < n; i++) {
        if (depth > 0 && roll((unsigned)n) < 2)
            tell_level(space, depth - 1);
        check_next(listing, names[i] - 1);
        free(names[i] - 1);
    }
    if (listing != NULL)
        assert_int_equal(listing_peek(listing, &found, &err), 0);
    listing_free(listing);
    free(names);
}

static void tell(uint64_t seed)
{
    static const uint64_t sizes[] = {1, 20000, 1 << 20};
    struct listing_space *space;

    rng = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    space = listing_space_new("/tmp", sizes[roll(ARRAY_SIZE(sizes))]);
    tell_level(space, 4);
    listing_space_free(space);
}

static void test_stories(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        tell(seed);
}

/* Freed half read, as when a walk is given up. */
static void test_given_up(void **state)
{
    struct listing_space *space = listing_space_new("/tmp", 1);
    struct listing *below, *above;
    struct listing_name found;
    struct error err;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(listing_add(space, 'x', name, strlen(name), &err), 0);
    }
    assert_int_equal(listing_end(space, &below, &err), 0);
    assert_int_equal(listing_peek(below, &found, &err), 1);
    assert_int_equal(listing_add(space, 'y', "only", 4, &err), 0);
    assert_int_equal(listing_end(space, &above, &err), 0);
    assert_int_equal(listing_peek(above, &found, &err), 1);
    assert_string_equal(found.name, "only");
    assert_int_equal(listing_add(space, 'z', "never read", 10, &err), 0);
    listing_free(above);
    listing_free(below);
    listing_space_free(space);
}

static void test_no_scratch(void **state)
{
    struct listing_space *space = listing_space_new("/nonexistent", 1);
    struct error err = {0};
    unsigned n = 0;

    (void)state;
    while (n < 5000 && listing_add(space, 'x', "name", 4, &err) == 0)
        n++;
    assert_true(n < 5000);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent"));
    listing_space_free(space);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_no_scratch),
    };

    if (argc > 1) {
        tell(strtoull(argv[1], NULL, 10));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
