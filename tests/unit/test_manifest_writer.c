/* Shards written, byte for byte as the format promises, and read back. */
#include "manifest/manifest.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "manifest/manifest_line.h"
#include "tests/unit/shard_kit.h"

/* ---- a folder, and files in it ---- */

struct place {
    char folder[32];
    char prefix[48]; /* of the shards */
};

static int make_place(void **state)
{
    struct place *p = mem_new(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/manifest-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->prefix, sizeof p->prefix, "%s/", p->folder);
    *state = p;
    return 0;
}

/* How many files there are; with `unlinking` none is left. */
static int count_files(const struct place *p, bool unlinking)
{
    DIR *dir = opendir(p->folder);
    struct dirent *e;
    int n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.') {
            n++;
            if (unlinking)
                unlinkat(dirfd(dir), e->d_name, 0);
        }
    closedir(dir);
    return n;
}

static int remove_place(void **state)
{
    struct place *p = *state;

    count_files(p, true);
    rmdir(p->folder);
    free(p);
    return 0;
}

/* ---- the small set of the golden file ---- */

enum { N_SMALL = 9 };

struct small_set {
    struct manifest_line lines[N_SMALL];
    struct digest blocks[3];
    char long_path[512];
    struct text keys[2];
};

static struct manifest_line file_line(const char *path, uint64_t size, int64_t mtime_ns,
                                      uint32_t mode)
{
    struct manifest_line line = {0};

    line.entry.path = path;
    line.entry.type = ENTRY_FILE;
    line.entry.mode = mode;
    line.entry.stamp.size = size;
    line.entry.stamp.mtime_ns = mtime_ns;
    line.has_hash = true;
    line.hash = digest_of_bytes("abc", 3);
    return line;
}

static struct manifest_line other_line(const char *path, const char *target)
{
    struct manifest_line line = {0};

    line.entry.path = path;
    line.entry.type = target != NULL ? ENTRY_SYMLINK : ENTRY_DIRECTORY;
    line.entry.target = target;
    line.entry.mode = 0755; /* kept for files only */
    line.entry.stamp.mtime_ns = 5;
    return line;
}

static void make_small_set(struct small_set *s)
{
    struct manifest_line *l = s->lines;

    *s = (struct small_set){0};
    for (size_t i = 0; i < sizeof s->blocks; i++)
        s->blocks[i / DIGEST_BYTES].bytes[i % DIGEST_BYTES] = (uint8_t)i;
    memset(s->long_path, 'c', 255);
    s->long_path[255] = '/';
    memset(s->long_path + 256, 'd', 255);
    l[0] = file_line("a\nb\"\\\x01\x7f\tc", 3, INT64_C(1700000000123456789), 0644);
    entry_add_key(&s->keys[0], l[0].entry.path, 0);
    l[0].key = text_string(&s->keys[0]);
    l[1] = file_line("big.bin", 33554433, -1, 0600);
    l[1].block_size = DIGEST_BLOCK;
    l[1].blocks = s->blocks;
    l[1].n_blocks = 3;
    l[1].hash = digest_of_blocks(s->blocks, 3);
    l[2] = file_line(s->long_path, 0, 0, 04755);
    l[2].hash = digest_of_bytes("", 0);
    l[3] = other_line("empty dir", NULL);
    l[4] = file_line("gr\xc3\xbc\xc3\x9f"
                     "e/\xf0\x9f\x98\x80 \xe2\x82\xac",
                     UINT64_C(9007199254740993), 1, 0);
    l[5] = other_line("link", "../a b");
    l[6] = other_line("link2", "caf\xe9");
    l[7] = file_line("ref", 5, 2, 0644);
    l[7].has_hash = false;
    l[7].ref = "s3://bucket/some/ref";
    l[7].etag = "d41d8cd98f00b204e9800998ecf8427e-3";
    l[7].version_id = "v\"1";
    l[8] = file_line("\xff\xfe/latin\xe9", 3, 3, 0644);
    entry_add_key(&s->keys[1], l[8].entry.path, 0);
    l[8].key = text_string(&s->keys[1]);
}

static void free_small_set(struct small_set *s)
{
    text_free(&s->keys[0]);
    text_free(&s->keys[1]);
}

static struct manifest_writer *open_writer(const struct place *p,
                                           uint64_t shard_entries)
{
    struct manifest_writer *w = NULL;
    struct error err = {0};

    if (manifest_writer_open(&w, p->prefix, shard_entries, &err) != 0)
        fail_msg("%s", err.text);
    return w;
}

static void write_lines(const struct place *p, const struct manifest_line *lines,
                        size_t n, uint64_t shard_entries,
                        struct manifest_summary *summary)
{
    struct manifest_writer *w = open_writer(p, shard_entries);
    struct error err = {0};

    for (size_t i = 0; i < n; i++)
        if (manifest_writer_add(w, &lines[i], &err) != 0)
            fail_msg("%s", err.text);
    if (manifest_writer_end(w, summary, &err) != 0)
        fail_msg("%s", err.text);
    manifest_writer_free(w);
}

/* ---- writing ---- */

static void golden(void **state)
{
    struct text expected = shard_read_file(GRID_GOLDEN_DIR "/manifest-small.jsonl"),
                shard;
    struct text root = {0}, plain = {0};
    struct manifest_summary summary;
    struct small_set set;
    char line[1024];
    gzFile gz;

    make_small_set(&set);
    write_lines(*state, set.lines, N_SMALL, 0, &summary);
    gz = gzopen(summary.shards[0].file, "rb");
    while (gzgets(gz, line, sizeof line) != NULL)
        text_add(&plain, line);
    gzclose(gz);
    assert_string_equal(text_string(&plain), expected.data);
    text_add_hex(&root, summary.root, sizeof summary.root);
    /* worked out from the format's description by another program */
    assert_string_equal(
        text_string(&root),
        "b83e758c0b84965282ea58e8d53d8f03b4b20dd3135852f612c567e2c42c2e92");
    assert_int_equal(summary.files, 6);
    assert_int_equal(summary.directories, 1);
    assert_int_equal(summary.symlinks, 2);
    assert_int_equal(summary.bytes, UINT64_C(9007199288295437));
    shard = shard_read_file(summary.shards[0].file);
    shard_expect_lines(&shard, 4096, expected.data);
    shard_expect_lines(&shard, 1, expected.data);
    text_free(&shard);
    text_free(&expected);
    text_free(&plain);
    text_free(&root);
    manifest_summary_free(&summary);
    free_small_set(&set);
}

static void expect_shard(const struct manifest_shard *shard, const struct text *bytes)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];

    assert_int_equal(bytes->size, shard->bytes);
    digest_sha256(sha256, bytes->data, bytes->size);
    assert_memory_equal(sha256, shard->sha256, sizeof sha256);
}

static void shards(void **state)
{
    static const uint64_t entries[] = {4, 4, 1};
    struct place *p = *state;
    struct text expected = shard_read_file(GRID_GOLDEN_DIR "/manifest-small.jsonl");
    struct collected c = {0};
    struct manifest_reader *r = manifest_reader_new(shard_collect, &c);
    struct manifest_summary summary;
    struct small_set set;
    struct error err = {0};

    make_small_set(&set);
    write_lines(p, set.lines, N_SMALL, 4, &summary);
    assert_int_equal(summary.n_shards, 3);
    for (size_t i = 0; i < 3; i++) {
        struct text bytes = shard_read_file(summary.shards[i].file);
        char name[80];

        snprintf(name, sizeof name, "%s0000%zu.jsonl.gz", p->prefix, i);
        assert_string_equal(summary.shards[i].file, name);
        assert_int_equal(summary.shards[i].entries, entries[i]);
        expect_shard(&summary.shards[i], &bytes);
        assert_int_equal(shard_feed(r, &bytes, 100, &err), 0);
        assert_int_equal(manifest_reader_end(r, &err), 0);
        text_free(&bytes);
    }
    assert_string_equal(text_string(&c.lines), expected.data);
    assert_int_equal(count_files(p, false), 3);
    manifest_reader_free(r);
    manifest_summary_free(&summary);
    text_free(&c.lines);
    text_free(&expected);
    free_small_set(&set);
}

static void full_shards_have_no_empty_one_behind(void **state)
{
    struct manifest_summary summary;
    struct small_set set;

    make_small_set(&set);
    write_lines(*state, set.lines, 9, 3, &summary);
    assert_int_equal(summary.n_shards, 3);
    assert_int_equal(summary.shards[2].entries, 3);
    manifest_summary_free(&summary);
    free_small_set(&set);
}

static void no_entries(void **state)
{
    struct manifest_summary summary;
    struct text root = {0}, bytes;

    write_lines(*state, NULL, 0, 10, &summary);
    assert_int_equal(summary.n_shards, 1);
    assert_int_equal(summary.shards[0].entries, 0);
    text_add_hex(&root, summary.root, sizeof summary.root);
    assert_string_equal(
        text_string(&root),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bytes = shard_read_file(summary.shards[0].file);
    expect_shard(&summary.shards[0], &bytes);
    shard_expect_lines(&bytes, 4096, "");
    text_free(&bytes);
    text_free(&root);
    manifest_summary_free(&summary);
}

static void same_lines_same_bytes(void **state)
{
    struct manifest_summary first, second;
    struct small_set set;

    make_small_set(&set);
    write_lines(*state, set.lines, N_SMALL, 0, &first);
    write_lines(*state, set.lines, N_SMALL, 0, &second); /* replaces */
    assert_int_equal(first.shards[0].bytes, second.shards[0].bytes);
    assert_memory_equal(first.shards[0].sha256, second.shards[0].sha256,
                        DIGEST_SHA256_BYTES);
    assert_memory_equal(first.root, second.root, DIGEST_SHA256_BYTES);
    manifest_summary_free(&first);
    manifest_summary_free(&second);
    free_small_set(&set);
}

/* `line` behind "m": refused, nothing can be ended after it, and no file stays behind.
 */
static void expect_unwritable(const struct place *p, struct manifest_line line)
{
    struct manifest_writer *w =
        open_writer(p, 1); /* "m" has a finished shard of its own */
    struct manifest_line m = other_line("m", "target"), n = other_line("n", NULL);
    struct manifest_line z = other_line("zz", NULL);
    struct manifest_summary summary;
    struct error err = {0};

    assert_int_equal(manifest_writer_add(w, &m, &err), 0);
    assert_int_equal(manifest_writer_add(w, &n, &err), 0);
    assert_int_equal(manifest_writer_add(w, &line, &err), -1);
    assert_int_equal(err.kind, ERROR_INTERNAL);
    assert_int_equal(manifest_writer_add(w, &z, &err), -1);
    assert_int_equal(manifest_writer_end(w, &summary, &err), -1);
    assert_int_equal(err.kind, ERROR_INTERNAL);
    manifest_writer_free(w);
    assert_int_equal(count_files(p, false), 0);
}

static void writer_refuses(void **state)
{
    struct manifest_line line;
    struct digest blocks[2] = {0};

    expect_unwritable(*state, other_line("n", NULL));
    expect_unwritable(*state, other_line("m", NULL));
    expect_unwritable(*state, other_line("", NULL));
    expect_unwritable(*state, other_line("o/../p", NULL));
    expect_unwritable(*state, other_line("o", ""));
    line = file_line("o", 1, 1, 0644);
    line.has_hash = false;
    expect_unwritable(*state, line);
    line.etag = "\xff";
    expect_unwritable(*state, line);
    line = file_line("o", 1, 1, 0644);
    line.key = "data/p";
    expect_unwritable(*state, line);
    line = file_line("o", 33554432, 1, 0644);
    line.blocks = blocks;
    line.n_blocks = 2;
    line.block_size = DIGEST_BLOCK;
    expect_unwritable(*state, line); /* not their hash */
    line.hash = digest_of_blocks(blocks, 2);
    line.entry.stamp.size++;
    expect_unwritable(*state, line); /* one too few */
}

static void nothing_below_a_symlink(void **state)
{
    static const char *const paths[] = {"a/l", "a/l-x", "a/l.d/x", "a/l/x"};
    struct manifest_writer *w = open_writer(*state, 0);
    struct manifest_line link = other_line(paths[0], "/etc");
    struct error err = {0};

    assert_int_equal(manifest_writer_add(w, &link, &err), 0);
    for (int i = 1; i < 4; i++) {
        struct manifest_line line = file_line(paths[i], 1, 1, 0644);

        assert_int_equal(manifest_writer_add(w, &line, &err), i < 3 ? 0 : -1);
    }
    manifest_writer_free(w);
}

static void files_that_cannot_be_written(void **state)
{
    struct place *p = *state;
    struct manifest_writer *w;
    struct error err = {0};

    snprintf(p->prefix, sizeof p->prefix, "%s/missing/", p->folder);
    assert_int_equal(manifest_writer_open(&w, p->prefix, 1, &err), -1);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/missing/00000.jsonl.gz"));
}

/* As many blocks as there may be: a line of 5.6 MB. */
static void the_longest_line(void **state)
{
    struct manifest_line line = file_line("huge", UINT64_C(4) << 40, 1, 0644);
    struct manifest_summary summary;
    struct text shard, expected = {0};
    uint32_t rng = 1;
    struct digest *blocks = mem_new(DIGEST_OLD_BLOCKS_MAX, sizeof *blocks);

    for (size_t i = 0; i < DIGEST_OLD_BLOCKS_MAX; i++) {
        rng = rng * 1664525 + 1013904223;
        memcpy(blocks[i].bytes, &rng, sizeof rng);
    }
    line.blocks = blocks;
    line.n_blocks = DIGEST_OLD_BLOCKS_MAX;
    line.block_size = DIGEST_BLOCK;
    line.hash = digest_of_blocks(blocks, line.n_blocks);
    write_lines(*state, &line, 1, 0, &summary);
    manifest_line_add(&expected, &line);
    shard = shard_read_file(summary.shards[0].file);
    shard_expect_lines(&shard, 4096, expected.data);
    text_free(&expected);
    text_free(&shard);
    free(blocks);
    manifest_summary_free(&summary);
}

static struct CMUnitTest in_place(const char *name, CMUnitTestFunction test)
{
    struct CMUnitTest t = {.name = name, .test_func = test};

    t.setup_func = make_place;
    t.teardown_func = remove_place;
    return t;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place("golden", golden),
        in_place("shards", shards),
        in_place("full_shards_have_no_empty_one_behind",
                 full_shards_have_no_empty_one_behind),
        in_place("no_entries", no_entries),
        in_place("same_lines_same_bytes", same_lines_same_bytes),
        in_place("writer_refuses", writer_refuses),
        in_place("nothing_below_a_symlink", nothing_below_a_symlink),
        in_place("files_that_cannot_be_written", files_that_cannot_be_written),
        in_place("the_longest_line", the_longest_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
