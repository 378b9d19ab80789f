#ifndef TRANSFER_S3_XML_H
#define TRANSFER_S3_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"
#include "transfer/store_impl.h"

/*
 * The XML of S3: what a server answers, and the two documents that we send.
 *
 * An answer is read as it comes in, in bounded memory.  White space before the document
 * is skipped: a server that completes a long upload sends it for minutes.  A document
 * type declaration (and so any entity of its own) is refused.  Servers differ in which
 * elements they leave out; only what is malformed is an error here.
 */
enum {
    S3_XML_NAME_MAX = 40,
    S3_XML_BYTES_MAX =
        32 << 20 /* a page of 1,000 keys of 1,024 bytes, all escaped: 4 MB */
};

/* An <Error>.  code "" means: none. */
struct s3_fault {
    char code[64];
    char message[160];
    char region[48];    /* where the bucket is, with errors about the region */
    char endpoint[128]; /* where to ask instead */
};

/* Which documents an answer may be.  The name of the outermost element decides. */
struct s3_answer {
    char root[S3_XML_NAME_MAX]; /* "" where nothing but white space came */
    struct s3_fault fault;      /* <Error> as the whole answer */

    /* Lists: keys whole, with the store's own prefix, decoded where the server says
     * that it encoded them; ETags without quotes. */
    struct store_items items;
    bool is_truncated;
    char *next;        /* continuation token, key marker, or part number; NULL: none */
    char *next_upload; /* upload id marker */

    char algorithm[16]; /* list parts: of the upload's checksum; "": none was told */

    char *upload_id;               /* InitiateMultipartUpload; NULL: none */
    char etag[STORE_ETAG_MAX];     /* CompleteMultipartUpload, copies; may be "" */
    uint32_t crc32c;               /* copy of a part; 0: none was told */
    char account[S3_XML_NAME_MAX]; /* GetCallerIdentity, of STS */

    /* AssumeRole and AssumeRoleWithWebIdentity, of STS; NULL where they did not come. */
    char *access_key, *secret_key, *session_token;
    int64_t expires_at_ms; /* 0: not told */

    /* DeleteObjects: how many keys were refused, and the first of them.  STS: the fault,
     * which is not the whole answer there. */
    unsigned n_refused;
    struct s3_fault refused;
    char *refused_key;
};

void s3_answer_free(struct s3_answer *answer); /* and wipes the keys */

struct s3_xml; /* an answer on its way in */

/* Fills *answer, which must be zeroed, stay where it is, and be freed by the caller. */
struct s3_xml *s3_xml_new(struct s3_answer *answer);
void s3_xml_free(struct s3_xml *xml); /* harmless on NULL */

/* After a first failure everything is ignored. */
void s3_xml_add(struct s3_xml *xml, const void *bytes, size_t size);

/* Nothing more comes. -1 and ERROR_CORRUPT: that was no (whole) document.  An empty
 * answer is a success without a root. */
int s3_xml_end(struct s3_xml *xml, struct error *err);

/* The body of CompleteMultipartUpload; crc32c of the parts where the store echoed it.
 */
void s3_xml_put_parts(struct text *out, const struct store_part *parts, size_t n,
                      bool with_crc32c);

/* The body of DeleteObjects: of keys that XML can hold, behind the store's prefix. */
bool s3_xml_can_hold(const char *key);
void s3_xml_put_keys(struct text *out, const char *prefix, const char *const *keys,
                     size_t n);

/* The body of CreateBucket outside us-east-1. */
void s3_xml_put_location(struct text *out, const char *region);

#endif
