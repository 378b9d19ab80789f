/*
 * `url`: where the data is; with --presign as links that anybody may follow for a while,
 * one for each file.
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
#include "agent/json_line.h"

struct search {
    struct agent *agent;
    const struct version *version;
    const struct options *options;
    const char *path; /* of a file or folder; "": everything */
    char *key;        /* of the file, or where it is that the version refers to */
    bool is_elsewhere;
    bool is_folder;
    int64_t now_ms;
    uint64_t n_links;
};

/* Relative to the version. */
static void add_key(struct text *key, const struct manifest_line *l)
{
    if (l->key != NULL)
        text_add(key, l->key);
    else
        text_add_format(key, "data/%s", l->entry.path);
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return length == 0 || (strncmp(path, folder, length) == 0 &&
                           (folder[length - 1] == '/' || path[length] == '/'));
}

static int say_none(const struct search *s, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, 0, "there is no %s in %s version %" PRIu64,
                     s->path, s->version->name, s->version->number);
}

/* ---- places ---- */

static void take_place(void *ctx, const struct contents_batch *batch,
                       contents_done_fn *done, void *done_ctx)
{
    struct search *s = ctx;

    for (size_t i = 0; i < batch->n_lines && s->key == NULL; i++) {
        const struct manifest_line *l = &batch->lines[i];
        struct text key = {0};

        s->is_folder |= is_below(l->entry.path, s->path);
        if (strcmp(l->entry.path, s->path) != 0)
            continue;
        s->is_elsewhere = l->ref != NULL;
        if (l->ref != NULL)
            text_add(&key, l->ref);
        else
            add_key(&key, l);
        s->key = text_take(&key);
    }
    done(done_ctx, NULL);
}

/* url NULL: rest is all of it. */
static void print_place(const struct options *o, const char *url, const char *rest)
{
    struct text whole = {0}, line = {0};

    if (url != NULL)
        text_add_format(&whole, "%s/", url);
    text_add(&whole, rest);
    if (o->json) {
        json_line_begin(&line);
        json_line_string(&line, "url", text_string(&whole));
        json_line_end(&line);
        fputs(text_string(&line), stdout);
    } else {
        printf("%s\n", text_string(&whole));
    }
    text_free(&whole);
    text_free(&line);
}

static void print_folder(const struct search *s, const char *url)
{
    bool is_elsewhere = !s->version->record.copy;
    struct text rest = {0};
    size_t length = strlen(s->path);

    text_add(&rest, is_elsewhere ? s->version->record.source_url : "data/");
    text_add(&rest, s->path);
    if (length > 0 && s->path[length - 1] != '/')
        text_add(&rest, "/");
    print_place(s->options, is_elsewhere ? NULL : url, text_string(&rest));
    text_free(&rest);
}

static int print_places(struct search *s, struct error *err)
{
    char *url = catalog_url(s->agent, s->version->name, s->version->number);
    int status = 0;

    s->is_folder = s->path[0] == '\0';
    if (!s->is_folder)
        status = contents_read(s->agent, s->version, take_place, s, err);
    if (status == 0 && s->key == NULL && !s->is_folder)
        status = say_none(s, err);
    if (status == 0 && s->key != NULL)
        print_place(s->options, s->is_elsewhere ? NULL : url, s->key);
    else if (status == 0)
        print_folder(s, url);
    free(s->key);
    free(url);
    return status;
}

/* ---- links ---- */

static void print_link(const struct search *s, const struct manifest_line *l,
                       const char *url)
{
    struct text line = {0};

    if (!s->options->json) {
        printf("%s\n", url);
        return;
    }
    json_line_begin(&line);
    json_line_path(&line, "path", l->entry.path);
    json_line_u64(&line, "size", l->entry.stamp.size);
    json_line_string(&line, "url", url);
    json_line_time(&line, "expires", s->now_ms + (int64_t)s->options->presign_ms);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static int link_to(struct search *s, const struct manifest_line *l, struct error *err)
{
    struct text key = {0}, url = {0};
    int status;

    text_add_format(&key, "%s/v%" PRIu64 "/", s->version->name, s->version->number);
    add_key(&key, l);
    status = store_presign(s->agent->store, text_string(&key),
                           (uint32_t)(s->options->presign_ms / 1000), &url, err);
    if (status == 0)
        print_link(s, l, text_string(&url));
    s->n_links++;
    text_free(&key);
    text_free(&url);
    return status;
}

static void take_links(void *ctx, const struct contents_batch *batch,
                       contents_done_fn *done, void *done_ctx)
{
    struct search *s = ctx;
    struct error err;
    int status = 0;

    for (size_t i = 0; i < batch->n_lines && status == 0; i++) {
        const struct manifest_line *l = &batch->lines[i];
        bool is_it = strcmp(l->entry.path, s->path) == 0;

        if (l->entry.type == ENTRY_FILE && (is_it || is_below(l->entry.path, s->path)))
            status = link_to(s, l, &err);
    }
    done(done_ctx, status == 0 ? NULL : &err);
}

/* The store forgets who signed, but not when their keys end. */
static void warn_of_keys(const struct search *s)
{
    const struct credentials *keys = &s->agent->cluster_store.keys.now;
    int64_t end_ms = s->now_ms + (int64_t)s->options->presign_ms;
    struct text words = {0};
    char time[TEXT_TIME_MAX];

    if (keys->session_token == NULL ||
        (keys->expires_at_ms != 0 && keys->expires_at_ms >= end_ms))
        return;
    text_add(&words, "the keys are temporary: the links end with them");
    if (keys->expires_at_ms != 0) {
        text_time(time, keys->expires_at_ms);
        text_add_format(&words, ", at %s", time);
    }
    console_print_warning(text_string(&words));
    text_free(&words);
}

static int print_links(struct search *s, struct error *err)
{
    if (!s->version->record.copy)
        return error_set(
            err, ERROR_USAGE, 0,
            "--presign: %s version %" PRIu64 " only refers to its objects, which lie "
            "below %.200s",
            s->version->name, s->version->number, s->version->record.source_url);
    if (store_folder(s->agent->store) != NULL)
        return error_set(
            err, ERROR_USAGE, 0,
            "--presign: %s is a folder, and has no links that others could "
            "follow",
            store_url(s->agent->store));
    warn_of_keys(s);
    if (contents_read(s->agent, s->version, take_links, s, err) != 0)
        return -1;
    return s->n_links > 0 || s->path[0] == '\0' ? 0 : say_none(s, err);
}

int command_url(const struct command_context *c)
{
    const struct options *o = c->options;
    struct search s = {.options = o,
                       .path = o->positional[1] != NULL ? o->positional[1] : "",
                       .now_ms = agent_clock_ms()};
    struct agent a;
    struct version v;
    struct error err;
    int code = 0, status;

    if (command_open_version(&a, &v, c, &code) != 0)
        return code;
    s.agent = &a;
    s.version = &v;
    status = o->presign_ms > 0 ? print_links(&s, &err) : print_places(&s, &err);
    if (status != 0)
        code = command_fail(o, &err);
    version_free(&v);
    agent_close(&a);
    return code;
}
