#ifndef TRANSFER_STORE_H
#define TRANSFER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/text.h"
#include "transfer/budget.h"
#include "transfer/concurrency.h"
#include "transfer/s3_options.h"

/*
 * A store is where datastores are kept: an S3 bucket and prefix, or a local directory.
 *
 * There is one way to use it: fill a struct store_op, hand it to store_start().
 *
 *   1. The caller owns the op and everything it points to, and keeps them unchanged
 * until done() runs.
 *   2. done() runs exactly once, on the loop's thread, never before store_start() has
 *      returned.  Errors come this way too: starting cannot fail.
 *   3. store_cancel() is a wish.  done() still runs, with ERROR_CANCELLED or with the
 *      outcome that was already on its way.
 *   4. Admission (so many at once), memory for the bytes under way, retries, deadlines
 * and signing happen inside.  An error that reaches done() is final.
 *
 * Objects become visible all at once, whole, after a put or a completion; and once
 * done() has said so, they survive a crash of the store's machine (but see store_sync).
 *
 * Keys are relative to the store: '/'-separated, at most 1,024 bytes with the store's
 * own prefix, of components that entry_add_key() lets pass.
 */
struct store;
struct store_op;
struct store_cursor; /* where a listing goes on; private to the store */

enum store_verb {
    STORE_PUT,             /* key, body, if_absent -> etag */
    STORE_CREATE_UPLOAD,   /* key, size, part_size -> upload_id */
    STORE_UPLOAD_PART,     /* key, upload_id, part, body -> etag, crc32c */
    STORE_COMPLETE_UPLOAD, /* key, upload_id, parts, size -> etag */
    STORE_ABORT_UPLOAD,    /* key, upload_id; one that is gone already is a success */
    STORE_LIST_PARTS,      /* key, upload_id, cursor -> items (number, size, etag),
                              swept_ms */
    STORE_LIST_UPLOADS,    /* key: a prefix (NAME/vN/) or an exact key, cursor -> items
                              (key,    upload_id); no order */
    STORE_LIST,      /* key: a prefix, "" or with a '/' at the end, is_flat, cursor ->
                     items; by key, but flat ones folder by folder on file://,
                     where an empty folder is an item with a '/' at its end;
                     s3:// also -> date_ms */
    STORE_HEAD,      /* key -> size, etag, modified_ms, date_ms */
    STORE_GET,       /* key, offset, size, sink -> size, etag, and as head */
    STORE_DELETE,    /* keys; those that are not there are a success */
    STORE_SYNC,      /* what was stored so far survives a power loss */
    STORE_COPY,      /* from, key -> etag, is_pinned: a whole object, up to copy_max */
    STORE_COPY_PART, /* from, key, upload_id, part (number, size), and its offset and
                        part_size as of an upload part -> etag, crc32c, is_pinned */
    STORE_PROBE, /* what can the store do? store_limits() and store_traits() are final
                     after it; if_absent: limits.can_put_if_absent is, no more is
                     waited for */
    STORE_CREATE_BUCKET /* the bucket itself; one of our own that is there already is a
                           success, somebody else's ERROR_CONFLICT */
};

/*
 * Bytes on their way in, read from the first to the last, once for every attempt. Lives
 * inside whoever sends.  Neither read() nor a sink's write() may wait for the budget or
 * for another operation of the store: the operation holds a slot and a lease meanwhile.
 */
typedef void body_done_fn(void *ctx, const struct error *err); /* NULL: success */
typedef void body_look_fn(void *ctx);
struct body {
    uint64_t size;

    /* All the bytes, where they lie in memory and stay there until done(); else data is
     * NULL.  The store then needs no memory of its own and may send them from here
     * without a call to read(). */
    struct span whole;

    /* An attempt begins: the next read is of the first byte.  No read is under way. */
    void (*rewind)(struct body *body);

    /* An attempt has ended before it had taken all; another may follow, after a pause:
     * what is held ready to be read can go.  No read is under way.  May be NULL. */
    void (*rest)(struct body *body);

    /* Fill all of `into` (never more than what is left) with the next bytes; done()
     * runs later, on the loop.  An error here is final for the op and is the op's
     * error, with body_failed set.  look(), unless NULL: runs where the bytes have been
     * read, once they are, on that thread, before done(): to be hashed while they are
     * in its cache, and without another trip to a worker. */
    void (*read)(struct body *body, struct span into, body_look_fn *look,
                 body_done_fn *done, void *ctx);
};

/* Bytes on their way out, in order.  An interrupted get goes on where it was. */
struct sink {
    /* Take the bytes; done() runs later, on the loop, when `bytes` is no longer needed.
     */
    void (*write)(struct sink *sink, struct span bytes, body_done_fn *done, void *ctx);
};

enum { STORE_ETAG_MAX = 96, STORE_UPLOAD_ID_MAX = 1100, STORE_VERSION_ID_MAX = 200 };

/*
 * What is copied inside the store: its bytes do not pass through us.  A part copies one
 * range, but the parts of an upload may come from as many ranges and objects as there
 * are parts, in any order, mixed with parts that are sent.
 *
 * A range may be taken of objects of more than copy_ranges_above bytes only
 * (store_limits), and a part but the last has part_min of them, as if it were sent.  On
 * file:// the bytes are shared where the file system can do that.
 */
struct store_from {
    const char
        *bucket; /* s3://: of the same endpoint, and the key is whole; NULL: key is
                           one of this store's own */
    const char *key;
    const char *version_id; /* NULL: the newest */
    const char
        *etag;     /* it must have this one (ERROR_CONFLICT), see is_pinned; NULL: any.
                         file:// takes its word for it */
    uint64_t size; /* of the whole object; file://: else ERROR_CONFLICT */
    uint64_t offset; /* copy part: of the first byte in it */
};

struct store_part {
    uint32_t number; /* from 1 */
    uint64_t size;
    char etag[STORE_ETAG_MAX];
    uint32_t crc32c; /* 0: none, or not confirmed by the store */
};

struct store_item {
    char *key; /* list: of an object, or with a '/' at the end of what lies below it;
                  list uploads: "" for what a crash has left without a name */
    char *upload_id; /* list uploads */
    uint32_t number; /* list parts */
    uint64_t size;
    int64_t modified_ms;
    char etag[STORE_ETAG_MAX]; /* "" where the store does not know it */
    uint32_t crc32c;           /* list parts: 0 where the store does not know it */
};

/* Zeroed before its first use, but for the question. */
struct store_op {
    enum store_verb verb;

    /* The question, as the verb has it. */
    bool if_absent;    /* put: ERROR_CONFLICT (EEXIST) where the key exists; see
                       store_limits: can_put_if_absent */
    bool is_flat;      /* list: everything below the prefix, not one level */
    bool with_markers; /* list, flat: objects whose keys end in '/', too */
    bool is_data;   /* put, parts, copies: counts as bytes sent or copied (not: our own
                       records) */
    bool want_date; /* head, get, list: date_ms is needed */
    bool is_claim;  /* it is about whose the place is: it passes the fence
                       (store_write_until), before all others and beyond the limit */
    bool is_once;   /* one attempt: it must not take effect later than meant */
    const char *key;
    struct store_from from; /* copies */
    struct body *body;
    struct sink *sink;
    const char *upload_id;
    const char *version_id; /* head, get: of an object of which the store keeps several;
                               NULL: the newest */
    struct store_part part; /* upload part: number, and its offset below */
    uint64_t offset;        /* get: of the first byte, at most the object's size, else
                               ERROR_CORRUPT; upload part: of the part's in the object */
    uint64_t size; /* get: at most so many bytes, UINT64_MAX for all; create, complete:
                      of the object, which may have changed in between */
    uint64_t part_size;             /* create, upload part: of all parts but the last */
    const struct store_part *parts; /* complete, in order of number */
    size_t n_parts;
    const char *const *keys; /* delete: n_keys of them, at most 1,000 */
    size_t n_keys;
    struct store_cursor *cursor; /* lists: NULL at first; after done() NULL at the end,
                                    else start again for more (a page may be empty), or
                                    store_end_list(); after an error, only that */

    void (*done)(struct store_op *op, void *ctx);
    void *ctx;

    /* The answer, valid from done() on. err.kind is ERROR_NONE on success. */
    struct error err;
    struct {
        char etag[STORE_ETAG_MAX]; /* "" where the store does not know it */
        uint32_t crc32c;           /* upload part: as in struct store_part */
        char *upload_id;           /* create; owned as the items are */
        bool is_pinned; /* copies: it is known that what was copied had from.etag; else
                           that is so if the source still has it when it is looked at
                           afterwards */
        uint64_t size;  /* head: of the object; get: of the whole object */
        bool is_opaque_etag; /* head, get: it says nothing of the bytes, whatever it
                                looks like */
        char version_id[STORE_VERSION_ID_MAX]; /* head: "" where it has none */
        int64_t modified_ms;                   /* by the store's clock */
        int64_t date_ms;                       /* now, by the store's clock */
        int64_t swept_ms; /* when the store itself will abort the upload; 0: it does
                             not say */
        struct store_item *items; /* owned by the op until started again or cleared */
        size_t n_items;
        unsigned attempts;
        uint64_t
            asked_ms; /* loop_boot_ms() as the attempt began that was answered; of a
                              get that was interrupted, the first that brought bytes */
    } answer;
    bool body_failed; /* err came from the body or the sink, not from the store */

    /* A copy: err is about what was to be copied, or copying as such, and the bytes may
     * be sent instead: it is gone (ERROR_NOT_FOUND), is another (ERROR_CONFLICT), may
     * not be read or copied with these keys (ERROR_AUTH; or the place may not be
     * written, which sending will tell), has not that range (ERROR_CORRUPT), or cannot
     * be copied (ERROR_UNUSABLE).  False with ERROR_NOT_FOUND: the upload is gone. */
    bool copy_refused;

    /* Private to the store. */
    bool is_cancelled;
    enum { OP_IDLE, OP_QUEUED, OP_LEASING, OP_ATTEMPTING, OP_PAUSING, OP_ENDING } phase;
    struct store *store;
    struct store_op *prev, *next;
    struct lease buffer;
    void *attempt;
    uv_timer_t *pause;
    struct deferred soon;
    unsigned failures, throttled; /* attempts that ended so */
    unsigned damaged;             /* the same: the bytes arrived otherwise */
    uint64_t failing_since_ms;    /* 0: it does not */
    uint64_t failed_ms;           /* the last time */
    unsigned failures_alone;      /* while others of its verb succeeded */
    uint64_t away_since_ms;       /* nobody answers it; 0: somebody has */
    uint64_t n_answers;           /* to all, when nobody answered it the last time */
    unsigned retry_after_s;       /* what the last answer asked for */
    uint64_t moved;               /* payload bytes of this attempt, either way */
    uint64_t taken;               /* get: bytes that the sink has, from all attempts */
};

/* What the pipeline must know of a store before it cuts files. */
struct store_limits {
    uint64_t put_max;            /* largest object of a single put */
    uint64_t part_min, part_max; /* sizes of all parts but the last */
    uint32_t parts_max;
    uint64_t copy_max;          /* largest object of a single copy */
    uint64_t copy_ranges_above; /* ranges are copied of larger objects only */
    size_t key_prefix_bytes;    /* what the store puts in front of each key */
    uint64_t connection_bytes;  /* memory of one connection; 0: there are none */
    bool is_local; /* reading an object back costs no more than reading its source */
    bool can_put_if_absent; /* of several puts with if_absent just one succeeds; else
                               they only look first.  See STORE_PROBE */
    bool lists_exact_key; /* open uploads are listed by exact key only, not by prefix */
};

struct store_options {
    struct loop *loop;
    struct budget *budget;       /* of the chunks under way */
    unsigned jobs;               /* requests at once; 0: as many as they gain by */
    uint64_t connection_memory;  /* what their connections may take; 0: no bound */
    uint64_t send_rate;          /* bytes a second of all bodies; 0: no limit */
    const struct s3_options *s3; /* s3:// only; NULL: all as it is without options */

    /* For how long may nobody answer, of a store that has never answered and of one
     * that has, or that refuses for now whatever it is asked (5xx)?  Then this and every
     * later operation ends with ERROR_NETWORK.  0: for ever. */
    uint64_t first_contact_ms, outage_ms;

    /* Keys that have worked may run out: for how long to wait for others
     * (s3_options.keys), as for the network?  0: ERROR_EXPIRED at once. */
    uint64_t expired_ms;

    /* Nobody answers, or takes our keys, or the store refuses for now whatever it is asked
     * (transient, throttled), and why; NULL: that is over.  May be NULL.  From the loop;
     * must not start or cancel anything. */
    void (*away)(void *ctx, const struct error *err);
    void *away_ctx;
};

struct store_counts {
    uint64_t requests, retries;
    uint64_t bytes_sent;   /* of operations with is_data, retries included */
    uint64_t bytes_copied; /* of copies with is_data, inside the store */
    uint64_t bytes_received;
    uint64_t moves;     /* grows while anything moves, but for claims */
    unsigned under_way; /* hold a slot */
    unsigned waiting;   /* want one: queued, or pausing before another attempt */

    /* Nobody answers since then (loop_now_ms()), 0: the network is there.  One request
     * looks again at next_try_ms; all others wait for its outcome. */
    uint64_t away_since_ms, next_try_ms;
};

/* Open the store that url names ("s3://bucket/prefix", "file:///path").  Does not touch
 * it yet.  ERROR_USAGE for a url that is none. */
int store_open(struct store **out, const struct store_options *options, const char *url,
               struct error *err);

/* No operation may be under way and no listing open (store_end_list).  Takes effect
 * while the loop runs on, loop_close() included. */
void store_close(struct store *store);

void store_start(struct store *store, struct store_op *op);
void store_cancel(struct store_op *op);

/* Free what the answer holds; the op may be used again. */
void store_op_clear(struct store_op *op);

/* End a listing before its end. */
void store_end_list(struct store *store, struct store_op *op);

/*
 * From now on the store is changed only until then (loop_boot_ms(); 0: without a limit,
 * as at first): what has not been begun waits, what is under way is broken off and waits
 * to be begun again, until a later time is given.  Returns for how long the last one had
 * passed, 0: it had not.
 */
uint64_t store_write_until(struct store *store, uint64_t boot_ms);

/* And not before then: what would change the store waits. */
void store_write_from(struct store *store, uint64_t boot_ms);

/* How many more requests could start at once, now: 0 while some wait for a place, or
 * more pause before another attempt than there are places. */
unsigned store_room(const struct store *store);

/* freed(ctx) runs from the loop whenever an operation has ended, after its done(), or
 * pauses before another attempt, and when an outage is to be looked at but nobody waits. */
void store_on_room(struct store *store, void (*freed)(void *ctx), void *ctx);

/* Does the store reach what lies in that one with a copy (struct store_from)? */
bool store_can_copy_from(const struct store *store, const struct store *from);
/* Another store_options.send_rate, from now on. */
void store_set_send_rate(struct store *store, uint64_t rate);

const struct store_limits *store_limits(const struct store *store);
const char *store_url(const struct store *store);

/* A link that lets anybody get this object for so many seconds (1 to 604,800), signed with
 * the keys of now.  ERROR_USAGE where the store has no links. */
int store_presign(struct store *store, const char *key, uint32_t seconds,
                  struct text *url, struct error *err);

/* The region that requests are signed for, which the store may have told; "" where there
 * are none.  Valid until the next request. */
const char *store_region(const struct store *store);

/*
 * What has been found out about the store by probing, as a line of text to be kept and
 * given to a later run (s3_options.traits); "" where nothing is known or needs to be.
 * "checks=none" in it: the store does not verify the bytes it takes.
 */
const char *store_traits(const struct store *store);

/* The folder of a file:// store, which need not exist yet; NULL for stores elsewhere.
 */
const char *store_folder(const struct store *store);
void store_counts(const struct store *store, struct store_counts *out);

/* Why nobody answers; NULL: somebody does, or nothing has been asked. */
const struct error *store_away(const struct store *store);

/* The store answers, but has refused all of a kind for half a minute and more: with
 * this, since then (loop_now_ms()).  NULL: it has not. */
const struct error *store_refusal(const struct store *store, uint64_t *since_ms);

#endif
