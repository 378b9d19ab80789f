/*
 * The walk alone, on this thread: no checkpoint, no reservation, nothing is opened.  Of an
 * archive behind a URL only what the server says of it: what is in it shows when all of it
 * has been fetched.
 */
#include "agent/dry_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/archive_look.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/figure.h"
#include "agent/json_event.h"
#include "agent/json_line.h"
#include "agent/memory.h"
#include "agent/newest.h"
#include "agent/place.h"
#include "agent/source_access.h"
#include "agent/source_open.h"
#include "base/mem.h"
#include "transfer/layout.h"

enum { CONTACT_MS = 15 * 1000 }; /* as for the store, agent_hurry() */

struct estimate {
    char name[NAME_MAX_BYTES + 1];
    uint64_t version;
    int root; /* of the source: where the files are looked up */
    uint64_t files, directories, symlinks, bytes, requests;
    uint64_t unreadable; /* files and folders; with them nothing would be published */
    uint64_t files_copied, bytes_copied; /* inside the store */
    bool is_copied, is_referred;         /* no byte passes through us */
    struct newest newest;                /* what it has is copied */
    struct error err;                    /* a file the store cannot hold */
    bool is_told;                        /* with --json: how far it is, now and then */
    uint64_t told_ms;
};

enum { TELL_MS = 250 };

static void warn(const char *path, const char *message)
{
    struct text line = {0};

    text_add_printable(&line, path, strlen(path));
    text_add_format(&line, ": %s", message);
    console_print_warning(text_string(&line));
    text_free(&line);
}

/* Opening it tells for certain, on network file systems, too. */
static bool is_readable(const struct estimate *e, const struct entry *entry)
{
    int fd = walk_open_file(e->root, entry->path);

    if (fd < 0) {
        warn(entry->path, strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

static void tell_unreadable(const struct estimate *e, const struct error *err)
{
    struct text message = {0};

    text_add_format(&message, "everything would be sent: %s", err->text);
    warn(e->name, text_string(&message));
    text_free(&message);
}

static bool is_in_newest(struct estimate *e, const struct entry *entry)
{
    struct error err;
    int has = newest_has(&e->newest, entry, &err);

    if (has < 0)
        tell_unreadable(e, &err);
    return has == 1;
}

static void count_file(struct estimate *e, const struct entry *entry,
                       const struct store_limits *limits, uint64_t part_size)
{
    bool is_copied;
    const struct layout none = {0};
    struct layout layout;

    if (e->root >= 0 && !is_readable(e, entry)) {
        e->unreadable++;
        return;
    }
    e->files++;
    e->bytes += entry->stamp.size;
    is_copied = !e->is_referred && (e->is_copied || is_in_newest(e, entry));
    e->files_copied += is_copied;
    e->bytes_copied += is_copied ? entry->stamp.size : 0;
    if (e->is_referred || (is_copied && entry->stamp.size <= limits->copy_max)) {
        e->requests++;
        return;
    }
    if (layout_of(&layout, entry->stamp.size, limits, part_size, &none, &e->err) != 0) {
        error_wrap(&e->err, "%s", entry->path);
        return;
    }
    e->requests += layout.n_parts > 1 ? layout.n_parts + 2 : 1; /* create, complete */
}

static void on_issue(void *ctx, const struct issue *issue)
{
    struct estimate *e = ctx;

    warn(issue->path, issue->message);
    e->unreadable += issue->kind == ISSUE_UNREADABLE || issue->kind == ISSUE_NOT_LISTED;
}

/* So that it is seen to grow, by who reads --json. */
static void tell_scan(struct estimate *e)
{
    struct event event = {.kind = EVENT_SCAN};
    struct text line = {0};

    if (!e->is_told || loop_boot_ms() - e->told_ms < TELL_MS)
        return;
    e->told_ms = loop_boot_ms();
    event.time_ms = agent_clock_ms();
    event.scan.files = e->files;
    event.scan.bytes = e->bytes;
    json_event_add(&line, &event);
    fputs(text_string(&line), stdout);
    fflush(stdout);
    text_free(&line);
}

static int count_all(struct estimate *e, struct agent *a,
                     const struct source_open *options, uint64_t part_size,
                     struct error *err)
{
    struct source_walk walk = {.agent = a, .issue = on_issue, .ctx = e};
    const struct entry *entry;

    if (source_open(&walk.source, a, options, err) != 0)
        return -1;
    error_clear(err);
    e->told_ms = loop_boot_ms();
    while ((entry = source_walk_next(&walk, err)) != NULL) {
        if (entry->type == ENTRY_FILE)
            count_file(e, entry, store_limits(a->store), part_size);
        e->directories += entry->type == ENTRY_DIRECTORY;
        e->symlinks += entry->type == ENTRY_SYMLINK;
        tell_scan(e);
    }
    source_walk_end(&walk);
    error_keep_first(err, &e->err);
    return err->kind == ERROR_NONE ? 0 : -1;
}

static bool is_publishable(const struct estimate *e, const struct options *o)
{
    return e->unreadable == 0 || o->skip_unreadable;
}

static uint64_t files_sent(const struct estimate *e)
{
    return e->is_referred ? 0 : e->files - e->files_copied;
}

static uint64_t bytes_sent(const struct estimate *e)
{
    return e->is_referred ? 0 : e->bytes - e->bytes_copied;
}

static void print_json(const struct estimate *e, const struct options *o)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "event", "dry_run");
    json_line_time(&line, "time", agent_clock_ms());
    json_line_string(&line, "name", e->name);
    json_line_u64(&line, "version", e->version);
    json_line_u64(&line, "files", e->files);
    json_line_u64(&line, "directories", e->directories);
    json_line_u64(&line, "symlinks", e->symlinks);
    json_line_u64(&line, "bytes", e->bytes);
    json_line_u64(&line, "files_sent", files_sent(e));
    json_line_u64(&line, "bytes_sent", bytes_sent(e));
    json_line_u64(&line, "files_copied", e->files_copied);
    json_line_u64(&line, "bytes_copied", e->bytes_copied);
    json_line_u64(&line, "requests", e->requests);
    json_line_u64(&line, "unreadable", e->unreadable);
    json_line_bool(&line, "publishable", is_publishable(e, o));
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void add_way(struct text *out, const char *way, uint64_t files, uint64_t bytes)
{
    text_add_format(out, "  %s: ", way);
    if (files == 0) {
        text_add(out, "nothing\n");
        return;
    }
    figure_add_noun(out, files, "file", "files");
    text_add(out, ", ");
    text_add_size(out, bytes);
    text_add_format(out, " (%" PRIu64 " bytes)\n", bytes);
}

static void print_text(const struct estimate *e, const struct options *o,
                       const char *url)
{
    struct text out = {0};

    text_add_format(&out, "would create %s version %" PRIu64 " at %s\n", e->name,
                    e->version, url);
    add_way(&out, e->newest.version.number > 0 ? "to send, at most" : "to send",
            files_sent(e), bytes_sent(e));
    add_way(&out, "to copy inside the store", e->files_copied, e->bytes_copied);
    if (e->is_referred)
        add_way(&out, "to refer to, where they are", e->files, e->bytes);
    text_add(&out, "  to ask: about ");
    figure_add_noun(&out, e->requests, "request", "requests");
    text_add(&out, "\n");
    text_add_format(&out, "  empty folders: %" PRIu64 ", symbolic links: %" PRIu64 "\n",
                    e->directories, e->symlinks);
    if (e->unreadable > 0) {
        text_add(&out, "  cannot be read: ");
        figure_add_noun(&out, e->unreadable, "file or folder", "files or folders");
        text_add(&out, is_publishable(e, o)
                           ? ", which would be left out\n"
                           : ", so that it would not be published (--skip-unreadable "
                             "publishes without)\n");
    }
    fputs(text_string(&out), stdout);
    text_free(&out);
}

static void print(const struct estimate *e, struct agent *a, const struct options *o)
{
    char *url = catalog_url(a, e->name, e->version);

    if (o->json)
        print_json(e, o);
    else
        print_text(e, o, url);
    free(url);
}

/* ---- all of it ---- */

static int choose_name(struct estimate *e, const struct session_request *q,
                       const struct place *place, struct error *err)
{
    if (q->name != NULL)
        snprintf(e->name, sizeof e->name, "%s", q->name);
    else if (name_derive(e->name, place->path, place->is_folder, err) != 0)
        return -1;
    if (!name_is_valid(e->name))
        return error_set(err, ERROR_USAGE, 0, "%s is not a name for a datastore",
                         e->name);
    return 0;
}

/* The folder that paths are relative to. */
static int open_root(struct estimate *e, const struct place *place, struct error *err)
{
    size_t length = strlen(place->path);
    char *folder;

    if (!place->is_folder)
        length = (size_t)(strrchr(place->path, '/') - place->path) + 1;
    folder = mem_copy_bytes(place->path, length);
    e->root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return e->root >= 0 ? 0 : error_errno(err, errno, "%s", place->path);
}

static int choose_version(struct estimate *e, struct agent *a, struct error *err)
{
    uint64_t newest;

    if (catalog_newest_number(a, e->name, &newest, err) != 0)
        return -1;
    e->version = newest + 1;
    return 0;
}

/* What is copied, or referred to, anyway needs no looking for. */
static int open_newest(struct estimate *e, struct agent *a, const struct options *o,
                       struct error *err)
{
    if (o->no_delta || e->version == 1 || e->is_copied || e->is_referred ||
        newest_open(&e->newest, a, e->name, err) == 0)
        return 0;
    if (err->kind != ERROR_CORRUPT)
        return -1;
    tell_unreadable(e, err);
    return 0;
}

static int estimate_tree(struct estimate *e, struct agent *a,
                         const struct session_request *q, const struct place *place,
                         struct error *err)
{
    const struct options *o = q->options;
    const char *folder = store_folder(a->store);
    struct walk_place leave_out[1];
    struct source_open source = {
        .kind = PLACE_LOCAL,
        .walk = {.root = place->path,
                 .scratch = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                 .filter = o->filter,
                 .files_from = o->files_from,
                 .symlinks = o->symlinks,
                 .leave_out = leave_out}};
    struct stat st;

    if (folder != NULL && stat(folder, &st) == 0) {
        leave_out[0] = (struct walk_place){st.st_dev, st.st_ino};
        source.walk.n_leave_out = 1;
    }
    if (folder != NULL && place_is_inside(place->path, folder))
        return error_set(err, ERROR_USAGE, 0, "the source %s lies inside the store %s",
                         place->path, folder);
    if (choose_name(e, q, place, err) != 0 || open_root(e, place, err) != 0 ||
        choose_version(e, a, err) != 0 || open_newest(e, a, o, err) != 0)
        return -1;
    return count_all(e, a, &source, o->part_size, err);
}

static int estimate_s3(struct estimate *e, struct agent *a,
                       const struct session_request *q, struct place *place,
                       struct source_access *access, struct error *err)
{
    struct source_open source = {.kind = PLACE_S3};
    struct store_options wanted = {0};
    const struct source_access_options options = {
        .agent = a,
        .cluster = q->cluster,
        .paths = q->paths,
        .wanted = &wanted,
        .memory = memory_for_payload(q->options->max_memory),
        .request_payer = q->options->request_payer,
        .files_from = q->options->files_from};
    char *leave_out;
    int status;

    agent_hurry(&wanted);
    wanted.away_ctx = a;
    if (source_access_open(access, place, &options, err) != 0 ||
        source_access_check(access, place, a->store, err) != 0 ||
        choose_name(e, q, place, err) != 0 || choose_version(e, a, err) != 0)
        return -1;
    leave_out = source_access_options_of(access, place, a->store, q->options->filter,
                                         &source.s3);
    e->is_referred = q->options->no_copy;
    e->is_copied = source.s3.can_copy && !e->is_referred;
    status = open_newest(e, a, q->options, err);
    if (status == 0)
        status = count_all(e, a, &source, q->options->part_size, err);
    free(leave_out);
    return status;
}

static int estimate(struct estimate *e, struct agent *a,
                    const struct session_request *q, struct place *place,
                    struct source_access *access, struct error *err)
{
    if (place->kind == PLACE_BROWSER)
        return error_set(err, ERROR_USAGE, 0,
                         "--dry-run is for sources of this machine and s3://: the page "
                         "itself counts the files of a browser");
    return place->kind == PLACE_S3 ? estimate_s3(e, a, q, place, access, err)
                                   : estimate_tree(e, a, q, place, err);
}

/* ---- an archive behind a URL ---- */

static void print_archive_json(const struct estimate *e,
                               const struct archive_look *look)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "event", "dry_run");
    json_line_time(&line, "time", agent_clock_ms());
    json_line_string(&line, "name", e->name);
    json_line_u64(&line, "version", e->version);
    if (look->has_size)
        json_line_u64(&line, "archive_bytes", look->size);
    else
        json_line_string(&line, "archive_bytes", NULL);
    json_line_bool(&line, "can_seek", look->can_seek);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void print_archive_text(const struct estimate *e, const char *url,
                               const struct archive_look *look)
{
    struct text out = {0};

    text_add_format(&out,
                    "would create %s version %" PRIu64 " at %s\n  to fetch: ", e->name,
                    e->version, url);
    if (look->has_size) {
        text_add_size(&out, look->size);
        text_add_format(&out, " (%" PRIu64 " bytes)\n", look->size);
    } else {
        text_add(&out, "an archive of unknown size\n");
    }
    text_add(&out, "  to send: what is in it; how much that is shows only once it is "
                   "fetched\n");
    if (!look->can_seek)
        text_add(&out, "  the server has no ranges: when the connection breaks it is "
                       "fetched from the start again\n");
    fputs(text_string(&out), stdout);
    text_free(&out);
}

static int estimate_archive(struct estimate *e, struct agent *a,
                            const struct session_request *q, const struct place *place,
                            struct error *err)
{
    const struct unpack_source source = {.url = place->fetch,
                                         .ca_file = archive_look_ca_file(),
                                         .first_contact_ms = CONTACT_MS,
                                         .outage_ms = CONTACT_MS};
    struct archive_look look;
    uint64_t newest;
    char *url;

    if (choose_name(e, q, place, err) != 0 ||
        catalog_newest_number(a, e->name, &newest, err) != 0 ||
        archive_look(a, &source, &look, err) != 0)
        return -1;
    e->version = newest + 1;
    url = catalog_url(a, e->name, e->version);
    if (q->options->json)
        print_archive_json(e, &look);
    else
        print_archive_text(e, url, &look);
    free(url);
    archive_look_free(&look);
    return 0;
}

/* The exit code is that of the run, as far as it can be known. */
static int report(const struct estimate *e, struct agent *a, const struct options *o)
{
    print(e, a, o);
    return is_publishable(e, o) ? EXIT_DONE : EXIT_FAILED;
}

static int fail(const struct agent *a, const struct session_request *q,
                const struct place *place, const struct error *err)
{
    const char *hint = place->kind == PLACE_HTTP ? archive_look_hint(a, err) : NULL;

    return command_refuse(q->options, err, hint != NULL ? hint : exit_hint_for(err),
                          exit_code_for(err));
}

int dry_run(const struct session_request *q)
{
    struct estimate e = {.root = -1, .is_told = q->options->json};
    struct agent a = {0};
    struct place place = {0};
    struct source_access access = {0};
    struct store_options wanted = {0};
    struct error err;
    int code;

    if (agent_open(&a, memory_for_payload(q->options->max_memory), &err) != 0)
        return command_fail(q->options, &err);
    agent_hurry(&wanted);
    if (agent_open_store(&a, q->cluster, q->paths, &wanted, &err) != 0 ||
        place_resolve(&place, q->source, &err) != 0 ||
        (place.kind == PLACE_HTTP ? estimate_archive(&e, &a, q, &place, &err)
                                  : estimate(&e, &a, q, &place, &access, &err)) != 0)
        code = fail(&a, q, &place, &err);
    else if (place.kind == PLACE_HTTP)
        code = EXIT_DONE;
    else
        code = report(&e, &a, q->options);
    if (e.root >= 0)
        close(e.root);
    newest_close(&e.newest);
    place_free(&place);
    source_access_close(&access, &a);
    agent_close(&a);
    source_access_free(&access);
    return code;
}
