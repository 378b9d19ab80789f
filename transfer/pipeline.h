#ifndef TRANSFER_PIPELINE_H
#define TRANSFER_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest/checkpoint.h"
#include "transfer/budget.h"
#include "transfer/source.h"
#include "transfer/store.h"

/*
 * Everything from a source into a store: the scan of the source is merged into the plan
 * while the plan's files are uploaded already; what the checkpoint says is done is
 * skipped; as many pieces as the store has room for are kept under way, of few large
 * files or of many small ones.  What the store holds of files that are no more is
 * deleted at the end.
 */
struct pipeline;

enum { PIPELINE_FILES_SHOWN = 8 };

struct pipeline_progress {
    struct checkpoint_totals plan;
    bool scan_done;
    uint64_t files_in_flight, bytes_in_flight; /* of those: confirmed, read or sent */
    uint64_t parts;                            /* confirmed by the store in this run */
    uint64_t files_compared;                   /* found unchanged by their digests */
    struct {
        const char *path;
        uint64_t bytes, size;
    } files[PIPELINE_FILES_SHOWN];
    unsigned n_files;

    /* Of a source that is fetched (unpack.h). */
    bool is_fetched;
    uint64_t bytes_fetched, fetch_retries;
    uint64_t fetch_size;            /* size 0: not known */
    const struct error *fetch_away; /* why nothing comes; NULL: it does */
    uint64_t fetch_away_since_ms, fetch_next_try_ms; /* loop_now_ms() */
};

struct pipeline_events {
    /* The walk met something; issue is valid during the call. */
    void (*issue)(void *ctx, const struct issue *issue);

    /* A file is in the store. */
    void (*stored)(void *ctx, const char *path, uint64_t size);

    /* A file could not be read, or kept changing: it is noted, the others go on. */
    void (*failed)(void *ctx, const char *path, const struct error *err);

    /* The whole source has been planned. */
    void (*scanned)(void *ctx);

    /* The end, exactly once, with all notes committed. err is NULL when all files are
     * in the store or have been reported by failed(). */
    void (*done)(void *ctx, const struct error *err);
};

struct pipeline_options {
    struct loop *loop;
    struct source *source;
    struct store *store;
    struct budget *budget;
    struct checkpoint *checkpoint;
    const char *prefix;   /* of every key: "NAME/v1/" */
    const char *previous; /* the same of the version that the checkpoint knows as the
                             previous one; NULL: everything is sent */
    uint64_t part_size;   /* the user's wish; 0: none */
    bool no_copy;   /* nothing is stored but where the objects of the source are */
    bool must_look; /* the notes are lost: ask the store what it has of each file */
    const struct pipeline_events *events;
    void *ctx;
};

/* options' strings must stay valid until done(). */
struct pipeline *pipeline_start(const struct pipeline_options *options);

/* Let go of what is under way; done() follows with ERROR_CANCELLED (or earlier
 * trouble). */
void pipeline_stop(struct pipeline *pipeline);

/* After done(). */
void pipeline_free(struct pipeline *pipeline);

/* Cheap enough to ask ten times a second.  Paths are valid until the loop runs on. */
void pipeline_progress(const struct pipeline *pipeline, struct pipeline_progress *out);

#endif
