#ifndef TRANSFER_S3_PAYLOAD_H
#define TRANSFER_S3_PAYLOAD_H

#include "manifest/digest.h"
#include "manifest/digest_md5.h"
#include "transfer/http.h"
#include "transfer/s3_quirks.h"
#include "transfer/sigv4.h"
#include "transfer/store_impl.h"

/*
 * The bytes of a put or of a part on their way into a request, with what lets the store
 * check them (enum s3_rung).
 *
 * A body that fits into the buffer is read once and sent from there.  A longer one is
 * streamed through it, and for rungs that need the digest in front is read twice.
 */
enum { S3_PAYLOAD_HEADER_MAX = 64 };

struct s3_payload {
    /* Set before s3_payload_prepare(). */
    struct loop *loop;
    struct body *body;
    struct span buffer; /* not needed where the body is whole in memory or empty */
    enum s3_rung rung;  /* for bodies in memory never one in chunks */
    bool signs;         /* the signature covers the bytes, whatever the rung */
    bool is_wrong; /* the digest is to be wrong, to see whether the store notices */
    struct store_op *op; /* is told what is handed to the network; NULL: nobody */

    /* After it. */
    struct span whole; /* all bytes; data NULL: streamed */
    uint32_t crc32c;   /* TRAILER: when all is sent */

    /* Private. */
    void (*done)(void *ctx, const struct error *err, bool body_failed);
    void *ctx;
    struct error err;
    bool body_failed, is_cancelled, is_hashing; /* before it is sent */
    uint64_t position;                          /* of what comes next */
    struct span chunk;
    uint32_t crc_now; /* of what was handed on in this round */
    bool has_md5;
    uint8_t sha256_bytes[DIGEST_SHA256_BYTES], md5_bytes[DIGEST_MD5_BYTES];
    struct sha256 sha256;
    struct md5 md5;
    struct work work;
    struct deferred soon;
    struct http_request *http;
    enum { STEP_CHUNK, STEP_DATA, STEP_TAIL } step;
    struct sigv4_chunks seed; /* as at the beginning of a round */
    struct sigv4_chunks chunks;
    char frame[SIGV4_FRAME_MAX + 1];
    size_t frame_size;
    char tail[2 * SIGV4_FRAME_MAX];
    size_t tail_size;
};

/* Make ready what the headers say. done() runs later. */
void s3_payload_prepare(struct s3_payload *p,
                        void (*done)(void *ctx, const struct error *err,
                                     bool body_failed),
                        void *ctx);

/* While it is being prepared: done() follows. */
void s3_payload_cancel(struct s3_payload *p);

/* What the request's x-amz-content-sha256 says; hex is room for a digest. */
const char *s3_payload_sha256(const struct s3_payload *p, char hex[SIGV4_HEX_MAX]);

/* The n-th header line (from 0) that goes with the bytes; false: there are no more. */
bool s3_payload_header(const struct s3_payload *p, unsigned n,
                       char line[S3_PAYLOAD_HEADER_MAX]);

/* Hand body or size and callbacks to http; once for every sending.  signer and seed:
 * NULL where nothing is signed. */
void s3_payload_attach(struct s3_payload *p, struct http_request *http,
                       struct sigv4 *signer, const struct sigv4_signed *seed);

/* What http asks for; ctx of the request is not ours. */
void s3_payload_next(struct s3_payload *p);
void s3_payload_restart(struct s3_payload *p);

/* All of it was taken. */
void s3_payload_sent(struct s3_payload *p);

void s3_payload_free(struct s3_payload *p);

#endif
