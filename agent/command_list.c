/*
 * `grid datastore list`: every version that counts, by name and number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/json_line.h"
#include "agent/table.h"
#include "agent/version_scan.h"

struct listing {
    const struct options *options;
    struct table *table;
    struct agent *agent;
    unsigned n_rows, n_bad;
};

static bool is_shown(const struct listing *l, const struct version *v)
{
    if (v->status == VERSION_SUCCEEDED || v->status == VERSION_DAMAGED)
        return true;
    return l->options->show_incomplete &&
           (v->status == VERSION_UPLOADING || v->status == VERSION_INTERRUPTED ||
            v->status == VERSION_FAILED);
}

static int64_t time_of(const struct version *v)
{
    int64_t ms = v->session_at_ms;

    if (v->status == VERSION_SUCCEEDED &&
        text_parse_time(v->record.created_at, &ms) != 0)
        return 0;
    return ms;
}

static void add_record(struct text *line, const struct listing *l,
                       const struct version *v)
{
    char *url = catalog_url(l->agent, v->name, v->number);

    json_line_u64(line, "files", v->record.files);
    json_line_u64(line, "directories", v->record.directories);
    json_line_u64(line, "symlinks", v->record.symlinks);
    json_line_u64(line, "skipped", v->record.skipped_count);
    json_line_string(line, "root", v->record.root);
    json_line_string(line, "source kind", v->record.source_kind);
    json_line_string(line, "source", v->record.source_url);
    json_line_bool(line, "copy", v->record.copy);
    json_line_string(line, "url", url);
    free(url);
}

static void add_json(const struct listing *l, const struct version *v)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "name", v->name);
    json_line_string(&line, "cluster id", l->agent->cluster);
    json_line_u64(&line, "version", v->number);
    json_line_u64(&line, "size", v->record.bytes);
    json_line_time(&line, "created at", time_of(v));
    json_line_string(&line, "status", version_status_name(v->status));
    if (v->status == VERSION_SUCCEEDED)
        add_record(&line, l, v);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void add_row(struct listing *l, const struct version *v)
{
    char number[32], when[TEXT_TIME_MAX];
    struct text size = {0};
    const char *cells[6] = {
        v->name, l->agent->cluster, number, "", when, version_status_name(v->status)};

    snprintf(number, sizeof number, "%" PRIu64, v->number);
    text_time(when, time_of(v));
    when[10] = ' ';
    when[16] = '\0'; /* "2026-11-22 13:16" */
    if (v->status == VERSION_SUCCEEDED)
        text_add_size(&size, v->record.bytes);
    cells[3] = text_string(&size);
    table_add(l->table, cells);
    text_free(&size);
}

/* One bad record does not hide the rest. */
static int on_version(void *ctx, struct version *v, const struct error *failed,
                      struct error *err)
{
    struct listing *l = ctx;

    (void)err;
    if (failed != NULL) {
        console_print_error(failed->text, NULL);
        l->n_bad++;
    } else if (is_shown(l, v)) {
        if (v->status == VERSION_DAMAGED)
            console_print_error(v->damage.text, NULL);
        l->n_bad += v->status == VERSION_DAMAGED;
        l->n_rows++;
        if (l->options->json)
            add_json(l, v);
        else
            add_row(l, v);
    }
    return 0;
}

static int list_cluster(struct listing *l, struct error *err)
{
    struct version_ref *refs = NULL;
    char **names;
    size_t n_names, n = 0;
    int status = catalog_names(l->agent, &names, &n_names, err);

    if (status == 0)
        status = version_scan_numbers(l->agent, (const char *const *)names, n_names,
                                      &refs, &n, err);
    if (status == 0)
        status = version_scan_run(l->agent, refs, n, on_version, l, err);
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    free(names);
    free(refs);
    return status;
}

static int list_one(const struct command_context *c, struct listing *l)
{
    struct agent a;
    struct error err;
    int code = 0;

    if (command_open(&a, c, &code) != 0)
        return code;
    l->agent = &a;
    if (list_cluster(l, &err) != 0)
        code = command_fail(c->options, &err);
    l->agent = NULL;
    agent_close(&a);
    return code;
}

static int list_named(const struct command_context *c, const struct cluster *cluster,
                      struct listing *l)
{
    struct command_context one = *c;

    one.cluster = cluster;
    return list_one(&one, l);
}

/* --global: every cluster that is known, and that of the environment; one that does not
 * answer does not hide the rest. */
static int list_all(const struct command_context *c, struct listing *l)
{
    bool is_listed = false;
    int code = 0;

    for (size_t i = 0; i < c->config->n_clusters; i++) {
        const struct cluster *cluster = &c->config->clusters[i];
        int status = list_named(c, cluster, l);

        is_listed |= strcmp(cluster->name, c->cluster->name) == 0;
        code = code != 0 ? code : status;
    }
    if (!is_listed) {
        int status = list_named(c, c->cluster, l);

        code = code != 0 ? code : status;
    }
    return code;
}

int command_list(const struct command_context *c)
{
    static const char *const columns[] = {"Name", "Cluster ID", "Version",
                                          "Size", "Created At", "Status"};
    struct listing l = {.options = c->options};
    int code;

    l.table = table_new(columns, ARRAY_SIZE(columns));
    table_align_right(l.table, 2);
    table_align_right(l.table, 3);
    code = c->options->global ? list_all(c, &l) : list_one(c, &l);
    if (!c->options->json && l.n_rows > 0)
        table_print(l.table);
    else if (!c->options->json && code == 0)
        fprintf(stderr,
                "no datastores on %s yet; make one: grid datastore create ./folder\n",
                c->cluster->name);
    table_free(l.table);
    return code != 0 ? code : l.n_bad > 0;
}
