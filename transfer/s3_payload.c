/*
 *    preparing     whole in memory ------------------> hashing ----------> done
 *                  fits into the buffer --read and hash-----------------> done
 *                  digest in front --read and hash, again, ... , rewind -> done
 *                  else ---------------------------------------------------> done
 *
 *    sending       CHUNK --read and hash--> [frame] DATA --> [TAIL -->] CHUNK ...
 *
 * In memory, the bytes go to http as they lie there.  Frame and TAIL are for bodies in
 * chunks only: the frame stands before each chunk's bytes, the tail behind them; behind
 * the last it also ends the body.  Each arrow answers one next() of http.
 */
#include "transfer/s3_payload.h"

#include <stdio.h>
#include <string.h>

enum { HASH_AT_ONCE = 4 << 10 /* not worth a trip to a worker */ };

static const char trailer_name[] = "x-amz-checksum-crc32c";

static bool is_framed(const struct s3_payload *p)
{
    return p->rung == S3_RUNG_TRAILER || p->rung == S3_RUNG_CHUNK_SIGNED;
}

static bool has_crc(const struct s3_payload *p)
{
    return p->rung == S3_RUNG_TRAILER || p->rung == S3_RUNG_HEADER;
}

/* The signature is over the whole digest. */
static bool wants_sha256(const struct s3_payload *p)
{
    return p->rung == S3_RUNG_SHA256 ||
           (p->signs && p->rung != S3_RUNG_CHUNK_SIGNED && !is_framed(p));
}

static bool needs_pass(const struct s3_payload *p)
{
    return p->rung == S3_RUNG_HEADER || p->rung == S3_RUNG_MD5 || wants_sha256(p);
}

static struct span crc_bytes(uint32_t crc, bool is_wrong, uint8_t out[4])
{
    if (is_wrong)
        crc = ~crc;
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(crc >> (24 - 8 * i));
    return (struct span){out, 4};
}

/* ---- preparing ---- */

static void prepared(struct s3_payload *p)
{
    bool is_ok = p->err.kind == ERROR_NONE;

    p->is_hashing = false;
    p->done(p->ctx, is_ok ? NULL : &p->err, p->body_failed);
}

static void on_prepared(void *ctx)
{
    prepared(ctx);
}

static bool stop_if_cancelled(struct s3_payload *p)
{
    if (!p->is_cancelled)
        return false;
    error_set(&p->err, ERROR_CANCELLED, 0, "cancelled");
    prepared(p);
    return true;
}

static void hash(struct s3_payload *p)
{
    if (has_crc(p))
        p->crc32c = digest_crc32c(p->crc32c, p->chunk.data, p->chunk.size);
    if (wants_sha256(p))
        sha256_add(&p->sha256, p->chunk.data, p->chunk.size);
    if (p->rung == S3_RUNG_MD5)
        md5_add(&p->md5, p->chunk.data, p->chunk.size);
}

/* On a worker, or where it was read. */
static void on_hash_work(void *ctx)
{
    hash(ctx);
}

static void end_hashing(struct s3_payload *p)
{
    if (wants_sha256(p))
        sha256_end(&p->sha256, p->sha256_bytes);
    if (p->rung == S3_RUNG_MD5)
        p->has_md5 = md5_end(&p->md5, p->md5_bytes);
    if (p->whole.data == NULL)
        p->body->rewind(p->body);
    prepared(p);
}

static void read_to_hash(struct s3_payload *p);

static void on_hashed(void *ctx)
{
    struct s3_payload *p = ctx;

    p->position += p->chunk.size;
    if (stop_if_cancelled(p))
        return;
    if (p->position < p->body->size)
        read_to_hash(p);
    else
        end_hashing(p);
}

static void hash_chunk(struct s3_payload *p)
{
    if (p->chunk.size > HASH_AT_ONCE && needs_pass(p)) {
        loop_work(p->loop, &p->work, on_hash_work, on_hashed, p);
        return;
    }
    hash(p);
    loop_defer(p->loop, &p->soon, on_hashed, p);
}

static void on_read_to_hash(void *ctx, const struct error *err)
{
    struct s3_payload *p = ctx;

    if (err != NULL) {
        p->err = *err;
        p->body_failed = true;
        prepared(p);
        return;
    }
    if (p->body->size <= p->buffer.size)
        p->whole = p->chunk;
    on_hashed(p);
}

static size_t next_size(const struct s3_payload *p)
{
    uint64_t left = p->body->size - p->position;

    return left < p->buffer.size ? (size_t)left : p->buffer.size;
}

static void read_to_hash(struct s3_payload *p)
{
    p->chunk = (struct span){p->buffer.data, next_size(p)};
    p->body->read(p->body, p->chunk, on_hash_work, on_read_to_hash, p);
}

void s3_payload_prepare(struct s3_payload *p,
                        void (*done)(void *ctx, const struct error *err,
                                     bool body_failed),
                        void *ctx)
{
    static const uint8_t nothing = 0;

    p->done = done;
    p->ctx = ctx;
    p->is_hashing = true;
    p->position = 0;
    p->crc32c = 0;
    if (wants_sha256(p))
        sha256_init(&p->sha256);
    if (p->rung == S3_RUNG_MD5)
        md5_init(&p->md5);
    if (p->body->whole.data != NULL || p->body->size == 0) {
        p->whole =
            p->body->size > 0 ? p->body->whole : (struct span){(uint8_t *)&nothing, 0};
        p->chunk = p->whole;
        hash_chunk(p);
    } else if (p->body->size <= p->buffer.size || needs_pass(p)) {
        read_to_hash(p);
    } else {
        loop_defer(p->loop, &p->soon, on_prepared, p);
    }
}

void s3_payload_cancel(struct s3_payload *p)
{
    p->is_cancelled = true;
}

/* ---- what the headers say ---- */

const char *s3_payload_sha256(const struct s3_payload *p, char hex[SIGV4_HEX_MAX])
{
    if (p->rung == S3_RUNG_CHUNK_SIGNED)
        return sigv4_signed_chunks;
    if (p->rung == S3_RUNG_TRAILER)
        return sigv4_unsigned_trailer;
    if (!wants_sha256(p))
        return sigv4_unsigned;
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", p->sha256_bytes[i]);
    if (p->is_wrong && p->rung == S3_RUNG_SHA256)
        hex[0] = hex[0] == '0' ? '1' : '0';
    return hex;
}

static void base64_line(char line[S3_PAYLOAD_HEADER_MAX], const char *name,
                        struct span bytes)
{
    struct text text = {0};

    text_add_base64(&text, bytes.data, bytes.size);
    snprintf(line, S3_PAYLOAD_HEADER_MAX, "%s: %s", name, text_string(&text));
    text_free(&text);
}

static bool framed_header(const struct s3_payload *p, unsigned n,
                          char line[S3_PAYLOAD_HEADER_MAX])
{
    if (n == 0)
        snprintf(line, S3_PAYLOAD_HEADER_MAX, "Content-Encoding: aws-chunked");
    else if (n == 1)
        snprintf(line, S3_PAYLOAD_HEADER_MAX, "x-amz-decoded-content-length: %llu",
                 (unsigned long long)p->body->size);
    else if (n == 2 && p->rung == S3_RUNG_TRAILER)
        snprintf(line, S3_PAYLOAD_HEADER_MAX, "x-amz-trailer: %s", trailer_name);
    else
        return false;
    return true;
}

bool s3_payload_header(const struct s3_payload *p, unsigned n,
                       char line[S3_PAYLOAD_HEADER_MAX])
{
    uint8_t bytes[DIGEST_MD5_BYTES];

    if (is_framed(p))
        return framed_header(p, n, line);
    if (p->rung == S3_RUNG_HEADER && n < 2) {
        if (n == 0)
            base64_line(line, trailer_name, crc_bytes(p->crc32c, p->is_wrong, bytes));
        else
            snprintf(line, S3_PAYLOAD_HEADER_MAX,
                     "x-amz-sdk-checksum-algorithm: CRC32C");
        return true;
    }
    if (p->rung == S3_RUNG_MD5 && p->has_md5 && n == 0) {
        memcpy(bytes, p->md5_bytes, sizeof bytes);
        bytes[0] ^= p->is_wrong ? 1 : 0;
        base64_line(line, "Content-MD5", (struct span){bytes, sizeof bytes});
        return true;
    }
    return false;
}

/* ---- sending ---- */

static size_t trailer_line(const struct s3_payload *p, char line[S3_PAYLOAD_HEADER_MAX])
{
    struct text text = {0};
    uint8_t bytes[4];
    struct span crc = crc_bytes(p->crc_now, p->is_wrong, bytes);

    if (p->rung != S3_RUNG_TRAILER)
        return 0;
    text_add_base64(&text, crc.data, crc.size);
    snprintf(line, S3_PAYLOAD_HEADER_MAX, "%s:%s\r\n", trailer_name,
             text_string(&text));
    text_free(&text);
    return strlen(line);
}

static void begin_round(struct s3_payload *p)
{
    p->position = 0;
    p->crc_now = 0;
    p->step = STEP_CHUNK;
    p->chunks = p->seed;
}

void s3_payload_attach(struct s3_payload *p, struct http_request *http,
                       struct sigv4 *signer, const struct sigv4_signed *seed)
{
    char line[S3_PAYLOAD_HEADER_MAX];

    if (p->rung == S3_RUNG_CHUNK_SIGNED && signer != NULL)
        sigv4_chunks_begin(&p->seed, signer, seed);
    begin_round(p);
    p->http = http;
    if (p->whole.data != NULL) {
        http->body = p->whole;
        http->next = NULL;
        return;
    }
    p->body->rewind(p->body); /* harmless where nothing was read */
    http->body_size = p->body->size;
    if (is_framed(p))
        http->body_size =
            sigv4_chunked_size(p->body->size, p->buffer.size,
                               p->rung == S3_RUNG_CHUNK_SIGNED, trailer_line(p, line));
}

static void give(struct s3_payload *p, const void *bytes, size_t size)
{
    http_gave(p->http, (struct span){(uint8_t *)(uintptr_t)bytes, size}, NULL);
}

static void give_data(struct s3_payload *p)
{
    p->position += p->chunk.size;
    p->step = is_framed(p) ? STEP_TAIL : STEP_CHUNK;
    if (p->op != NULL)
        store_sent(p->op, p->chunk.size);
    give(p, p->chunk.data, p->chunk.size);
}

static size_t make_frame(struct s3_payload *p, const struct span *chunk,
                         char out[SIGV4_FRAME_MAX + 1])
{
    uint8_t sha256[DIGEST_SHA256_BYTES];

    if (p->rung == S3_RUNG_TRAILER)
        return sigv4_frame_plain(chunk->size, out);
    digest_sha256(sha256, chunk->data, chunk->size);
    if (p->is_wrong && chunk->size > 0)
        sha256[0] ^= 1;
    return sigv4_frame_signed(&p->chunks, chunk->size, sha256, out);
}

/* Behind the chunk's bytes; behind the last chunk's also what ends the body. */
static void make_tail(struct s3_payload *p)
{
    const struct span nothing = {p->chunk.data, 0};
    char line[S3_PAYLOAD_HEADER_MAX] = "", frame[SIGV4_FRAME_MAX + 1];
    bool is_last = p->position + p->chunk.size == p->body->size;

    if (is_last) {
        size_t n = make_frame(p, &nothing, frame);
        frame[n] = '\0';
        trailer_line(p, line);
        snprintf(p->tail, sizeof p->tail, "\r\n%s%s\r\n", frame, line);
    } else {
        snprintf(p->tail, sizeof p->tail, "\r\n");
    }
    p->tail_size = strlen(p->tail);
}

/* Where it was read. */
static void on_chunk_work(void *ctx)
{
    struct s3_payload *p = ctx;

    if (has_crc(p))
        p->crc_now = digest_crc32c(p->crc_now, p->chunk.data, p->chunk.size);
    if (!is_framed(p))
        return;
    p->frame_size = make_frame(p, &p->chunk, p->frame);
    make_tail(p);
}

static void on_chunk_ready(void *ctx)
{
    struct s3_payload *p = ctx;
    bool is_last = p->position + p->chunk.size == p->body->size;
    struct error err;

    if (is_last && p->rung == S3_RUNG_TRAILER)
        p->crc32c = p->crc_now;
    if (is_last && has_crc(p) && p->crc_now != p->crc32c) {
        error_set(&err, ERROR_CHANGED, 0, "its content changed between two readings");
        http_gave(p->http, (struct span){NULL, 0}, &err);
    } else if (is_framed(p)) {
        p->step = STEP_DATA;
        give(p, p->frame, p->frame_size);
    } else {
        give_data(p);
    }
}

static void on_chunk_read(void *ctx, const struct error *err)
{
    struct s3_payload *p = ctx;

    if (err != NULL)
        http_gave(p->http, (struct span){NULL, 0}, err);
    else
        on_chunk_ready(p);
}

void s3_payload_next(struct s3_payload *p)
{
    switch (p->step) {
    case STEP_CHUNK:
        p->chunk = (struct span){p->buffer.data, next_size(p)};
        p->body->read(p->body, p->chunk, on_chunk_work, on_chunk_read, p);
        break;
    case STEP_DATA:
        give_data(p);
        break;
    case STEP_TAIL:
        p->step = STEP_CHUNK;
        give(p, p->tail, p->tail_size);
        break;
    }
}

void s3_payload_restart(struct s3_payload *p)
{
    begin_round(p);
    p->body->rewind(p->body);
}

void s3_payload_sent(struct s3_payload *p)
{
    if (p->whole.data != NULL && p->op != NULL)
        store_sent(p->op, p->whole.size);
}

void s3_payload_free(struct s3_payload *p)
{
    sha256_free(&p->sha256);
    md5_free(&p->md5);
}
