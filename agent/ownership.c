/*
 * The record of a session says who has its number; whoever writes there reads it first
 * and stops when it is another's.  How a number comes to be ours: reservation.c.
 *
 * The beat:
 *
 *   IDLE --10 s--> READING --ours--> IDLE, or once a minute:
 *                     |                LOOKING --not deleted--> WRITING --> IDLE
 *                     |                   | deleted
 *                     +-- another's, or gone --> LOST <--+
 *
 * What was read is good for a minute from the moment when it was asked: until then the
 * store is changed, and not a moment longer (store_write_until).  So another run that
 * has taken over need only wait for so long before it relies upon what it finds.  The
 * record is written in one attempt: a late one could take a lost number back.
 */
#include "agent/ownership.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ownership_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "transfer/memory_body.h"

/* A process that was killed is gone within milliseconds; one that lives on has lost its
 * lock. */
enum { END_LOOKS = 40, END_LOOK_MS = 50 };

void ownership_key(const struct ownership *o, const char *file, struct text *key)
{
    text_clear(key);
    text_add(key, o->prefix);
    text_add(key, file);
}

char *ownership_file(const struct ownership *o, const char *file)
{
    struct text key = {0};

    ownership_key(o, file, &key);
    return text_take(&key);
}

void ownership_set_version(struct ownership *o, uint64_t version)
{
    struct text prefix = {0};

    o->version = version;
    text_add_format(&prefix, "%s/v%" PRIu64 "/", o->name, version);
    free(o->prefix);
    o->prefix = text_take(&prefix);
}

int ownership_write(struct ownership *o, bool if_absent, struct error *err)
{
    struct text key = {0}, json = {0};
    int status;

    ownership_key(o, "session.json", &key);
    session_record_format(&o->record, &json);
    status =
        agent_put(o->agent, text_string(&key), json.data, json.size, if_absent, err);
    text_free(&key);
    text_free(&json);
    return status;
}

int ownership_read(struct ownership *o, struct session_record *found,
                   struct object_answer *answer, struct error *err)
{
    struct text key = {0}, json = {0};
    int status;

    memset(found, 0, sizeof *found);
    ownership_key(o, "session.json", &key);
    status = agent_get(o->agent, text_string(&key), &json, answer, err);
    if (status == 0)
        status = session_record_parse(found, text_string(&json), json.size, err);
    text_free(&key);
    text_free(&json);
    return status;
}

int ownership_has(struct ownership *o, const char *file, struct error *err)
{
    struct text key = {0};
    int status;

    ownership_key(o, file, &key);
    status = agent_has(o->agent, text_string(&key), err);
    text_free(&key);
    return status;
}

/* ---- taking up ---- */

static void add_age(struct text *text, const struct object_answer *answer)
{
    int64_t age_ms = answer->date_ms - answer->modified_ms;

    text_add_duration(text, age_ms < 0 ? 0 : (uint64_t)age_ms / 1000);
}

static int refuse(const struct ownership *o, const struct session_record *found,
                  const struct object_answer *answer, struct error *err)
{
    struct text age = {0};

    add_age(&age, answer);
    error_set(err, ERROR_CONFLICT, 0,
              "%s version %" PRIu64 " is being uploaded by %s on %s (pid %" PRId64
              "), last heard of %s ago",
              o->name, o->version, found->user, found->host, found->pid,
              text_string(&age));
    text_free(&age);
    return -1;
}

bool ownership_is_abandoned(const struct session_record *found,
                            const struct object_answer *answer)
{
    return found->ended != NULL || session_record_is_dead(found) ||
           answer->date_ms - answer->modified_ms > OWNERSHIP_STALE_MS;
}

static int check_not_deleted(struct ownership *o, struct error *err)
{
    int status = ownership_has(o, "deleted.json", err);

    if (status <= 0)
        return status;
    return error_set(err, ERROR_NOT_FOUND, 0, "%s version %" PRIu64 " has been deleted",
                     o->name, o->version);
}

static enum ownership_past past_of(const struct ownership *o,
                                   const struct session_record *found,
                                   const char *last_run)
{
    if (last_run == NULL || strcmp(found->run, last_run) != 0)
        return OWNERSHIP_FOREIGN;
    return strcmp(found->boot_id, o->record.boot_id) == 0 ? OWNERSHIP_OURS
                                                          : OWNERSHIP_REBOOTED;
}

/* Our last run has let go of the checkpoint, so it is dead or about to be: a moment for
 * its process to go. */
static void await_end(struct ownership *o, const struct session_record *found)
{
    struct error ignored;

    for (unsigned i = 0; i < END_LOOKS && !session_record_is_dead(found); i++)
        if (agent_pause(o->agent, END_LOOK_MS, &ignored) != 0)
            return;
}

/* May we go on where `found` stands? */
static int judge_found(struct ownership *o, const struct session_record *found,
                       const struct object_answer *answer, bool may_take,
                       struct error *err)
{
    if (o->record.session[0] != '\0' && strcmp(o->record.session, found->session) != 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "%s version %" PRIu64 " belongs to another session", o->name,
                         o->version);
    if (ownership_is_abandoned(found, answer))
        return 0;
    o->was_alive = may_take;
    return may_take ? 0 : refuse(o, found, answer, err);
}

int ownership_resume(struct ownership *o, const char *last_run, bool take_over,
                     enum ownership_past *past, struct error *err)
{
    struct session_record found;
    struct object_answer answer;
    int status;

    ownership_set_version(o, o->version);
    session_record_sign(&o->record);
    if (check_not_deleted(o, err) != 0 || ownership_read(o, &found, &answer, err) != 0)
        return -1;
    *past = past_of(o, &found, last_run);
    if (*past == OWNERSHIP_OURS && found.ended == NULL)
        await_end(o, &found);
    /* Our own last run is dead: only one process has the checkpoint open. */
    status =
        judge_found(o, &found, &answer, take_over || *past != OWNERSHIP_FOREIGN, err);
    if (status == 0) {
        memcpy(o->record.session, found.session, sizeof o->record.session);
        o->record.part_size = found.part_size;
    }
    session_record_free(&found);
    return status != 0 ? -1 : ownership_write(o, false, err);
}

static int judge(const struct ownership *o, const struct session_record *found,
                 struct error *err)
{
    if (strcmp(found->run, o->record.run) == 0)
        return 0;
    return error_set(err, ERROR_CONFLICT, 0,
                     "%s version %" PRIu64 " was taken over by %s on %s (pid %" PRId64
                     ")",
                     o->name, o->version, found->user, found->host, found->pid);
}

static void say_gone(const struct ownership *o, struct error *err)
{
    error_set(err, ERROR_CONFLICT, 0,
              "%s version %" PRIu64 " is no longer ours: its session record is gone",
              o->name, o->version);
}

/* What is deleted stays so, and what is another's does not become ours again: in which
 * order they are answered does not matter. */
void ownership_questions(const struct ownership *o,
                         struct question q[OWNERSHIP_QUESTIONS])
{
    question_init(&q[0], STORE_HEAD, ownership_file(o, "deleted.json"));
    question_init(&q[1], STORE_GET, ownership_file(o, "session.json"));
}

int ownership_judge(const struct ownership *o,
                    const struct question q[OWNERSHIP_QUESTIONS], struct error *err)
{
    const struct span json = q[1].sink.bytes;
    struct session_record found;
    int status = question_has(&q[0], err);

    if (status < 0)
        return -1;
    if (status > 0 || q[1].op.err.kind == ERROR_NOT_FOUND) {
        say_gone(o, err);
        return -1;
    }
    if (question_has(&q[1], err) != 1)
        return -1;
    status = session_record_parse(&found, (char *)json.data, json.size, err);
    if (status == 0)
        status = judge(o, &found, err);
    session_record_free(&found);
    return status;
}

int ownership_check(struct ownership *o, struct error *err)
{
    struct question q[OWNERSHIP_QUESTIONS];
    int status;

    ownership_questions(o, q);
    question_start(o->agent, q, OWNERSHIP_QUESTIONS);
    question_wait(o->agent, q, OWNERSHIP_QUESTIONS);
    status = ownership_judge(o, q, err);
    question_free(o->agent, q, OWNERSHIP_QUESTIONS);
    return status;
}

int ownership_leave(struct ownership *o, const char *ended, struct error *err)
{
    if (ownership_check(o, err) != 0)
        return -1; /* another's now, or gone: not ours to write */
    free(o->record.ended);
    o->record.ended = mem_copy_string(ended);
    return ownership_write(o, false, err);
}

int ownership_release(struct ownership *o, struct error *err)
{
    struct text key = {0};
    int status;

    ownership_key(o, "session.json", &key);
    status = agent_delete(o->agent, text_string(&key), err);
    text_free(&key);
    return status;
}

void ownership_free(struct ownership *o)
{
    session_record_free(&o->record);
    free(o->name);
    free(o->prefix);
}

/* ---- the beat ---- */

enum { RECORD_MAX = 64 << 10 };

struct beat {
    struct ownership *ownership;
    const struct ownership_events *events;
    void *ctx;
    uv_timer_t timer;
    enum { BEAT_IDLE, BEAT_LOOKING, BEAT_READING, BEAT_WRITING, BEAT_LOST } phase;
    bool is_running, is_closed;
    uint64_t asked_ms; /* loop_boot_ms(): not while the network was away */
    unsigned n_looks;  /* since the record was written */
    struct text key, deleted_key, json;
    struct memory_sink sink;
    struct memory_body body;
    struct store_op op;
};

static void on_beat_end(struct beat *b)
{
    store_op_clear(&b->op);
    b->is_running = false;
}

static void lose(struct beat *b, const struct error *err)
{
    b->phase = BEAT_LOST;
    uv_timer_stop(&b->timer);
    b->events->lost(b->ctx, err);
}

static void on_beat_written(struct store_op *op, void *ctx)
{
    struct beat *b = ctx;

    if (op->err.kind != ERROR_NONE)
        log_line(LOG_WARNING, LOG_SESSION, "the session record was not renewed: %s",
                 op->err.text);
    else
        b->n_looks = 0;
    b->phase = BEAT_IDLE;
    on_beat_end(b);
}

static void beat_write(struct beat *b)
{
    struct ownership *o = b->ownership;

    b->phase = BEAT_WRITING;
    text_clear(&b->json);
    session_record_format(&o->record, &b->json);
    memory_body_init(&b->body, &o->agent->loop,
                     (struct span){(uint8_t *)b->json.data, b->json.size});
    memset(&b->op, 0, sizeof b->op);
    b->op.verb = STORE_PUT;
    b->op.key = text_string(&b->key);
    b->op.body = &b->body.body;
    b->op.is_claim = b->op.is_once = true;
    b->op.done = on_beat_written;
    b->op.ctx = b;
    store_start(o->agent->store, &b->op);
}

static void on_beat_looked(struct store_op *op, void *ctx)
{
    struct beat *b = ctx;
    struct error err = op->err;

    store_op_clear(op);
    if (err.kind == ERROR_NOT_FOUND) {
        beat_write(b);
        return;
    }
    on_beat_end(b);
    b->phase = BEAT_IDLE;
    if (err.kind == ERROR_NONE) {
        say_gone(b->ownership, &err);
        lose(b, &err);
    }
}

static void beat_look(struct beat *b)
{
    b->phase = BEAT_LOOKING;
    memset(&b->op, 0, sizeof b->op);
    b->op.verb = STORE_HEAD;
    b->op.key = text_string(&b->deleted_key);
    b->op.is_claim = true;
    b->op.done = on_beat_looked;
    b->op.ctx = b;
    store_start(b->ownership->agent->store, &b->op);
}

/* It was ours when we asked. */
static void confirm(struct beat *b)
{
    uint64_t late_ms =
        store_write_until(b->ownership->agent->store, b->asked_ms + OWNERSHIP_GOOD_MS);

    if (late_ms > 0)
        b->events->lapsed(b->ctx, late_ms + OWNERSHIP_GOOD_MS);
}

static void on_beat_read(struct store_op *op, void *ctx)
{
    struct beat *b = ctx;
    struct session_record found = {0};
    struct error err = op->err;
    bool is_ours = false;

    b->asked_ms = op->answer.asked_ms;
    store_op_clear(op);
    if (err.kind == ERROR_NOT_FOUND)
        say_gone(b->ownership, &err);
    else if (err.kind == ERROR_NONE &&
             session_record_parse(&found, (char *)b->sink.bytes.data,
                                  b->sink.bytes.size, &err) == 0)
        is_ours = judge(b->ownership, &found, &err) == 0;
    session_record_free(&found);
    free(b->sink.bytes.data);
    b->sink.bytes.data = NULL;
    if (is_ours)
        confirm(b);
    if (is_ours && ++b->n_looks >= OWNERSHIP_BEAT_MS / OWNERSHIP_LOOK_MS) {
        beat_look(b);
        return;
    }
    on_beat_end(b);
    b->phase = BEAT_IDLE;
    if (err.kind == ERROR_CONFLICT)
        lose(b, &err);
}

static void beat_read(struct beat *b)
{
    struct ownership *o = b->ownership;

    b->phase = BEAT_READING;
    memory_sink_init(&b->sink, &o->agent->loop, RECORD_MAX);
    memset(&b->op, 0, sizeof b->op);
    b->op.verb = STORE_GET;
    b->op.key = text_string(&b->key);
    b->op.size = RECORD_MAX;
    b->op.sink = &b->sink.sink;
    b->op.is_claim = true;
    b->op.done = on_beat_read;
    b->op.ctx = b;
    store_start(o->agent->store, &b->op);
}

static void on_beat_time(uv_timer_t *timer)
{
    struct beat *b = timer->data;

    if (b->is_running)
        return;
    b->is_running = true;
    beat_read(b);
}

void ownership_start_beat(struct ownership *o, const struct ownership_events *events,
                          void *ctx)
{
    struct beat *b = mem_new(1, sizeof *b);

    b->ownership = o;
    b->events = events;
    b->ctx = ctx;
    ownership_key(o, "session.json", &b->key);
    ownership_key(o, "deleted.json", &b->deleted_key);
    uv_timer_init(&o->agent->loop.uv, &b->timer);
    b->timer.data = b;
    uv_timer_start(&b->timer, on_beat_time, OWNERSHIP_LOOK_MS, OWNERSHIP_LOOK_MS);
    o->beat = b;
    store_write_until(o->agent->store, loop_boot_ms() + OWNERSHIP_GOOD_MS);
}

static void on_beat_closed(uv_handle_t *timer)
{
    struct beat *b = timer->data;

    b->is_closed = true;
}

void ownership_stop_beat(struct ownership *o)
{
    struct beat *b = o->beat;

    if (b == NULL)
        return;
    uv_timer_stop(&b->timer);
    if (b->is_running)
        store_cancel(&b->op);
    while (b->is_running)
        uv_run(&o->agent->loop.uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&b->timer, on_beat_closed);
    loop_run_until(&o->agent->loop, &b->is_closed);
    store_write_until(o->agent->store, 0);
    text_free(&b->key);
    text_free(&b->deleted_key);
    text_free(&b->json);
    free(b);
    o->beat = NULL;
}
