/*
 * Two ways to reserve a number, as the store can.
 *
 * Where just one of several conditional puts succeeds, it is such a put of
 * session.json.  A look at the other records of that number follows, because another
 * session may have begun, published and tidied up between our listing and our put.
 *
 * Elsewhere everyone who wants the number first says so, then looks who else does:
 *
 *     CLAIM: put session/<id>.json --> LOOK --a record stands there--> next number
 *       ^                               |  |
 *       |       another claims it, too  |  +--alone--> put session.json --> ours
 *       +---remove our claim, pause <---+
 *
 * Of two who claim a number at least one sees the other's claim; whoever saw none keeps
 * his until he has published, so that nobody else will ever be alone there.  Listings
 * may lag: what others put before us shows at the latest when our own claim does, so
 * this is waited for.  A claim whose run is dead (as the record of a session would be)
 * does not count; one of our own from a run that was killed has our name, and is written
 * over.  Who has been unlucky for long takes the next number.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/catalog.h"
#include "agent/ownership_impl.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    RESERVE_TRIES = 1000, /* others may take numbers while we look for one */
    CLAIM_TRIES = 10,     /* of one number */
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 5000,
    LAG_PAUSE_MS = 500,
    LAG_TRIES = 240 /* two minutes: a Swift that is busy needs some seconds */
};

/* ---- what stands under a number ---- */

static bool is_ours(const struct ownership *o, const struct session_record *found)
{
    return strcmp(found->session, o->record.session) == 0;
}

/* 1: it says that the number is ours; 0: another's, or there is none; -1: error. */
static int is_recorded(struct ownership *o, struct error *err)
{
    struct session_record found;
    int status = ownership_read(o, &found, NULL, err);

    if (status == 0)
        status = is_ours(o, &found);
    else if (err->kind == ERROR_NOT_FOUND)
        status = 0;
    session_record_free(&found);
    return status;
}

/*
 * 1: a version was published or deleted here.  Both are asked at once: of a version that is
 * being deleted at this very moment neither may be seen.  Then nothing is published there
 * either, because deleted.json stays, and whoever publishes looks for it first.
 */
static int was_used(struct ownership *o, struct error *err)
{
    struct question q[2];
    int status;

    question_init(&q[0], STORE_HEAD, ownership_file(o, "datastore.json"));
    question_init(&q[1], STORE_HEAD, ownership_file(o, "deleted.json"));
    question_start(o->agent, q, 2);
    question_wait(o->agent, q, 2);
    status = question_has(&q[0], err);
    if (status == 0)
        status = question_has(&q[1], err);
    question_free(o->agent, q, 2);
    return status;
}

/* ---- by a conditional put ---- */

/* Here and below.  1: reserved; 0: taken, try the next; -1: error. */
static int put_number(struct ownership *o, struct error *err)
{
    int status;

    if (ownership_write(o, true, err) != 0) {
        if (err->kind != ERROR_CONFLICT || err->code == ENOTDIR || err->code == EISDIR)
            return -1; /* the latter: something else stands there (file://) */
        /* The answer to our own first attempt may have been lost. */
        return is_recorded(o, err);
    }
    status = was_used(o, err);
    if (status <= 0)
        return status < 0 ? -1 : 1;
    return ownership_release(o, err);
}

/* ---- by claims ---- */

static void claim_key(const struct ownership *o, struct text *key)
{
    struct text file = {0};

    text_add_format(&file, "session/%s.json", o->record.session);
    ownership_key(o, text_string(&file), key);
    text_free(&file);
}

static int put_claim(struct ownership *o, struct error *err)
{
    struct text key = {0}, json = {0};
    int status;

    claim_key(o, &key);
    session_record_format(&o->record, &json);
    status = agent_put(o->agent, text_string(&key), json.data, json.size, false, err);
    text_free(&key);
    text_free(&json);
    return status;
}

static int remove_claim(struct ownership *o, struct error *err)
{
    struct text key = {0};
    int status;

    claim_key(o, &key);
    status = agent_delete(o->agent, text_string(&key), err);
    text_free(&key);
    return status;
}

struct rivals {
    struct ownership *ownership;
    struct text own; /* the name of our claim */
    bool has_own, has_others, has_records;
};

/* 1: of a run that is dead, or gone meanwhile; 0: of one that may be alive; -1: error.
 * One that cannot be read has its age all the same. */
static int is_dead_claim(struct ownership *o, const char *key, struct error *err)
{
    struct session_record found = {0};
    struct object_answer answer = {0};
    struct text json = {0};
    struct error ignored;
    int status = agent_get(o->agent, key, &json, &answer, err);

    if (status != 0)
        status = err->kind == ERROR_NOT_FOUND ? 1 : -1;
    else if (session_record_parse(&found, text_string(&json), json.size, &ignored) == 0)
        status = ownership_is_abandoned(&found, &answer);
    else
        status = answer.date_ms - answer.modified_ms > OWNERSHIP_STALE_MS;
    session_record_free(&found);
    text_free(&json);
    return status;
}

static int on_claim(void *ctx, const char *name, const struct store_item *item,
                    struct error *err)
{
    struct rivals *r = ctx;
    int is_dead = 1;

    if (strcmp(name, text_string(&r->own)) == 0)
        r->has_own = true;
    else if (!r->has_others)
        is_dead = is_dead_claim(r->ownership, item->key, err);
    if (is_dead < 0)
        return -1;
    r->has_others |= is_dead == 0;
    return 0;
}

static int on_record(void *ctx, const char *name, const struct store_item *item,
                     struct error *err)
{
    struct rivals *r = ctx;

    (void)item, (void)err;
    r->has_records |= strcmp(name, "session.json") == 0 ||
                      strcmp(name, "datastore.json") == 0 ||
                      strcmp(name, "deleted.json") == 0;
    return 0;
}

/* Claims first: whoever removes his has left a record by then. */
static int look(struct ownership *o, struct rivals *r, struct error *err)
{
    struct text prefix = {0};
    int status;

    *r = (struct rivals){.ownership = o};
    text_add_format(&r->own, "%s.json", o->record.session);
    ownership_key(o, "session/", &prefix);
    status = agent_list(o->agent, text_string(&prefix), true, on_claim, r, err);
    if (status == 0)
        status = agent_list(o->agent, o->prefix, false, on_record, r, err);
    text_free(&prefix);
    text_free(&r->own);
    return status;
}

static int look_until_listed(struct ownership *o, struct rivals *r, struct error *err)
{
    for (unsigned tries = 0; tries < LAG_TRIES; tries++) {
        if (look(o, r, err) != 0)
            return -1;
        if (r->has_own)
            return 0;
        if (agent_pause(o->agent, LAG_PAUSE_MS, err) != 0)
            return -1;
    }
    return error_set(err, ERROR_TRANSIENT, 0,
                     "what is stored in %s does not show in its listings: no version "
                     "number of %s can be reserved",
                     store_url(o->agent->store), o->name);
}

/* Nobody else claims it.  What follows is against a pause of this machine at the wrong
 * moment: the record must still be ours. */
static int put_alone(struct ownership *o, struct error *err)
{
    int status;

    if (ownership_write(o, true, err) != 0 && err->kind != ERROR_CONFLICT)
        return -1;
    status = is_recorded(o, err);
    if (status != 1)
        return status;
    status = was_used(o, err);
    if (status <= 0)
        return status < 0 ? -1 : 1;
    return ownership_release(o, err);
}

enum claim_outcome { CLAIM_OURS, CLAIM_TAKEN, CLAIM_CONTESTED, CLAIM_ERROR };

static enum claim_outcome claim(struct ownership *o, struct error *err)
{
    struct rivals rivals = {0};
    enum claim_outcome outcome = CLAIM_TAKEN;
    struct error ignored;

    if (put_claim(o, err) != 0 || look_until_listed(o, &rivals, err) != 0) {
        outcome = CLAIM_ERROR;
    } else if (!rivals.has_records && rivals.has_others) {
        outcome = CLAIM_CONTESTED;
    } else if (!rivals.has_records) {
        int status = put_alone(o, err);
        if (status == 1)
            return CLAIM_OURS; /* the claim stays */
        outcome = status < 0 ? CLAIM_ERROR : CLAIM_TAKEN;
    }
    if (outcome == CLAIM_ERROR)
        (void)remove_claim(o, &ignored);
    else if (remove_claim(o, err) != 0)
        outcome = CLAIM_ERROR;
    return outcome;
}

static int pause_at_random(struct ownership *o, struct error *err)
{
    uint32_t chance = 0;

    while (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        continue;
    return agent_pause(o->agent, PAUSE_MIN_MS + chance % (PAUSE_MAX_MS - PAUSE_MIN_MS),
                       err);
}

static int claim_number(struct ownership *o, struct error *err)
{
    for (unsigned tries = 0; tries < CLAIM_TRIES; tries++) {
        enum claim_outcome outcome = claim(o, err);

        if (outcome != CLAIM_CONTESTED)
            return outcome == CLAIM_OURS ? 1 : outcome == CLAIM_TAKEN ? 0 : -1;
        log_line(LOG_INFO, LOG_SESSION,
                 "another session wants %s version %" PRIu64 ", too: trying again",
                 o->name, o->version);
        if (pause_at_random(o, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- both ---- */

static int on_use(void *ctx, const char *name, const struct store_item *item,
                  struct error *err)
{
    bool *is_used = ctx;

    (void)item, (void)err;
    *is_used |= strcmp(name, "session/") != 0;
    return 0;
}

/* A run that was killed while it reserved may have left an empty folder, or one with
 * claims in it, and no more: its number is free, unless the claims are of the living.  A
 * folder with anything else in it is somebody's. */
static int last_used_number(struct ownership *o, uint64_t *number, struct error *err)
{
    bool is_used = false;
    int status = 0;

    if (o->has_newest)
        *number = o->newest;
    else
        status = catalog_newest_number(o->agent, o->name, number, err);
    if (status != 0 || *number == 0 || *number == o->used)
        return status;
    ownership_set_version(o, *number);
    status = agent_list(o->agent, o->prefix, false, on_use, &is_used, err);
    if (status == 0 && !is_used)
        --*number;
    return status;
}

void ownership_ask_ahead(struct ownership *o)
{
    question_init(&o->ahead, STORE_PROBE, mem_copy_string(""));
    question_start(o->agent, &o->ahead, 1);
}

void ownership_end_ahead(struct ownership *o)
{
    question_free(o->agent, &o->ahead, 1);
}

static int ask_store(struct ownership *o, enum store_verb verb, bool if_absent,
                     struct error *err)
{
    struct store_op op = {.verb = verb, .key = "", .if_absent = if_absent};
    int status = agent_do(o->agent, &op, err);

    store_op_clear(&op);
    return status;
}

/* What can the store do?  The account's own bucket is made here, by the first session
 * that uses it: of a bucket that must be there, its absence is another error. */
static int probe(struct ownership *o, struct error *err)
{
    int status = ask_store(o, STORE_PROBE, true, err);

    if (status == 0 || err->kind != ERROR_NOT_FOUND)
        return status;
    log_line(LOG_INFO, LOG_SESSION, "making the bucket of %s",
             store_url(o->agent->store));
    if (ask_store(o, STORE_CREATE_BUCKET, false, err) != 0)
        return -1;
    return ask_store(o, STORE_PROBE, true, err);
}

int ownership_reserve(struct ownership *o, struct error *err)
{
    uint64_t newest;
    int status = 0;

    session_record_sign(&o->record);
    if (last_used_number(o, &newest, err) != 0 || probe(o, err) != 0)
        return -1;
    for (unsigned tries = 0; tries < RESERVE_TRIES && status == 0; tries++) {
        ownership_set_version(o, ++newest);
        status = store_limits(o->agent->store)->can_put_if_absent
                     ? put_number(o, err)
                     : claim_number(o, err);
    }
    if (status == 0)
        return error_set(err, ERROR_CONFLICT, 0,
                         "no version number could be reserved for %s", o->name);
    if (status < 0)
        return -1;
    return ask_store(o, STORE_PROBE, false,
                     err); /* the rest of it: who owns knows all */
}

/* ---- tidying up ---- */

static int remove_page(struct ownership *o, const struct store_op *claims,
                       struct error *err)
{
    for (size_t i = 0; i < claims->answer.n_items; i++)
        if (agent_delete(o->agent, claims->answer.items[i].key, err) != 0)
            return -1;
    return 0;
}

int ownership_remove_claims(struct ownership *o, struct question *claims,
                            struct error *err)
{
    int status = question_has(claims, err);

    if (status <= 0)
        return status; /* nothing there is an empty list */
    status = remove_page(o, &claims->op, err);
    while (status == 0 && claims->op.cursor != NULL) {
        status = agent_do(o->agent, &claims->op, err);
        if (status == 0)
            status = remove_page(o, &claims->op, err);
    }
    return status;
}
