#ifndef TRANSFER_UNPACK_H
#define TRANSFER_UNPACK_H

#include "manifest/filter.h"
#include "transfer/pipeline.h"

/*
 * An archive behind a URL into a store, as pipeline.h does it for a tree: fetched,
 * unpacked and sent as one stream; nothing of it comes to lie on the local disk.
 *
 * Entries are planned as they come and sent at once.  What the checkpoint says is done is
 * passed over without being fetched where the archive and its server allow that; else it
 * is read and compared, and not sent again.  The archive's validator is kept in the
 * checkpoint: where it is another than in the last run everything is compared.
 *
 * Names that lead out of the tree, devices and the like do not get into the plan, and are
 * told as issues.  An archive that is damaged or cut off ends it with ERROR_CORRUPT.
 */
struct unpack;

struct unpack_source {
    const char *url;             /* as it is asked for, with user and password */
    const char *ca_file;         /* NULL: the system's */
    const struct filter *filter; /* NULL: all; must outlive the unpack */
    bool skips_links;
    uint64_t max_extracted;               /* bytes; more are refused */
    uint64_t first_contact_ms, outage_ms; /* as in remote_file.h */
};

struct unpack_options {
    struct loop *loop;
    struct unpack_source source;
    struct store *store;
    struct budget *budget;
    struct checkpoint *checkpoint;
    const char *prefix; /* of every key: "NAME/v1/" */
    uint64_t part_size; /* the user's wish, as far as the budget allows it; 0: none */
    bool must_look;     /* the notes are lost: ask the store what it has of each file */
    const struct pipeline_events *events;
    void *ctx;
};

/* options' strings must stay valid until done(). */
struct unpack *unpack_start(const struct unpack_options *options);
void unpack_stop(struct unpack *unpack); /* done() follows */
void unpack_free(struct unpack *unpack); /* after done() */
void unpack_progress(const struct unpack *unpack, struct pipeline_progress *out);

/* The name under which the checkpoint has the validator of the archive that was last read
 * to its end. */
extern const char unpack_validator[];
void unpack_add_validator(struct text *out, const char *validator, uint64_t size);

#endif
