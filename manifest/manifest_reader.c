/*
 * Bytes are inflated behind the unfinished line in one buffer; every whole line is
 * parsed where it lies, and what is left moves to the front.  The buffer doubles while
 * a line does not fit, up to the longest line there can be: 262,144 block digests in
 * base64 and a path.
 *
 *            bytes                      trailer read
 *   BETWEEN --------> IN_MEMBER ---------------------------> BETWEEN
 *      |                  |
 *     end: ok, if        end: truncated
 *     there was one
 *
 * A gzip file may be several such members in a row, as "cat a.gz b.gz" makes them.
 * The first failure is kept.
 */
#include "manifest/manifest.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/mem.h"
#include "manifest/manifest_line.h"
#include "manifest/manifest_order.h"

enum { LINE_MAX_BYTES = 8 << 20, FIRST_ROOM = 64 << 10 };
enum { STEP_MAX = 1 << 30 };    /* zlib counts in 32 bits */
enum { GZIP_WINDOW = 15 + 16 }; /* of inflateInit2(): 32 KiB, gzip only */

struct manifest_reader {
    manifest_each_fn *each;
    void *ctx;
    struct manifest_order order;
    uint64_t n_lines; /* of this shard */
    struct error failed;

    z_stream z;
    bool in_member, had_member;

    char *buffer;
    size_t size, room;
};

struct manifest_reader *manifest_reader_new(manifest_each_fn *each, void *ctx)
{
    struct manifest_reader *r = mem_new(1, sizeof *r);

    r->each = each;
    r->ctx = ctx;
    r->room = FIRST_ROOM;
    r->buffer = mem_buffer(r->room);
    if (inflateInit2(&r->z, GZIP_WINDOW) != Z_OK)
        error_set(&r->failed, ERROR_INTERNAL, 0, "zlib: out of memory");
    return r;
}

static int take_line(struct manifest_reader *r, char *json, size_t size,
                     struct error *err)
{
    struct manifest_line line;
    const char *fault = manifest_line_parse(&line, json, size);

    r->n_lines++;
    if (fault == NULL)
        fault = manifest_order_next(&r->order, &line.entry);
    if (fault != NULL)
        return error_set(err, ERROR_CORRUPT, 0, "line %llu: %s",
                         (unsigned long long)r->n_lines, fault);
    return r->each(r->ctx, &line, err);
}

/* The bytes from `from` are new: no line ends before them. */
static int take_lines(struct manifest_reader *r, size_t from, struct error *err)
{
    char *begin = r->buffer, *end = r->buffer + r->size, *look = r->buffer + from;
    char *newline;

    while (look < end && (newline = memchr(look, '\n', (size_t)(end - look))) != NULL) {
        if (take_line(r, begin, (size_t)(newline - begin), err) != 0)
            return -1;
        begin = look = newline + 1;
    }
    r->size = (size_t)(end - begin);
    if (r->size > LINE_MAX_BYTES)
        return error_set(err, ERROR_CORRUPT, 0, "line %llu: too long",
                         (unsigned long long)r->n_lines + 1);
    if (begin != r->buffer)
        memmove(r->buffer, begin, r->size);
    return 0;
}

static void make_room(struct manifest_reader *r)
{
    if (r->room - r->size >= FIRST_ROOM / 2)
        return;
    r->room *= 2;
    r->buffer = mem_resize(r->buffer, r->room, 1);
}

/* Inflate once; *at_rest: there is nothing more to be had from the present input. */
static int inflate_some(struct manifest_reader *r, bool *at_rest, struct error *err)
{
    size_t before = r->size;
    int status;

    if (!r->in_member) {
        *at_rest = r->z.avail_in == 0;
        if (*at_rest)
            return 0;
        inflateReset(&r->z);
        r->in_member = r->had_member = true;
    }
    make_room(r);
    r->z.next_out = (Bytef *)r->buffer + r->size;
    r->z.avail_out = (uInt)(r->room - r->size);
    status = inflate(&r->z, Z_NO_FLUSH);
    *at_rest = status == Z_BUF_ERROR || (r->z.avail_in == 0 && r->z.avail_out > 0);
    if (status == Z_MEM_ERROR)
        return error_set(err, ERROR_INTERNAL, 0, "zlib: out of memory");
    if (status == Z_STREAM_END)
        r->in_member = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return error_set(err, ERROR_CORRUPT, 0, "gzip: %s",
                         r->z.msg != NULL ? r->z.msg : "malformed");
    r->size = r->room - r->z.avail_out;
    return take_lines(r, before, err);
}

static int feed(struct manifest_reader *r, struct span bytes, struct error *err)
{
    while (bytes.size > 0) {
        size_t step = bytes.size < STEP_MAX ? bytes.size : STEP_MAX;
        bool at_rest = false;

        r->z.next_in = bytes.data;
        r->z.avail_in = (uInt)step;
        while (!at_rest)
            if (inflate_some(r, &at_rest, err) != 0)
                return -1;
        bytes.data += step;
        bytes.size -= step;
    }
    return 0;
}

/* Keep what went wrong; an each() that says nothing is wrong in itself. */
static int fail(struct manifest_reader *r, struct error *err)
{
    if (r->failed.kind == ERROR_NONE)
        error_set(&r->failed, ERROR_INTERNAL, 0, "reading was ended without an error");
    *err = r->failed;
    return -1;
}

int manifest_reader_feed(struct manifest_reader *r, struct span bytes,
                         struct error *err)
{
    if (r->failed.kind != ERROR_NONE || feed(r, bytes, &r->failed) != 0)
        return fail(r, err);
    return 0;
}

int manifest_reader_end(struct manifest_reader *r, struct error *err)
{
    if (r->failed.kind == ERROR_NONE && (r->in_member || !r->had_member))
        error_set(&r->failed, ERROR_CORRUPT, 0, "truncated");
    else if (r->failed.kind == ERROR_NONE && r->size > 0)
        error_set(&r->failed, ERROR_CORRUPT, 0, "the last line does not end");
    if (r->failed.kind != ERROR_NONE)
        return fail(r, err);
    r->had_member = false;
    r->n_lines = 0;
    return 0;
}

void manifest_reader_free(struct manifest_reader *r)
{
    if (r == NULL)
        return;
    inflateEnd(&r->z);
    manifest_order_free(&r->order);
    free(r->buffer);
    free(r);
}
