#include "agent/publication.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/open_uploads.h"
#include "agent/ownership_impl.h"
#include "agent/send_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "manifest/manifest.h"
#include "transfer/reference.h"

/*
 * Every step checks what it needs, so that a run that was killed between two of them
 * does no harm by beginning again: shards are replaced, datastore.json is put only
 * where there is none, and one that carries our session id is our own.
 */

enum {
    CHECK_GOOD_MS = 1000
}; /* an answer may take as long: OWNERSHIP_GOOD_MS is far off */

/* ---- the manifest ---- */

struct export
{
    struct manifest_writer *writer;
    struct manifest_summary summary;
    const char *source; /* NULL, or the url that references begin with */
    struct error err;
};

/* What was noted of an object that stays where it is. */
static int add_reference(struct export *e, const struct manifest_line *line,
                         struct error *err)
{
    size_t folder = (size_t)(strrchr(e->source, '/') + 1 - e->source);
    char *etag = mem_copy_string(line->etag);
    struct manifest_line whole = *line;
    struct text ref = {0};
    int status;

    text_add_bytes(&ref, e->source, folder);
    text_add(&ref, line->entry.path);
    whole.ref = text_string(&ref);
    whole.version_id = reference_split(etag);
    whole.etag = etag;
    status = manifest_writer_add(e->writer, &whole, err);
    text_free(&ref);
    free(etag);
    return status;
}

static int on_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    struct export *e = ctx;

    if (e->source != NULL && line->entry.type == ENTRY_FILE)
        return add_reference(e, line, err);
    return manifest_writer_add(e->writer, line, err);
}

static void end_work(void *ctx)
{
    struct export *e = ctx;

    manifest_writer_end(e->writer, &e->summary, &e->err);
}

static int export_manifest(struct agent *a, const struct publication_options *o,
                           struct manifest_summary *summary, struct error *err)
{
    struct export e = {.source = o->no_copy ? o->source_url : NULL};
    struct answer answer = {0};
    size_t prefix =
        store_limits(a->store)->key_prefix_bytes + strlen(o->ownership->prefix);

    if (manifest_writer_open(&e.writer, o->scratch, MANIFEST_SHARD_ENTRIES, err) != 0)
        return -1;
    checkpoint_export(o->checkpoint, prefix, on_line, &e, answer_done, &answer);
    if (answer_wait(&answer, &a->loop, &e.err) == 0)
        agent_work(a, end_work, &e);
    manifest_writer_free(e.writer);
    *summary = e.summary;
    if (e.err.kind == ERROR_NONE)
        return 0;
    *err = e.err;
    return error_wrap(err, "writing the manifest");
}

static void unlink_shards(const struct manifest_summary *summary)
{
    for (size_t i = 0; i < summary->n_shards; i++)
        unlink(summary->shards[i].file);
}

static int send_shards(struct agent *a, const struct ownership *o,
                       const struct datastore_record *record,
                       const struct manifest_summary *summary, struct error *err)
{
    struct text key = {0};
    int status = 0;

    for (size_t i = 0; i < summary->n_shards && status == 0; i++) {
        text_clear(&key);
        text_add_format(&key, "%s%s", o->prefix, record->shards[i].key);
        status = send_file(a, summary->shards[i].file, text_string(&key), err);
    }
    text_free(&key);
    return status;
}

/* ---- the record ---- */

static char *root_text(const uint8_t root[DIGEST_SHA256_BYTES])
{
    struct text text = {0};

    text_add(&text, "sha256:");
    text_add_hex(&text, root, DIGEST_SHA256_BYTES);
    return text_take(&text);
}

static void fill_shards(struct datastore_record *r,
                        const struct manifest_summary *summary)
{
    r->shards = mem_new(summary->n_shards, sizeof *r->shards);
    r->n_shards = summary->n_shards;
    for (size_t i = 0; i < summary->n_shards; i++) {
        const struct manifest_shard *from = &summary->shards[i];
        struct text key = {0}, hex = {0};
        text_add_format(&key, "manifest/%05zu.jsonl.gz", i);
        text_add_hex(&hex, from->sha256, sizeof from->sha256);
        r->shards[i].key = text_take(&key);
        r->shards[i].entries = from->entries;
        r->shards[i].bytes = from->bytes;
        snprintf(r->shards[i].sha256, sizeof r->shards[i].sha256, "%s",
                 text_string(&hex));
        text_free(&hex);
    }
}

/* The record stays a document that can be read at once: of very many, the first. */
enum { SKIPPED_MAX = 10000 };

static void on_failure(void *ctx, const char *path, const char *reason)
{
    struct datastore_record *r = ctx;

    r->skipped_count++;
    if (r->n_skipped == SKIPPED_MAX)
        return;
    r->skipped = mem_resize(r->skipped, r->n_skipped + 1, sizeof *r->skipped);
    r->skipped[r->n_skipped].path = mem_copy_string(path);
    r->skipped[r->n_skipped++].reason = mem_copy_string(reason);
}

static void fill_record(struct datastore_record *r, const struct publication_options *o,
                        const struct manifest_summary *summary)
{
    char now[TEXT_TIME_MAX];

    text_time(now, agent_clock_ms());
    r->name = mem_copy_string(o->ownership->name);
    r->version = o->ownership->version;
    memcpy(r->session, o->ownership->record.session, sizeof r->session);
    r->created_at = mem_copy_string(now);
    r->source_kind = mem_copy_string(o->source_kind);
    r->source_url = mem_copy_string(o->source_url);
    r->agent = mem_copy_string("grid " GRID_VERSION);
    r->copy = !o->no_copy;
    r->files = summary->files;
    r->directories = summary->directories;
    r->symlinks = summary->symlinks;
    r->bytes = summary->bytes;
    r->root = root_text(summary->root);
    fill_shards(r, summary);
}

static int list_skipped(struct agent *a, struct checkpoint *checkpoint,
                        struct datastore_record *r, struct error *err)
{
    struct answer answer = {0};

    checkpoint_failures(checkpoint, on_failure, r, answer_done, &answer);
    return answer_wait(&answer, &a->loop, err);
}

/* 1: it is our session's, 0: there is none, -1: error.  record is filled. */
static int judge_found(const struct ownership *o, const struct question *q,
                       struct datastore_record *record, struct error *err)
{
    const struct span json = q->sink.bytes;
    int status = question_has(q, err);

    memset(record, 0, sizeof *record);
    if (status != 1)
        return status;
    if (datastore_record_parse(record, (char *)json.data, json.size, err) != 0)
        return -1;
    if (strcmp(record->session, o->record.session) == 0)
        return 1;
    return error_set(err, ERROR_CONFLICT, 0,
                     "%s version %" PRIu64 " was published by another session", o->name,
                     o->version);
}

int publication_find(struct agent *a, const struct ownership *o,
                     struct datastore_record *record, struct error *err)
{
    struct question q;
    int status;

    question_init(&q, STORE_GET, ownership_file(o, "datastore.json"));
    question_start(a, &q, 1);
    question_wait(a, &q, 1);
    status = judge_found(o, &q, record, err);
    question_free(a, &q, 1);
    return status;
}

/* Of our session, but is it what we mean?  A run that took ours over has its id. */
static int judge_same(const struct ownership *o, const struct datastore_record *ours,
                      const struct datastore_record *found, struct error *err)
{
    bool is_same = found->root != NULL && strcmp(ours->root, found->root) == 0 &&
                   ours->n_shards == found->n_shards;

    for (size_t i = 0; is_same && i < ours->n_shards; i++)
        is_same = strcmp(ours->shards[i].sha256, found->shards[i].sha256) == 0;
    if (is_same)
        return 0;
    return error_set(err, ERROR_CONFLICT, 0,
                     "%s version %" PRIu64 " was published by another run meanwhile",
                     o->name, o->version);
}

static int put_record(struct agent *a, const struct ownership *o,
                      const struct datastore_record *r, struct error *err)
{
    struct datastore_record found;
    struct text key = {0}, json = {0};
    int status;

    text_add_format(&key, "%sdatastore.json", o->prefix);
    datastore_record_format(r, &json);
    status = agent_put(a, text_string(&key), json.data, json.size, true, err);
    if (status != 0 && err->kind == ERROR_CONFLICT) {
        status = publication_find(a, o, &found, err) == 1
                     ? judge_same(o, r, &found, err)
                     : -1;
        datastore_record_free(&found);
    }
    text_free(&key);
    text_free(&json);
    return status;
}

static int sync_store(struct agent *a, const struct ownership *o, struct error *err)
{
    struct store_op op = {.verb = STORE_SYNC, .key = o->prefix};
    int status = agent_do(a, &op, err);

    store_op_clear(&op);
    return status;
}

/* ---- what is asked first ---- */

enum {
    ASK_OURS, /* two of them */
    ASK_PUBLISHED = OWNERSHIP_QUESTIONS,
    ASK_UPLOADS, /* not where they are listed by exact key only */
    QUESTIONS
};

static size_t ask(struct agent *a, const struct ownership *o,
                  struct question q[QUESTIONS])
{
    size_t n = store_limits(a->store)->lists_exact_key ? ASK_UPLOADS : QUESTIONS;

    memset(q, 0, QUESTIONS * sizeof *q);
    ownership_questions(o, &q[ASK_OURS]);
    question_init(&q[ASK_PUBLISHED], STORE_GET, ownership_file(o, "datastore.json"));
    if (n == QUESTIONS)
        question_init(&q[ASK_UPLOADS], STORE_LIST_UPLOADS, ownership_file(o, ""));
    question_start(a, q, n);
    return n;
}

static int abort_uploads(struct agent *a, const struct publication_options *o,
                         struct question q[QUESTIONS], struct error *err)
{
    if (!store_limits(a->store)->lists_exact_key)
        return open_uploads_abort_listed(a, &q[ASK_UPLOADS], err);
    return open_uploads_abort(a, o->ownership->prefix, o->checkpoint,
                              o->ownership->record.part_size, err);
}

/* The shards of what another run has published are not to be replaced.  1: it is
 * published, as we mean it; 0: it is not. */
static int is_published(const struct ownership *o, const struct datastore_record *r,
                        const struct question *asked, struct error *err)
{
    struct datastore_record found;
    int status = judge_found(o, asked, &found, err);

    if (status == 1 && judge_same(o, r, &found, err) != 0)
        status = -1;
    datastore_record_free(&found);
    return status;
}

/* ---- the manifest and the record ---- */

/* Right before the publication it is asked whose the version is: while the shards go out,
 * and where that took its time once more. */
static int send_manifest(struct agent *a, struct ownership *o,
                         const struct datastore_record *record,
                         const struct manifest_summary *summary, struct error *err)
{
    struct question q[OWNERSHIP_QUESTIONS];
    uint64_t asked_ms = loop_boot_ms();
    int status;

    ownership_questions(o, q);
    question_start(a, q, OWNERSHIP_QUESTIONS);
    status = send_shards(a, o, record, summary, err);
    if (status == 0)
        status = sync_store(a, o, err);
    if (status == 0) {
        question_wait(a, q, OWNERSHIP_QUESTIONS);
        status = ownership_judge(o, q, err);
    }
    question_free(a, q, OWNERSHIP_QUESTIONS);
    if (status == 0 && loop_boot_ms() - asked_ms > CHECK_GOOD_MS)
        status = ownership_check(o, err);
    return status;
}

/* ---- what lies beside it ---- */

enum { LEFT_CLAIMS, LEFT_UPLOADS /* not where they are listed by exact key only */ };

static void ask_left(struct agent *a, const struct ownership *o,
                     struct publication_left *left)
{
    left->n = store_limits(a->store)->lists_exact_key ? LEFT_UPLOADS : PUBLICATION_LEFT;
    question_init(&left->q[LEFT_CLAIMS], STORE_LIST, ownership_file(o, "session/"));
    left->q[LEFT_CLAIMS].op.is_flat = true;
    if (left->n > LEFT_UPLOADS)
        question_init(&left->q[LEFT_UPLOADS], STORE_LIST_UPLOADS,
                      ownership_file(o, ""));
    question_start(a, left->q, left->n);
}

static void drop_left(struct agent *a, struct publication_left *left)
{
    question_free(a, left->q, PUBLICATION_LEFT);
    left->n = 0;
}

/* It has been asked, and nothing has come in between. */
static bool is_known(const struct publication_left *left)
{
    struct error ignored;

    for (size_t i = 0; i < left->n; i++)
        if (question_has(&left->q[i], &ignored) < 0)
            return false;
    return left->n > 0;
}

/* ---- all of it ---- */

static int publish(struct agent *a, const struct publication_options *o,
                   const struct datastore_record *record, struct publication_left *left,
                   struct error *err)
{
    int status;

    ask_left(a, o->ownership, left);
    status = put_record(a, o->ownership, record, err);
    question_wait(a, left->q, left->n);
    if (status != 0)
        drop_left(a, left);
    return status;
}

static int store_manifest(struct agent *a, const struct publication_options *o,
                          struct datastore_record *record,
                          const struct manifest_summary *summary,
                          struct publication_left *left, struct error *err)
{
    struct error ignored;

    if (send_manifest(a, o->ownership, record, summary, err) != 0 ||
        publish(a, o, record, left, err) != 0)
        return -1;
    /* It is published: from here on nothing can fail, and a signal only hurries. */
    if (sync_store(a, o->ownership, &ignored) != 0)
        log_line(LOG_WARNING, LOG_SESSION, "the store was not synced: %s",
                 ignored.text);
    return 0;
}

/* The list is written while the store answers: it stays here until it is known that the
 * version is ours. */
static int prepare(struct agent *a, const struct publication_options *o,
                   struct manifest_summary *summary, struct datastore_record *record,
                   struct error *err)
{
    struct question q[QUESTIONS];
    size_t n = ask(a, o->ownership, q);
    int status = export_manifest(a, o, summary, err);

    if (status == 0) {
        fill_record(record, o, summary);
        status = list_skipped(a, o->checkpoint, record, err);
    }
    if (status == 0) {
        question_wait(a, q, n);
        status = ownership_judge(o->ownership, &q[ASK_OURS], err);
    }
    if (status == 0)
        status = abort_uploads(a, o, q, err);
    if (status == 0)
        status = is_published(o->ownership, record, &q[ASK_PUBLISHED], err);
    question_free(a, q, n);
    return status;
}

int publication_run(struct agent *a, const struct publication_options *o,
                    struct datastore_record *record, struct publication_left *left,
                    struct error *err)
{
    struct manifest_summary summary = {0};
    int status;

    memset(record, 0, sizeof *record);
    status = prepare(a, o, &summary, record, err);
    if (status == 0)
        status = store_manifest(a, o, record, &summary, left, err);
    unlink_shards(&summary);
    manifest_summary_free(&summary);
    return status < 0 ? -1 : 0;
}

/* The record last: by it a later run without our notes finds what there is to tidy. */
int publication_tidy(struct agent *a, struct ownership *o,
                     struct publication_left *left, struct error *err)
{
    int status;

    if (!is_known(left)) {
        drop_left(a, left);
        ask_left(a, o, left);
        question_wait(a, left->q, left->n);
    }
    status = ownership_remove_claims(o, &left->q[LEFT_CLAIMS], err);
    if (status == 0 && left->n > LEFT_UPLOADS)
        status = open_uploads_abort_listed(a, &left->q[LEFT_UPLOADS], err);
    drop_left(a, left);
    return status == 0 ? ownership_release(o, err) : -1;
}
