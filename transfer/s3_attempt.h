#ifndef TRANSFER_S3_ATTEMPT_H
#define TRANSFER_S3_ATTEMPT_H

#include "transfer/s3_request.h"

/*
 * One attempt at one operation of an s3:// store: one request after another, never two
 * at once.  For the files of this store only.
 */
struct s3_attempt {
    struct s3 *s3;
    struct store_op *op;
    struct s3_request *request; /* under way, or just answered */
    struct s3_payload payload;
    void (*on_answer)(struct s3_attempt *a, struct s3_request *r);
    bool is_cancelled, is_waiting;
    bool trusts_note;        /* sent as another run found good, not this one */
    struct s3_attempt *next; /* of those that wait for a probe */
    struct deferred soon;
    struct error err;

    /* What a verb must remember from one request to the next. */
    struct error first_err; /* what has made us look again */
    struct error bare_err;  /* look: without the reason that is asked for */
    void (*on_look)(struct s3_attempt *a, struct s3_request *r);
    unsigned n_rounds;
    size_t next_key;
    uint64_t end; /* get: of the bytes that come, in what is wanted; 0: not known */
    struct span chunk;  /* get: that the sink has */
    uint8_t *own_chunk; /* get: where the op's buffer is too small for http */
};

/* A request that is this attempt's next. */
struct s3_request *s3_attempt_request(struct s3_attempt *a, const char *method,
                                      const char *key);

/* Send it; on_answer(a, a->request) runs later. */
void s3_attempt_send(struct s3_attempt *a,
                     void (*on_answer)(struct s3_attempt *a, struct s3_request *r));

/* The end, from a callback of the loop; err NULL or without a kind: success.  a is
 * freed. */
void s3_attempt_end(struct s3_attempt *a, const struct error *err);

/* Where the request has brought what the attempt is about: end with its error, if it
 * has one, or with success. */
void s3_attempt_end_as(struct s3_attempt *a, const struct s3_request *r);

/* Do its bytes lie in memory as a whole? */
bool s3_attempt_is_in_memory(const struct store_op *op);

/* The body of op goes with the request. */
void s3_attempt_attach_body(struct s3_attempt *a, struct s3_request *r);

/* Headers of whatever makes a new object. */
void s3_attempt_object_headers(struct s3_attempt *a, struct s3_request *r);

/* Is the op's upload there, and what of it is known? */
void s3_attempt_ask_for_parts(struct s3_attempt *a,
                              void (*on_answer)(struct s3_attempt *a,
                                                struct s3_request *r));

/* HEAD of the op's object, of its version_id if it has one.  on_look(a, r) runs later:
 * r->err is the error with its reason, though an answer to HEAD has no body and so no
 * code: where that leaves open what is wrong, the bucket is asked. */
void s3_attempt_look(struct s3_attempt *a,
                     void (*on_look)(struct s3_attempt *a, struct s3_request *r));

/* The verbs. */
void s3_put_start(struct s3_attempt *a);
void s3_part_start(struct s3_attempt *a);
void s3_create_start(struct s3_attempt *a);
void s3_complete_start(struct s3_attempt *a);
void s3_abort_start(struct s3_attempt *a);
void s3_list_parts_start(struct s3_attempt *a);
void s3_list_uploads_start(struct s3_attempt *a);
void s3_list_start(struct s3_attempt *a);
void s3_head_start(struct s3_attempt *a);
void s3_get_start(struct s3_attempt *a);
void s3_copy_start(struct s3_attempt *a);
void s3_copy_part_start(struct s3_attempt *a);
void s3_delete_start(struct s3_attempt *a);
void s3_bucket_start(struct s3_attempt *a);

/* Free a listing's cursor. */
void s3_list_end(struct store *store, struct store_op *op);

/* What this process remembers of an upload that is open: zeroed where it was not created
 * here, until more is found out. */
enum { S3_TOKEN_MAX = 33 };
struct s3_memo {
    struct s3_memo *next;

    /* Random, in the metadata of the object that the upload makes: so it can be told
     * from an older one of the same size.  "": not known. */
    char token[S3_TOKEN_MAX];

    /* Was it created with one?  The parts of one that was not must not bring any. */
    enum { S3_CHECKSUM_UNKNOWN, S3_CHECKSUM_NONE, S3_CHECKSUM_CRC32C } checksum;

    unsigned n_missed; /* looks for its object since it was completed well */
    char upload_id[];
};

struct s3_memo *s3_memo_find(const struct s3 *s3, const char *upload_id); /* or NULL */
struct s3_memo *s3_memo_make(struct s3 *s3, const char *upload_id); /* or find it */
void s3_memo_drop(struct s3 *s3, const char *upload_id);
void s3_memo_free_all(struct s3 *s3);
extern const char s3_token_header[];

#endif
