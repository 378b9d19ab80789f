/*
 * The source of a session, to be opened, and held against what is published.
 */
#include "agent/session_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/archive_look.h"
#include "agent/gauge.h"
#include "agent/same_tree.h"

static const uint64_t MAX_EXTRACTED = UINT64_C(10) << 40;

static unsigned add_place(struct walk_place *places, unsigned n, const char *folder)
{
    struct stat st;

    if (folder == NULL || stat(folder, &st) != 0)
        return n;
    places[n] = (struct walk_place){st.st_dev, st.st_ino};
    return n + 1;
}

static void fill_walk(struct session *s, struct session_source *source)
{
    unsigned n = add_place(source->leave_out, 0, store_folder(s->agent.store));

    n = add_place(source->leave_out, n, s->files.folder);
    source->open.walk = (struct walk_options){
        .root = s->place.path,
        .scratch = s->files.folder,
        .filter = s->options.filter,
        .files_from = s->options.files_from,
        .symlinks = s->options.symlinks,
        .leave_out = source->leave_out,
        .n_leave_out = n,
    };
}

static void fill_socket(struct session *s, struct session_source *source)
{
    source->open.socket = s->place.socket;
    source->open.socket_events = &session_page_events;
    source->open.socket_ctx = s;
}

void session_fill_source(struct session *s, struct session_source *source)
{
    memset(source, 0, sizeof *source);
    source->open.kind = s->place.kind;
    if (s->place.kind == PLACE_S3)
        source->leave_out_key = source_access_options_of(
            &s->access, &s->place, s->agent.store, s->options.filter, &source->open.s3);
    else if (s->place.kind == PLACE_BROWSER)
        fill_socket(s, source);
    else
        fill_walk(s, source);
}

void session_free_source(struct session_source *source)
{
    free(source->leave_out_key);
}

void session_fill_archive(struct session *s, struct unpack_source *archive)
{
    const struct options *o = s->q->options;

    *archive = (struct unpack_source){
        .url = s->place.fetch,
        .ca_file = archive_look_ca_file(),
        .filter = s->options.filter,
        .skips_links = s->options.symlinks == WALK_SYMLINKS_SKIP,
        .max_extracted = o->max_extracted > 0 ? o->max_extracted : MAX_EXTRACTED,
        .first_contact_ms =
            o->give_up_after_ms > 0 ? o->give_up_after_ms : SESSION_FIRST_CONTACT_MS,
        .outage_ms = o->give_up_after_ms,
    };
}

/* ---- is it still what is published? ---- */

static bool has_note(struct session *s, const char *name, const char *value)
{
    char *noted = checkpoint_get(s->checkpoint, name);
    bool has = noted != NULL && strcmp(noted, value) == 0;

    free(noted);
    return has;
}

/* Only the notes of the session that made the version tell what the archive was then. */
static bool is_noted(struct session *s, const struct version *v)
{
    char *archive = checkpoint_get(s->checkpoint, unpack_validator);
    struct text number = {0};
    bool is_noted;

    text_add_format(&number, "%" PRIu64, v->number);
    is_noted = archive != NULL && has_note(s, "version", text_string(&number)) &&
               has_note(s, "shape", text_string(&s->shape));
    text_free(&number);
    free(archive);
    return is_noted;
}

static int compare_archive(struct session *s, const struct version *v,
                           struct error *err)
{
    struct unpack_source archive;
    struct archive_look now;
    int status;

    if (!is_noted(s, v)) {
        session_warn(s, "not_compared", NULL,
                     "it is not noted here which archive the newest version was made "
                     "from: it is read again");
        return 0;
    }
    session_fill_archive(s, &archive);
    status = archive_look(&s->agent, &archive, &now, err);
    if (status == 0)
        status = now.validator.size > 0 &&
                 has_note(s, unpack_validator, text_string(&now.validator));
    archive_look_free(&now);
    return status;
}

static int compare_tree(struct session *s, const struct version *v, struct error *err)
{
    struct gauge_options shown = {0};
    struct text title = {0};
    struct session_source source;
    int status;

    if (s->place.kind == PLACE_BROWSER)
        return 0; /* a page is asked for its files by an upload alone */
    if (v->record.copy == s->options.no_copy)
        return 0; /* the one holds the files, the other refers to them */
    text_add_format(&title, "comparing with %s:%" PRIu64, v->name, v->number);
    shown.title = text_string(&title);
    shown.files = v->record.files;
    if (!s->q->options->quiet)
        gauge_start(&s->agent, &shown);
    session_fill_source(s, &source);
    status = same_tree(&s->agent, v, &source.open, s->q->options->skip_unreadable, err);
    session_free_source(&source);
    gauge_end(&s->agent);
    text_free(&title);
    return status;
}

int session_compare(struct session *s, uint64_t number, struct version *v,
                    struct error *err)
{
    if (catalog_find(&s->agent, s->name, number, v, err) != 0)
        return -1;
    return s->place.kind == PLACE_HTTP ? compare_archive(s, v, err)
                                       : compare_tree(s, v, err);
}
