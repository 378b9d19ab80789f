#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/session_status.h"
#include "transfer/pipeline.h"

/*
 * What a running session tells: progress to the console four times a second, and the
 * status file once a second.  All on the loop.
 */
struct report;

/* status: what does not change (name, store, pid, ...); the report keeps a copy of the
 * pointers, so the strings must outlive it.  file: the status file; it is there when
 * this returns, so that `resume` and `status` know of a run from its first word on. */
struct report *report_start(struct agent *a, struct console *console,
                            const struct session_status *status, const char *file);

/* Who tells how far it is; NULL between pipelines. */
typedef void report_ask_fn(const void *asked, struct pipeline_progress *out);
void report_set_asked(struct report *r, report_ask_fn *ask, const void *asked);
void report_set_publishing(struct report *r);
/* Where the files come from, if that can be away, too. */
void report_set_source(struct report *r, const struct store *source);
void report_set_version(struct report *r, uint64_t version);
void report_set_limit(struct report *r, uint64_t rate);

/* Totals of the last progress, for the final events. */
const struct session_status *report_status(const struct report *r);
uint64_t report_parts(const struct report *r);

/* No more progress on the console: the last word has been, or is about to be, said. */
void report_hush(struct report *r);

/* A last status: state and exit code as they stay.  Waits for the file to be written.
 */
void report_end(struct report *r, const char *state, const char *reason, int exit_code);
void report_free(struct report *r);

#endif
