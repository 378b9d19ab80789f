/*
 * A power cut at any moment of a session: of what had been flushed nothing is lost, and
 * what is there of the rest is a whole.  Each seed is one session, cut at many points;
 * one that fails can be run alone: test_checkpoint_power SEED.
 */
#include "checkpoint_fixture.h"

#include "dice.h"
#include "power_vfs.h"

enum { STORIES = 20, CUTS = 25, N_FILES = 300, FLUSHES_MAX = N_FILES + 1 };

/* What had been flushed when so many changes had been made to the files. */
struct mark {
    size_t n_changes;
    unsigned n_stored;
};

struct session {
    struct fixture f;
    struct mark marks[FLUSHES_MAX];
    unsigned n_marks;
};

static void plan_files(struct fixture *f)
{
    struct entry_batch batch = {0};
    char name[16];

    for (unsigned i = 0; i < N_FILES; i++) {
        snprintf(name, sizeof name, "f%06u", i);
        add_file(&batch, name, 1, LONG_AGO_S);
    }
    add_file(&batch, "z-big", 1 << 30, LONG_AGO_S);
    walk(f, &batch);
    checkpoint_note_upload(f->cp, "z-big",
                           &(struct upload_note){.upload_id = "id",
                                                 .part_size = 10,
                                                 .block_size = 10,
                                                 .stamp = stamp_of(1 << 30, LONG_AGO_S),
                                                 .read_at_ns = READ_AT_S * second_ns});
}

static void mark(struct session *s, unsigned n_stored)
{
    assert_int_equal(flush(&s->f), ERROR_NONE);
    s->marks[s->n_marks++] = (struct mark){power_vfs_count(), n_stored};
}

/* A part of the big file, and then one of the small ones. */
static void note_both(struct fixture *f, unsigned i)
{
    struct digest block = digest_like(i + 1);
    struct part_record part = {.number = i + 1, .size = 10};
    char name[16];

    part.blocks = &block;
    part.n_blocks = 1;
    checkpoint_note_part(f->cp, "z-big", &part);
    snprintf(name, sizeof name, "f%06u", i);
    store(f, name, stamp_of(1, LONG_AGO_S), READ_AT_S, i);
}

static void run_session(struct session *s)
{
    unsigned often = 1 + roll(20);

    power_vfs_record(true);
    setup(&s->f);
    plan_files(&s->f);
    mark(s, 0);
    for (unsigned i = 0; i < N_FILES; i++) {
        note_both(&s->f, i);
        if (roll(often) == 0)
            mark(s, i + 1);
        if (roll(100) == 0)
            reopen(&s->f);
    }
    close_it(&s->f);
    power_vfs_record(false);
}

static unsigned count_stored(struct fixture *f)
{
    struct plan_batch batch = {0};
    unsigned n = N_FILES;

    checkpoint_next(f->cp, "", 1, &batch, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    if (batch.n_items > 0 && batch.items[0].entry.path[0] == 'f')
        n = (unsigned)strtoul(batch.items[0].entry.path + 1, NULL, 10);
    plan_batch_free(&batch);
    return n;
}

static void expect_stored(struct fixture *f, unsigned n_flushed)
{
    struct checkpoint_totals t;
    struct upload_record r;
    unsigned n_stored = count_stored(f);

    assert_true(n_stored >= n_flushed);
    checkpoint_totals(f->cp, &t);
    assert_int_equal(t.files, N_FILES + 1);
    assert_int_equal(t.files_stored, n_stored);
    checkpoint_read_upload(f->cp, "z-big", &r, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    assert_true(r.n_parts == n_stored || r.n_parts == n_stored + 1);
    assert_int_equal(t.part_bytes_stored, 10 * r.n_parts);
    for (unsigned i = 0; i < r.n_parts; i++) {
        struct digest d = digest_like(i + 1);

        assert_int_equal(r.parts[i].number, i + 1);
        assert_true(digest_is_same(r.parts[i].blocks, &d));
    }
    upload_record_free(&r);
}

/* What the next run finds, which then goes on. */
static void cut_at(const struct session *s, size_t n_changes)
{
    struct fixture f;
    const struct mark *last = NULL;

    for (unsigned i = 0; i < s->n_marks && s->marks[i].n_changes <= n_changes; i++)
        last = &s->marks[i];
    setup_closed(&f);
    power_vfs_cut(n_changes, f.dir);
    assert_int_equal(open_again(&f), ERROR_NONE);
    if (last != NULL)
        expect_stored(&f, last->n_stored);
    else
        plan_files(&f);
    assert_int_equal(flush(&f), ERROR_NONE);
    teardown(&f);
}

static void tell(unsigned seed)
{
    struct session s = {0};

    (void)seed;
    run_session(&s);
    for (unsigned i = 0; i < CUTS; i++) {
        size_t room = power_vfs_count() / CUTS;

        cut_at(&s, i * room + roll((unsigned)room));
    }
    cut_at(&s, power_vfs_count());
    teardown(&s.f);
}

static void stories(void **state)
{
    (void)state;
    power_vfs_install();
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
