/*
 * A power cut at any moment of a session: of what had been flushed nothing is lost, and
 * what is there of the rest is a whole.  Each seed is one session, cut at many points;
 * one that fails can be run alone: test_checkpoint_power SEED.
 */
#include "checkpoint_writer.h"

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

static void mark(struct session *s, unsigned n_stored)
{
    assert_int_equal(flush(&s->f), ERROR_NONE);
    s->marks[s->n_marks++] = (struct mark){power_vfs_count(), n_stored};
}

static void run_session(struct session *s)
{
    unsigned often = 1 + roll(20);

    power_vfs_record(true);
    setup(&s->f);
    plan_files(&s->f, N_FILES);
    begin_upload(&s->f);
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
        expect_flushed(&f, N_FILES, last->n_stored);
    else
        plan_files(&f, N_FILES);
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
