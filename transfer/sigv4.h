#ifndef TRANSFER_SIGV4_H
#define TRANSFER_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "manifest/digest.h"

/*
 * AWS Signature Version 4, for S3 and for STS.  Nothing is sent or read here, and the
 * time is an argument.  A struct sigv4 belongs to one thread; the functions without one
 * may run anywhere.
 *
 * Rules: "Signature Version 4 signing process" and "Authenticating Requests (AWS
 * Signature Version 4)" of the AWS documentation.  Paths are signed as they are sent:
 * neither normalised nor encoded once more, which is S3's way.
 */
enum {
    SIGV4_HEX_MAX = 65,    /* 64 hex digits and a NUL */
    SIGV4_DATE_MAX = 17,   /* "20130524T000000Z" */
    SIGV4_SCOPE_MAX = 160, /* "20130524/us-east-1/s3/aws4_request" */
    SIGV4_FRAME_MAX = 104, /* "10000;chunk-signature=<64 hex>\r\n", no NUL counted */
    SIGV4_PRESIGN_MAX_S = 604800
};

/* In place of a payload's digest. */
extern const char sigv4_unsigned[];         /* UNSIGNED-PAYLOAD */
extern const char sigv4_signed_chunks[];    /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
extern const char sigv4_unsigned_trailer[]; /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
extern const char sigv4_empty[];            /* the digest of no bytes */

/* Who signs, and for where; with the signing key of the day. */
struct sigv4 {
    char *access_key, *secret_key, *session_token; /* token: NULL if none */
    char *region, *service;

    /* Private. */
    char day[9];
    uint8_t key[32];
};

/* session_token NULL or "": none. */
void sigv4_init(struct sigv4 *signer, const char *access_key, const char *secret_key,
                const char *session_token, const char *region, const char *service);
void sigv4_free(struct sigv4 *signer); /* and wipe */

struct sigv4_request {
    const char *method;
    const char *host; /* as in the Host header: with the port where it is not usual */
    const char *path; /* as sent: percent-encoded, begins with '/' */
    const char
        *query; /* as sent: percent-encoded, no '?', any order; "" or NULL: none */
    const char *const *headers; /* further "Name: value" to sign, any order, NULL at the
                                   end; may be NULL.  Not: host, x-amz-date,
                                   x-amz-content-sha256, x-amz-security-token,
                                   authorization */
    const char *payload;        /* the digest in hex, or one of the above */
    bool no_payload_line;       /* x-amz-content-sha256 is not sent (not S3) */
    int64_t time_s;             /* since the epoch, by the server's clock */
};

/* What to send: x-amz-date, Authorization, x-amz-content-sha256 (the payload as given)
 * and, where there is one, x-amz-security-token. */
struct sigv4_signed {
    char date[SIGV4_DATE_MAX]; /* the value of x-amz-date */
    char scope[SIGV4_SCOPE_MAX];
    char signature[SIGV4_HEX_MAX]; /* also the seed of signed chunks */
    struct text authorization;     /* the value of Authorization; freed by the caller */
};

/* out is zeroed or was used before. */
void sigv4_sign(struct sigv4 *signer, const struct sigv4_request *request,
                struct sigv4_signed *out);
void sigv4_signed_free(struct sigv4_signed *signed_);

/*
 * The query that makes a url good for seconds (1 to SIGV4_PRESIGN_MAX_S) without any
 * header but those in request->headers, which must then be sent: request->query, with
 * X-Amz-… added, appended to *query without '?'.  request->payload: NULL or
 * sigv4_unsigned.
 */
void sigv4_presign(struct sigv4 *signer, const struct sigv4_request *request,
                   uint32_t seconds, struct text *query);

/*
 * aws-chunked bodies: each chunk of the payload goes as frame, bytes, "\r\n"; then the
 * frame of an empty chunk, the trailer's lines if any ("name:value\r\n" each), "\r\n".
 * The request has Content-Encoding: aws-chunked, x-amz-decoded-content-length (the
 * payload) and Content-Length (sigv4_chunked_size()).  All chunks but the last are of
 * one size, at least 8 KiB (AWS).
 */
struct sigv4_chunks {
    uint8_t key[32];
    char date[SIGV4_DATE_MAX];
    char scope[SIGV4_SCOPE_MAX];
    char previous[SIGV4_HEX_MAX]; /* signature */
};

/* Begin, also once more.  The chunks' signer may be used on another thread. */
void sigv4_chunks_begin(struct sigv4_chunks *chunks, struct sigv4 *signer,
                        const struct sigv4_signed *seed);

/* The frame of the next chunk: its size and digest (digest_sha256()), of 0 bytes for
 * the last.  Returns the frame's length. */
size_t sigv4_frame_signed(struct sigv4_chunks *chunks, size_t size,
                          const uint8_t sha256[DIGEST_SHA256_BYTES],
                          char out[SIGV4_FRAME_MAX + 1]);

/* The same for a body without signatures ("10000\r\n"). */
size_t sigv4_frame_plain(size_t size, char out[SIGV4_FRAME_MAX + 1]);

/* Bytes of the whole body.  trailer: bytes of the trailer's lines. */
uint64_t sigv4_chunked_size(uint64_t payload, size_t chunk, bool is_signed,
                            size_t trailer);

#endif
