/*
 * Chunks are checked by the product's own signer: what it would have put in front of
 * these bytes must be what stands there.  (That it signs as S3 does is for the tests.)
 */
#include "bench/sink/proof.h"

#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "manifest/digest.h"
#include "manifest/digest_md5.h"
#include "transfer/sigv4.h"

struct frames {
    const struct text *raw;
    size_t at;
    bool is_signed;
    struct sigv4_chunks chunks;
    char crc32c[WIRE_VALUE_MAX]; /* of the trailer */
};

/* ---- claims ---- */

static bool is_base64_of(const char *claim, const void *bytes, size_t size)
{
    struct text text = {0};
    bool is_same;

    text_add_base64(&text, bytes, size);
    is_same = strcmp(text_string(&text), claim) == 0;
    text_free(&text);
    return is_same;
}

static bool is_crc32c(const char *claim, const struct text *bytes)
{
    uint32_t crc = digest_crc32c(0, text_string(bytes), bytes->size);
    const uint8_t big_endian[] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16),
                                  (uint8_t)(crc >> 8), (uint8_t)crc};

    return is_base64_of(claim, big_endian, sizeof big_endian);
}

static bool is_md5(const char *claim, const struct text *bytes)
{
    uint8_t md5[DIGEST_MD5_BYTES];
    struct md5 state;

    md5_init(&state);
    md5_add(&state, text_string(bytes), bytes->size);
    return md5_end(&state, md5) && is_base64_of(claim, md5, sizeof md5);
}

static bool is_sha256(const char *claim, const struct text *bytes)
{
    uint8_t claimed[DIGEST_SHA256_BYTES], sha256[DIGEST_SHA256_BYTES];
    size_t size;

    if (text_parse_hex(claim, strlen(claim), claimed, sizeof claimed, &size) != 0 ||
        size != sizeof claimed)
        return true; /* UNSIGNED-PAYLOAD and the like */
    digest_sha256(sha256, text_string(bytes), bytes->size);
    return memcmp(claimed, sha256, sizeof sha256) == 0;
}

/* ---- frames ---- */

/* "... Credential=KEY/20261122/us-east-1/s3/aws4_request, ... Signature=HEX" */
static void begin_chunks(struct frames *f, const struct wire_head *head,
                         const char *secret)
{
    char value[WIRE_VALUE_MAX], date[WIRE_VALUE_MAX];
    struct sigv4_signed seed = {0};
    const char *scope, *signature;
    char region[48] = "", *slash;
    struct sigv4 signer;

    wire_header(head, "authorization", value);
    wire_header(head, "x-amz-date", date);
    scope = strchr(value, '/');
    signature = strstr(value, "Signature=");
    if (scope == NULL || signature == NULL || strlen(date) >= sizeof seed.date)
        return;
    scope++;
    memcpy(seed.date, date, strlen(date));
    strncat(seed.scope, scope, strcspn(scope, ",") % sizeof seed.scope);
    strncat(seed.signature, signature + strlen("Signature="), SIGV4_HEX_MAX - 1);
    slash = strchr(seed.scope, '/');
    if (slash != NULL)
        strncat(region, slash + 1, strcspn(slash + 1, "/") % sizeof region);
    sigv4_init(&signer, "", secret, NULL, region, "s3");
    sigv4_chunks_begin(&f->chunks, &signer, &seed);
    sigv4_free(&signer);
    f->is_signed = true;
}

/* Moves behind the line; -1 where none is whole. */
static int take_line(struct frames *f, struct span *line)
{
    char *begin = f->raw->data + f->at;
    char *end = memmem(begin, f->raw->size - f->at, "\r\n", 2);

    if (end == NULL)
        return -1;
    *line = (struct span){(uint8_t *)begin, (size_t)(end - begin) + 2};
    f->at += line->size;
    return 0;
}

static bool is_frame_right(struct frames *f, struct span line, size_t size)
{
    char frame[SIGV4_FRAME_MAX + 1];
    uint8_t sha256[DIGEST_SHA256_BYTES];
    size_t n;

    if (!f->is_signed)
        return true;
    digest_sha256(sha256, f->raw->data + f->at, size);
    n = sigv4_frame_signed(&f->chunks, size, sha256, frame);
    return n == line.size && memcmp(frame, line.data, n) == 0;
}

static const char *take_trailer(struct frames *f)
{
    static const char name[] = "x-amz-checksum-crc32c:";
    struct span line;

    while (take_line(f, &line) == 0) {
        const char *text = (const char *)line.data;

        if (line.size == 2)
            return NULL;
        if (line.size > sizeof name && line.size < sizeof f->crc32c &&
            strncmp(text, name, strlen(name)) == 0) {
            size_t n = line.size - strlen(name) - 2;
            memcpy(f->crc32c, text + strlen(name), n);
            f->crc32c[n] = '\0';
        }
    }
    return "IncompleteBody";
}

static const char *take_frames(struct frames *f, struct text *bytes)
{
    struct span line;

    while (take_line(f, &line) == 0) {
        size_t size = strtoull((const char *)line.data, NULL, 16);

        if (size > f->raw->size - f->at)
            return "IncompleteBody";
        if (!is_frame_right(f, line, size))
            return "SignatureDoesNotMatch";
        if (size == 0)
            return take_trailer(f);
        text_add_bytes(bytes, f->raw->data + f->at, size);
        f->at += size;
        if (take_line(f, &line) != 0 || line.size != 2)
            return "IncompleteBody";
    }
    return "IncompleteBody";
}

static const char *take_off_frames(const struct wire_head *head, const char *secret,
                                   const struct text *raw, struct text *bytes)
{
    char sha256[WIRE_VALUE_MAX];
    struct frames f = {.raw = raw};
    const char *code;

    wire_header(head, "x-amz-content-sha256", sha256);
    if (strcmp(sha256, sigv4_signed_chunks) == 0)
        begin_chunks(&f, head, secret);
    code = take_frames(&f, bytes);
    if (code == NULL && f.crc32c[0] != '\0' && !is_crc32c(f.crc32c, bytes))
        code = "BadDigest";
    return code;
}

const char *proof_check(const struct wire_head *head, const char *secret,
                        const struct text *raw, struct text *bytes)
{
    char claim[WIRE_VALUE_MAX];
    bool is_framed;

    wire_header(head, "x-amz-content-sha256", claim);
    is_framed = strncmp(claim, "STREAMING-", strlen("STREAMING-")) == 0;
    if (is_framed) {
        const char *code = take_off_frames(head, secret, raw, bytes);
        if (code != NULL)
            return code;
    } else {
        text_add_bytes(bytes, text_string(raw), raw->size);
        if (!is_sha256(claim, bytes))
            return "XAmzContentSHA256Mismatch";
    }
    if (wire_header(head, "x-amz-checksum-crc32c", claim) && !is_crc32c(claim, bytes))
        return "BadDigest";
    if (wire_header(head, "content-md5", claim) && !is_md5(claim, bytes))
        return "BadDigest";
    return NULL;
}
