/*
 *   LISTING, page by page --+-- session.json --> SESSION --+--> done
 *                           |                              |
 *                           +-- datastore.json ------------+--> DATASTORE --> done
 *
 * What was listed may be gone by the time it is read: then it does not count.  The record
 * of a session that has been published is only of interest while it can be read.
 */
#include "agent/version_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ownership.h"

enum { DOCUMENT_MAX = 64 << 20 };

static void on_answer(struct store_op *op, void *ctx);

/* ---- the end ---- */

static void end(struct version_read *r)
{
    store_end_list(r->agent->store, &r->op);
    store_op_clear(&r->op);
    text_free(&r->prefix);
    text_free(&r->key);
    r->done(r, r->ctx);
}

static void fail(struct version_read *r, const struct error *err)
{
    r->err = *err;
    end(r);
}

/* ---- documents ---- */

static void get(struct version_read *r, const char *document)
{
    text_clear(&r->key);
    text_add_format(&r->key, "%s%s", text_string(&r->prefix), document);
    store_op_clear(&r->op);
    r->op = (struct store_op){.verb = STORE_GET,
                              .key = text_string(&r->key),
                              .size = UINT64_MAX,
                              .want_date = r->phase == READ_SESSION,
                              .done = on_answer,
                              .ctx = r};
    memory_sink_init(&r->sink, &r->agent->loop, DOCUMENT_MAX);
    r->op.sink = &r->sink.sink;
    store_start(r->agent->store, &r->op);
}

/* One that cannot be read has its age all the same. */
static enum version_status judge_unreadable(const struct version *v)
{
    return v->session_age_ms > OWNERSHIP_STALE_MS ? VERSION_FAILED : VERSION_UPLOADING;
}

static enum version_status judge_session(const struct version *v)
{
    if (v->session.ended != NULL)
        return strcmp(v->session.ended, "failed") == 0 ? VERSION_FAILED
                                                       : VERSION_INTERRUPTED;
    if (session_record_is_dead(&v->session) || v->session_age_ms > OWNERSHIP_STALE_MS)
        return VERSION_INTERRUPTED;
    return VERSION_UPLOADING;
}

static void read_datastore(struct version_read *r)
{
    if (!r->has_datastore) {
        end(r);
        return;
    }
    r->phase = READ_DATASTORE;
    get(r, "datastore.json");
}

static void take_session(struct version_read *r, const char *json, size_t size)
{
    struct version *v = &r->version;
    struct error ignored;

    v->session_at_ms = r->op.answer.modified_ms;
    v->session_age_ms = r->op.answer.date_ms - r->op.answer.modified_ms;
    v->status = session_record_parse(&v->session, json, size, &ignored) == 0
                    ? judge_session(v)
                    : judge_unreadable(v);
}

static void on_session(struct version_read *r, const char *json, size_t size)
{
    struct error err = r->op.err;

    if (err.kind == ERROR_NONE)
        take_session(r, json, size);
    if (err.kind == ERROR_NONE || err.kind == ERROR_NOT_FOUND || r->has_datastore) {
        read_datastore(r);
        return;
    }
    error_wrap(&err, "%s", text_string(&r->key));
    fail(r, &err);
}

static void on_datastore(struct version_read *r, const char *json, size_t size)
{
    struct error err = r->op.err;

    if (err.kind == ERROR_NOT_FOUND) {
        end(r);
        return;
    }
    if (err.kind == ERROR_NONE)
        datastore_record_parse(&r->version.record, json, size, &err);
    if (err.kind == ERROR_NONE) {
        r->version.status = VERSION_SUCCEEDED;
        end(r);
        return;
    }
    error_wrap(&err, "%s", text_string(&r->key));
    if (err.kind != ERROR_CORRUPT) {
        fail(r, &err);
        return;
    }
    r->version.status = VERSION_DAMAGED;
    r->version.damage = err;
    end(r);
}

static void on_document(struct version_read *r)
{
    struct text json = {0};

    text_add_bytes(&json, r->sink.bytes.data, r->sink.bytes.size);
    free(r->sink.bytes.data);
    r->sink.bytes = (struct span){NULL, 0};
    if (r->phase == READ_SESSION)
        on_session(r, text_string(&json), json.size);
    else
        on_datastore(r, text_string(&json), json.size);
    text_free(&json);
}

/* ---- the listing ---- */

static void take_name(struct version_read *r, const char *name)
{
    r->has_datastore |= strcmp(name, "datastore.json") == 0;
    r->has_session |= strcmp(name, "session.json") == 0;
    r->has_deleted |= strcmp(name, "deleted.json") == 0;
    r->has_others |= strcmp(name, "deleted.json") != 0; /* folders, too */
}

static void on_listed(struct version_read *r)
{
    struct version *v = &r->version;

    v->has_leftovers = r->has_deleted && r->has_others;
    if (r->has_deleted) {
        v->status = VERSION_DELETED;
        end(r);
    } else if (r->has_session) {
        r->phase = READ_SESSION;
        get(r, "session.json");
    } else {
        read_datastore(r);
    }
}

static void on_page(struct version_read *r)
{
    const struct store_op *op = &r->op;

    if (op->err.kind != ERROR_NONE && op->err.kind != ERROR_NOT_FOUND) {
        fail(r, &op->err);
        return;
    }
    for (size_t i = 0; op->err.kind == ERROR_NONE && i < op->answer.n_items; i++)
        take_name(r, op->answer.items[i].key + r->prefix.size);
    if (op->err.kind == ERROR_NONE && op->cursor != NULL)
        store_start(r->agent->store, &r->op);
    else
        on_listed(r);
}

static void on_answer(struct store_op *op, void *ctx)
{
    struct version_read *r = ctx;

    (void)op;
    if (r->phase == READ_LISTING)
        on_page(r);
    else
        on_document(r);
}

void version_read_start(struct version_read *r, const char *name, uint64_t number)
{
    struct version *v = &r->version;

    memset(v, 0, sizeof *v);
    error_clear(&r->err);
    snprintf(v->name, sizeof v->name, "%s", name);
    v->number = number;
    r->has_datastore = r->has_session = r->has_deleted = r->has_others = false;
    r->phase = READ_LISTING;
    r->prefix = r->key = (struct text){0};
    text_add_format(&r->prefix, "%s/v%" PRIu64 "/", name, number);
    r->op = (struct store_op){.verb = STORE_LIST,
                              .key = text_string(&r->prefix),
                              .done = on_answer,
                              .ctx = r};
    store_start(r->agent->store, &r->op);
}

void version_read_cancel(struct version_read *r)
{
    store_cancel(&r->op);
}
