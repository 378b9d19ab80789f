/* What a session relies on when it goes on from its checkpoint: the plan's merges, the
 * notes, and what becomes of them when the walk, the notes and the store cross. */
#include "checkpoint_fixture.h"

#include "base/span.h"

/* ---- values and plan ---- */

static void values_survive(void **state)
{
    struct fixture f;
    char *value;

    (void)state;
    setup(&f);
    assert_true(f.lock_works);
    assert_null(checkpoint_get(f.cp, "session"));
    checkpoint_set(f.cp, "session", "one");
    checkpoint_set(f.cp, "session", "two");
    reopen(&f);
    value = checkpoint_get(f.cp, "session");
    assert_string_equal(value, "two");
    free(value);
    teardown(&f);
}

static void a_plan_is_worked_off(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    struct checkpoint_totals t;
    const struct entry link = {.path = "c", .type = ENTRY_SYMLINK, .target = "a"};
    const struct entry folder = {.path = "d", .type = ENTRY_DIRECTORY, .mode = 0755};

    (void)state;
    setup(&f);
    add_file(&batch, "a", 10, LONG_AGO_S);
    add_file(&batch, "b", 20, LONG_AGO_S);
    entry_batch_add(&batch, &link);
    entry_batch_add(&batch, &folder);
    walk(&f, &batch);
    assert_string_equal(to_do(&f), "a:planned b:planned");
    store(&f, "a", stamp_of(10, LONG_AGO_S), READ_AT_S, 1);
    reopen(&f);
    assert_string_equal(to_do(&f), "b:planned");
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.files, 2);
    assert_int_equal(t.bytes, 30);
    assert_int_equal(t.directories, 1);
    assert_int_equal(t.symlinks, 1);
    assert_int_equal(t.files_stored, 1);
    assert_int_equal(t.bytes_stored, 10);
    teardown(&f);
}

static void next_goes_on_behind_a_path(void **state)
{
    struct fixture f;
    struct entry_batch walked = {0};
    struct plan_batch batch = {0};

    (void)state;
    setup(&f);
    add_file(&walked, "a", 1, LONG_AGO_S);
    add_file(&walked, "b", 2, LONG_AGO_S);
    add_file(&walked, "b\xff", 3, LONG_AGO_S);
    walk(&f, &walked);
    checkpoint_next(f.cp, "", 2, &batch, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_int_equal(batch.n_items, 2);
    assert_string_equal(batch.items[1].entry.path, "b");
    assert_int_equal(batch.items[1].entry.stamp.size, 2);
    assert_int_equal(batch.items[1].entry.mode, 0644);
    checkpoint_next(f.cp, "b", 2, &batch, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_int_equal(batch.n_items, 1);
    assert_string_equal(batch.items[0].entry.path, "b\xff");
    plan_batch_free(&batch);
    teardown(&f);
}

/* ---- the next walk ---- */

static void changed_files_are_looked_at_again(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};

    (void)state;
    setup(&f);
    add_file(&batch, "changed", 1, LONG_AGO_S);
    add_file(&batch, "copied", 1, LONG_AGO_S);
    add_file(&batch, "grown", 1, LONG_AGO_S);
    add_file(&batch, "same", 1, LONG_AGO_S);
    walk(&f, &batch);
    store(&f, "changed", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(&f, "grown", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(&f, "same", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    checkpoint_note_stored(f.cp, "copied",
                           &(struct stored_note){.stamp = stamp_of(1, LONG_AGO_S),
                                                 .read_at_ns = READ_AT_S * second_ns,
                                                 .etag = "x"});
    reopen(&f);
    assert_string_equal(to_do(&f), "");
    add_file(&batch, "changed", 1, LONG_AGO_S + 1);
    add_file(&batch, "copied", 1, LONG_AGO_S + 1); /* no digest to compare with */
    add_file(&batch, "grown", 2, LONG_AGO_S);
    add_file(&batch, "same", 1, LONG_AGO_S);
    walk(&f, &batch);
    assert_string_equal(to_do(&f), "changed:recheck+ copied:planned grown:recheck+");
    store(&f, "changed", stamp_of(1, LONG_AGO_S + 1), READ_AT_S, 2);
    assert_string_equal(to_do(&f), "copied:planned grown:recheck+");
    teardown(&f);
}

/* Read within two seconds of its change, a file may have been changed again unseen. */
static void files_read_too_soon_are_looked_at_again(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    struct entry e = {.path = "old-content", .stamp = stamp_of(1, LONG_AGO_S)};

    (void)state;
    e.stamp.ctime_ns = READ_AT_S * second_ns; /* its mtime was set back */
    setup(&f);
    for (int i = 0; i < 3; i++) {
        int64_t read_at_s = i == 0 ? READ_AT_S : READ_AT_S + 10;

        add_file(&batch, "fresh", 1, READ_AT_S - 2);
        add_file(&batch, "late", 1, READ_AT_S - 3);
        entry_batch_add(&batch, &e);
        walk(&f, &batch);
        assert_string_equal(
            to_do(&f), i == 0 ? "fresh:planned late:planned old-content:planned"
                              : (i == 1 ? "fresh:recheck+ old-content:recheck+" : ""));
        store(&f, "fresh", stamp_of(1, READ_AT_S - 2), read_at_s, 1);
        store(&f, "late", stamp_of(1, READ_AT_S - 3), read_at_s, 1);
        store(&f, "old-content", e.stamp, read_at_s, 1);
        reopen(&f);
    }
    teardown(&f);
}

/* "a b:id" - garbage, upload ids behind colons. */
static const char *garbage(struct fixture *f)
{
    static char spelt[1024];
    struct garbage found[100];
    size_t n, length = 0;

    checkpoint_garbage(f->cp, found, ARRAY_SIZE(found), &n, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    spelt[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        length += (size_t)snprintf(spelt + length, sizeof spelt - length, "%s%s%s%s",
                                   i > 0 ? " " : "", found[i].path,
                                   found[i].upload_id[0] != '\0' ? ":" : "",
                                   found[i].upload_id);
        free(found[i].path);
        free(found[i].upload_id);
    }
    return spelt;
}

static void open_upload(struct fixture *f, const char *path, const char *upload_id,
                        struct stamp stamp)
{
    const struct upload_note note = {.upload_id = upload_id,
                                     .part_size = 2 * (uint64_t)DIGEST_BLOCK,
                                     .block_size = DIGEST_BLOCK,
                                     .stamp = stamp,
                                     .read_at_ns = READ_AT_S * second_ns};

    checkpoint_note_upload(f->cp, path, &note);
}

/* What the store lists of an upload: no digests, but all of it or none. */
static void found_uploads_bring_their_parts(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    struct checkpoint_totals t;
    struct upload_record record;
    const struct part_record parts[] = {{.number = 1, .size = 5, .etag = "one"},
                                        {.number = 3, .size = 7, .etag = "three"}};
    const struct upload_note note = {.upload_id = "id",
                                     .part_size = 2 * (uint64_t)DIGEST_BLOCK,
                                     .block_size = DIGEST_BLOCK,
                                     .stamp = stamp_of(100, LONG_AGO_S),
                                     .parts = parts,
                                     .n_parts = ARRAY_SIZE(parts)};

    (void)state;
    setup(&f);
    walk_file(&f, "big", 100, LONG_AGO_S);
    checkpoint_note_upload(f.cp, "big", &note);
    reopen(&f);
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.part_bytes_stored, 12);
    checkpoint_read_upload(f.cp, "big", &record, on_done, &f);
    assert_int_equal(answer(&f), ERROR_NONE);
    assert_string_equal(record.upload_id, "id");
    assert_int_equal(record.n_parts, 2);
    assert_int_equal(record.parts[1].number, 3);
    assert_int_equal(record.parts[1].size, 7);
    assert_int_equal(record.parts[1].n_blocks, 0);
    assert_string_equal(record.parts[1].etag, "three");
    upload_record_free(&record);
    entry_batch_free(&batch);
    teardown(&f);
}

static void vanished_entries_leave_garbage(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    struct checkpoint_totals t;
    const struct entry folder = {.path = "becomes-folder", .type = ENTRY_DIRECTORY};

    (void)state;
    setup(&f);
    add_file(&batch, "becomes-folder", 1, LONG_AGO_S);
    add_file(&batch, "never-sent", 1, LONG_AGO_S);
    add_file(&batch, "stored", 1, LONG_AGO_S);
    add_file(&batch, "under-way", 1, LONG_AGO_S);
    walk(&f, &batch);
    store(&f, "becomes-folder", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(&f, "stored", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    open_upload(&f, "under-way", "id", stamp_of(1, LONG_AGO_S));
    checkpoint_note_part(f.cp, "under-way",
                         &(struct part_record){.number = 1, .size = 5});
    reopen(&f);
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.part_bytes_stored, 5);
    entry_batch_add(&batch, &folder);
    walk(&f, &batch);
    reopen(&f);
    /* also the objects that are not known of: a crash may have swallowed the note */
    assert_string_equal(garbage(&f),
                        "becomes-folder never-sent stored under-way under-way:id");
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.files + t.files_stored + t.bytes + t.bytes_stored, 0);
    assert_int_equal(t.part_bytes_stored, 0);
    assert_int_equal(t.directories, 1);
    checkpoint_note_garbage_gone(f.cp, "under-way", "id");
    walk_file(&f, "stored", 1, LONG_AGO_S); /* it is back: sent again, not deleted */
    assert_string_equal(garbage(&f), "becomes-folder never-sent under-way");
    assert_string_equal(to_do(&f), "stored:planned");
    teardown(&f);
}

static void thousands_vanish(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    struct checkpoint_totals t;
    char path[32];

    (void)state;
    setup(&f);
    for (int i = 0; i < 12000; i++) {
        snprintf(path, sizeof path, "dir/%05d", i);
        add_file(&batch, path, 1, LONG_AGO_S);
    }
    walk(&f, &batch);
    add_file(&batch, "dir/06000", 1, LONG_AGO_S);
    add_file(&batch, "dir/06000x", 1, LONG_AGO_S);
    walk(&f, &batch);
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.files, 2);
    assert_string_equal(to_do(&f), "dir/06000:planned dir/06000x:planned");
    teardown(&f);
}

static void a_walk_out_of_order_is_refused(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};

    (void)state;
    setup(&f);
    add_file(&batch, "b", 1, LONG_AGO_S);
    add_file(&batch, "a", 1, LONG_AGO_S);
    checkpoint_plan(f.cp, &batch, on_done, &f);
    assert_int_equal(answer(&f), ERROR_INTERNAL);
    assert_string_equal(to_do(&f), ""); /* and the checkpoint is none the worse */
    entry_batch_free(&batch);
    teardown(&f);
}

/* ---- uploads ---- */

static void note_blocks(struct fixture *f, const char *path, uint32_t number,
                        unsigned first, uint32_t n)
{
    struct digest blocks[4];
    struct part_record part = {.number = number,
                               .size = (uint64_t)n * DIGEST_BLOCK,
                               .etag = "part-etag",
                               .crc32c = 99,
                               .blocks = blocks,
                               .n_blocks = n};

    for (uint32_t i = 0; i < n; i++)
        blocks[i] = digest_like(first + i);
    checkpoint_note_part(f->cp, path, &part);
}

static struct upload_record read_upload(struct fixture *f, const char *path)
{
    struct upload_record record;

    checkpoint_read_upload(f->cp, path, &record, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    return record;
}

static bool is_digest(const struct digest *digest, unsigned value)
{
    struct digest d = digest_like(value);

    return digest_is_same(digest, &d);
}

static void plan_big(struct fixture *f, int64_t changed_s)
{
    struct entry_batch batch = {0};

    add_file(&batch, "big", (uint64_t)3 * DIGEST_BLOCK, changed_s);
    walk(f, &batch);
}

static void parts_survive(void **state)
{
    struct fixture f;
    struct upload_record r;

    (void)state;
    setup(&f);
    plan_big(&f, LONG_AGO_S);
    open_upload(&f, "big", "id", stamp_of((uint64_t)3 * DIGEST_BLOCK, LONG_AGO_S));
    note_blocks(&f, "big", 2, 30, 1);
    note_blocks(&f, "big", 1, 10, 2);
    reopen(&f);
    plan_big(&f, LONG_AGO_S);
    assert_string_equal(to_do(&f), "big:planned+");
    r = read_upload(&f, "big");
    assert_string_equal(r.upload_id, "id");
    assert_int_equal(r.part_size, 2 * DIGEST_BLOCK);
    assert_int_equal(r.block_size, DIGEST_BLOCK);
    assert_int_equal(r.n_parts, 2);
    assert_int_equal(r.parts[0].number, 1);
    assert_int_equal(r.parts[0].crc32c, 99);
    assert_string_equal(r.parts[1].etag, "part-etag");
    assert_int_equal(r.parts[0].n_blocks, 2);
    assert_true(is_digest(&r.parts[0].blocks[1], 11));
    assert_true(is_digest(&r.parts[1].blocks[0], 30));
    assert_false(r.has_object);
    upload_record_free(&r);

    plan_big(&f, LONG_AGO_S + 1);
    assert_string_equal(to_do(&f), "big:recheck+");
    checkpoint_note_upload_gone(f.cp, "big");
    assert_string_equal(to_do(&f), "big:planned");
    r = read_upload(&f, "big");
    assert_int_equal(r.n_parts, 0);
    upload_record_free(&r);
    assert_string_equal(garbage(&f), "");
    teardown(&f);
}

static void parts_read_too_soon_are_compared(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    plan_big(&f, READ_AT_S - 1);
    open_upload(&f, "big", "id", stamp_of((uint64_t)3 * DIGEST_BLOCK, READ_AT_S - 1));
    note_blocks(&f, "big", 1, 10, 2);
    assert_string_equal(to_do(&f), "big:recheck+"); /* before the next walk, too */
    reopen(&f);
    plan_big(&f, READ_AT_S - 1);
    assert_string_equal(to_do(&f), "big:recheck+");
    teardown(&f);
}

static void a_new_upload_replaces_the_old(void **state)
{
    struct fixture f;
    struct upload_record r;
    struct checkpoint_totals t;

    (void)state;
    setup(&f);
    plan_big(&f, LONG_AGO_S);
    open_upload(&f, "big", "old", stamp_of(1, LONG_AGO_S));
    note_blocks(&f, "big", 1, 10, 2);
    open_upload(&f, "big", "new", stamp_of(2, LONG_AGO_S + 1));
    r = read_upload(&f, "big");
    assert_string_equal(r.upload_id, "new");
    assert_int_equal(r.n_parts, 0);
    upload_record_free(&r);
    assert_string_equal(garbage(&f), "big:old");
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.part_bytes_stored, 0);
    assert_int_equal(t.bytes, 2); /* as it was when it was opened */
    teardown(&f);
}

struct lines {
    char spelt[2048];
    size_t n;
};

static int on_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct lines *lines = ctx;

    lines->n += (size_t)snprintf(
        lines->spelt + lines->n, sizeof lines->spelt - lines->n,
        "%s%s:%s:%u:%zu%s%s%s%s", lines->n > 0 ? " " : "", line->entry.path,
        entry_type_name(line->entry.type), line->has_hash ? line->hash.bytes[0] : 0U,
        line->n_blocks, line->key != NULL ? "=" : "",
        line->key != NULL ? line->key : "", line->etag != NULL ? "@" : "",
        line->etag != NULL ? line->etag : "");
    for (size_t i = 0; i < line->n_blocks; i++)
        if (!is_digest(&line->blocks[i], 10 + (unsigned)i))
            return error_set(err, ERROR_CORRUPT, 0, "block %zu", i);
    return 0;
}

static const char *manifest(struct fixture *f)
{
    static struct lines lines;

    lines.n = 0;
    lines.spelt[0] = '\0';
    checkpoint_export(f->cp, 20, on_line, &lines, on_done, f);
    answer(f);
    return lines.spelt;
}

static void blocks_reach_the_manifest(void **state)
{
    struct fixture f;
    struct upload_record r;
    struct digest blocks[3] = {digest_like(10), digest_like(11), digest_like(12)};
    struct stamp stamp = stamp_of((uint64_t)3 * DIGEST_BLOCK, LONG_AGO_S);
    struct entry_batch batch = {0};
    struct checkpoint_totals t;

    (void)state;
    setup(&f);
    add_file(&batch, "parts", stamp.size, LONG_AGO_S);
    add_file(&batch, "put", stamp.size, LONG_AGO_S);
    walk(&f, &batch);
    open_upload(&f, "parts", "id", stamp);
    note_blocks(&f, "parts", 2, 12, 1);
    note_blocks(&f, "parts", 1, 10, 2);
    store(&f, "parts", stamp, READ_AT_S, 5);
    checkpoint_note_stored(f.cp, "put",
                           &(struct stored_note){.stamp = stamp,
                                                 .read_at_ns = READ_AT_S * second_ns,
                                                 .hash = digest_like(6),
                                                 .has_hash = true,
                                                 .block_size = DIGEST_BLOCK,
                                                 .etag = "whole",
                                                 .blocks = blocks,
                                                 .n_blocks = 3});
    reopen(&f);
    assert_string_equal(manifest(&f), "parts:file:5:3 put:file:6:3");
    assert_int_equal(f.err.kind, ERROR_NONE);
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.part_bytes_stored, 0);
    assert_string_equal(garbage(&f), "");

    r = read_upload(&f, "parts");
    assert_string_equal(r.upload_id, "");
    assert_int_equal(r.n_parts, 2);
    assert_true(r.has_object && is_digest(&r.object_hash, 5));
    upload_record_free(&r);
    r = read_upload(&f, "put");
    assert_int_equal(r.n_parts, 1);
    assert_int_equal(r.parts[0].n_blocks, 3);
    assert_string_equal(r.etag, "whole");
    upload_record_free(&r);
    teardown(&f);
}

static void one_block_is_its_own_part(void **state)
{
    struct fixture f;
    struct upload_record r;

    (void)state;
    setup(&f);
    walk_file(&f, "small", 9, LONG_AGO_S);
    store(&f, "small", stamp_of(9, LONG_AGO_S), READ_AT_S, 3);
    r = read_upload(&f, "small");
    assert_int_equal(r.n_parts, 1);
    assert_int_equal(r.parts[0].size, 9);
    assert_true(is_digest(&r.parts[0].blocks[0], 3));
    upload_record_free(&r);
    r = read_upload(&f, "nothing");
    assert_int_equal(r.n_parts, 0);
    upload_record_free(&r);
    teardown(&f);
}

static void the_manifest_has_everything(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    const struct entry folder = {.path = "d", .type = ENTRY_DIRECTORY};
    const struct entry link = {.path = "l", .type = ENTRY_SYMLINK, .target = "xy"};
    struct digest target = digest_of_bytes("xy", 2);
    char expected[512];

    (void)state;
    setup(&f);
    add_file(&batch, "a\tb", 1, LONG_AGO_S);
    add_file(&batch, "b", 1, LONG_AGO_S);
    add_file(&batch, "copied", 1, LONG_AGO_S);
    entry_batch_add(&batch, &folder);
    entry_batch_add(&batch, &link);
    walk(&f, &batch);
    store(&f, "a\tb", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    checkpoint_note_stored(f.cp, "copied",
                           &(struct stored_note){.stamp = stamp_of(1, LONG_AGO_S),
                                                 .read_at_ns = READ_AT_S * second_ns,
                                                 .etag = "e"});
    manifest(&f);
    assert_int_equal(f.err.kind, ERROR_INTERNAL); /* b is missing */
    checkpoint_note_failed(f.cp, "b", "permission denied");
    snprintf(expected, sizeof expected,
             "a\tb:file:1:0=odd/"
             "894891f8b78a9945b0aa07e70d5f71f10b1f1990af127de561cc0ac36024c188"
             " copied:file:0:0@e d:dir:0:0 l:symlink:%u:0",
             target.bytes[0]);
    assert_string_equal(manifest(&f), expected);
    assert_int_equal(f.err.kind, ERROR_NONE);
    teardown(&f);
}

static int refuse_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    unsigned *n_calls = ctx;

    (void)line;
    ++*n_calls;
    return error_set(err, ERROR_FULL, 0, "no room");
}

static void an_export_ends_early(void **state)
{
    struct fixture f;
    struct entry_batch batch = {0};
    unsigned n_calls = 0;

    (void)state;
    setup(&f);
    add_file(&batch, "a", 1, LONG_AGO_S);
    add_file(&batch, "b", 1, LONG_AGO_S);
    walk(&f, &batch);
    store(&f, "a", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    store(&f, "b", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    checkpoint_export(f.cp, 0, refuse_line, &n_calls, on_done, &f);
    assert_int_equal(answer(&f), ERROR_FULL);
    assert_int_equal(n_calls, 1);
    assert_int_equal(flush(&f), ERROR_NONE); /* not the checkpoint's own error */
    teardown(&f);
}

/* ---- notes that cross with the walk ---- */

static void notes_of_dropped_entries_are_garbage(void **state)
{
    struct fixture f;
    struct entry_batch nothing = {0};

    (void)state;
    setup(&f);
    plan_big(&f, LONG_AGO_S);
    walk(&f, &nothing);
    open_upload(&f, "big", "id", stamp_of(1, LONG_AGO_S));
    note_blocks(&f, "big", 1, 10, 1);
    store(&f, "big", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    assert_string_equal(garbage(&f), "big big:id");
    assert_string_equal(to_do(&f), "");
    teardown(&f);
}

static void a_later_walk_outranks_an_upload(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    walk_file(&f, "a", 1, LONG_AGO_S);
    walk_file(&f, "a", 1, LONG_AGO_S + 5); /* while it is being sent */
    store(&f, "a", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    assert_string_equal(to_do(&f), "a:recheck+");
    store(&f, "a", stamp_of(2, LONG_AGO_S + 7), READ_AT_S, 2); /* changed once more */
    assert_string_equal(to_do(&f), "");
    walk_file(&f, "a", 2, LONG_AGO_S + 7);
    assert_string_equal(to_do(&f), "");
    teardown(&f);
}

static void deleted_under_our_hands(void **state)
{
    struct fixture f;
    struct entry_batch nothing = {0};

    (void)state;
    setup(&f);
    walk_file(&f, "a", 1, LONG_AGO_S);
    store(&f, "a", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    walk(&f, &nothing); /* gone, and about to be deleted in the store */
    assert_string_equal(garbage(&f), "a");
    walk_file(&f, "a", 1, LONG_AGO_S);
    store(&f, "a", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    checkpoint_note_garbage_gone(f.cp, "a", "");
    assert_string_equal(to_do(&f), "a:planned");
    teardown(&f);
}

/* ---- failures ---- */

static void on_failure(void *ctx, const char *path, const char *reason)
{
    struct lines *lines = ctx;

    lines->n +=
        (size_t)snprintf(lines->spelt + lines->n, sizeof lines->spelt - lines->n,
                         "%s%s:%s", lines->n > 0 ? " " : "", path, reason);
}

static const char *failures(struct fixture *f)
{
    static struct lines lines;

    lines.n = 0;
    lines.spelt[0] = '\0';
    checkpoint_failures(f->cp, on_failure, &lines, on_done, f);
    assert_int_equal(answer(f), ERROR_NONE);
    return lines.spelt;
}

static void walk_with_failures(struct fixture *f, bool is_readable)
{
    struct entry_batch batch = {0};

    add_file(&batch, "a", 1, LONG_AGO_S);
    add_file(&batch, "b", 1, LONG_AGO_S);
    if (!is_readable)
        entry_batch_add_issue(&batch, ISSUE_UNREADABLE, "locked", "denied");
    entry_batch_add_issue(&batch, ISSUE_SPECIAL, "pipe", "a pipe");
    walk(f, &batch);
}

static void failures_are_named_and_tried_again(void **state)
{
    struct fixture f;
    struct checkpoint_totals t;

    (void)state;
    setup(&f);
    walk_with_failures(&f, false);
    checkpoint_note_failed(f.cp, "a", "torn");
    checkpoint_note_failed(f.cp, "b", "torn");
    store(&f, "b", stamp_of(1, LONG_AGO_S), READ_AT_S, 1); /* after all */
    walk_with_failures(&f, false);
    assert_string_equal(failures(&f), "a:torn locked:denied");
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.files_failed, 2);
    assert_string_equal(to_do(&f), "");
    walk_with_failures(&f, true);
    assert_string_equal(failures(&f), "a:torn");
    reopen(&f);
    assert_string_equal(failures(&f), "");
    assert_string_equal(to_do(&f), "a:planned");
    checkpoint_totals(f.cp, &t);
    assert_int_equal(t.files_failed, 0);
    teardown(&f);
}

/* ---- the store's word ---- */

static void what_is_not_seen_is_sent_again(void **state)
{
    static const char *const names[] = {"etag", "missing", "seen", "size", "x\ty"};
    struct fixture f;
    struct entry_batch batch = {0};
    uint64_t n_lost;

    (void)state;
    setup(&f);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        add_file(&batch, names[i], 1, LONG_AGO_S);
    add_file(&batch, "z-unsent", 1, LONG_AGO_S);
    walk(&f, &batch);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        store(&f, names[i], stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    for (int i = 0; i < 2; i++) { /* the second time nothing more is lost */
        checkpoint_seen_begin(f.cp);
        checkpoint_seen(f.cp, "data/etag", 1, "another");
        checkpoint_seen(f.cp, "data/seen", 1, i == 0 ? "etag" : NULL);
        checkpoint_seen(f.cp, "data/size", 2, "etag");
        checkpoint_seen(
            f.cp,
            "odd/7d8ebb06b2fd9d0d8a48c8e8a42b7ba17d9ea0a0a1c6eb9c6fd6ba7b9a9d50ef", 1,
            "etag");
        checkpoint_seen_end(f.cp, 20, &n_lost, on_done, &f);
        assert_int_equal(answer(&f), ERROR_NONE);
        assert_int_equal(n_lost, i == 0 ? 4 : 0);
    }
    assert_string_equal(to_do(&f), "etag:planned missing:planned size:planned "
                                   "x\ty:planned z-unsent:planned");
    teardown(&f);
}

static void a_lost_object_is_sent_again(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    walk_file(&f, "a", 1, LONG_AGO_S);
    store(&f, "a", stamp_of(1, LONG_AGO_S), READ_AT_S, 1);
    checkpoint_note_lost(f.cp, "a");
    reopen(&f);
    assert_string_equal(to_do(&f), "a:planned");
    walk_file(&f, "a", 1, LONG_AGO_S + 1);
    assert_string_equal(to_do(&f), "a:planned"); /* there is nothing to compare with */
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_survive),
        cmocka_unit_test(a_plan_is_worked_off),
        cmocka_unit_test(next_goes_on_behind_a_path),
        cmocka_unit_test(changed_files_are_looked_at_again),
        cmocka_unit_test(files_read_too_soon_are_looked_at_again),
        cmocka_unit_test(found_uploads_bring_their_parts),
        cmocka_unit_test(vanished_entries_leave_garbage),
        cmocka_unit_test(thousands_vanish),
        cmocka_unit_test(a_walk_out_of_order_is_refused),
        cmocka_unit_test(parts_survive),
        cmocka_unit_test(parts_read_too_soon_are_compared),
        cmocka_unit_test(a_new_upload_replaces_the_old),
        cmocka_unit_test(blocks_reach_the_manifest),
        cmocka_unit_test(one_block_is_its_own_part),
        cmocka_unit_test(the_manifest_has_everything),
        cmocka_unit_test(an_export_ends_early),
        cmocka_unit_test(notes_of_dropped_entries_are_garbage),
        cmocka_unit_test(a_later_walk_outranks_an_upload),
        cmocka_unit_test(deleted_under_our_hands),
        cmocka_unit_test(failures_are_named_and_tried_again),
        cmocka_unit_test(what_is_not_seen_is_sent_again),
        cmocka_unit_test(a_lost_object_is_sent_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
