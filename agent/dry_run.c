/*
 * The walk alone, on this thread: no checkpoint, no reservation, nothing is opened.
 */
#include "agent/dry_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/exit_code.h"
#include "agent/memory.h"
#include "agent/place.h"
#include "base/mem.h"
#include "transfer/layout.h"

struct estimate {
    uint64_t files, directories, symlinks, bytes, requests, issues;
    struct error err; /* a file the store cannot hold */
};

static void count_file(struct estimate *e, const struct entry *entry,
                       const struct store_limits *limits, uint64_t part_size)
{
    const struct layout none = {0};
    struct layout layout;

    e->files++;
    e->bytes += entry->stamp.size;
    if (layout_of(&layout, entry->stamp.size, limits, part_size, &none, &e->err) != 0) {
        error_wrap(&e->err, "%s", entry->path);
        return;
    }
    e->requests += layout.n_parts > 1 ? layout.n_parts + 2 : 1; /* create, complete */
}

static void count_batch(struct estimate *e, const struct entry_batch *batch,
                        const struct store_limits *limits, uint64_t part_size)
{
    for (size_t i = 0; i < batch->n_entries; i++) {
        const struct entry *entry = &batch->entries[i];
        if (entry->type == ENTRY_FILE)
            count_file(e, entry, limits, part_size);
        e->directories += entry->type == ENTRY_DIRECTORY;
        e->symlinks += entry->type == ENTRY_SYMLINK;
    }
    for (size_t i = 0; i < batch->n_issues; i++) {
        struct text line = {0};
        text_add_printable(&line, batch->issues[i].path, strlen(batch->issues[i].path));
        fprintf(stderr, "warning: %s: %s\n", text_string(&line),
                batch->issues[i].message);
        text_free(&line);
        e->issues++;
    }
}

static int count_all(struct estimate *e, const struct walk_options *options,
                     const struct store_limits *limits, uint64_t part_size,
                     struct error *err)
{
    struct entry_batch batch = {0};
    struct walk *walk;
    bool at_end = false;
    int status;

    if (walk_open(&walk, options, err) != 0)
        return -1;
    do {
        status = walk_next(walk, &batch, &at_end, err);
        if (status == 0)
            count_batch(e, &batch, limits, part_size);
    } while (status == 0 && !at_end);
    walk_close(walk);
    entry_batch_free(&batch);
    if (status == 0 && e->err.kind != ERROR_NONE) {
        *err = e->err;
        return -1;
    }
    return status;
}

static void print(const struct estimate *e, const struct options *o, const char *name,
                  uint64_t version, const char *url)
{
    struct text size = {0};

    if (o->json) {
        printf("{\"event\":\"dry_run\",\"name\":\"%s\",\"version\":%" PRIu64
               ",\"files\":%" PRIu64 ",\"directories\":%" PRIu64
               ",\"symlinks\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"bytes_copied\":0,\"requests\":%" PRIu64 "}\n",
               name, version, e->files, e->directories, e->symlinks, e->bytes,
               e->requests);
        return;
    }
    text_add_size(&size, e->bytes);
    printf("would create %s version %" PRIu64 " at %s\n", name, version, url);
    printf("  to send: %" PRIu64 " files, %s (%" PRIu64 " bytes), in about %" PRIu64
           " requests\n",
           e->files, text_string(&size), e->bytes, e->requests);
    printf("  to copy inside the store: nothing\n");
    printf("  empty folders: %" PRIu64 ", symbolic links: %" PRIu64 "\n",
           e->directories, e->symlinks);
    text_free(&size);
}

static int estimate(struct agent *a, const struct session_request *q,
                    struct place *place, struct error *err)
{
    const struct options *o = q->options;
    const char *folder = store_folder(a->store);
    struct estimate e = {0};
    struct walk_place leave_out[1];
    struct walk_options walk = {.root = place->path,
                                .scratch = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                                .filter = o->filter,
                                .files_from = o->files_from,
                                .symlinks = o->symlinks,
                                .leave_out = leave_out};
    char name[NAME_MAX_BYTES + 1];
    struct stat st;
    uint64_t newest;
    char *url;

    if (q->name != NULL)
        snprintf(name, sizeof name, "%s", q->name);
    else if (name_derive(name, place->path, place->is_folder, err) != 0)
        return -1;
    if (!name_is_valid(name))
        return error_set(err, ERROR_USAGE, 0, "%s is not a name for a datastore", name);
    if (folder != NULL && stat(folder, &st) == 0) {
        leave_out[0] = (struct walk_place){st.st_dev, st.st_ino};
        walk.n_leave_out = 1;
    }
    if (folder != NULL && place_is_inside(place->path, folder))
        return error_set(err, ERROR_USAGE, 0, "the source %s lies inside the store %s",
                         place->path, folder);
    if (catalog_newest_number(a, name, &newest, err) != 0 ||
        count_all(&e, &walk, store_limits(a->store), o->part_size, err) != 0)
        return -1;
    url = catalog_url(a, name, newest + 1);
    print(&e, o, name, newest + 1, url);
    free(url);
    return 0;
}

int dry_run(const struct session_request *q)
{
    struct agent a = {0};
    struct place place = {0};
    struct store_options wanted = {0};
    struct error err;
    int status;

    if (agent_open(&a, memory_for_payload(q->options->max_memory), &err) != 0)
        return command_fail(q->options, &err);
    agent_hurry(&wanted);
    status = agent_open_store(&a, q->cluster, q->paths, &wanted, &err);
    if (status == 0)
        status = place_resolve(&place, q->source, &err);
    if (status == 0)
        status = estimate(&a, q, &place, &err);
    place_free(&place);
    agent_close(&a);
    return status == 0 ? EXIT_DONE : command_fail(q->options, &err);
}
