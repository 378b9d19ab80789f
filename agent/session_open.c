/*
 * Which session is it?
 *
 *   checkpoint says   store says                     then
 *   ---------------   ----------------------------   -------------------------------
 *   nothing           no session of ours             draw an id, reserve a number
 *   nothing           ours, unfinished               take it up, trust nothing
 *   a session         its record, of our last run    take it up
 *   a session         its record, of another run     take it over, or refuse
 *   a session         published by it                tidy up
 *   a session         deleted                        begin a new one
 *   published         -                              begin a new one; the old data
 *                                                    base stays as a cache
 *
 * With --if-changed none is begun where the newest version holds the source as it is.
 *
 * The session id is drawn and committed before the store hears of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/answer.h"
#include "agent/catalog.h"
#include "agent/likeness.h"
#include "agent/open_uploads.h"
#include "agent/publication.h"
#include "agent/session_impl.h"
#include "agent/shape.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- the checkpoint ---- */

void session_close_checkpoint(struct session *s)
{
    if (s->checkpoint != NULL)
        answer_close(s->checkpoint, &s->agent.loop);
    s->checkpoint = NULL;
}

int session_flush(struct session *s, struct error *err)
{
    struct answer answer = {0};

    checkpoint_flush(s->checkpoint, answer_done, &answer);
    return answer_wait(&answer, &s->agent.loop, err);
}

/* Who has it?  The status file says. */
static int say_busy(struct session *s, struct error *err)
{
    struct session_status other;
    struct error ignored;

    s->hint = session_busy_hint;
    if (session_status_read(&other, s->files.status, &ignored) == 0)
        session_status_refuse(&other, err);
    else
        error_set(err, ERROR_CONFLICT, 0,
                  "%s is being uploaded already, by another grid on this machine",
                  s->name);
    session_status_free(&other);
    return -1;
}

/* Where locks do not work the checkpoint would be in danger: it is kept on a local
 * disk, and the store is relied upon when that is gone. */
static int open_in_scratch(struct session *s, struct error *err)
{
    struct text path = {0};
    bool lock_works;
    int status;

    session_warn(s, "no_locks", s->files.folder,
                 "file locks do not work here; the checkpoint is kept in the runtime "
                 "folder of this machine");
    session_close_checkpoint(s);
    text_add_format(&path, "%s/%s.db", paths_of(s->q->paths, PATHS_RUNTIME),
                    s->files.stem);
    status = checkpoint_open(&s->checkpoint, &s->agent.loop, text_string(&path),
                             &lock_works, err);
    text_free(&path);
    return status;
}

static int open_checkpoint(struct session *s, struct error *err)
{
    bool lock_works = true;
    int status = checkpoint_open(&s->checkpoint, &s->agent.loop, s->files.database,
                                 &lock_works, err);

    if (status != 0 && err->kind == ERROR_CONFLICT)
        return say_busy(s, err);
    if (status != 0 && err->kind == ERROR_CORRUPT) {
        session_warn(s, "damaged_checkpoint", s->files.database,
                     "the checkpoint is damaged and was set aside; going on from what "
                     "the store has");
        if (session_files_set_aside(s->files.database, "damaged", err) != 0)
            return -1;
        session_files_remove_database(&s->files); /* what SQLite kept beside it */
        status = checkpoint_open(&s->checkpoint, &s->agent.loop, s->files.database,
                                 &lock_works, err);
    }
    if (status == 0 && !lock_works)
        status = open_in_scratch(s, err);
    return status;
}

static int begin_new_checkpoint(struct session *s, const char *suffix,
                                struct error *err)
{
    session_close_checkpoint(s);
    if (suffix != NULL && session_files_set_aside(s->files.database, suffix, err) != 0)
        return -1;
    session_files_remove_database(&s->files);
    return open_checkpoint(s, err);
}

/* ---- beginning ---- */

static void note_number(struct session *s)
{
    struct text number = {0};

    text_add_format(&number, "%" PRIu64, s->own.version);
    checkpoint_set(s->checkpoint, "version", text_string(&number));
    checkpoint_set(s->checkpoint, "run", s->own.record.run);
    checkpoint_set(s->checkpoint, "session", s->own.record.session);
    checkpoint_set(s->checkpoint, "shape", text_string(&s->shape));
    text_free(&number);
}

static int begin_session(struct session *s, struct error *err)
{
    if (!s->was_reserving)
        agent_random_hex(s->own.record.session, RECORD_ID_BYTES);
    s->was_reserving = false;
    checkpoint_set(s->checkpoint, "session", s->own.record.session);
    checkpoint_set(s->checkpoint, "shape", text_string(&s->shape));
    if (session_flush(s, err) != 0 || ownership_reserve(&s->own, err) != 0)
        return -1;
    s->owns = true;
    note_number(s);
    return session_flush(s, err);
}

/* ---- taking up ---- */

/* `resume` goes on with the options that the session was begun with. */
static int adopt_shape(struct session *s, const char *shape, struct error *err)
{
    if (shape_apply(&s->options, shape, &s->shape_storage, err) != 0)
        return -1;
    text_clear(&s->shape);
    text_add(&s->shape, shape);
    free(s->own.record.options);
    s->own.record.options = mem_copy_string(shape);
    return 0;
}

static int check_shape(struct session *s, const char *shape, struct error *err)
{
    if (s->q->is_resume && shape != NULL)
        return adopt_shape(s, shape, err);
    if (shape == NULL || strcmp(shape, text_string(&s->shape)) == 0)
        return 0;
    s->hint =
        "give the same options to go on with it, or --fresh to give it up and begin "
        "anew";
    return error_set(
        err, ERROR_USAGE, 0,
        "an interrupted upload of %s was begun with other filters or another "
        "symlink policy, or with or without --no-copy; so it goes on by `grid "
        "datastore resume %s` (%s)",
        s->name, s->name, shape);
}

/*
 * Was it published already, by a run that was killed right behind that?  Then nothing
 * of it may be touched but what is to be tidied up.  0, or -1 with *err.
 */
static int find_published(struct session *s, struct error *err)
{
    struct datastore_record published;
    int status = publication_find(&s->agent, &s->own, &published, err);

    datastore_record_free(&published);
    s->is_published = status == 1;
    return status < 0 ? -1 : 0;
}

/* The run that was taken over is alive, and writes until it looks. */
static void let_it_notice(struct session *s)
{
    session_warn(s, "taken_over", NULL,
                 "the other run may write until it has noticed: this one compares what "
                 "is there, and begins to send in a minute");
    store_write_from(s->agent.store, loop_boot_ms() + OWNERSHIP_NOTICE_MS);
}

/* Take up version own.version.  1: it is owned; 0: there is nothing to take up, begin
 * anew.
 */
static int take_up(struct session *s, const char *last_run, struct error *err)
{
    enum ownership_past past = OWNERSHIP_FOREIGN;
    int status =
        ownership_resume(&s->own, last_run, s->q->options->take_over, &past, err);

    if (status != 0 && err->kind == ERROR_NOT_FOUND) {
        if (find_published(s, err) == 0)
            return s->is_published;
        return err->kind == ERROR_CONFLICT ? 0 : -1;
    }
    if (status != 0 && err->kind == ERROR_CONFLICT)
        s->hint = "wait for it, or take it over with --take-over if that run is dead";
    if (status != 0)
        return -1;
    s->owns = s->is_resumed = true;
    if (s->own.was_alive)
        let_it_notice(s);
    if (past == OWNERSHIP_FOREIGN) {
        /* Our notes may be of bytes that another run has replaced: the store is asked.
         */
        if (last_run != NULL && begin_new_checkpoint(s, NULL, err) != 0)
            return -1;
        delivery_must_look(s->checkpoint);
    } else if (past == OWNERSHIP_REBOOTED) {
        delivery_must_reconcile(s->checkpoint);
    }
    note_number(s);
    if (session_flush(s, err) != 0 || find_published(s, err) != 0)
        return -1;
    return 1;
}

/* Is this the session that the user means? */
static bool is_meant(const struct session *s, const struct version *v)
{
    struct session_record me = {0};
    bool is_meant;

    if (v->session.session[0] == '\0' || v->status == VERSION_DELETED)
        return false; /* a published one counts while its session's record is there */
    if (s->q->is_resume)
        return true; /* named explicitly */
    session_record_sign(&me);
    is_meant = strcmp(v->session.user, me.user) == 0 &&
               strcmp(v->session.source, s->place.url) == 0 &&
               strcmp(v->session.options, text_string(&s->shape)) == 0;
    session_record_free(&me);
    return is_meant;
}

/* Then it is not touched: this is another upload of the same folder. */
static bool is_alive_elsewhere(struct session *s, const struct version *v)
{
    struct text message = {0};

    if (v->status != VERSION_UPLOADING || s->q->is_resume || s->q->options->take_over)
        return false;
    text_add_format(
        &message,
        "version %" PRIu64 " is being uploaded from the same source by %s on %s "
        "(pid %" PRId64 "); this is a version of its own (--take-over would "
        "take that one over)",
        v->number, v->session.user, v->session.host, v->session.pid);
    session_warn(s, "uploading_elsewhere", NULL, text_string(&message));
    text_free(&message);
    return true;
}

/* Is the source the one that this was begun from, by what is stored?  1: yes; 0: no, and
 * it is left alone; -1: no, and it was named, or error. */
static int is_alike(struct session *s, const struct version *v, struct error *err)
{
    struct text message = {0};

    if (likeness_check(&s->agent, v, &s->place, err) == 0)
        return 1;
    if (err->kind == ERROR_USAGE && s->q->is_resume)
        s->hint = "name its own source, or make a version of this one: grid datastore "
                  "create SOURCE --name NAME --fresh";
    if (err->kind != ERROR_USAGE || s->q->is_resume)
        return -1;
    text_add_format(&message, "%s; this is a version of its own", err->text);
    session_warn(s, "another_source", NULL, text_string(&message));
    text_free(&message);
    return 0;
}

/* Is this version the one to go on with?  1: yes, 0: no, -1: error. */
static int may_go_on(struct session *s, const struct version *v, const char *session_id,
                     struct error *err)
{
    int status = 1;

    if (session_id != NULL)
        return strcmp(v->session.session, session_id) == 0;
    if (!is_meant(s, v) || is_alive_elsewhere(s, v))
        return 0;
    if (v->status != VERSION_SUCCEEDED)
        status = is_alike(s, v, err);
    if (status == 1 && s->q->is_resume && adopt_shape(s, v->session.options, err) != 0)
        return -1;
    return status;
}

/* Look for it in the store, newest first.  1: found and owned, 0: none, -1: error. */
static int find_in_store(struct session *s, const char *session_id, struct error *err)
{
    uint64_t *numbers;
    size_t n;
    int status = catalog_numbers(&s->agent, s->name, &numbers, &n, err);

    s->own.has_newest = status == 0;
    s->own.newest = n > 0 ? numbers[n - 1] : 0;
    while (status == 0 && n-- > 0) {
        struct version v;
        int is_it = catalog_read(&s->agent, s->name, numbers[n], &v, err);

        if (is_it == 0)
            is_it = may_go_on(s, &v, session_id, err);
        version_free(&v);
        s->own.version = numbers[n];
        status = is_it == 1 ? take_up(s, NULL, err) : is_it;
    }
    free(numbers);
    return status;
}

/* Those that only the plan knows of: the version is to be deleted. */
static int abort_planned_uploads(struct session *s, const struct version *v,
                                 struct error *err)
{
    struct text prefix = {0};
    int status;

    text_add_format(&prefix, "%s/v%" PRIu64 "/", v->name, v->number);
    status = open_uploads_abort(&s->agent, text_string(&prefix), s->checkpoint,
                                v->session.part_size, err);
    text_free(&prefix);
    return status;
}

/* Given up by --fresh: the number stays used, the rest goes. */
static int give_up_old(struct session *s, const char *session_id, struct error *err)
{
    char *number = checkpoint_get(s->checkpoint, "version");
    char *run = checkpoint_get(s->checkpoint, "run");
    struct version v;
    uint64_t version;
    int status = 0;

    if (number != NULL && text_parse_u64(number, &version) == 0) {
        status = catalog_read(&s->agent, s->name, version, &v, err);
        if (status == 0 && strcmp(v.session.session, session_id) == 0 &&
            v.status != VERSION_SUCCEEDED) {
            if (s->q->options->take_over ||
                (run != NULL && strcmp(v.session.run, run) == 0))
                v.status = VERSION_INTERRUPTED; /* we hold its checkpoint: it is dead */
            status = abort_planned_uploads(s, &v, err);
            if (status == 0)
                status = catalog_delete(&s->agent, &v, err);
        }
        version_free(&v);
    }
    free(number);
    free(run);
    return status;
}

static int go_on(struct session *s, const char *session_id, struct error *err)
{
    char *number = checkpoint_get(s->checkpoint, "version");
    char *run = checkpoint_get(s->checkpoint, "run");
    int status;

    memcpy(s->own.record.session, session_id, strlen(session_id) + 1);
    if (number != NULL && text_parse_u64(number, &s->own.version) == 0)
        status = take_up(s, run == NULL ? "" : run, err);
    else
        status = find_in_store(s, session_id, err); /* killed while it reserved */
    s->was_reserving = status == 0 && number == NULL;
    free(number);
    free(run);
    return status;
}

static int choose_session(struct session *s, struct error *err)
{
    char *session_id = checkpoint_get(s->checkpoint, "session");
    char *shape = checkpoint_get(s->checkpoint, "shape");
    char *published = checkpoint_get(s->checkpoint, "published");
    int status = 0;

    if (published != NULL) {
        status = 0; /* of another version, and kept until that has a successor */
    } else if (session_id != NULL && strlen(session_id) == 2 * RECORD_ID_BYTES) {
        if (s->q->options->fresh) {
            status = give_up_old(s, session_id, err);
        } else {
            status = check_shape(s, shape, err);
            if (status == 0)
                status = go_on(s, session_id, err);
        }
        if (status == 0)
            status = begin_new_checkpoint(s, NULL, err);
    } else if (!s->q->options->fresh) {
        status = find_in_store(s, NULL, err);
    }
    free(session_id);
    free(shape);
    free(published);
    return status;
}

/* The data base of a version that was published is set aside. */
static int leave_published(struct session *s, struct error *err)
{
    char *published = checkpoint_get(s->checkpoint, "published");
    char *number = checkpoint_get(s->checkpoint, "version");
    bool is_published = published != NULL;

    if (is_published && number != NULL)
        (void)text_parse_u64(number, &s->own.used);
    free(published);
    free(number);
    return is_published ? begin_new_checkpoint(s, "cache", err) : 0;
}

/*
 * With --if-changed: does the newest version hold what the source is?  Then s->unchanged
 * says so.  One that cannot be read any more holds nothing.
 */
static int find_unchanged(struct session *s, struct error *err)
{
    struct version v;
    int status;

    if (!s->q->options->if_changed)
        return 0;
    status = session_compare(s, 0, &v, err);
    if (status == 1)
        s->unchanged = v.number;
    if (status == -1 && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CORRUPT)) {
        if (v.status == VERSION_SUCCEEDED || v.status == VERSION_DAMAGED)
            session_warn(s, "damaged_version", NULL, err->text);
        status = 0;
    }
    version_free(&v);
    return status < 0 ? -1 : 0;
}

int session_begin_next(struct session *s, struct error *err)
{
    if (leave_published(s, err) != 0)
        return -1;
    agent_random_hex(s->own.record.run, RECORD_ID_BYTES);
    s->is_resumed = s->own.has_newest = false;
    return begin_session(s, err);
}

static int find_or_begin(struct session *s, struct error *err)
{
    int status;

    s->own.name = mem_copy_string(s->name);
    s->own.record.source = mem_copy_string(s->place.url);
    s->own.record.options = mem_copy_string(text_string(&s->shape));
    s->own.record.part_size = s->q->options->part_size;
    agent_random_hex(s->own.record.run, RECORD_ID_BYTES);
    status = choose_session(s, err);
    if (status == 0 && s->q->is_resume)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no interrupted upload of %s on cluster %s to resume",
                         s->name, s->agent.cluster);
    if (status != 0)
        return status < 0 ? -1 : 0;
    if (find_unchanged(s, err) != 0)
        return -1;
    if (s->unchanged != 0)
        return 0;
    return leave_published(s, err) == 0 ? begin_session(s, err) : -1;
}

/* As far as can be seen without asking the store. */
static bool will_reserve(const struct session *s)
{
    char *session_id = checkpoint_get(s->checkpoint, "session");
    char *published = checkpoint_get(s->checkpoint, "published");
    bool is_unfinished = session_id != NULL && published == NULL;

    free(session_id);
    free(published);
    return !is_unfinished && !s->q->is_resume && !s->q->options->if_changed;
}

int session_open(struct session *s, struct error *err)
{
    int status;

    if (open_checkpoint(s, err) != 0)
        return -1;
    s->own.agent = &s->agent;
    if (will_reserve(s))
        ownership_ask_ahead(&s->own);
    status = find_or_begin(s, err);
    ownership_end_ahead(&s->own);
    return status;
}
