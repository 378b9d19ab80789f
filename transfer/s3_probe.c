/*
 *   GREETING --> done (greeted)
 *      |     or another run has noted what holds, too --> done (probed)
 *      |
 *      +--> TRYING: two trials side by side, of parts and of puts (s3_trial.c)
 *             |  what the puts' has found is known earlier, and so are most verbs begun
 *             +--both have ended--> done (probed)
 *
 * An upload's parts stand for all bodies that are streamed, the put for those that lie in
 * memory.  Where one trial fails the other is given up.  With --jobs 1 and the like, and
 * for a store that found it too much, one follows the other.
 */
#include "transfer/s3_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"
#include "transfer/s3_header.h"
#include "transfer/s3_ladder.h"
#include "transfer/s3_trial.h"

enum { AT_ONCE = 5 }; /* requests: its own, and those that wait for a part of it only */

struct s3_probe {
    struct s3 *s3;
    enum s3_readiness to;
    struct s3_probe_events events;
    struct deferred soon;
    struct s3_request *greeting; /* NULL: not under way */
    struct error err;
    bool is_cancelled;
    bool is_narrow;    /* one request at a time */
    unsigned n_trials; /* under way */
    unsigned n_known;
    struct s3_trial parts, puts;
    uint8_t bytes[S3_TRIAL_BYTES];
};

/* ---- the end ---- */

static void end(struct s3_probe *p)
{
    struct s3_probe_events events = p->events;
    struct error err = p->err;

    if (err.kind == ERROR_THROTTLED)
        p->s3->probes_narrowly = true;
    p->s3->probe = NULL;
    s3_trial_free(&p->parts);
    s3_trial_free(&p->puts);
    free(p);
    events.done(events.ctx, err.kind != ERROR_NONE ? &err : NULL);
}

static void fail(struct s3_probe *p, const struct error *err)
{
    error_keep_first(&p->err, err);
    end(p);
}

/* ---- trying ---- */

static void on_known(struct s3_probe *p)
{
    p->s3->traits.streamed = p->parts.rung;
    p->s3->traits.whole = p->puts.rung;
    p->s3->traits.has_if_none_match = p->puts.has_if_none_match;
    if (++p->n_known == 2)
        s3_set_traits(p->s3, &p->s3->traits);
}

/* Where few may be under way all others wait for the end of it. */
static void move(struct s3_probe *p)
{
    if (!p->is_narrow)
        p->events.moved(p->events.ctx);
}

static void on_parts_known(void *ctx)
{
    struct s3_probe *p = ctx;

    on_known(p);
    if (p->s3->readiness == S3_PROBED)
        move(p);
}

static void on_puts_known(void *ctx)
{
    struct s3_probe *p = ctx;

    on_known(p);
    s3_know_puts(p->s3);
    move(p);
}

static void on_trial_over(struct s3_probe *p, const struct s3_trial *t,
                          struct s3_trial *other)
{
    error_keep_first(&p->err, &t->err);
    p->n_trials--;
    if (p->is_narrow && p->err.kind == ERROR_NONE && !p->s3->is_closing &&
        t == &p->puts) {
        p->n_trials = 1;
        s3_trial_start(&p->parts);
    } else if (p->n_trials == 0) {
        end(p);
    } else if (t->err.kind != ERROR_NONE) {
        s3_trial_cancel(other);
    }
}

static void on_parts_over(void *ctx)
{
    struct s3_probe *p = ctx;

    on_trial_over(p, &p->parts, &p->puts);
}

static void on_puts_over(void *ctx)
{
    struct s3_probe *p = ctx;

    on_trial_over(p, &p->puts, &p->parts);
}

static void draw(struct s3_probe *p, uint32_t random[2])
{
    if (getrandom(random, 2 * sizeof *random, 0) < 0)
        random[0] = (uint32_t)uv_hrtime();
    for (size_t i = 0; i < sizeof p->bytes; i++)
        p->bytes[i] = (uint8_t)(i * 31 + random[1]);
}

static void try(struct s3_probe *p)
{
    struct s3_trial trial = {
        .s3 = p->s3, .is_narrow = p->is_narrow, .bytes = p->bytes, .ctx = p};
    uint32_t random[2] = {0};

    draw(p, random);
    snprintf(trial.key, sizeof trial.key, ".grid-probe/%08x%08x", random[0], random[1]);
    snprintf(trial.wrong_key, sizeof trial.wrong_key, ".grid-probe/%08x%08x-wrong",
             random[0], random[1]);
    p->parts = p->puts = trial;
    p->parts.is_streamed = true;
    p->parts.known = on_parts_known;
    p->parts.over = on_parts_over;
    p->puts.known = on_puts_known;
    p->puts.over = on_puts_over;
    p->n_trials = p->is_narrow ? 1 : 2;
    s3_trial_start(&p->puts);
    if (!p->is_narrow)
        s3_trial_start(&p->parts);
}

static void begin_probing(struct s3_probe *p)
{
    if (p->to > S3_GREETED && s3_ladder_fits(p->s3, &p->s3->traits)) {
        s3_set_traits(p->s3, &p->s3->traits);
        p->s3->traits_are_noted = true;
    }
    if (p->s3->readiness < p->to) {
        try(p);
        move(p); /* who needed no more than the greeting */
    } else {
        end(p);
    }
}

/* ---- the greeting ---- */

/* Credentials that may not list may still read and write; that they are known is what
 * AccessDenied says. */
static void on_greeted(struct s3_probe *p, const struct s3_request *r)
{
    char server[40];

    if (r->err.kind != ERROR_NONE &&
        strcmp(r->answer.fault.code, "AccessDenied") != 0) {
        fail(p, &r->err);
        return;
    }
    s3_header_text(&r->http.answer, "Server", server, sizeof server);
    p->s3->quirks = s3_quirks_find(s3_address_host(&p->s3->address), server);
    p->s3->store->limits.lists_exact_key = p->s3->quirks->lists_exact_key;
    p->s3->store->limits.part_min = p->s3->quirks->part_min;
    if (p->s3->readiness == S3_NEW)
        p->s3->readiness = S3_GREETED;
    begin_probing(p);
}

static void fail_cancelled(struct s3_probe *p)
{
    struct error cancelled;

    error_set(&cancelled, ERROR_CANCELLED, 0, "cancelled");
    fail(p, &cancelled);
}

static void on_greeting(struct s3_request *r, void *ctx)
{
    struct s3_probe *p = ctx;

    p->greeting = NULL;
    log_line(LOG_DEBUG, LOG_STORE, "greeting: %d %s", r->status, r->answer.fault.code);
    if (p->s3->is_closing)
        fail(p, &r->err);
    else if (p->is_cancelled)
        fail_cancelled(p);
    else
        on_greeted(p, r);
    s3_request_free(r);
}

static void greet(struct s3_probe *p)
{
    struct s3_request *r = s3_request_new(p->s3, STORE_LIST, "GET", NULL);

    s3_request_query(r, "encoding-type", "url");
    s3_request_query(r, "list-type", "2");
    s3_request_query(r, "max-keys", "1");
    s3_request_query(r, "prefix", p->s3->address.prefix);
    r->root = "ListBucketResult";
    r->done = on_greeting;
    r->ctx = p;
    p->greeting = r;
    s3_request_send(r);
}

/* ---- the face ---- */

static void on_greeted_before(void *ctx)
{
    struct s3_probe *p = ctx;

    if (p->is_cancelled)
        fail_cancelled(p);
    else
        begin_probing(p);
}

void s3_probe_start(struct s3 *s3, enum s3_readiness to,
                    const struct s3_probe_events *events)
{
    struct s3_probe *p = mem_new(1, sizeof *p);

    p->s3 = s3;
    p->to = to;
    p->events = *events;
    p->is_narrow = s3->probes_narrowly ||
                   (s3->store->options.jobs > 0 && s3->store->options.jobs < AT_ONCE);
    s3->probe = p;
    if (s3->readiness == S3_NEW)
        greet(p);
    else
        loop_defer(s3->loop, &p->soon, on_greeted_before, p);
}

void s3_probe_cancel(struct s3_probe *p)
{
    p->is_cancelled = true;
    if (p->greeting != NULL)
        s3_request_cancel(p->greeting);
    if (p->n_trials > 0) {
        s3_trial_cancel(&p->parts);
        s3_trial_cancel(&p->puts);
    }
}
