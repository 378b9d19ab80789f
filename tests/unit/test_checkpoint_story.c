/*
 * Random stories: a source that changes, walks that are broken off, uploads and notes
 * in any order, and restarts; against a model that follows the contract in the plainest
 * way. The seed is printed; it and the number of stories can be given as arguments.
 */
#include "checkpoint_fixture.h"

enum { N = 10, BLOCK = 10, SMALL = 5, BIG = 25, N_PARTS = 3, UPLOADS_MAX = 400 };
enum { STEPS = 60 };

static const char *const names[N] = {"a",     "a/b", "b", "b-b", "c",
                                     "c\xff", "d",   "e", "f",   "z"};

struct model_file {
    bool exists;
    enum entry_type type;
    enum checkpoint_state state;
    struct stamp stamp;
    int64_t read_at_s;
    bool has_object, has_hash;
    uint64_t object_size;
    unsigned hash;
    enum { NO_UPLOAD, OPEN, COMPLETED } upload;
    unsigned upload_number;
    unsigned parts[N_PARTS + 1]; /* the digest of each; 0: none */
    bool is_garbage;
};

struct story {
    struct fixture f;
    uint64_t random;
    int64_t clock_s;
    struct {
        bool exists;
        enum entry_type type;
        struct stamp stamp, before;
    } source[N];
    struct model_file files[N];
    int garbage_uploads[UPLOADS_MAX]; /* whose; -1: no garbage */
    unsigned n_uploads;
    unsigned n_digests;
};

static unsigned pick(struct story *s, unsigned n)
{
    s->random = s->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(s->random >> 33) % n;
}

/* ---- the model ---- */

static void model_forget_upload(struct story *s, struct model_file *m, bool is_gone)
{
    if (m->upload == OPEN && !is_gone)
        s->garbage_uploads[m->upload_number] = (int)(m - s->files);
    m->upload = NO_UPLOAD;
    memset(m->parts, 0, sizeof m->parts);
}

static void model_drop(struct story *s, struct model_file *m)
{
    bool is_garbage = m->is_garbage || m->type == ENTRY_FILE;

    model_forget_upload(s, m, false);
    memset(m, 0, sizeof *m);
    m->is_garbage = is_garbage;
}

static enum checkpoint_state model_doubt(const struct model_file *m)
{
    return m->upload == OPEN || (m->has_object && m->has_hash) ? CHECKPOINT_RECHECK
                                                               : CHECKPOINT_PLANNED;
}

static void model_merge(struct story *s, unsigned i)
{
    struct model_file *m = &s->files[i];
    const struct stamp *stamp = &s->source[i].stamp;
    bool is_changed, is_racy;

    if (m->exists && m->type != s->source[i].type)
        model_drop(s, m);
    if (!m->exists) {
        m->exists = true;
        m->type = s->source[i].type;
        m->state = m->type == ENTRY_FILE ? CHECKPOINT_PLANNED : CHECKPOINT_STORED;
        m->is_garbage = m->is_garbage && m->type != ENTRY_FILE;
        m->stamp = *stamp;
        return;
    }
    is_changed = !stamp_is_same(&m->stamp, stamp);
    is_racy = stamp->ctime_ns >= (m->read_at_s - 2) * second_ns;
    m->stamp = *stamp;
    if (m->type != ENTRY_FILE || m->state == CHECKPOINT_RECHECK ||
        m->state == CHECKPOINT_FAILED)
        return;
    if (is_changed || (is_racy && m->state == CHECKPOINT_STORED) ||
        (is_racy && m->state == CHECKPOINT_PLANNED && m->upload == OPEN))
        m->state = model_doubt(m);
}

static bool model_adopt(struct model_file *m, struct stamp stamp)
{
    if (m->stamp.ctime_ns > stamp.ctime_ns)
        return false;
    m->stamp = stamp;
    return true;
}

/* ---- steps, each done to the model and to the checkpoint ---- */

static void change_source(struct story *s)
{
    unsigned i = pick(s, N);

    if (s->source[i].type == ENTRY_FILE)
        s->source[i].before = s->source[i].stamp;
    s->source[i].exists = pick(s, 4) != 0;
    s->source[i].type = pick(s, 8) == 0 ? ENTRY_DIRECTORY : ENTRY_FILE;
    s->source[i].stamp = stamp_of(pick(s, 2) ? SMALL : BIG, s->clock_s);
    if (s->source[i].type == ENTRY_DIRECTORY)
        s->source[i].stamp.size = 0;
}

static void restart(struct story *s)
{
    reopen(&s->f);
    for (unsigned i = 0; i < N; i++)
        if (s->files[i].exists && s->files[i].state == CHECKPOINT_FAILED)
            s->files[i].state = model_doubt(&s->files[i]);
}

static void send_batch(struct story *s, struct entry_batch *batch)
{
    checkpoint_plan(s->f.cp, batch, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    entry_batch_clear(batch);
}

/* A walk of the first entries (all: to its end). */
static void take_walk(struct story *s, unsigned n_entries)
{
    struct entry_batch batch = {0};
    unsigned n = 0, passed = 0;

    for (unsigned i = 0; i < N && n < n_entries; i++) {
        const struct entry e = {
            .path = names[i], .type = s->source[i].type, .stamp = s->source[i].stamp};

        if (!s->source[i].exists)
            continue;
        entry_batch_add(&batch, &e);
        n++;
        for (; passed < i; passed++)
            if (s->files[passed].exists)
                model_drop(s, &s->files[passed]);
        passed++;
        model_merge(s, i);
        if (pick(s, 3) == 0)
            send_batch(s, &batch);
    }
    send_batch(s, &batch);
    entry_batch_free(&batch);
    if (n_entries < N) {
        restart(s); /* in the midst of it */
        return;
    }
    for (; passed < N; passed++)
        if (s->files[passed].exists)
            model_drop(s, &s->files[passed]);
    checkpoint_plan_end(s->f.cp, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
}

/* Of the file as it is, or as it was before, or as the plan has it. */
static struct stamp stamp_to_send(struct story *s, unsigned i)
{
    unsigned which = pick(s, 6);

    if (which == 0 && s->source[i].before.size > 0)
        return s->source[i].before;
    return which > 1 && s->source[i].exists && s->source[i].type == ENTRY_FILE
               ? s->source[i].stamp
               : s->files[i].stamp;
}

static bool is_file(const struct model_file *m)
{
    return m->exists && m->type == ENTRY_FILE;
}

static void begin_upload(struct story *s, unsigned i)
{
    struct model_file *m = &s->files[i];
    unsigned number = s->n_uploads++;
    char upload_id[16];
    struct upload_note note = {.upload_id = upload_id,
                               .part_size = BLOCK,
                               .block_size = BLOCK,
                               .stamp = stamp_to_send(s, i),
                               .read_at_ns = s->clock_s * second_ns};

    snprintf(upload_id, sizeof upload_id, "%u", number);
    checkpoint_note_upload(s->f.cp, names[i], &note);
    if (!is_file(m)) {
        s->garbage_uploads[number] = (int)i;
        return;
    }
    model_forget_upload(s, m, false);
    m->upload = OPEN;
    m->upload_number = number;
    m->state = model_adopt(m, note.stamp) ? CHECKPOINT_PLANNED : CHECKPOINT_RECHECK;
    m->read_at_s = s->clock_s;
    m->has_hash = false;
}

static void send_part(struct story *s, unsigned i)
{
    uint32_t number = 1 + pick(s, N_PARTS);
    struct digest block = digest_like(++s->n_digests);
    struct part_record part = {.number = number,
                               .size = number < N_PARTS ? BLOCK : BIG % BLOCK,
                               .etag = "part",
                               .blocks = &block,
                               .n_blocks = 1};

    checkpoint_note_part(s->f.cp, names[i], &part);
    if (is_file(&s->files[i]) && s->files[i].upload == OPEN)
        s->files[i].parts[number] = s->n_digests;
}

static bool has_all_parts(const struct model_file *m)
{
    return m->upload != NO_UPLOAD && m->parts[1] && m->parts[2] && m->parts[3];
}

static void send_file(struct story *s, unsigned i)
{
    struct model_file *m = &s->files[i];
    struct digest blocks[N_PARTS];
    struct stored_note note = {.stamp = stamp_to_send(s, i),
                               .read_at_ns = s->clock_s * second_ns,
                               .has_hash = pick(s, 10) != 0,
                               .hash = digest_like(++s->n_digests),
                               .etag = "e",
                               .block_size = BLOCK};
    bool by_parts = note.stamp.size == BIG && has_all_parts(m);

    if (note.stamp.size == BIG && !by_parts) {
        for (unsigned k = 0; k < N_PARTS; k++)
            blocks[k] = digest_like(s->n_digests + 1 + k);
        note.blocks = blocks;
        note.n_blocks = N_PARTS;
    }
    checkpoint_note_stored(s->f.cp, names[i], &note);
    if (!is_file(m)) {
        m->is_garbage = true;
    } else {
        if (!by_parts)
            model_forget_upload(s, m, false);
        if (note.stamp.size == BIG) {
            m->upload = COMPLETED;
            for (unsigned k = 0; k < N_PARTS && !by_parts; k++)
                m->parts[k + 1] = s->n_digests + 1 + k;
        }
        m->has_object = true;
        m->has_hash = note.has_hash;
        m->hash = s->n_digests;
        m->object_size = note.stamp.size;
        m->read_at_s = s->clock_s;
        m->state = CHECKPOINT_STORED;
        if (!model_adopt(m, note.stamp))
            m->state = note.has_hash ? CHECKPOINT_RECHECK : CHECKPOINT_PLANNED;
    }
    s->n_digests += N_PARTS;
}

static void fail_file(struct story *s, unsigned i)
{
    checkpoint_note_failed(s->f.cp, names[i], "failed");
    if (is_file(&s->files[i]))
        s->files[i].state = CHECKPOINT_FAILED;
}

static void lose_file(struct story *s, unsigned i)
{
    struct model_file *m = &s->files[i];

    checkpoint_note_lost(s->f.cp, names[i]);
    if (!is_file(m))
        return;
    if (m->upload == COMPLETED)
        model_forget_upload(s, m, true);
    m->has_hash = false;
    if (m->state != CHECKPOINT_FAILED &&
        !(m->state == CHECKPOINT_RECHECK && m->upload == OPEN))
        m->state = CHECKPOINT_PLANNED;
}

static void end_upload(struct story *s, unsigned i)
{
    struct model_file *m = &s->files[i];

    checkpoint_note_upload_gone(s->f.cp, names[i]);
    if (!is_file(m) || m->upload != OPEN)
        return;
    model_forget_upload(s, m, true);
    if (m->state != CHECKPOINT_FAILED)
        m->state = CHECKPOINT_PLANNED;
}

/* ---- does the checkpoint say what the model says? ---- */

/* Parts that were read too soon are compared also before the walk has come by. */
static bool is_to_compare(const struct model_file *m)
{
    return m->state == CHECKPOINT_RECHECK ||
           (m->upload == OPEN && m->stamp.ctime_ns >= (m->read_at_s - 2) * second_ns);
}

static void check_to_do(struct story *s)
{
    char expected[512] = "";
    size_t n = 0;

    for (unsigned i = 0; i < N; i++) {
        const struct model_file *m = &s->files[i];

        if (!m->exists ||
            (m->state != CHECKPOINT_PLANNED && m->state != CHECKPOINT_RECHECK))
            continue;
        n += (size_t)snprintf(
            expected + n, sizeof expected - n, "%s%s:%s%s", n > 0 ? " " : "", names[i],
            is_to_compare(m) ? "recheck" : "planned",
            m->state == CHECKPOINT_RECHECK || m->upload == OPEN ? "+" : "");
    }
    assert_string_equal(to_do(&s->f), expected);
}

static void check_totals(struct story *s)
{
    struct checkpoint_totals t, e = {0};

    for (unsigned i = 0; i < N; i++) {
        const struct model_file *m = &s->files[i];

        if (!m->exists)
            continue;
        if (m->type == ENTRY_DIRECTORY) {
            e.directories++;
            continue;
        }
        e.files++;
        e.bytes += m->stamp.size;
        e.files_stored += m->state == CHECKPOINT_STORED;
        e.bytes_stored += m->state == CHECKPOINT_STORED ? m->stamp.size : 0;
        e.files_failed += m->state == CHECKPOINT_FAILED;
        for (unsigned k = 1; k <= N_PARTS && m->upload == OPEN; k++)
            e.part_bytes_stored +=
                m->parts[k] == 0 ? 0 : (k < N_PARTS ? BLOCK : BIG % BLOCK);
    }
    checkpoint_totals(s->f.cp, &t);
    assert_memory_equal(&t, &e, sizeof t);
}

static void check_upload(struct story *s, unsigned i)
{
    const struct model_file *m = &s->files[i];
    struct upload_record r;
    char upload_id[16] = "";
    size_t n = 0;

    checkpoint_read_upload(s->f.cp, names[i], &r, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    if (m->upload == OPEN)
        snprintf(upload_id, sizeof upload_id, "%u", m->upload_number);
    assert_string_equal(r.upload_id, upload_id);
    assert_int_equal(r.has_object, is_file(m) && m->has_object && m->has_hash);
    for (unsigned k = 1; k <= N_PARTS && m->upload != NO_UPLOAD; k++) {
        struct digest d = digest_like(m->parts[k]);

        if (m->parts[k] == 0)
            continue;
        /* The parts, or their blocks in the one part of a plain put. */
        assert_true(digest_is_same(&r.digests[n], &d));
        n++;
    }
    if (m->upload == NO_UPLOAD && r.has_object) {
        assert_int_equal(r.n_parts, 1);
        assert_int_equal(r.parts[0].size, m->object_size);
    } else {
        size_t n_blocks = 0;

        for (size_t k = 0; k < r.n_parts; k++)
            n_blocks += r.parts[k].n_blocks;
        assert_int_equal(n_blocks, n);
    }
    upload_record_free(&r);
}

/* And sometimes delete one. */
static void check_garbage(struct story *s)
{
    struct garbage found[N + UPLOADS_MAX];
    size_t n, n_expected = 0;
    unsigned victim;

    checkpoint_garbage(s->f.cp, found, N + UPLOADS_MAX, &n, on_done, &s->f);
    assert_int_equal(answer(&s->f), ERROR_NONE);
    for (unsigned i = 0; i < N; i++)
        n_expected += s->files[i].is_garbage;
    for (unsigned i = 0; i < UPLOADS_MAX; i++)
        n_expected += s->garbage_uploads[i] >= 0;
    assert_int_equal(n, n_expected);
    victim = n > 0 ? pick(s, (unsigned)n) : 0;
    for (size_t k = 0; k < n; k++) {
        unsigned i = 0;
        int number = found[k].upload_id[0] != '\0' ? atoi(found[k].upload_id) : -1;

        while (strcmp(names[i], found[k].path) != 0)
            i++;
        assert_true(number < 0 ? s->files[i].is_garbage
                               : s->garbage_uploads[number] == (int)i);
        if (k == victim && pick(s, 3) == 0) {
            checkpoint_note_garbage_gone(s->f.cp, found[k].path, found[k].upload_id);
            if (number >= 0)
                s->garbage_uploads[number] = -1;
            else
                s->files[i].is_garbage = false;
        }
        free(found[k].path);
        free(found[k].upload_id);
    }
}

static void check(struct story *s)
{
    check_to_do(s);
    check_totals(s);
    check_garbage(s);
    for (unsigned i = 0; i < N; i++)
        check_upload(s, i);
}

static void step(struct story *s)
{
    unsigned i = pick(s, N);

    s->clock_s += pick(s, 4) == 0 ? 10 : 1;
    switch (pick(s, 12)) {
    case 0:
    case 1:
        change_source(s);
        break;
    case 2:
        take_walk(s, pick(s, 3) == 0 ? pick(s, N) : N);
        break;
    case 3:
        begin_upload(s, i);
        break;
    case 4:
    case 5:
    case 6:
        send_part(s, i);
        send_part(s, i);
        break;
    case 7:
    case 8:
        send_file(s, i);
        break;
    case 9:
        fail_file(s, i);
        break;
    case 10:
        lose_file(s, i);
        break;
    default:
        if (pick(s, 2))
            end_upload(s, i);
        else
            restart(s);
    }
}

/* ---- the end: all is sent, and the manifest is as the model has it ---- */

static int on_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct story *s = ctx;
    struct model_file *m;
    struct digest hash;
    unsigned i = 0;

    while (strcmp(names[i], line->entry.path) != 0)
        i++;
    m = &s->files[i];
    hash = digest_like(m->hash);
    if (!m->exists || m->type != line->entry.type ||
        !stamp_is_same(&m->stamp, &line->entry.stamp) ||
        (m->has_hash && !digest_is_same(&hash, &line->hash)) ||
        line->n_blocks != (m->has_hash && m->stamp.size == BIG ? N_PARTS : 0))
        return error_set(err, ERROR_CORRUPT, 0, "%s is not as it was sent", names[i]);
    for (unsigned k = 0; k < line->n_blocks; k++) {
        struct digest d = digest_like(m->parts[k + 1]);

        if (!digest_is_same(&d, &line->blocks[k]))
            return error_set(err, ERROR_CORRUPT, 0, "block %u of %s", k, names[i]);
    }
    m->exists = false; /* once only */
    return 0;
}

static void end_story(struct story *s)
{
    restart(s);
    s->clock_s += 100;
    take_walk(s, N);
    for (unsigned i = 0; i < N; i++)
        while (is_file(&s->files[i]) && s->files[i].state != CHECKPOINT_STORED)
            send_file(s, i); /* until it is not an outdated one */
    check(s);
    restart(s);
    checkpoint_export(s->f.cp, 0, on_line, s, on_done, &s->f);
    if (answer(&s->f) != ERROR_NONE)
        fail_msg("%s", s->f.err.text);
    for (unsigned i = 0; i < N; i++)
        assert_false(s->files[i].exists);
}

static void tell(uint64_t seed)
{
    struct story *s = mem_new(1, sizeof *s);

    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    s->random = seed;
    s->clock_s = LONG_AGO_S;
    memset(s->garbage_uploads, -1, sizeof s->garbage_uploads);
    setup(&s->f);
    for (unsigned i = 0; i < N; i++)
        change_source(s);
    take_walk(s, N);
    for (unsigned i = 0; i < STEPS; i++) {
        step(s);
        check(s);
    }
    end_story(s);
    teardown(&s->f);
    free(s);
}

static uint64_t first_seed = 1, n_stories = 60;

static void stories(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < n_stories; i++)
        tell(first_seed + i);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stories)};

    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        n_stories = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
