/*
 * Uploads of one file from a source that changes into a store that answers late, out of
 * order and badly.  Each seed is a story: what an earlier run left, what happens to the
 * file and to the store meanwhile, when it is cancelled.  One that fails can be run
 * alone: test_upload SEED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dice.h"
#include "memory_source.h"
#include "memory_store.h"
#include "transfer/upload.h"

enum { STORIES = 1500, TURNS_MAX = 100000, LATER_TURNS = 20 };

static const char path[] = "file", key[] = "NAME/v1/data/file";

/* What an earlier run left behind. */
enum past {
    PAST_NONE,
    PAST_CUT,    /* the size of the parts alone */
    PAST_UPLOAD, /* an open upload with some parts */
    PAST_GONE,   /* one that the store has swept */
    PAST_OBJECT, /* a whole object */
    PAST_PUT,    /* a whole object, put in one go */
    PASTS
};

struct story {
    struct loop loop;
    struct budget *budget;
    struct memory_store store;
    struct memory_source source;
    struct memory_file *file;

    enum past past;
    struct memory_version was; /* when the past was made */
    struct upload_record known;
    struct upload_options options;
    struct memory_upload *old;          /* of the past */
    bool is_expected[MEMORY_PARTS_MAX]; /* parts of old that are to be sent */
    uint8_t *object_before;
    uint64_t object_size;

    /* How it goes on. */
    unsigned n_changes, changes_max, n_before; /* n_before: earlier versions */
    unsigned forgets_max, cancel_chance, away_chance, refuse_chance;
    struct upload *upload; /* NULL when it is done */
    bool is_cancelled, is_lost;
    int64_t started_ns;
    unsigned n_turns, n_later;
    bool is_over;
    struct deferred soon;

    /* What it told. */
    char id[STORE_UPLOAD_ID_MAX];          /* of the upload that the notes are about */
    struct digest noted[MEMORY_PARTS_MAX]; /* of all blocks of the noted parts */
    bool has_noted[MEMORY_PARTS_MAX];
    uint64_t part_size, block_size;
    struct upload_outcome outcome;
    struct digest *blocks; /* of the outcome's note */
    char etag[STORE_ETAG_MAX];
};

/* ---- what is right, computed another way ---- */

static struct digest *digests_of(const uint8_t *bytes, uint64_t size,
                                 uint64_t block_size, size_t *n)
{
    struct digest *d;

    *n = size == 0 ? 1 : (size_t)((size + block_size - 1) / block_size);
    d = mem_new(*n, sizeof *d);
    for (size_t i = 0; i < *n; i++) {
        uint64_t at = i * block_size;
        uint64_t left = size - at;
        d[i] = digest_of_bytes(bytes + at,
                               (size_t)(left < block_size ? left : block_size));
    }
    return d;
}

static uint8_t *bytes_of(const struct memory_version *v)
{
    uint8_t *bytes = mem_buffer((size_t)v->stamp.size + 1);

    memory_version_bytes(v, 0, (struct span){bytes, (size_t)v->stamp.size});
    return bytes;
}

/* The version of the file that these bytes are, NULL if none: they are torn. */
static const struct memory_version *version_with(const struct story *s,
                                                 const uint8_t *bytes, uint64_t size)
{
    for (unsigned i = s->file->n_versions; i-- > 0;)
        if (memory_version_is(&s->file->versions[i], bytes, size))
            return &s->file->versions[i];
    return NULL;
}

/* ---- the events ---- */

static void on_created(void *ctx, const struct upload_note *note)
{
    struct story *s = ctx;
    const struct memory_upload *u = memory_store_upload(&s->store, note->upload_id);

    assert_non_null(s->upload);
    assert_non_null(u);
    assert_int_equal(u->part_size, note->part_size);
    assert_true(note->read_at_ns >= s->started_ns);
    if (s->id[0] != '\0' && note->part_size == s->part_size) /* else it was told gone */
        assert_int_equal(memory_store_upload(&s->store, s->id)->state, UPLOAD_OPEN);
    snprintf(s->id, sizeof s->id, "%s", note->upload_id);
    s->part_size = note->part_size;
    s->block_size = note->block_size;
    memset(s->has_noted, 0, sizeof s->has_noted);
}

static void on_part_stored(void *ctx, const struct part_record *part)
{
    struct story *s = ctx;
    const struct memory_upload *u = memory_store_upload(&s->store, s->id);
    const struct memory_part *stored = &u->parts[part->number - 1];
    struct digest *digests;
    size_t n, first = (size_t)((part->number - 1) * (s->part_size / s->block_size));

    assert_non_null(s->upload);
    if (u->state == UPLOAD_OPEN) {
        assert_non_null(stored->bytes);
        assert_string_equal(stored->etag, part->etag);
        assert_int_equal(stored->size, part->size);
        digests = digests_of(stored->bytes, stored->size, s->block_size, &n);
        assert_int_equal(n, part->n_blocks);
        assert_memory_equal(digests, part->blocks, n * sizeof *digests);
        free(digests);
    }
    for (uint32_t i = 0; i < part->n_blocks; i++) {
        s->noted[first + i] = part->blocks[i];
        s->has_noted[first + i] = true;
    }
}

static void on_gone(void *ctx)
{
    struct story *s = ctx;

    assert_non_null(s->upload);
    assert_int_not_equal(memory_store_upload(&s->store, s->id)->state, UPLOAD_OPEN);
    memset(s->has_noted, 0, sizeof s->has_noted);
    s->id[0] = '\0';
}

static void on_lost(void *ctx)
{
    struct story *s = ctx;

    assert_non_null(s->upload);
    assert_true(s->known.has_object && !s->is_lost);
    s->is_lost = true;
}

static void on_moved(void *ctx)
{
    assert_non_null(((struct story *)ctx)->upload);
}

static void on_done(void *ctx, const struct upload_outcome *outcome)
{
    struct story *s = ctx;

    assert_non_null(s->upload); /* once */
    s->upload = NULL;
    s->outcome = *outcome;
    assert_int_equal(s->store.n_under_way, 0);
    assert_int_equal(s->source.n_under_way, 0);
    assert_int_equal(budget_in_use(s->budget), 0);
    if (outcome->note.etag != NULL)
        snprintf(s->etag, sizeof s->etag, "%s", outcome->note.etag);
    if (outcome->note.blocks != NULL) {
        s->blocks = mem_new(outcome->note.n_blocks, sizeof *s->blocks);
        memcpy(s->blocks, outcome->note.blocks,
               outcome->note.n_blocks * sizeof *s->blocks);
    }
}

static const struct upload_events events = {
    on_created, on_part_stored, on_gone, on_lost, NULL, on_moved, on_done};

/* Something is about to be changed in the store. */
static void on_effect(void *ctx, const struct store_op *op)
{
    struct story *s = ctx;

    assert_non_null(s->upload);
    if (op->verb == STORE_PUT || op->verb == STORE_COMPLETE_UPLOAD)
        assert_true(!s->known.has_object || s->is_lost); /* first it is said */
    if (op->verb == STORE_UPLOAD_PART && s->old != NULL && s->n_changes == 0 &&
        strcmp(op->upload_id, s->old->id) == 0)
        assert_true(s->is_expected[op->part.number - 1]);
}

/* ---- the past ---- */

static void draw_file(struct story *s)
{
    static const unsigned sizes[] = {1,
                                     1,
                                     MEMORY_PAGE,
                                     STORE_CHUNK,
                                     STORE_CHUNK,
                                     5 * STORE_CHUNK,
                                     5 * STORE_CHUNK,
                                     5 * STORE_CHUNK};
    unsigned most = sizes[roll(ARRAY_SIZE(sizes))];
    uint64_t size = roll(3) == 0 ? most : roll(most + 1);

    s->file = memory_source_add(&s->source, path);
    memory_file_make(&s->source, s->file, size);
    memory_source_wait(&s->source, 10000000000);
}

static void draw_cut(struct story *s)
{
    struct upload_record *k = &s->known;

    k->block_size = (32u << 10) << roll(2);
    k->part_size = k->block_size * (1 + roll(4));
}

static void add_known_part(struct story *s, const uint8_t *bytes, uint32_t number,
                           struct digest *digests, const char *etag)
{
    struct upload_record *k = &s->known;
    uint64_t at = (number - 1) * k->part_size, size = s->was.stamp.size - at;
    struct part_record *part = &k->parts[k->n_parts++];
    size_t first = (size_t)(at / k->block_size);

    size = size < k->part_size ? size : k->part_size;
    part->number = number;
    part->size = size;
    part->n_blocks = (uint32_t)(size == 0 ? 1 : (size - 1) / k->block_size + 1);
    part->blocks = &digests[first];
    if (s->old != NULL && s->past == PAST_UPLOAD) {
        memory_store_set_part(&s->store, s->old, number, bytes + at, size);
        etag = s->old->parts[number - 1].etag;
    }
    snprintf(part->etag, sizeof part->etag, "%s", etag);
    for (uint32_t i = 0; i < part->n_blocks && s->old != NULL; i++) {
        s->noted[first + i] = part->blocks[i];
        s->has_noted[first + i] = true;
    }
}

/* Records of what the store has, or had, of the version that was. */
static void make_known(struct story *s, unsigned percent)
{
    struct upload_record *k = &s->known;
    uint8_t *bytes = bytes_of(&s->was);
    uint64_t size = s->was.stamp.size;
    uint32_t n = size == 0 ? 1 : (uint32_t)((size - 1) / k->part_size + 1);
    size_t n_digests;

    k->digests = digests_of(bytes, size, k->block_size, &n_digests);
    k->parts = mem_new(n, sizeof *k->parts);
    for (uint32_t i = 1; i <= n; i++)
        if (roll(100) < percent)
            add_known_part(s, bytes, i, k->digests, k->etag);
    free(bytes);
}

static void make_past_upload(struct story *s)
{
    draw_cut(s);
    s->old = memory_store_create(&s->store, key, s->known.part_size);
    snprintf(s->known.upload_id, sizeof s->known.upload_id, "%s", s->old->id);
    snprintf(s->id, sizeof s->id, "%s", s->old->id);
    s->part_size = s->known.part_size;
    s->block_size = s->known.block_size;
    make_known(s, 70);
    if (s->past == PAST_GONE)
        memory_store_forget(&s->store, s->old);
    else if (s->known.n_parts > 0 && roll(5) == 0)
        s->known.parts[0].size--; /* of another cut */
}

static void make_past_object(struct story *s)
{
    struct upload_record *k = &s->known;
    uint8_t *bytes = bytes_of(&s->was);

    draw_cut(s);
    if (s->past == PAST_PUT)
        k->block_size = DIGEST_BLOCK;
    if (s->past == PAST_PUT || s->was.stamp.size <= k->block_size)
        k->part_size = s->was.stamp.size > 0 ? s->was.stamp.size : 1;
    memory_store_put(&s->store, key, bytes, s->was.stamp.size);
    snprintf(k->etag, sizeof k->etag, "%s", s->store.objects->etag);
    k->has_object = true;
    k->object_size = s->was.stamp.size;
    make_known(s, 100);
    if (s->was.stamp.size == 0)
        k->part_size = 0; /* as the checkpoint has it */
    free(bytes);
}

static void make_past(struct story *s)
{
    s->was = s->file->now;
    s->past = (enum past)roll(PASTS);
    switch (s->past) {
    case PAST_CUT:
        if (s->was.stamp.size > STORE_CHUNK)
            draw_cut(s);
        break;
    case PAST_UPLOAD:
    case PAST_GONE:
        make_past_upload(s);
        break;
    case PAST_OBJECT:
    case PAST_PUT:
        make_past_object(s);
        break;
    default:
        break;
    }
}

/* ---- what happens ---- */

static void change_file(struct story *s)
{
    struct memory_file *f = s->file;
    uint64_t size = f->now.stamp.size;

    s->n_changes++;
    if (f->kind != MEMORY_FILE)
        memory_file_make(&s->source, f, roll(STORE_CHUNK));
    else if (roll(2) == 0)
        memory_file_edit(&s->source, f);
    else
        switch (roll(7)) {
        case 0:
        case 1:
            memory_file_resize(&s->source, f, size - roll((unsigned)size + 1));
            break;
        case 2:
            memory_file_resize(&s->source, f, size + 1 + roll(STORE_CHUNK));
            break;
        case 3:
            memory_file_make(&s->source, f, size); /* replaced */
            break;
        case 4:
            memory_file_become(&s->source, f, MEMORY_GONE);
            break;
        case 5:
            memory_file_become(&s->source, f, MEMORY_FIFO);
            break;
        default:
            f->is_unreadable = true;
        }
}

static bool part_is_same(const struct story *s, const struct part_record *p)
{
    uint64_t at = (p->number - 1) * s->known.part_size;
    uint8_t *now;
    bool is_same;

    if (at + p->size > s->file->now.stamp.size)
        return false;
    if (at + p->size < s->file->now.stamp.size && p->size < s->known.part_size)
        return false; /* it was the last, and shorter */
    now = mem_buffer((size_t)p->size + 1);
    memory_version_bytes(&s->file->now, at, (struct span){now, (size_t)p->size});
    is_same =
        memcmp(now, s->store.uploads->parts[p->number - 1].bytes, (size_t)p->size) == 0;
    free(now);
    return is_same;
}

/* Which parts of the old upload must be sent, if nothing changes from now on. */
static void expect(struct story *s)
{
    for (size_t i = 0; i < MEMORY_PARTS_MAX; i++)
        s->is_expected[i] = true;
    if (s->past != PAST_UPLOAD)
        return;
    for (size_t i = 0; i < s->known.n_parts; i++) {
        const struct part_record *p = &s->known.parts[i];

        if (p->size == s->old->parts[p->number - 1].size && part_is_same(s, p))
            s->is_expected[p->number - 1] = false;
    }
}

static void draw_behaviour(struct story *s)
{
    s->store.bad_percent = roll(3) == 0 ? roll(40) : 0;
    s->store.on_effect = on_effect;
    s->store.ctx = s;
    s->changes_max = roll(2) == 0 ? 0 : 1 + roll(3);
    s->forgets_max = roll(3) == 0 ? 1 + roll(4) : 0;
    s->cancel_chance = roll(3) == 0 ? 5 + roll(200) : 0;
    s->away_chance = roll(5) == 0 ? 50 : 0;
    s->refuse_chance = roll(10) == 0 ? 100 : 0;
}

static void set_options(struct story *s)
{
    s->options = (struct upload_options){.loop = &s->loop,
                                         .store = s->store.store,
                                         .source = &s->source.source,
                                         .budget = s->budget,
                                         .path = path,
                                         .key = key,
                                         .stamp = s->was.stamp,
                                         .events = &events,
                                         .ctx = s};
}

static void begin(struct story *s)
{
    struct upload_record known;

    make_past(s);
    for (unsigned n = roll(2) * roll(3); n > 0; n--)
        change_file(s);
    set_options(s);
    s->options.is_data = true;
    s->options.must_compare = s->known.has_object || roll(3) == 0;
    if (s->n_changes > 0 && s->file->kind == MEMORY_FILE && roll(3) > 0) {
        s->options.stamp = s->file->now.stamp; /* the walk has seen it */
        s->options.must_compare = s->past != PAST_NONE;
    }
    s->n_changes = s->file->is_unreadable ||
                   !stamp_is_same(&s->options.stamp, &s->file->now.stamp);
    expect(s);
    memory_source_watch(&s->source);
    s->started_ns = s->source.now_ns;
    s->n_before = s->file->n_versions;
    draw_behaviour(s);
    known = s->known;
    s->upload = upload_start(&s->options, &known, NULL);
}

static void disturb(struct story *s)
{
    if (s->changes_max > 0 && roll(20) == 0) {
        s->changes_max--;
        change_file(s);
    }
    if (s->forgets_max > 0 && roll(20) == 0)
        for (struct memory_upload *u = s->store.uploads; u != NULL; u = u->next)
            if (u->state == UPLOAD_OPEN && s->forgets_max > 0) {
                s->forgets_max--;
                memory_store_forget(&s->store, u);
            }
    if (s->away_chance > 0 && roll(s->away_chance) == 0)
        s->store.is_away = !s->store.is_away;
    if (s->refuse_chance > 0 && roll(s->refuse_chance) == 0)
        s->store.refusal = ERROR_AUTH;
    if (s->cancel_chance > 0 && roll(s->cancel_chance) == 0) {
        s->is_cancelled = true;
        upload_cancel(s->upload);
        assert_non_null(s->upload); /* never from inside the call */
    }
}

static void check_progress(const struct story *s)
{
    uint64_t bytes, size;

    upload_progress(s->upload, &bytes, &size);
    if (s->n_changes == 0)
        assert_true(bytes <= size && size == s->file->now.stamp.size);
}

static void on_turn(void *ctx)
{
    struct story *s = ctx;

    if (s->upload != NULL) {
        check_progress(s);
        disturb(s);
        for (unsigned n = roll(4); n > 0; n--)
            upload_step(s->upload);
    } else {
        s->store.is_away = false;
        s->n_later++; /* nothing comes after done() */
    }
    assert_true(++s->n_turns < TURNS_MAX);
    if (s->n_turns > TURNS_MAX / 2)
        s->store.is_away = false;
    if (s->n_later < LATER_TURNS)
        loop_defer(&s->loop, &s->soon, on_turn, s);
    else
        s->is_over = true;
}

/* ---- the end ---- */

static void check_blocks(const struct story *s, const struct digest *digests, size_t n)
{
    const struct stored_note *note = &s->outcome.note;
    struct digest hash =
        n == 1 ? digests[0] : digest_of_bytes(digests, n * sizeof *digests);

    assert_true(note->has_hash);
    assert_true(digest_is_same(&hash, &note->hash));
    if (s->blocks != NULL) {
        assert_int_equal(note->n_blocks, n);
        assert_memory_equal(s->blocks, digests, n * sizeof *digests);
    } else if (n > 1) {
        for (size_t i = 0; i < n; i++) { /* then the noted parts have them all */
            assert_true(s->has_noted[i]);
            assert_true(digest_is_same(&s->noted[i], &digests[i]));
        }
    }
}

static void check_success(struct story *s)
{
    const struct stored_note *note = &s->outcome.note;
    const struct memory_object *o = memory_store_find(&s->store, key);
    const struct memory_version *v;
    struct digest *digests;
    size_t n;

    assert_non_null(o);
    v = version_with(s, o->bytes, o->size);
    assert_non_null(v);
    assert_true(stamp_is_same(&note->stamp, &s->outcome.stamp));
    assert_int_equal(note->stamp.size, o->size);
    for (unsigned i = 0; i < s->file->n_versions; i++)
        if (stamp_is_same(&s->file->versions[i].stamp, &note->stamp))
            v = &s->file->versions[i];
    assert_true(memory_version_is(v, o->bytes, o->size)); /* of that very stamp */
    assert_string_equal(s->etag, o->etag);
    digests = digests_of(o->bytes, o->size, note->block_size, &n);
    check_blocks(s, digests, n);
    free(digests);
    assert_true(note->read_at_ns >= s->started_ns);
    if (s->file->n_reads > 0)
        assert_true(note->read_at_ns <= s->file->last_read_ns);
    if (s->file->n_reads > 0 && s->options.stamp.size > STORE_CHUNK)
        assert_true(note->read_at_ns <= s->file->first_read_ns);
}

/* Nothing was sent where nothing differs. */
static void check_economy(const struct story *s)
{
    if (s->n_changes > 0)
        return;
    if (s->outcome.is_unchanged)
        assert_int_equal(s->store.n_puts + s->store.n_parts + s->store.n_completions,
                         0);
    if ((s->past == PAST_OBJECT || s->past == PAST_PUT) &&
        memory_version_is(&s->file->now, s->object_before, s->object_size) &&
        s->outcome.err.kind == ERROR_NONE)
        assert_true(s->outcome.is_unchanged);
}

static void check_failure(const struct story *s)
{
    const struct error *err = &s->outcome.err;
    const struct memory_object *o = memory_store_find(&s->store, key);

    if (err->kind == ERROR_CANCELLED) {
        assert_true(s->is_cancelled);
    } else if (s->outcome.source_failed) {
        assert_true(s->n_changes > 0);
        assert_true(err->kind == ERROR_CHANGED || err->kind == ERROR_NOT_FOUND ||
                    err->kind == ERROR_IO);
        if (err->kind == ERROR_CHANGED && s->n_changes == 1 &&
            s->file->now.stamp.inode == s->was.stamp.inode)
            assert_true(stamp_is_same(&s->outcome.stamp, &s->file->now.stamp));
    } else if (err->kind == ERROR_NOT_FOUND) {
        assert_true(s->store.n_forgotten > 2);
    } else if (err->kind == ERROR_AUTH) {
        assert_int_equal(s->store.refusal, ERROR_AUTH);
    } else {
        assert_int_equal(err->kind, ERROR_TRANSIENT);
        assert_true(s->store.bad_percent > 0);
    }
    if (o != NULL)
        assert_non_null(version_with(s, o->bytes, o->size)); /* never torn */
}

static void keep_object(struct story *s)
{
    const struct memory_object *o = memory_store_find(&s->store, key);

    if (o == NULL)
        return;
    s->object_before = (uint8_t *)mem_copy_bytes(o->bytes, (size_t)o->size);
    s->object_size = o->size;
}

static void end_story(struct story *s)
{
    memory_store_close(&s->store);
    memory_store_free(&s->store);
    memory_source_free(&s->source);
    loop_close(&s->loop);
    budget_free(s->budget);
    free(s->object_before);
    free(s->blocks);
    free(s);
}

static void tell(unsigned seed)
{
    struct story *s = mem_new(1, sizeof *s);
    struct store_limits limits = {.put_max = roll(2) == 0 ? STORE_CHUNK : UINT64_MAX,
                                  .part_min = 1,
                                  .part_max = UINT64_MAX / 2,
                                  .parts_max = MEMORY_PARTS_MAX,
                                  .is_local = roll(2) == 0};
    struct store_options options = {.loop = &s->loop, .jobs = 1 + roll(6)};

    (void)seed;
    assert_int_equal(loop_open(&s->loop), 0);
    options.budget = s->budget =
        budget_new(&s->loop, (1 + roll(3)) * STORE_CHUNK + roll(STORE_CHUNK));
    memory_store_open(&s->store, &options, &limits);
    memory_source_init(&s->source, &s->loop);
    draw_file(s);
    begin(s);
    keep_object(s);
    loop_defer(&s->loop, &s->soon, on_turn, s);
    loop_run_until(&s->loop, &s->is_over);

    if (s->outcome.err.kind == ERROR_NONE)
        check_success(s);
    else
        check_failure(s);
    check_economy(s);
    end_story(s);
}

static void test_stories(void **state)
{
    (void)state;
    dice_tell(tell);
}

/* ---- single facts ---- */

/* An object of 40 parts that is to be compared with its file. */
static struct story *story_of_comparison(void)
{
    struct story *s = mem_new(1, sizeof *s);
    const struct store_limits limits = {.put_max = STORE_CHUNK,
                                        .part_min = 1,
                                        .part_max = UINT64_MAX / 2,
                                        .parts_max = MEMORY_PARTS_MAX};
    struct store_options options = {.loop = &s->loop, .jobs = 4};

    dice_seed(1);
    assert_int_equal(loop_open(&s->loop), 0);
    options.budget = s->budget = budget_new(&s->loop, STORE_CHUNK);
    memory_store_open(&s->store, &options, &limits);
    memory_source_init(&s->source, &s->loop);
    s->file = memory_source_add(&s->source, path);
    memory_file_make(&s->source, s->file, 40 * 32768);
    s->was = s->file->now;
    s->past = PAST_OBJECT;
    do {
        upload_record_free(&s->known);
        make_past_object(s);
    } while (s->known.part_size != 32768);
    set_options(s);
    s->options.must_compare = true;
    s->upload = upload_start(&s->options, &s->known, NULL);
    return s;
}

/* Comparing needs no room in the store, but memory all the same. */
static void test_few_comparisons_are_under_way_at_once(void **state)
{
    struct story *s = story_of_comparison();
    unsigned n, most = 0;

    (void)state;
    while (s->upload != NULL) {
        for (n = 0; s->upload != NULL && upload_step(s->upload); n++)
            ;
        most = n > most ? n : most;
        if (s->upload != NULL)
            uv_run(&s->loop.uv, UV_RUN_ONCE);
    }
    assert_true(most >= 2 && most <= 8);
    assert_true(s->outcome.is_unchanged);
    assert_int_equal(s->source.n_bytes_read, 40 * 32768);
    end_story(s);
}

/* What differs at its start is not read to its end before it is sent. */
static void test_a_comparison_ends_at_the_first_difference(void **state)
{
    struct story *s = story_of_comparison();

    (void)state;
    s->file->now.edits[0].to = 1;
    s->file->now.edits[0].seed = 1000;
    s->file->now.n_edits = 1;
    s->file->versions[0] = s->file->now;
    while (s->upload != NULL) {
        while (s->upload != NULL && upload_step(s->upload))
            ;
        if (s->upload != NULL)
            uv_run(&s->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(s->outcome.err.kind, ERROR_NONE);
    assert_false(s->outcome.is_unchanged);
    assert_true(s->is_lost);
    assert_true(s->source.n_bytes_read <= 48 * 32768);
    check_success(s);
    end_story(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_few_comparisons_are_under_way_at_once),
        cmocka_unit_test(test_a_comparison_ends_at_the_first_difference),
    };

    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
