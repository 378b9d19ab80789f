/*
 * `files` and `verify`: what reads the list of one published version.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/contents.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/file_level.h"
#include "agent/gauge.h"
#include "agent/json_line.h"
#include "agent/source_access.h"
#include "agent/verify.h"

enum { VERIFY_JOBS = 16 };

/* ---- files ---- */

static void add_hash(struct text *line, const struct manifest_line *l)
{
    struct text hex = {0};

    if (l->has_hash)
        text_add_hex(&hex, l->hash.bytes, sizeof l->hash.bytes);
    json_line_string(line, "hash", l->has_hash ? text_string(&hex) : NULL);
    text_free(&hex);
}

static void print_json(const struct manifest_line *l)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_path(&line, "path", l->entry.path);
    json_line_string(&line, "type", entry_type_name(l->entry.type));
    json_line_u64(&line, "size", l->entry.stamp.size);
    json_line_time(&line, "modified", l->entry.stamp.mtime_ns / 1000000);
    add_hash(&line, l);
    if (l->etag != NULL)
        json_line_string(&line, "etag", l->etag);
    if (l->ref != NULL)
        json_line_string(&line, "ref", l->ref);
    if (l->entry.target != NULL)
        json_line_path(&line, "target", l->entry.target);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

/* Names are made harmless for the terminal this may end up on; scripts use --json. */
static void print_line(const struct manifest_line *l)
{
    struct text line = {0};

    text_add_format(&line, "%12" PRIu64 "  ", l->entry.stamp.size);
    text_add_printable(&line, l->entry.path, strlen(l->entry.path));
    if (l->entry.type == ENTRY_DIRECTORY)
        text_add(&line, "/");
    if (l->entry.target != NULL) {
        text_add(&line, " -> ");
        text_add_printable(&line, l->entry.target, strlen(l->entry.target));
    }
    text_add(&line, "\n");
    fwrite(line.data, 1, line.size, stdout);
    text_free(&line);
}

static void on_entry(void *ctx, const struct manifest_line *l)
{
    const struct options *o = ctx;

    if (o->json)
        print_json(l);
    else
        print_line(l);
}

static void on_folder(void *ctx, const char *path, uint64_t n_files, uint64_t bytes)
{
    const struct options *o = ctx;
    struct text line = {0};

    if (o->json) {
        json_line_begin(&line);
        json_line_path(&line, "path", path);
        json_line_string(&line, "type", "dir");
        json_line_u64(&line, "size", bytes);
        json_line_u64(&line, "files", n_files);
        json_line_end(&line);
    } else {
        text_add_format(&line, "%12" PRIu64 "  ", bytes);
        text_add_printable(&line, path, strlen(path));
        text_add(&line, "\n");
    }
    fputs(text_string(&line), stdout);
    text_free(&line);
}

/* No more is read than is shown. */
static int print_files(struct agent *a, const struct version *v,
                       struct file_level *level, struct error *err)
{
    struct text from = {0};
    struct contents *contents;
    struct contents_batch batch;
    bool wants_more = true;
    int status = 0;

    file_level_add_from(level, &from);
    contents = contents_open_from(a, v, text_string(&from));
    while (wants_more && (status = contents_next(contents, &batch, err)) == 1)
        for (size_t i = 0; i < batch.n_lines && wants_more; i++)
            wants_more = file_level_take(level, &batch.lines[i]);
    file_level_end(level);
    contents_close(contents);
    text_free(&from);
    return status < 0 ? -1 : 0;
}

int command_files(const struct command_context *c)
{
    const struct options *o = c->options;
    struct file_level level = {.prefix =
                                   o->positional[1] != NULL ? o->positional[1] : "",
                               .after = o->after,
                               .limit = o->limit,
                               .is_level = o->level,
                               .entry = on_entry,
                               .folder = on_folder,
                               .ctx = (void *)o};
    struct agent a;
    struct version v;
    struct error err;
    int code = 0;

    if (command_open_version(&a, &v, c, &code) != 0)
        return code;
    if (print_files(&a, &v, &level, &err) != 0)
        code = command_fail(o, &err);
    version_free(&v);
    agent_close(&a);
    return code;
}

/* ---- verify ---- */

struct verifying {
    struct agent *agent;
    bool is_json;
};

static void on_finding(void *ctx, const struct verify_finding *f)
{
    const struct verifying *v = ctx;
    struct text line = {0};

    if (v->is_json) {
        json_line_begin(&line);
        json_line_path(&line, "path", f->path);
        json_line_u64(&line, "size", f->size);
        json_line_string(&line, "status", f->status);
        json_line_string(&line, "detail", f->detail);
        json_line_end(&line);
    } else if (strcmp(f->status, "ok") != 0) {
        text_add_format(&line, "%s: ", f->status);
        text_add_printable(&line, f->path, strlen(f->path));
        text_add_format(&line, ": %s\n", f->detail);
    }
    if (line.size > 0)
        gauge_give_way(v->agent->gauge, true);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void print_verdict(const struct options *o, const struct version *v,
                          const struct verify_summary *s)
{
    struct text line = {0};

    text_add_format(&line, "%s version %" PRIu64 ": ", v->name, v->number);
    if (s->problems > 0) {
        text_add_format(&line, "%" PRIu64 " of ", s->problems);
        figure_add_noun(&line, s->files, "file", "files");
        text_add(&line, !v->record.copy    ? " changed or gone\n"
                        : s->problems == 1 ? " is damaged\n"
                                           : " are damaged\n");
    } else {
        figure_add_noun(&line, s->files, "file", "files");
        text_add(&line, ", ");
        text_add_size(&line, s->bytes);
        text_add(&line, !v->record.copy ? ": all where they were, and unchanged\n"
                        : o->deep       ? ": every byte is as it was uploaded\n"
                                  : ": all present, sizes as in the manifest (--deep "
                                    "reads the bytes)\n");
    }
    fputs(text_string(&line), stdout);
    fflush(stdout);
    text_free(&line);
}

/* Versions are immutable: nothing mends this one but its own bytes. */
static void say_remedy(const struct version *v)
{
    if (!v->record.copy) {
        fprintf(
            stderr,
            "It refers to what is at %s; make a new version of that: grid datastore "
            "create %s --no-copy --name %s\n",
            v->record.source_url, v->record.source_url, v->name);
        return;
    }
    fprintf(stderr,
            "Make a new version from the source (grid datastore create SOURCE --name "
            "%s),\nor put the objects back below %s/v%" PRIu64 "/ from a copy and "
            "verify again.\n",
            v->name, v->name, v->number);
}

static int verify(const struct verify_options *options, const struct options *o,
                  struct error *err)
{
    const struct version *v = options->version;
    struct gauge_options shown = {.files = v->record.files,
                                  .bytes = o->deep ? v->record.bytes : 0};
    struct verify_summary summary;
    struct text title = {0};
    int status;

    text_add_format(&title, "verifying %s:%" PRIu64, v->name, v->number);
    shown.title = text_string(&title);
    if (!o->quiet)
        gauge_start(options->agent, &shown);
    status = verify_run(options, &summary, err);
    gauge_end(options->agent);
    text_free(&title);
    if (status != 0)
        return command_fail(o, err);
    if (!o->json)
        print_verdict(o, v, &summary);
    if (summary.problems > 0)
        say_remedy(v);
    return summary.problems > 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_verify(const struct command_context *c)
{
    struct agent a;
    struct verifying verifying = {.agent = &a, .is_json = c->options->json};
    struct verify_options options = {.deep = c->options->deep,
                                     .jobs = VERIFY_JOBS,
                                     .found = on_finding,
                                     .ctx = &verifying};
    struct source_access access = {0};
    struct version v;
    struct error err;
    int code = 0;

    if (command_open_version(&a, &v, c, &code) != 0)
        return code;
    options.agent = &a;
    options.version = &v;
    if (source_access_open_references(&access, &a, &v, c, &err) != 0) {
        code = command_fail(c->options, &err);
    } else {
        options.references = access.store;
        code = verify(&options, c->options, &err);
    }
    version_free(&v);
    source_access_close(&access, &a);
    agent_close(&a);
    source_access_free(&access);
    return code;
}
