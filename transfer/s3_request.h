#ifndef TRANSFER_S3_REQUEST_H
#define TRANSFER_S3_REQUEST_H

#include "transfer/s3.h"
#include "transfer/s3_error.h"
#include "transfer/s3_payload.h"
#include "transfer/s3_xml.h"

/*
 * One signed request to an S3 store, with the answer understood.
 *
 * Where the answer says that the region or our clock is wrong, that is learnt, and the
 * request goes once more.  All other failures are the caller's to retry.
 *
 *   struct s3_request *r = s3_request_new(s3, STORE_LIST, "GET", NULL);
 *   s3_request_query(r, "list-type", "2");      in the order of the names
 *   r->root = "ListBucketResult";
 *   r->done = on_list; r->ctx = me;
 *   s3_request_send(r);       done() runs later, exactly once
 *   ...
 *   s3_request_free(r);       from done() on
 */
enum { S3_REQUEST_HEADERS_MAX = 28 };

struct s3_request {
    struct s3 *s3;
    enum store_verb verb; /* for messages, and for what an error means */
    const char *method;
    char *key; /* relative to the store; NULL: the bucket */

    /* What the body of a success must be: the outermost element; NULL: nothing that
     * matters. */
    const char *root;
    bool wants_md5;  /* Content-MD5 goes with the document */
    bool needs_etag; /* a success without one is none */
    bool is_quiet;   /* no body comes with an error either (HEAD) */

    struct text document;       /* sent as the body; empty: none */
    struct s3_payload *payload; /* or these bytes; owned by the caller */

    /* Where the body of a success goes, as struct http_request has it; NULL: none. */
    void (*take)(struct s3_request *r, struct span bytes);
    struct span into;
    long stall_ms; /* 0: as the store has earned it (patience.h) */

    void (*done)(struct s3_request *r, void *ctx);
    void *ctx;

    /* The answer. */
    struct error err;
    bool body_failed;
    struct s3_verdict
        verdict; /* where an answer with a status came that is no success */
    int status;  /* 0: none came */
    struct s3_answer answer;
    unsigned retry_after_s;
    struct http_request http;

    /* Private. */
    struct text query;
    char *headers[S3_REQUEST_HEADERS_MAX + 1];
    unsigned n_headers, n_lasting; /* the others are made for each sending */
    struct text url;
    unsigned n_learnt;
    bool is_cancelled, is_signed, has_md5;
    unsigned signer_serial; /* of s3, when it was signed */
    int64_t signed_at_s;    /* by the store's clock, as it was known then */
    enum { REQUEST_NEW, REQUEST_PREPARING, REQUEST_SENDING, REQUEST_READING } phase;
    struct sigv4_signed signature;
    uint8_t document_sha256[DIGEST_SHA256_BYTES], document_md5[DIGEST_MD5_BYTES];
    struct error xml_err;
    struct work work;
    struct deferred soon;
};

struct s3_request *s3_request_new(struct s3 *s3, enum store_verb verb,
                                  const char *method, const char *key);
void s3_request_free(struct s3_request *r);

/* value NULL: the name alone. */
void s3_request_query(struct s3_request *r, const char *name, const char *value);
void s3_request_header(struct s3_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void s3_request_send(struct s3_request *r);
void s3_request_cancel(struct s3_request *r); /* a wish: done() follows */

#endif
