/*
 *   AT_HEAD --the first byte of a member--> INSIDE --its trailer--> AT_HEAD ...
 *
 * Zeros between and behind members are padding, as of tapes, and are passed over.
 */
#include "transfer/gunzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

enum { OUT_BYTES = 128 << 10, WINDOW_GZIP_ONLY = 15 + 16 };

struct gunzip {
    gunzip_more_fn *more;
    void *ctx;
    z_stream z;
    bool is_open, is_inside, is_first;
    uint8_t out[OUT_BYTES];
};

struct gunzip *gunzip_new(gunzip_more_fn *more, void *ctx)
{
    struct gunzip *g = mem_new(1, sizeof *g);

    g->more = more;
    g->ctx = ctx;
    g->is_first = true;
    g->is_open = inflateInit2(&g->z, WINDOW_GZIP_ONLY) == Z_OK;
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (g == NULL)
        return;
    inflateEnd(&g->z);
    free(g);
}

/* 1: there is input, 0: there is none any more. */
static int fill(struct gunzip *g, struct error *err)
{
    struct span bytes;

    if (g->z.avail_in > 0)
        return 1;
    if (g->more(g->ctx, &bytes, err) != 0)
        return -1;
    g->z.next_in = bytes.data;
    g->z.avail_in = (uInt)bytes.size;
    return bytes.size > 0;
}

static void pass_zeros(struct gunzip *g)
{
    while (g->z.avail_in > 0 && *g->z.next_in == 0) {
        g->z.next_in++;
        g->z.avail_in--;
    }
}

static int say_corrupt(const struct gunzip *g, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0, "the gzip stream is damaged: %s",
                     g->z.msg != NULL ? g->z.msg : "no gzip header");
}

/* To the next member: 1; 0: there is none. */
static int begin_member(struct gunzip *g, struct error *err)
{
    int status;

    do {
        status = fill(g, err);
        if (status <= 0)
            return status;
        if (!g->is_first)
            pass_zeros(g);
    } while (g->z.avail_in == 0);
    inflateReset(&g->z);
    g->is_inside = true;
    g->is_first = false;
    return 1;
}

/* As far as the present input and the room go. */
static int inflate_some(struct gunzip *g, struct error *err)
{
    int status = fill(g, err);

    if (status == 0)
        error_set(err, ERROR_CORRUPT, 0, "the gzip stream is cut off");
    if (status <= 0)
        return -1;
    status = inflate(&g->z, Z_NO_FLUSH);
    if (status == Z_STREAM_END)
        g->is_inside = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return say_corrupt(g, err);
    return 0;
}

int gunzip_read(struct gunzip *g, struct span *bytes, struct error *err)
{
    if (!g->is_open)
        return error_set(err, ERROR_INTERNAL, 0, "zlib cannot be used");
    g->z.next_out = g->out;
    g->z.avail_out = OUT_BYTES;
    while (g->z.avail_out == OUT_BYTES) {
        int status = g->is_inside ? 1 : begin_member(g, err);

        if (status <= 0) {
            *bytes = (struct span){NULL, 0};
            return status;
        }
        while (g->is_inside && g->z.avail_out > 0)
            if (inflate_some(g, err) != 0)
                return -1;
    }
    *bytes = (struct span){g->out, OUT_BYTES - g->z.avail_out};
    return 0;
}
