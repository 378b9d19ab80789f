#ifndef AGENT_PROGRESS_H
#define AGENT_PROGRESS_H

#include "agent/event.h"
#include "base/text.h"

/*
 * A progress event that is kept (its strings are copied), and the words for one.  Both
 * the live display and the plain lines are made of these.
 */
struct progress {
    struct event_progress now;

    /* Private: what `now` points to. */
    char *strings[EVENT_FILES_SHOWN + 1];
};

/* Zeroed is empty. */
void progress_keep(struct progress *kept, const struct event_progress *e);
void progress_free(struct progress *kept);

/* A scan tells how many there are. */
void progress_note_scan(struct progress *kept, const struct event_scan *e);

/* "uploading", "scanning: 12,345 files so far", "waiting for the network: ..."; raw:
 * the reason may hold anything. */
void progress_add_headline(struct text *text, const struct event_progress *e);

/* Are the totals known, so that a percentage means something? */
bool progress_has_total(const struct event_progress *e);
unsigned progress_percent(const struct event_progress *e);

/*
 * "1.2 GiB of 2.9 GiB", "0.9 GiB of 1.5 GiB fetched", "34.5 MiB/s", "ETA 1 min 20 s",
 * "12,345 of 54,321 files", and less important, behind the first *n_main: "1.2 GiB copied
 * inside the store", "3 retries", "16 connections".  The number
 * of them. The caller frees them all.
 */
enum { PROGRESS_FACTS_MAX = 8 };
unsigned progress_facts(struct text facts[PROGRESS_FACTS_MAX], unsigned *n_main,
                        const struct event_progress *e);

/* Headline and facts in one line, without its end. */
void progress_add_line(struct text *text, const struct event_progress *e);

#endif
