#ifndef TRANSFER_S3_H
#define TRANSFER_S3_H

#include "transfer/http.h"
#include "transfer/patience.h"
#include "transfer/s3_address.h"
#include "transfer/s3_quirks.h"
#include "transfer/s3_traits.h"
#include "transfer/sigv4.h"
#include "transfer/store_impl.h"

/*
 * What all requests of one s3:// store share, and what has been learnt about the other
 * side: its region, its clock, what it can.  For the files of this store only.
 */
struct s3_attempt;
struct s3_probe;
struct s3_memo;

enum s3_readiness {
    S3_NEW,        /* nothing is known */
    S3_GREETED,    /* it speaks S3, and knows us */
    S3_PUTS_KNOWN, /* how to put what lies in memory, and whether only where nothing is */
    S3_PROBED      /* it is known what it can */
};

struct s3 {
    struct store *store;
    struct loop *loop;
    struct http *http;
    struct s3_options options;
    struct s3_address address;
    const struct s3_quirks *quirks;

    struct sigv4 signer; /* for the keys and the region of the last request */
    bool has_signer;
    unsigned signer_serial; /* counts the signers */
    struct error worn; /* ERROR_EXPIRED: what the store said of the signer's keys */
    uint64_t worn_until_ms; /* when the store is asked again with these keys */
    int64_t clock_offset_s; /* of the store's clock to ours */

    enum s3_readiness readiness;
    struct s3_traits traits;
    bool traits_are_noted; /* by another run: not seen in this one */
    bool lacks_batch_delete;

    struct patience patience; /* with answers that are worth no more than that */
    bool is_contact_asked;    /* s3_contact.h */
    bool keys_worked;         /* a signed request has succeeded */
    unsigned worked_serial;   /* the last signer one did with */
    unsigned n_bare_refusals; /* of HEADs with 400, one after the other */

    struct s3_probe *probe; /* finding out; NULL: not now */
    bool probes_narrowly;   /* it was too much for the store: one request at a time */
    struct s3_attempt *waiting; /* for its outcome */
    struct s3_memo *memos;      /* of open uploads */
    bool is_closing;            /* as soon as the probe has ended */
};

/* Set the signer for a request now; *is_signed false: anonymous. */
int s3_ready_signer(struct s3 *s3, bool *is_signed, struct error *err);

/* The store says that the keys of that signer have run out (err).  Others are looked for, and
 * for a minute these are not tried again: a refusal may cost the body of a request. */
void s3_note_worn(struct s3 *s3, unsigned signer_serial, const struct error *err);

/* Now, by the store's clock, in seconds since the epoch. */
int64_t s3_now_s(const struct s3 *s3);

/* What probing has found out becomes known to the face: about puts from memory, and all. */
void s3_know_puts(struct s3 *s3);
void s3_set_traits(struct s3 *s3, const struct s3_traits *traits);

/* They do not hold any more: the next write waits for a new probe. */
void s3_forget_traits(struct s3 *s3);

#endif
