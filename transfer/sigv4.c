/*
 * A signature is made in four steps:
 *
 *   canonical request   method, path, sorted query, sorted headers, payload digest
 *   string to sign      algorithm, time, scope, digest of the canonical request
 *   signing key         HMAC over day, region, service: kept until the day changes
 *   signature           HMAC of the string to sign with that key
 *
 * A presigned url carries in its query what else goes into headers.  The chunks of a
 * signed body form a chain: each signature covers the one before it, the first that of
 * the request.
 */
#include "transfer/sigv4.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"
#include "transfer/canonical.h"

const char sigv4_unsigned[] = "UNSIGNED-PAYLOAD";
const char sigv4_signed_chunks[] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const char sigv4_unsigned_trailer[] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const char sigv4_empty[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const char algorithm[] = "AWS4-HMAC-SHA256";
static const char chunk_extension[] = ";chunk-signature=";

enum { KEY_BYTES = 32 };

/* ---- digests ---- */

static void hmac(uint8_t out[KEY_BYTES], const void *key, size_t key_size,
                 const void *bytes, size_t size)
{
    unsigned length = KEY_BYTES;

    if (HMAC(EVP_sha256(), key, (int)key_size, bytes, size, out, &length) == NULL)
        abort(); /* OpenSSL without SHA-256: nothing to be done */
}

static void hex_of(char out[SIGV4_HEX_MAX], const uint8_t bytes[DIGEST_SHA256_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * DIGEST_SHA256_BYTES] = '\0';
}

static void sign_string(char out[SIGV4_HEX_MAX], const uint8_t key[KEY_BYTES],
                        const char *string)
{
    uint8_t signature[KEY_BYTES];

    hmac(signature, key, KEY_BYTES, string, strlen(string));
    hex_of(out, signature);
}

/* ---- the signer ---- */

void sigv4_init(struct sigv4 *signer, const char *access_key, const char *secret_key,
                const char *session_token, const char *region, const char *service)
{
    memset(signer, 0, sizeof *signer);
    signer->access_key = mem_copy_string(access_key);
    signer->secret_key = mem_copy_string(secret_key);
    if (session_token != NULL && *session_token != '\0')
        signer->session_token = mem_copy_string(session_token);
    signer->region = mem_copy_string(region);
    signer->service = mem_copy_string(service);
}

void sigv4_free(struct sigv4 *signer)
{
    if (signer->secret_key != NULL)
        OPENSSL_cleanse(signer->secret_key, strlen(signer->secret_key));
    if (signer->session_token != NULL)
        OPENSSL_cleanse(signer->session_token, strlen(signer->session_token));
    free(signer->access_key);
    free(signer->secret_key);
    free(signer->session_token);
    free(signer->region);
    free(signer->service);
    OPENSSL_cleanse(signer, sizeof *signer);
}

/* The key for the day that date begins with. */
static const uint8_t *key_of_day(struct sigv4 *signer, const char *date)
{
    struct text secret = {0};
    uint8_t *key = signer->key;

    if (memcmp(signer->day, date, sizeof signer->day - 1) == 0)
        return key;
    memcpy(signer->day, date, sizeof signer->day - 1);
    text_add(&secret, "AWS4");
    text_add(&secret, signer->secret_key);
    hmac(key, secret.data, secret.size, signer->day, strlen(signer->day));
    hmac(key, key, KEY_BYTES, signer->region, strlen(signer->region));
    hmac(key, key, KEY_BYTES, signer->service, strlen(signer->service));
    hmac(key, key, KEY_BYTES, "aws4_request", strlen("aws4_request"));
    OPENSSL_cleanse(secret.data, secret.size);
    text_free(&secret);
    return key;
}

static void date_and_scope(const struct sigv4 *signer, int64_t time_s,
                           struct sigv4_signed *out)
{
    time_t seconds = (time_t)time_s;
    struct tm utc = {0};

    gmtime_r(&seconds, &utc);
    strftime(out->date, sizeof out->date, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(out->scope, sizeof out->scope, "%.8s/%s/%s/aws4_request", out->date,
             signer->region, signer->service);
}

/* ---- signing ---- */

/* The caller's and ours, sorted.  Ours: host, and where their value is not NULL the
 * three of x-amz-. */
static void gather_headers(struct canonical_headers *headers,
                           const struct sigv4_request *request, const char *date,
                           const char *payload, const char *token)
{
    size_t room = 4;

    for (const char *const *h = request->headers; h != NULL && *h != NULL; h++)
        room++;
    canonical_init(headers, room);
    for (const char *const *h = request->headers; h != NULL && *h != NULL; h++)
        canonical_note_line(headers, *h);
    canonical_note(headers, "host", request->host);
    if (date != NULL)
        canonical_note(headers, "x-amz-date", date);
    if (payload != NULL)
        canonical_note(headers, "x-amz-content-sha256", payload);
    if (token != NULL)
        canonical_note(headers, "x-amz-security-token", token);
    canonical_sort(headers);
}

static void sign_canonical(struct sigv4 *signer, const struct text *canonical,
                           struct sigv4_signed *out)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    char hex[SIGV4_HEX_MAX];
    struct text string = {0};

    digest_sha256(digest, canonical->data, canonical->size);
    hex_of(hex, digest);
    text_add_format(&string, "%s\n%s\n%s\n%s", algorithm, out->date, out->scope, hex);
    sign_string(out->signature, key_of_day(signer, out->date), text_string(&string));
    text_free(&string);
}

static void sign_request(struct sigv4 *signer, const struct sigv4_request *request,
                         const char *query, const struct canonical_headers *headers,
                         struct sigv4_signed *out)
{
    struct text canonical = {0};

    text_add_format(&canonical, "%s\n%s\n", request->method, request->path);
    canonical_add_query(&canonical, query);
    text_add(&canonical, "\n");
    canonical_add_headers(&canonical, headers);
    text_add(&canonical, "\n");
    canonical_add_names(&canonical, headers);
    text_add_format(&canonical, "\n%s",
                    request->payload != NULL ? request->payload : sigv4_unsigned);
    sign_canonical(signer, &canonical, out);
    text_free(&canonical);
}

void sigv4_sign(struct sigv4 *signer, const struct sigv4_request *request,
                struct sigv4_signed *out)
{
    const char *payload = request->no_payload_line ? NULL : request->payload;
    struct canonical_headers headers;

    date_and_scope(signer, request->time_s, out);
    gather_headers(&headers, request, out->date, payload, signer->session_token);
    sign_request(signer, request, request->query != NULL ? request->query : "",
                 &headers, out);
    text_clear(&out->authorization);
    text_add_format(&out->authorization,
                    "%s Credential=%s/%s, SignedHeaders=", algorithm,
                    signer->access_key, out->scope);
    canonical_add_names(&out->authorization, &headers);
    text_add_format(&out->authorization, ", Signature=%s", out->signature);
    canonical_free(&headers);
}

void sigv4_signed_free(struct sigv4_signed *signed_)
{
    text_free(&signed_->authorization);
    memset(signed_, 0, sizeof *signed_);
}

static void add_parameter(struct text *query, const char *name, const char *value)
{
    text_add_format(query, "%s%s=", query->size > 0 ? "&" : "", name);
    text_add_uri(query, value, strlen(value), false);
}

void sigv4_presign(struct sigv4 *signer, const struct sigv4_request *request,
                   uint32_t seconds, struct text *query)
{
    struct sigv4_signed made = {0};
    struct text whole = {0}, value = {0};
    struct canonical_headers headers;

    assert(seconds > 0 && seconds <= SIGV4_PRESIGN_MAX_S);
    date_and_scope(signer, request->time_s, &made);
    gather_headers(&headers, request, NULL, NULL, NULL);
    if (request->query != NULL)
        text_add(&whole, request->query);
    add_parameter(&whole, "X-Amz-Algorithm", algorithm);
    text_add_format(&value, "%s/%s", signer->access_key, made.scope);
    add_parameter(&whole, "X-Amz-Credential", text_string(&value));
    add_parameter(&whole, "X-Amz-Date", made.date);
    text_add_format(&whole, "&X-Amz-Expires=%u", (unsigned)seconds);
    if (signer->session_token != NULL)
        add_parameter(&whole, "X-Amz-Security-Token", signer->session_token);
    text_clear(&value);
    canonical_add_names(&value, &headers);
    add_parameter(&whole, "X-Amz-SignedHeaders", text_string(&value));
    sign_request(signer, request, text_string(&whole), &headers, &made);
    add_parameter(&whole, "X-Amz-Signature", made.signature);
    text_add_bytes(query, whole.data, whole.size);
    text_free(&whole);
    text_free(&value);
    canonical_free(&headers);
}

/* ---- chunks ---- */

void sigv4_chunks_begin(struct sigv4_chunks *chunks, struct sigv4 *signer,
                        const struct sigv4_signed *seed)
{
    memcpy(chunks->key, key_of_day(signer, seed->date), sizeof chunks->key);
    memcpy(chunks->date, seed->date, sizeof chunks->date);
    memcpy(chunks->scope, seed->scope, sizeof chunks->scope);
    memcpy(chunks->previous, seed->signature, sizeof chunks->previous);
}

size_t sigv4_frame_signed(struct sigv4_chunks *chunks, size_t size,
                          const uint8_t sha256[DIGEST_SHA256_BYTES],
                          char out[SIGV4_FRAME_MAX + 1])
{
    struct text string = {0};
    char hex[SIGV4_HEX_MAX];

    hex_of(hex, sha256);
    text_add_format(&string, "%s-PAYLOAD\n%s\n%s\n%s\n%s\n%s", algorithm, chunks->date,
                    chunks->scope, chunks->previous, sigv4_empty, hex);
    sign_string(chunks->previous, chunks->key, text_string(&string));
    text_free(&string);
    return (size_t)snprintf(out, SIGV4_FRAME_MAX + 1, "%zx%s%s\r\n", size,
                            chunk_extension, chunks->previous);
}

size_t sigv4_frame_plain(size_t size, char out[SIGV4_FRAME_MAX + 1])
{
    return (size_t)snprintf(out, SIGV4_FRAME_MAX + 1, "%zx\r\n", size);
}

/* Of the chunk's frame and the "\r\n" behind its bytes. */
static uint64_t overhead(uint64_t size, bool is_signed)
{
    uint64_t length = 2 + 2;

    do {
        length++;
        size >>= 4;
    } while (size > 0);
    if (is_signed)
        length += strlen(chunk_extension) + SIGV4_HEX_MAX - 1;
    return length;
}

uint64_t sigv4_chunked_size(uint64_t payload, size_t chunk, bool is_signed,
                            size_t trailer)
{
    uint64_t n = payload / chunk, rest = payload % chunk;
    uint64_t size = payload + n * overhead(chunk, is_signed);

    if (rest > 0)
        size += overhead(rest, is_signed);
    return size + overhead(0, is_signed) + trailer;
}
