#ifndef TESTS_MEMORY_STORE_H
#define TESTS_MEMORY_STORE_H

#include "transfer/store_impl.h"

/*
 * A kind of store that keeps objects and multipart uploads in memory, byte for byte,
 * and answers late, out of order and badly: as the dice fall.  It holds every attempt
 * against the contract of store.h.
 */
struct memory_part {
    uint8_t *bytes; /* NULL: not there */
    uint64_t size;
    char etag[STORE_ETAG_MAX];
};

enum { MEMORY_PARTS_MAX = 64 };

struct memory_upload {
    char id[32];
    char *key;
    uint64_t part_size;
    enum { UPLOAD_OPEN, UPLOAD_COMPLETED, UPLOAD_ABORTED, UPLOAD_FORGOTTEN } state;
    struct memory_part parts[MEMORY_PARTS_MAX]; /* [number - 1] */
    struct memory_upload *next;
};

struct memory_object {
    char *key;
    uint8_t *bytes;
    uint64_t size;
    char etag[STORE_ETAG_MAX];
    int64_t modified_ms;
    struct memory_object *next;
};

struct memory_store {
    struct store *store;
    struct memory_object *objects;
    struct memory_upload *uploads; /* in the order of their making */

    /* How it behaves. */
    unsigned bad_percent;    /* of attempts that fail, before or after their effect */
    unsigned forget_percent; /* of attempts that find their upload forgotten */
    unsigned flip_percent;   /* of the chunks of a get that are damaged on the way */
    bool is_away;            /* nobody answers */
    bool has_md5_etags;      /* as S3's: see transfer/etag.h */
    bool has_folders;        /* a/b is a conflict where a is an object, and reverse */
    enum error_kind refusal; /* every attempt ends so, unless ERROR_NONE */
    size_t page;             /* items of one answer */
    unsigned refuse_percent; /* of copies, for good */
    struct memory_store *elsewhere; /* where copies with a bucket come from; or NULL */

    /* An attempt is about to take effect. */
    void (*on_effect)(void *ctx, const struct store_op *op);
    void *ctx;

    /* What was seen. */
    unsigned n_attempts, n_under_way, n_forgotten, n_made;
    unsigned n_puts, n_parts, n_completions, n_deletes, n_copies, n_copied_parts;
    unsigned n_changes;
    unsigned n_orphans; /* uploads that were made, but the answer was lost */
};

/* Zeroed but for how it behaves; m->store is then the face of it. */
void memory_store_open(struct memory_store *m, const struct store_options *options,
                       const struct store_limits *limits);
void memory_store_close(struct memory_store *m); /* the face; the contents stay */
void memory_store_free(struct memory_store *m);  /* the contents */

void memory_store_delete(struct memory_store *m, const char *key);
struct memory_object *memory_store_find(const struct memory_store *m, const char *key);
void memory_store_put(struct memory_store *m, const char *key, const void *bytes,
                      uint64_t size);
struct memory_upload *memory_store_upload(const struct memory_store *m, const char *id);
struct memory_upload *memory_store_create(struct memory_store *m, const char *key,
                                          uint64_t part_size);
void memory_store_set_part(struct memory_store *m, struct memory_upload *u,
                           uint32_t number, const void *bytes, uint64_t size);
void memory_store_forget(struct memory_store *m, struct memory_upload *u);
unsigned memory_store_count_open(const struct memory_store *m);

#endif
