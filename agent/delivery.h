#ifndef AGENT_DELIVERY_H
#define AGENT_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/report.h"
#include "agent/source_open.h"
#include "manifest/checkpoint.h"
#include "transfer/unpack.h"

/*
 * From an owned version number to "all objects are stored" (publication.h goes on from
 * there): pipelines over the source, and where the checkpoint is not to be relied upon a
 * comparison with what lies in the store.  Can be repeated after any interruption.
 */
struct delivery_events {
    /* As in the event: kind "unreadable", "not_alone", ...; path may be NULL. */
    void (*warn)(void *ctx, const char *kind, const char *path, const char *message);

    /* A file could not be read, or kept changing. */
    void (*failed)(void *ctx, const char *path, const struct error *err);
};

/* All of it must stay valid while delivery_run() waits. */
struct delivery_options {
    struct agent *agent;
    struct checkpoint *checkpoint;
    struct report *report; /* shows the progress of each pipeline */
    const struct source_open *source;
    const struct unpack_source *archive; /* NULL: it is none; else there is no source */
    const char *prefix;                  /* of every key: "NAME/v1/" */
    const char *previous; /* the same of the version to copy from, NULL: none; the
                             checkpoint knows what it holds */
    uint64_t part_size;   /* the user's wish; 0: none */
    bool no_copy;         /* the objects of the source stay where they are */
    bool skip_unreadable; /* it is published without them */
    const struct delivery_events *events;
    void *ctx;
};

/* Zeroed by the caller, who sets look_from_ms and reads n_failed; the rest is private. */
struct delivery {
    /* loop_boot_ms(): another run may write until then, so what lies in the store is
     * neither looked at nor called complete before. */
    uint64_t look_from_ms;
    uint64_t n_failed; /* files and folders that could not be read */

    const struct delivery_options *options;
    struct source *source;
    struct pipeline *pipeline; /* not NULL: it runs */
    struct unpack *unpack;     /* likewise */
    bool is_over;
    struct error err;
};

/* 0: what the source has is in the store, all but n_failed.  Waits; agent_interrupt()
 * and then delivery_stop() end it with ERROR_CANCELLED. */
int delivery_run(struct delivery *d, const struct delivery_options *options,
                 struct error *err);
void delivery_stop(struct delivery *d);

/*
 * What is not to be relied upon is marked in the checkpoint, for the whole session: a
 * run that does so may be killed.
 */

/* The notes were lost: the store is asked what it has of each file. */
void delivery_must_look(struct checkpoint *cp);

/* They may be of bytes that are gone, or that another run has replaced: they are held
 * against a listing of the store. */
void delivery_must_reconcile(struct checkpoint *cp);

#endif
