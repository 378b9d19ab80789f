/*
 * Entries in no order: random readings, some broken off, with notes in between and
 * restarts, against a model that holds one row for each name.
 */
#include "checkpoint_fixture.h"

#include "base/span.h"
#include "dice.h"

static const char *const names[] = {"a", "a/b",    "a/b/c", "a-b",
                                    "b", "b/\xff", "c",     "d"};

enum { N = ARRAY_SIZE(names), STEPS = 80 };

struct model {
    bool exists, is_met, is_stored;
    enum entry_type type;
    uint64_t size;
    int64_t changed_s;
    bool is_garbage;
};

struct story {
    struct fixture f;
    struct model rows[N];
    unsigned n_refused;
};

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

static bool has_met_below(const struct story *s, unsigned i)
{
    for (unsigned k = 0; k < N; k++)
        if (s->rows[k].is_met && is_below(names[k], names[i]))
            return true;
    return false;
}

static bool is_blocked(const struct story *s, unsigned i, enum entry_type type)
{
    for (unsigned k = 0; k < N; k++)
        if (s->rows[k].is_met && s->rows[k].type != ENTRY_DIRECTORY &&
            is_below(names[i], names[k]))
            return true;
    return type != ENTRY_DIRECTORY && has_met_below(s, i);
}

static void model_drop(struct model *m)
{
    if (m->exists && m->type == ENTRY_FILE)
        m->is_garbage = true;
    m->exists = m->is_stored = false;
}

/* ---- steps ---- */

static void begin(struct story *s)
{
    checkpoint_arrive_begin(s->f.cp);
    for (unsigned i = 0; i < N; i++)
        s->rows[i].is_met = false;
    s->n_refused = 0;
}

static void model_arrive(struct model *m, const struct entry *e, bool is_again)
{
    bool is_same = m->exists && m->type == e->type && m->size == e->stamp.size &&
                   m->changed_s == e->stamp.mtime_ns / second_ns;

    if (m->exists && m->type != e->type)
        model_drop(m);
    if (e->type == ENTRY_FILE && !m->exists)
        m->is_garbage = false;
    m->is_stored = m->is_stored && is_same && !is_again;
    m->exists = m->is_met = true;
    m->type = e->type;
    m->size = e->stamp.size;
    m->changed_s = e->stamp.mtime_ns / second_ns;
}

static void arrive(struct story *s)
{
    unsigned i = roll(N);
    struct model *m = &s->rows[i];
    struct checkpoint_arrival out = {.has_size = true};
    struct entry e = {.path = names[i], .mode = 0644, .type = (enum entry_type)roll(3)};
    bool was_stored = m->is_stored, was_met = m->is_met;

    e.target = e.type == ENTRY_SYMLINK ? "x" : NULL;
    e.stamp.mtime_ns = (LONG_AGO_S + roll(2)) * second_ns;
    e.stamp.size = e.type == ENTRY_FILE ? 5 + roll(2) : 0;
    checkpoint_arrive(s->f.cp, &e, &out, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    assert_int_equal(out.is_blocked, is_blocked(s, i, e.type));
    if (out.is_blocked)
        return;
    assert_int_equal(out.is_again, was_met);
    model_arrive(m, &e, was_met);
    if (e.type != ENTRY_FILE)
        return;
    assert_int_equal(out.size, e.stamp.size);
    assert_int_equal(out.state == CHECKPOINT_STORED, m->is_stored);
    assert_int_equal(out.has_upload, out.state == CHECKPOINT_RECHECK);
    if (was_stored && !m->is_stored && was_met)
        assert_int_equal(out.state, CHECKPOINT_PLANNED); /* nothing is known of it */
}

/* Its size shows only when it has been read. */
static void arrive_unsized(struct story *s)
{
    unsigned i = roll(N);
    struct model *m = &s->rows[i];
    struct checkpoint_arrival out = {0};
    struct entry e = {.path = names[i], .mode = 0644, .type = ENTRY_FILE};
    bool was_met = m->is_met;
    uint64_t known = m->exists && m->type == ENTRY_FILE ? m->size : 0;

    e.stamp.mtime_ns = LONG_AGO_S * second_ns;
    checkpoint_arrive(s->f.cp, &e, &out, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    assert_int_equal(out.is_blocked, is_blocked(s, i, e.type));
    if (out.is_blocked)
        return;
    assert_int_equal(out.size, known);
    e.stamp.size = known;
    model_arrive(m, &e, was_met);
    assert_int_equal(out.state == CHECKPOINT_STORED, m->is_stored);
}

static void store_one(struct story *s)
{
    unsigned i = roll(N);
    struct model *m = &s->rows[i];
    struct stored_note note = {
        .has_hash = true, .etag = "e", .block_size = DIGEST_BLOCK};

    if (!m->exists || m->type != ENTRY_FILE)
        return;
    note.read_at_ns = READ_AT_S * second_ns;
    note.stamp = (struct stamp){.size = m->size, .mtime_ns = m->changed_s * second_ns};
    note.hash.bytes[0] = (uint8_t)i;
    checkpoint_note_stored(s->f.cp, names[i], &note);
    m->is_stored = true;
}

static void refuse(struct story *s)
{
    checkpoint_note_refused(s->f.cp, s->n_refused == 0 ? "/x" : "../y", "no");
    s->n_refused = s->n_refused == 0 ? 1 : 2;
}

static void end(struct story *s)
{
    checkpoint_arrive_end(s->f.cp, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    for (unsigned i = 0; i < N; i++)
        if (!s->rows[i].is_met ||
            (s->rows[i].type == ENTRY_DIRECTORY && has_met_below(s, i)))
            model_drop(&s->rows[i]);
}

/* ---- what can be seen of it ---- */

static void check_totals(struct story *s)
{
    struct checkpoint_totals t;
    uint64_t files = 0, stored = 0, folders = 0, links = 0, bytes = 0;

    checkpoint_totals(s->f.cp, &t);
    for (unsigned i = 0; i < N; i++) {
        const struct model *m = &s->rows[i];

        files += m->exists && m->type == ENTRY_FILE;
        bytes += m->exists && m->type == ENTRY_FILE ? m->size : 0;
        stored += m->exists && m->is_stored && m->type == ENTRY_FILE;
        folders += m->exists && m->type == ENTRY_DIRECTORY;
        links += m->exists && m->type == ENTRY_SYMLINK;
    }
    assert_int_equal(t.files, files);
    assert_int_equal(t.bytes, bytes);
    assert_int_equal(t.files_stored, stored);
    assert_int_equal(t.directories, folders);
    assert_int_equal(t.symlinks, links);
    assert_int_equal(t.files_failed, s->n_refused);
}

static void check_garbage(struct story *s)
{
    struct garbage found[N + 1];
    size_t n;

    checkpoint_garbage(s->f.cp, found, N + 1, &n, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    for (unsigned i = 0; i < N; i++) {
        bool is_listed = false;

        for (size_t k = 0; k < n; k++)
            is_listed = is_listed || strcmp(found[k].path, names[i]) == 0;
        assert_int_equal(is_listed, s->rows[i].is_garbage);
    }
    while (n-- > 0) {
        free(found[n].path);
        free(found[n].upload_id);
    }
}

static void tell(unsigned seed)
{
    struct story s = {0};

    (void)seed;
    setup(&s.f);
    begin(&s);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned what = roll(40);

        if (what == 0)
            begin(&s); /* the last one was broken off */
        else if (what == 1)
            end(&s);
        else if (what == 2)
            refuse(&s);
        else if (what < 8)
            store_one(&s);
        else if (what < 14)
            arrive_unsized(&s);
        else
            arrive(&s);
        assert_int_equal(flush(&s.f), ERROR_NONE);
        check_totals(&s);
        check_garbage(&s);
    }
    end(&s);
    reopen(&s.f);
    s.n_refused = 0; /* another walk names them again */
    begin(&s);
    assert_int_equal(flush(&s.f), ERROR_NONE);
    check_totals(&s);
    teardown(&s.f);
}

static void stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stories)};

    dice_stories(argc, argv, 60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
