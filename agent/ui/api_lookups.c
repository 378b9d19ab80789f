/* What only looks, and what concerns one datastore. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/json_line.h"
#include "agent/name.h"
#include "agent/record.h"
#include "agent/ui/answer_json.h"
#include "agent/ui/arguments.h"
#include "agent/ui/browse.h"
#include "agent/ui/errand.h"
#include "agent/ui/outflow.h"
#include "agent/ui/relay.h"
#include "agent/ui/ui.h"

static void relay(struct ui *ui, struct exchange *x, struct arguments *a)
{
    const struct relay_options options = {.children = &ui->children,
                                          .arguments = a->words};

    relay_start(x, &options);
    arguments_free(a);
}

/* "NAME:VERSION" of the query. */
static char *version_of(const struct exchange *x)
{
    const char *name = exchange_query(x, "name");
    const char *version = exchange_query(x, "version");
    struct text spec = {0};

    text_add(&spec, name != NULL ? name : "");
    if (version != NULL)
        text_add_format(&spec, ":%s", version);
    return text_take(&spec);
}

static void add_version(struct arguments *a, const struct exchange *x)
{
    char *spec = version_of(x);

    arguments_option(a, "cluster", exchange_query(x, "cluster"));
    arguments_positional(a, spec);
    free(spec);
}

/* ---- where we are ---- */

static void add_folder(struct text *line, const char *key, const char *path)
{
    struct text ref = {0};

    text_add_uri(&ref, path, strlen(path), true);
    json_line_string(line, key, text_string(&ref));
    text_free(&ref);
}

static void about(struct ui *ui, struct exchange *x)
{
    struct session_record me = {0};
    struct text line = {0};
    char *here = getcwd(NULL, 0);

    (void)ui;
    session_record_sign(&me);
    json_line_begin(&line);
    json_line_string(&line, "version", GRID_VERSION);
    json_line_string(&line, "host", me.host);
    json_line_string(&line, "user", me.user);
    add_folder(&line, "folder", here != NULL ? here : "/");
    json_line_end(&line);
    answer_json(x, text_string(&line));
    session_record_free(&me);
    text_free(&line);
    free(here);
}

static void events(struct ui *ui, struct exchange *x)
{
    const char *id = exchange_query(x, "page");

    broadcast_join(ui->pages, x, id != NULL ? id : "");
}

/* ---- names ---- */

/* The name that a source gives, or what is wrong with one that was typed. */
static void name(struct ui *ui, struct exchange *x)
{
    const char *given = exchange_query(x, "name");
    const char *source = exchange_query(x, "source");
    char derived[NAME_MAX_BYTES + 1] = "";
    struct text line = {0};
    struct error err = {0};

    (void)ui;
    if (given != NULL && !name_is_valid(given))
        error_set(
            &err, ERROR_USAGE, 0,
            "a name begins with a letter or digit, and has letters, digits, dots, "
            "underscores and hyphens, at most %d",
            NAME_MAX_BYTES);
    else if (given == NULL)
        (void)name_derive(derived, source != NULL ? source : "",
                          exchange_query(x, "folder") != NULL, &err);
    json_line_begin(&line);
    json_line_string(&line, "name", given != NULL ? given : derived);
    json_line_bool(&line, "valid", err.kind == ERROR_NONE);
    json_line_string(&line, "error", err.text);
    json_line_end(&line);
    answer_json(x, text_string(&line));
    text_free(&line);
}

/* ---- this machine's files ---- */

static int browse(struct errand *e)
{
    return browse_folder(&e->out, e->subject, &e->err);
}

static void fs(struct ui *ui, struct exchange *x)
{
    const char *path = exchange_query(x, "path");
    const struct errand question = {.subject = path != NULL && path[0] ? path : "/"};

    errand_start(&ui->loop, x, &question, browse, "application/json");
}

static void scan(struct ui *ui, struct exchange *x)
{
    const char *source = exchange_query(x, "source");
    struct arguments a = {0};

    arguments_add(&a, "datastore create --dry-run --json --skip-unreadable");
    arguments_option(&a, "name", exchange_query(x, "name"));
    arguments_option(&a, "cluster", exchange_query(x, "cluster"));
    arguments_positional(&a, source != NULL ? source : "");
    relay(ui, x, &a);
}

/* ---- datastores ---- */

static void datastores(struct ui *ui, struct exchange *x)
{
    struct arguments a = {0};

    arguments_add(&a, "datastore list --json");
    arguments_option(&a, "cluster", exchange_query(x, "cluster"));
    arguments_flag(&a, "global", exchange_query(x, "global") != NULL);
    relay(ui, x, &a);
}

static void files(struct ui *ui, struct exchange *x)
{
    const char *prefix = exchange_query(x, "prefix");
    struct arguments a = {0};

    arguments_add(&a, "datastore files --json --level");
    arguments_option(&a, "after", exchange_query(x, "after"));
    arguments_option(&a, "limit", exchange_query(x, "limit"));
    add_version(&a, x);
    arguments_positional(&a, prefix != NULL ? prefix : "");
    relay(ui, x, &a);
}

static void file(struct ui *ui, struct exchange *x)
{
    const char *path = exchange_query(x, "path");
    struct arguments a = {0};

    arguments_add(&a, "datastore cat");
    add_version(&a, x);
    arguments_positional(&a, path != NULL ? path : "");
    outflow_start(x, &ui->children, a.words, path != NULL ? path : "");
    arguments_free(&a);
}

static void verify(struct ui *ui, struct exchange *x)
{
    struct arguments a = {0};

    arguments_add(&a, "datastore verify --json --quiet");
    arguments_flag(&a, "deep", exchange_query(x, "deep") != NULL);
    add_version(&a, x);
    relay(ui, x, &a);
}

static void on_deleted(void *ctx, int code)
{
    struct ui *ui = ctx;

    (void)code;
    if (!ui->is_ending)
        ui_tell_changed(ui, "datastores");
}

static void start_deletion(struct ui *ui, struct exchange *x, const cJSON *q)
{
    struct arguments a = {0};
    struct relay_options options = {
        .children = &ui->children, .is_action = true, .ended = on_deleted, .ctx = ui};

    arguments_add(&a, "datastore delete --yes --quiet");
    arguments_option(&a, "name", question_string(q, "name"));
    arguments_option(&a, "version", question_string(q, "version"));
    arguments_flag(&a, "incomplete", question_flag(q, "incomplete"));
    arguments_option(&a, "cluster", question_string(q, "cluster"));
    options.arguments = a.words;
    relay_start(x, &options);
    arguments_free(&a);
}

/* Who deletes has typed the name. */
static void delete_version(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);

    if (q == NULL)
        return;
    if (strcmp(question_string(q, "name"), question_string(q, "confirm")) == 0)
        start_deletion(ui, x, q);
    else
        answer_refusal(x, 400, "the name that was typed is not that of the datastore");
    cJSON_Delete(q);
}

const struct api_route api_lookups[] = {
    {"GET", "/api/about", about},
    {"GET", "/api/events", events},
    {"GET", "/api/name", name},
    {"GET", "/api/fs", fs},
    {"GET", "/api/scan", scan},
    {"GET", "/api/datastores", datastores},
    {"GET", "/api/files", files},
    {"GET", "/api/file", file},
    {"GET", "/api/verify", verify},
    {"POST", "/api/delete", delete_version},
    {0},
};
