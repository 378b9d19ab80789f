/*
 * Every piece of a shard is fed from memory of its very size, so that a sanitizer sees
 * each step beyond it.
 */
#include "tests/unit/shard_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "manifest/manifest_line.h"

struct text shard_read_file(const char *path)
{
    struct text bytes = {0};
    char piece[4096];
    FILE *file = fopen(path, "rb");
    size_t n;

    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        text_add_bytes(&bytes, piece, n);
    fclose(file);
    return bytes;
}

struct text shard_gzip(const char *bytes, size_t size)
{
    struct text out = {0};
    size_t room = size + size / 1000 + 1000;
    z_stream z = {0};
    char *memory = mem_buffer(room);

    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)memory;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    text_add_bytes(&out, memory, room - z.avail_out);
    deflateEnd(&z);
    free(memory);
    return out;
}

struct text shard_gzip_string(const char *string)
{
    return shard_gzip(string, strlen(string));
}

int shard_collect(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct collected *c = ctx;

    if (c->most > 0 && c->n_lines == c->most)
        return error_set(err, ERROR_FULL, 0, "enough");
    c->n_lines++;
    manifest_line_add(&c->lines, line);
    return 0;
}

int shard_feed(struct manifest_reader *r, const struct text *shard, size_t step,
               struct error *err)
{
    for (size_t at = 0; at < shard->size; at += step) {
        size_t size = shard->size - at < step ? shard->size - at : step;
        struct span piece = {(uint8_t *)mem_copy_bytes(shard->data + at, size), size};
        int status = manifest_reader_feed(r, piece, err);

        free(piece.data);
        if (status != 0)
            return -1;
    }
    return 0;
}

int shard_read(struct collected *c, const struct text *shard, size_t step,
               struct error *err)
{
    struct manifest_reader *r = manifest_reader_new(shard_collect, c);
    int status = shard_feed(r, shard, step, err);

    if (status == 0)
        status = manifest_reader_end(r, err);
    manifest_reader_free(r);
    return status;
}

void shard_expect_corrupt(const struct text *shard)
{
    struct collected c = {0};
    struct error err = {0};

    assert_int_equal(shard_read(&c, shard, 4096, &err), -1);
    assert_int_equal(err.kind, ERROR_CORRUPT);
    text_free(&c.lines);
}

void shard_expect_lines(const struct text *shard, size_t step, const char *lines)
{
    struct collected c = {0};
    struct error err = {0};

    if (shard_read(&c, shard, step, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(text_string(&c.lines), lines);
    text_free(&c.lines);
}
