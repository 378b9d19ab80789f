/*
 * The source of a session, to be opened, and held against what is published.
 */
#include "agent/session_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/gauge.h"
#include "agent/same_tree.h"

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

int session_compare(struct session *s, uint64_t number, struct version *v,
                    struct error *err)
{
    struct gauge_options shown = {0};
    struct text title = {0};
    struct session_source source;
    int status;

    if (catalog_find(&s->agent, s->name, number, v, err) != 0)
        return -1;
    if (s->place.kind == PLACE_BROWSER)
        return 0; /* a page is asked for its files by an upload alone */
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
