/*
 * What is not known is not shown: while the scan runs there is no percentage and no
 * ETA, only "so far"; while we wait there is no rate.
 */
#include "agent/progress.h"

#include <stdlib.h>
#include <string.h>

#include "agent/figure.h"
#include "base/mem.h"

/* ---- keeping ---- */

static const char *keep_string(char **slot, const char *string)
{
    free(*slot);
    *slot = string != NULL ? mem_copy_string(string) : NULL;
    return *slot;
}

void progress_keep(struct progress *kept, const struct event_progress *e)
{
    kept->now = *e;
    if (kept->now.n_files > EVENT_FILES_SHOWN)
        kept->now.n_files = EVENT_FILES_SHOWN;
    for (unsigned i = 0; i < kept->now.n_files; i++)
        kept->now.files[i].path = keep_string(&kept->strings[i], e->files[i].path);
    kept->now.waiting_for =
        keep_string(&kept->strings[EVENT_FILES_SHOWN], e->waiting_for);
}

void progress_free(struct progress *kept)
{
    for (unsigned i = 0; i <= EVENT_FILES_SHOWN; i++)
        free(kept->strings[i]);
    memset(kept, 0, sizeof *kept);
}

void progress_note_scan(struct progress *kept, const struct event_scan *e)
{
    kept->now.files_total = e->files;
    kept->now.bytes_total = e->bytes;
    kept->now.scan_done = e->done;
}

/* ---- words ---- */

bool progress_has_total(const struct event_progress *e)
{
    return e->scan_done;
}

/* By bytes; a data set of empty files by files. */
unsigned progress_percent(const struct event_progress *e)
{
    unsigned percent = e->bytes_total > 0
                           ? figure_percent(e->bytes_done, e->bytes_total)
                           : figure_percent(e->files_done, e->files_total);

    if (percent == 100 && e->files_done < e->files_total)
        return 99; /* bytes are all there, their files are not whole yet */
    return percent;
}

static const char *verb_of(const struct event_progress *e)
{
    switch (e->state) {
    case STATE_SCANNING:
        return "scanning";
    case STATE_UPLOADING:
        return "uploading";
    case STATE_WAITING_NETWORK:
        return e->is_refusal ? "the store refuses for now" : "waiting for the network";
    case STATE_WAITING_CREDENTIALS:
        return "waiting for new credentials";
    case STATE_PUBLISHING:
        return "publishing";
    }
    return "";
}

void progress_add_headline(struct text *text, const struct event_progress *e)
{
    text_add(text, verb_of(e));
    if (e->state == STATE_SCANNING && !e->scan_done) {
        text_add(text, ": ");
        figure_add_noun(text, e->files_total, "file so far", "files so far");
    }
    if (e->waiting_for != NULL)
        text_add_format(text, ": %s", e->waiting_for);
}

/* Totals that are not final are said to be a lower bound. */
static const char *of_total(const struct event_progress *e)
{
    return e->scan_done ? " of " : " of at least ";
}

static void add_bytes_fact(struct text *text, const struct event_progress *e)
{
    if (!e->scan_done && e->bytes_done == 0) {
        text_add_size(text, e->bytes_total);
        text_add(text, " so far");
        return;
    }
    text_add_size(text, e->bytes_done);
    text_add(text, of_total(e));
    text_add_size(text, e->bytes_total);
}

/* More than there is, where a connection broke and it was begun again. */
static void add_fetch_fact(struct text *text, const struct event_progress *e)
{
    text_add_size(text, e->bytes_fetched);
    if (e->fetch_size >= e->bytes_fetched) {
        text_add(text, " of ");
        text_add_size(text, e->fetch_size);
    }
    text_add(text, " fetched");
}

static void add_files_fact(struct text *text, const struct event_progress *e)
{
    figure_add_count(text, e->files_done);
    text_add(text, of_total(e));
    figure_add_noun(text, e->files_total, "file", "files");
}

static bool is_moving(const struct event_progress *e)
{
    return e->state == STATE_SCANNING || e->state == STATE_UPLOADING;
}

unsigned progress_facts(struct text facts[PROGRESS_FACTS_MAX], unsigned *n_main,
                        const struct event_progress *e)
{
    unsigned n = 0;
    bool has_begun = e->scan_done || e->bytes_done > 0 || e->files_done > 0;

    memset(facts, 0, PROGRESS_FACTS_MAX * sizeof *facts);
    if (e->bytes_total > 0)
        add_bytes_fact(&facts[n++], e);
    if (e->is_fetched && !e->scan_done && e->bytes_fetched > 0)
        add_fetch_fact(&facts[n++], e);
    if (is_moving(e) && has_begun && e->bytes_done < e->bytes_total)
        figure_add_rate(&facts[n++], e->rate);
    if (is_moving(e) && e->eta_s >= 0 && e->scan_done) {
        text_add(&facts[n], "ETA ");
        text_add_duration(&facts[n++], (uint64_t)e->eta_s);
    }
    if (has_begun && e->files_total > 0)
        add_files_fact(&facts[n++], e);
    *n_main = n;
    if (is_moving(e) && e->bytes_in_flight > 0) {
        text_add_size(&facts[n], e->bytes_in_flight);
        text_add(&facts[n++], " on the way");
    }
    if (e->bytes_copied > 0) {
        text_add_size(&facts[n], e->bytes_copied);
        text_add(&facts[n++], " copied inside the store");
    }
    if (e->retries > 0)
        figure_add_noun(&facts[n++], e->retries, "retry", "retries");
    if (has_begun && e->connections > 0)
        figure_add_noun(&facts[n++], e->connections, "connection", "connections");
    return n;
}

void progress_add_line(struct text *text, const struct event_progress *e)
{
    struct text facts[PROGRESS_FACTS_MAX];
    unsigned n_main, n = progress_facts(facts, &n_main, e);
    const char *between = ": ";

    progress_add_headline(text, e);
    if (e->waiting_for != NULL || (e->state == STATE_SCANNING && !e->scan_done))
        between = "; ";
    if (progress_has_total(e)) {
        text_add_format(text, "%s%u %%", between, progress_percent(e));
        between = ", ";
    }
    for (unsigned i = 0; i < n; i++) {
        text_add_format(text, "%s%s", between, text_string(&facts[i]));
        between = ", ";
    }
    for (unsigned i = 0; i < PROGRESS_FACTS_MAX; i++)
        text_free(&facts[i]);
}
