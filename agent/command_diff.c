/*
 * `diff`: the differences of two versions, as lines for people or objects for scripts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/difference.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/gauge.h"
#include "agent/json_line.h"

/* As of diff(1): 1 says that they differ, so trouble must be something else. */
static int code_of(int code)
{
    return code == EXIT_FAILED ? EXIT_USAGE : code;
}

/* ---- which versions ---- */

static int find_version(struct agent *a, const char *spec, struct version *v,
                        struct error *err)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t number;

    if (name_parse(name, &number, spec, err) != 0 ||
        catalog_fold_name(a, name, err) != 0)
        return -1;
    return catalog_find(a, name, number, v, err);
}

/* The published version before v. */
static int find_predecessor(struct agent *a, const struct version *v,
                            struct version *out, struct error *err)
{
    uint64_t *numbers;
    size_t n;
    int status = catalog_numbers(a, v->name, &numbers, &n, err);

    while (status == 0 && out->status != VERSION_SUCCEEDED && n-- > 0) {
        if (numbers[n] >= v->number)
            continue;
        version_free(out);
        status = catalog_read(a, v->name, numbers[n], out, err);
        if (status == 0 && out->status == VERSION_DAMAGED) {
            *err = out->damage;
            status = -1;
        }
    }
    free(numbers);
    if (status == 0 && out->status != VERSION_SUCCEEDED)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no version of %s before %" PRIu64
                         " to compare it with",
                         v->name, v->number);
    return status;
}

static int find_both(struct agent *a, const struct options *o, struct version *before,
                     struct version *after, struct error *err)
{
    if (o->positional[1] == NULL) {
        if (find_version(a, o->positional[0], after, err) != 0)
            return -1;
        return find_predecessor(a, after, before, err);
    }
    if (find_version(a, o->positional[0], before, err) != 0)
        return -1;
    return find_version(a, o->positional[1], after, err);
}

/* ---- telling ---- */

struct telling {
    struct agent *agent;
    bool is_json;
    uint64_t n[DIFFERENCE_CHANGED + 1]; /* by kind */
};

static const char *const kinds[] = {[DIFFERENCE_ADDED] = "added",
                                    [DIFFERENCE_REMOVED] = "removed",
                                    [DIFFERENCE_CHANGED] = "changed"};

static void add_target_change(struct text *out, const char *before, const char *after)
{
    text_add(out, ", target ");
    text_add_printable(out, before, strlen(before));
    text_add(out, " -> ");
    text_add_printable(out, after, strlen(after));
}

/* " (size 1 -> 3, mode 0644 -> 0600)" */
static void add_change(struct text *out, unsigned what, const struct entry *before,
                       const struct entry *after)
{
    struct text list = {0};

    if ((what & DIFFERENCE_TYPE) != 0)
        text_add_format(&list, ", type %s -> %s", entry_type_name(before->type),
                        entry_type_name(after->type));
    if ((what & DIFFERENCE_SIZE) != 0)
        text_add_format(&list, ", size %" PRIu64 " -> %" PRIu64, before->stamp.size,
                        after->stamp.size);
    else if ((what & DIFFERENCE_HASH) != 0)
        text_add(&list, ", content");
    if ((what & DIFFERENCE_MODE) != 0)
        text_add_format(&list, ", mode %04o -> %04o", before->mode, after->mode);
    if ((what & DIFFERENCE_TARGET) != 0)
        add_target_change(&list, before->target, after->target);
    text_add_format(out, " (%s)", text_string(&list) + 2);
    text_free(&list);
}

static void add_line(struct text *out, const struct difference *d)
{
    const struct entry *entry = &d->line->entry;

    text_add_format(out, "%-7s  ", kinds[d->kind]);
    text_add_printable(out, entry->path, strlen(entry->path));
    if (entry->type == ENTRY_DIRECTORY)
        text_add(out, "/");
    if (d->old != NULL)
        add_change(out, d->what, &d->old->entry, entry);
    text_add(out, "\n");
}

/* "size,hash": in the words of the fields. */
static void add_what(struct text *line, unsigned what)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{DIFFERENCE_TYPE, "type"},
                 {DIFFERENCE_SIZE, "size"},
                 {DIFFERENCE_HASH, "hash"},
                 {DIFFERENCE_MODE, "mode"},
                 {DIFFERENCE_TARGET, "target"}};
    struct text list = {0};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if ((what & names[i].bit) != 0)
            text_add_format(&list, "%s%s", list.size > 0 ? "," : "", names[i].name);
    json_line_string(line, "what", text_string(&list));
    text_free(&list);
}

static void add_hash(struct text *line, const char *key, const struct manifest_line *l)
{
    struct text hex = {0};

    text_add_hex(&hex, l->hash.bytes, sizeof l->hash.bytes);
    json_line_string(line, key, l->has_hash ? text_string(&hex) : NULL);
    text_free(&hex);
}

static void add_mode(struct text *line, const char *key, uint32_t mode)
{
    struct text octal = {0};

    text_add_format(&octal, "%04o", mode);
    json_line_string(line, key, text_string(&octal));
    text_free(&octal);
}

static void add_old(struct text *line, unsigned what, const struct manifest_line *old)
{
    add_what(line, what);
    if ((what & DIFFERENCE_TYPE) != 0)
        json_line_string(line, "old_type", entry_type_name(old->entry.type));
    if ((what & DIFFERENCE_SIZE) != 0)
        json_line_u64(line, "old_size", old->entry.stamp.size);
    if ((what & DIFFERENCE_HASH) != 0)
        add_hash(line, "old_hash", old);
    if ((what & DIFFERENCE_MODE) != 0)
        add_mode(line, "old_mode", old->entry.mode);
    if ((what & DIFFERENCE_TARGET) != 0)
        json_line_path(line, "old_target", old->entry.target);
}

static void add_json(struct text *line, const struct difference *d)
{
    const struct entry *entry = &d->line->entry;

    json_line_begin(line);
    json_line_string(line, "status", kinds[d->kind]);
    json_line_path(line, "path", entry->path);
    json_line_string(line, "type", entry_type_name(entry->type));
    json_line_u64(line, "size", entry->stamp.size);
    if (entry->type == ENTRY_FILE) {
        add_hash(line, "hash", d->line);
        add_mode(line, "mode", entry->mode);
    }
    if (entry->target != NULL)
        json_line_path(line, "target", entry->target);
    if (d->old != NULL)
        add_old(line, d->what, d->old);
    json_line_end(line);
}

static void on_difference(void *ctx, const struct difference *d)
{
    struct telling *t = ctx;
    struct text line = {0};

    t->n[d->kind]++;
    if (t->is_json)
        add_json(&line, d);
    else
        add_line(&line, d);
    gauge_give_way(t->agent->gauge, true);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static bool has_found(const struct telling *t)
{
    return t->n[DIFFERENCE_ADDED] + t->n[DIFFERENCE_REMOVED] +
               t->n[DIFFERENCE_CHANGED] >
           0;
}

static void print_summary(const struct telling *t, const struct version *before,
                          const struct version *after)
{
    struct text line = {0};

    text_add_format(&line, "%s:%" PRIu64 " -> %s:%" PRIu64 ": ", before->name,
                    before->number, after->name, after->number);
    for (unsigned kind = 0; kind < ARRAY_SIZE(kinds) && has_found(t); kind++) {
        text_add(&line, kind > 0 ? ", " : "");
        figure_add_count(&line, t->n[kind]);
        text_add_format(&line, " %s", kinds[kind]);
    }
    text_add(&line, has_found(t) ? "\n" : "no difference\n");
    fputs(text_string(&line), stdout);
    text_free(&line);
}

/* ---- the command ---- */

static int compare(struct agent *a, const struct options *o,
                   const struct version *before, const struct version *after, int *code,
                   struct error *err)
{
    struct telling t = {.agent = a, .is_json = o->json};
    struct gauge_options shown = {.files = before->record.files > after->record.files
                                               ? before->record.files
                                               : after->record.files};
    struct text title = {0};
    int status;

    text_add_format(&title, "comparing %s:%" PRIu64 " with %s:%" PRIu64, before->name,
                    before->number, after->name, after->number);
    shown.title = text_string(&title);
    gauge_start(a, &shown);
    status = difference_each(a, before, after, on_difference, &t, err);
    gauge_end(a);
    text_free(&title);
    if (status == 0 && !o->json)
        print_summary(&t, before, after);
    *code = has_found(&t) ? EXIT_FAILED : EXIT_DONE;
    return status;
}

int command_diff(const struct command_context *c)
{
    struct version before = {0}, after = {0};
    struct agent a;
    struct error err;
    int code = 0;

    if (command_open(&a, c, &code) != 0)
        return code_of(code);
    if (find_both(&a, c->options, &before, &after, &err) != 0 ||
        compare(&a, c->options, &before, &after, &code, &err) != 0)
        code = code_of(command_fail(c->options, &err));
    version_free(&before);
    version_free(&after);
    agent_close(&a);
    return code;
}
