/*
 * `delete` and `prune`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/gauge.h"
#include "agent/left_plan.h"
#include "agent/leftovers.h"
#include "agent/probe_rest.h"
#include "agent/version_scan.h"
#include "base/log.h"
#include "base/mem.h"

static int delete_version(struct agent *a, const struct command_context *c,
                          const struct version *v, struct error *err)
{
    bool is_gone = v->status == VERSION_DELETED && !v->has_leftovers;
    struct gauge_options shown = {0};
    struct text title = {0};
    int status;

    text_add_format(&title, "deleting %s:%" PRIu64, v->name, v->number);
    shown.title = text_string(&title);
    if (!c->options->quiet)
        gauge_start(a, &shown);
    status = left_plan_abort_uploads(a, c->paths, v, err);
    if (status == 0)
        status = catalog_delete(a, v, err);
    gauge_end(a);
    if (status == 0)
        left_plan_forget_status(a, c->paths, v);
    if (status == 0)
        printf(is_gone ? "%s version %" PRIu64 " is deleted already\n"
                       : "deleted %s version %" PRIu64 "\n",
               v->name, v->number);
    text_free(&title);
    return status;
}

/* ---- one version ---- */

/* Not even the datastore is there: catalog_find() knows what is like it. */
static int say_none_published(struct agent *a, const char *name, struct error *err)
{
    struct version v;

    if (catalog_find(a, name, 0, &v, err) == 0)
        error_set(err, ERROR_CONFLICT, 0, "%s has just been published: try again",
                  name);
    version_free(&v);
    return -1;
}

static int say_no_version(struct agent *a, const struct options *o, struct error *err)
{
    uint64_t newest;

    if (catalog_newest_number(a, o->name, &newest, err) != 0)
        return -1;
    if (newest == 0)
        return say_none_published(a, o->name, err);
    return error_set(err, ERROR_NOT_FOUND, 0,
                     "there is no version %" PRIu64
                     " of %s on %s; the newest is %" PRIu64,
                     o->version, o->name, a->cluster, newest);
}

/* A deletion that was interrupted is finished by the same command: what is left of a
 * deleted version is removed again without a question. */
static int delete_number(struct agent *a, const struct command_context *c, int *code,
                         struct error *err)
{
    const struct options *o = c->options;
    struct text question = {0};
    struct version v;
    int status = catalog_read(a, o->name, o->version, &v, err);

    if (status == 0 && v.status == VERSION_NONE)
        status = say_no_version(a, o, err);
    if (status == 0 && v.status == VERSION_SUCCEEDED) {
        text_add_format(&question, "delete %s version %" PRIu64 " (", v.name, v.number);
        figure_add_noun(&question, v.record.files, "file", "files");
        text_add(&question, ", ");
        text_add_size(&question, v.record.bytes);
        text_add(&question, ")?");
    } else if (status == 0) {
        text_add_format(&question, "delete %s version %" PRIu64 " (%s)?", v.name,
                        v.number, version_status_name(v.status));
    }
    if (status == 0 && (v.status == VERSION_DELETED ||
                        command_confirm(c, text_string(&question), code)))
        status = delete_version(a, c, &v, err);
    version_free(&v);
    text_free(&question);
    return status;
}

/* ---- several ---- */

struct selection {
    uint64_t *numbers;
    size_t n;
    uint64_t *half_deleted; /* what interrupted deletions have left */
    size_t n_half_deleted;
};

static void selection_free(struct selection *s)
{
    free(s->numbers);
    free(s->half_deleted);
}

struct choice {
    bool (*wanted)(const struct version *v);
    struct selection *out;
};

static int on_version(void *ctx, struct version *v, const struct error *failed,
                      struct error *err)
{
    struct choice *choice = ctx;
    struct selection *out = choice->out;

    if (failed != NULL) {
        *err = *failed;
        return -1;
    }
    if (v->has_leftovers)
        out->half_deleted[out->n_half_deleted++] = v->number;
    if (choice->wanted(v))
        out->numbers[out->n++] = v->number;
    return 0;
}

/* The versions of a name for which `wanted` says yes, ascending. */
static int select_versions(struct agent *a, const char *name,
                           bool (*wanted)(const struct version *v),
                           struct selection *out, struct error *err)
{
    struct choice choice = {wanted, out};
    struct version_ref *refs;
    size_t n;
    int status = version_scan_numbers(a, &name, 1, &refs, &n, err);

    out->numbers = mem_new(n, sizeof *out->numbers);
    out->half_deleted = mem_new(n, sizeof *out->half_deleted);
    if (status == 0)
        status = version_scan_run(a, refs, n, on_version, &choice, err);
    free(refs);
    return status;
}

static bool is_published(const struct version *v)
{
    return v->status == VERSION_SUCCEEDED;
}

static bool is_incomplete(const struct version *v)
{
    return v->status == VERSION_UPLOADING || v->status == VERSION_INTERRUPTED ||
           v->status == VERSION_FAILED || v->has_leftovers;
}

static int delete_selected(struct agent *a, const struct command_context *c,
                           const uint64_t *numbers, size_t n, struct error *err)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++) {
        struct version v;
        status = catalog_read(a, c->options->name, numbers[i], &v, err);
        if (status == 0)
            status = delete_version(a, c, &v, err);
        version_free(&v);
    }
    return status;
}

static void add_numbers(struct text *text, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text_add_format(text, "%s%" PRIu64, i > 0 ? ", " : "", numbers[i]);
}

/* Ask once, then delete the first n of the selection. */
static int confirm_and_delete(struct agent *a, const struct command_context *c,
                              const struct selection *selected, size_t n, int *code,
                              struct error *err)
{
    const char *what = c->options->incomplete ? "unfinished version" : "version";
    struct text question = {0};
    int status = 0;

    text_add_format(&question, "delete %s%s ", what, n == 1 ? "" : "s");
    add_numbers(&question, selected->numbers, n);
    text_add_format(&question, " of %s?", c->options->name);
    if (command_confirm(c, text_string(&question), code))
        status = delete_selected(a, c, selected->numbers, n, err);
    text_free(&question);
    return status;
}

/* What is at stake: said before the question. */
static int say_leftovers(struct agent *a, const struct command_context *c,
                         const struct selection *selected, struct error *err)
{
    int status = 0;

    for (size_t i = 0; i < selected->n && status == 0 && !c->options->quiet; i++) {
        struct version v = {.number = selected->numbers[i]};
        struct text words = {0};
        struct leftovers l;

        snprintf(v.name, sizeof v.name, "%s", c->options->name);
        status = leftovers_look(a, &v, &l, err);
        if (status == 0)
            leftovers_add(&words, &l);
        if (words.size > 0)
            fprintf(stderr, "version %" PRIu64 " has %s\n", v.number,
                    text_string(&words));
        text_free(&words);
    }
    return status;
}

/* It may be that nobody else will. */
static void remove_rest_of_probes(struct agent *a)
{
    struct error err;
    unsigned n;

    if (probe_rest_remove(a, &n, &err) != 0)
        log_line(LOG_INFO, LOG_STORE, "what probes have left: %s", err.text);
}

static int delete_incomplete(struct agent *a, const struct command_context *c,
                             int *code, struct error *err)
{
    struct selection selected = {0};
    int status = select_versions(a, c->options->name, is_incomplete, &selected, err);

    if (status == 0 && selected.n == 0)
        printf("there is no unfinished upload of %s\n", c->options->name);
    else if (status == 0 && (status = say_leftovers(a, c, &selected, err)) == 0)
        status = confirm_and_delete(a, c, &selected, selected.n, code, err);
    if (status == 0)
        remove_rest_of_probes(a);
    selection_free(&selected);
    return status;
}

int command_delete(const struct command_context *c)
{
    struct agent a;
    struct error err;
    int code = 0, status;

    if (command_open(&a, c, &code) != 0)
        return code;
    if (c->options->incomplete)
        status = delete_incomplete(&a, c, &code, &err);
    else
        status = delete_number(&a, c, &code, &err);
    if (status != 0)
        code = command_fail(c->options, &err);
    agent_close(&a);
    return code;
}

/* An interrupted run is finished, without a question: those versions are gone. */
static int prune(struct agent *a, const struct command_context *c,
                 const struct selection *selected, int *code, struct error *err)
{
    const struct options *o = c->options;

    if (selected->n + selected->n_half_deleted == 0)
        return say_none_published(a, o->name, err);
    if (delete_selected(a, c, selected->half_deleted, selected->n_half_deleted, err) !=
        0)
        return -1;
    if (selected->n > o->keep)
        return confirm_and_delete(a, c, selected, selected->n - (size_t)o->keep, code,
                                  err);
    if (selected->n_half_deleted == 0)
        printf("%s has %zu version%s: nothing to delete\n", o->name, selected->n,
               selected->n == 1 ? "" : "s");
    return 0;
}

int command_prune(const struct command_context *c)
{
    struct selection selected = {0};
    struct agent a;
    struct error err;
    int code = 0;

    if (command_open(&a, c, &code) != 0)
        return code;
    if (select_versions(&a, c->options->name, is_published, &selected, &err) != 0 ||
        prune(&a, c, &selected, &code, &err) != 0)
        code = command_fail(c->options, &err);
    selection_free(&selected);
    agent_close(&a);
    return code;
}
