/*
 * `grid datastore cat`: one file of a version to stdout.  Its bytes are held against the
 * manifest as they go by: a block that is wrong ends it, so that nobody takes a damaged
 * file for a whole one.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/commands.h"
#include "agent/contents.h"
#include "agent/exit_code.h"
#include "base/mem.h"

struct cat {
    struct agent *agent;
    const struct manifest_line *line;
    struct sink sink;
    struct digester digester;
    struct digest *digests; /* of the blocks that have gone by */
    size_t n_compared;
    uint64_t position;
    struct span chunk;
    body_done_fn *done;
    void *done_ctx;
    struct work work;
    struct error err;
};

/* ---- bytes that go by ---- */

static size_t count_blocks(const struct manifest_line *l)
{
    return l->n_blocks > 1 ? l->n_blocks : 1;
}

/* One block ends with the file, so that it is compared before its end is shown. */
static uint64_t block_size(const struct manifest_line *l)
{
    if (l->n_blocks > 1)
        return l->block_size;
    return l->entry.stamp.size > 0 ? l->entry.stamp.size : 1;
}

static const struct digest *expected(const struct manifest_line *l, size_t block)
{
    return l->n_blocks > 1 ? &l->blocks[block] : &l->hash;
}

static int compare(struct cat *c)
{
    for (; c->line->has_hash && c->n_compared < c->digester.n_done; c->n_compared++)
        if (c->n_compared >= count_blocks(c->line) ||
            !digest_is_same(&c->digests[c->n_compared],
                            expected(c->line, c->n_compared)))
            return error_set(&c->err, ERROR_CORRUPT, 0,
                             "%.200s is damaged: the bytes before %" PRIu64
                             " are not those that were uploaded",
                             c->line->entry.path, c->position);
    return 0;
}

static int write_all(struct span bytes, struct error *err)
{
    while (bytes.size > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes.data, bytes.size);
        struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};

        if (n < 0 && errno == EAGAIN)
            poll(&room, 1, -1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_errno(err, errno, "cannot write to stdout");
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return 0;
}

static void take_work(void *ctx)
{
    struct cat *c = ctx;

    c->position += c->chunk.size;
    if (c->position <= c->line->entry.stamp.size)
        digester_add(&c->digester, c->chunk.data, c->chunk.size);
    if (compare(c) == 0)
        (void)write_all(c->chunk, &c->err);
}

static void on_taken(void *ctx)
{
    struct cat *c = ctx;

    c->done(c->done_ctx, c->err.kind == ERROR_NONE ? NULL : &c->err);
}

static void sink_write(struct sink *sink, struct span bytes, body_done_fn *done,
                       void *ctx)
{
    struct cat *c = (struct cat *)((char *)sink - offsetof(struct cat, sink));

    c->chunk = bytes;
    c->done = done;
    c->done_ctx = ctx;
    loop_work(&c->agent->loop, &c->work, take_work, on_taken, c);
}

/* ---- one file ---- */

static int end(struct cat *c, struct error *err)
{
    uint64_t size = c->line->entry.stamp.size;

    if (c->position != size)
        return error_set(err, ERROR_CORRUPT, 0,
                         "%.200s is damaged: it has %" PRIu64
                         " bytes instead of %" PRIu64,
                         c->line->entry.path, c->position, size);
    digester_end(&c->digester);
    if (compare(c) == 0)
        return 0;
    *err = c->err;
    return -1;
}

static int print_file(struct agent *a, const struct version *v,
                      const struct manifest_line *line, struct error *err)
{
    struct cat c = {.agent = a, .line = line, .sink = {.write = sink_write}};
    struct store_op op = {.verb = STORE_GET, .size = UINT64_MAX, .sink = &c.sink};
    struct text key = {0};
    int status;

    text_add_format(&key, "%s/v%" PRIu64 "/", v->name, v->number);
    if (line->key != NULL)
        text_add(&key, line->key);
    else
        text_add_format(&key, "data/%s", line->entry.path);
    c.digests = mem_new(count_blocks(line) + 1, sizeof *c.digests);
    digester_init(&c.digester, block_size(line), c.digests);
    op.key = text_string(&key);
    status = agent_do(a, &op, err);
    if (status == 0)
        status = end(&c, err);
    store_op_clear(&op);
    digester_free(&c.digester);
    free(c.digests);
    text_free(&key);
    return status;
}

/* ---- finding it ---- */

static int refuse(const struct version *v, const struct manifest_line *line,
                  const char *path, struct error *err)
{
    if (line == NULL)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no %.200s in %s version %" PRIu64
                         "; see grid datastore files %s:%" PRIu64,
                         path, v->name, v->number, v->name, v->number);
    if (line->entry.type != ENTRY_FILE)
        return error_set(err, ERROR_USAGE, 0, "%.200s is no file, but a %s", path,
                         line->entry.type == ENTRY_SYMLINK ? "symbolic link"
                                                           : "folder");
    return error_set(err, ERROR_USAGE, 0, "%.200s was not copied; its bytes are at %s",
                     path, line->ref);
}

static const struct manifest_line *find(const struct contents_batch *batch,
                                        const char *path)
{
    for (size_t i = 0; i < batch->n_lines; i++)
        if (strcmp(batch->lines[i].entry.path, path) == 0)
            return &batch->lines[i];
    return NULL;
}

/* The first of all from the path on is it.  That it is not there is said of a list that
 * was read and compared whole, since one that is damaged may lack it. */
static int cat(struct agent *a, const struct version *v, const char *path,
               struct error *err)
{
    struct contents *contents = contents_open_from(a, v, path);
    const struct manifest_line *line = NULL;
    struct contents_batch batch;
    int status = contents_next(contents, &batch, err);

    if (status == 1)
        line = find(&batch, path);
    if (status >= 0 && line == NULL) {
        contents_close(contents);
        contents = contents_open(a, v);
        while (line == NULL && (status = contents_next(contents, &batch, err)) == 1)
            line = find(&batch, path);
    }
    if (status >= 0)
        status = line == NULL || line->entry.type != ENTRY_FILE || line->ref != NULL
                     ? refuse(v, line, path, err)
                     : print_file(a, v, line, err);
    contents_close(contents);
    return status;
}

int command_cat(const struct command_context *c)
{
    const struct options *o = c->options;
    char name[NAME_MAX_BYTES + 1];
    struct version v = {0};
    struct agent a;
    uint64_t number;
    struct error err;
    int code = EXIT_DONE;

    if (name_parse(name, &number, o->positional[0], &err) != 0)
        return command_fail(o, &err);
    if (command_open(&a, c, &code) != 0)
        return code;
    if (catalog_fold_name(&a, name, &err) != 0 ||
        catalog_find(&a, name, number, &v, &err) != 0 ||
        cat(&a, &v, o->positional[1], &err) != 0)
        code = command_fail(o, &err);
    version_free(&v);
    agent_close(&a);
    return code;
}
