/*
 * The same upload machine that moves the data set, with a source of one file.
 */
#include "agent/send_file.h"

#include <string.h>

#include "base/mem.h"
#include "transfer/upload.h"

struct sending {
    struct agent *agent;
    struct upload *upload;
    bool is_over;
    struct error err;
};

static void on_created(void *ctx, const struct upload_note *note)
{
    (void)ctx, (void)note;
}

static void on_part_stored(void *ctx, const struct part_record *part)
{
    (void)ctx, (void)part;
}

static void on_gone(void *ctx)
{
    (void)ctx;
}

static void on_interrupt(void *ctx)
{
    struct sending *s = ctx;

    if (!s->is_over)
        upload_cancel(s->upload);
}

/* Also when room has come free. */
static void on_moved(void *ctx)
{
    struct sending *s = ctx;

    while (!s->is_over && store_room(s->agent->store) > 0 && upload_step(s->upload))
        continue;
}

static void on_done(void *ctx, const struct upload_outcome *outcome)
{
    struct sending *s = ctx;

    s->err = outcome->err;
    s->is_over = true;
}

static const struct upload_events events = {
    on_created, on_part_stored, on_gone, on_gone, NULL, on_moved, on_done};

static int send_from(struct agent *a, struct source *source, const char *file,
                     const char *key, struct error *err)
{
    const char *slash = strrchr(file, '/');
    struct sending s = {.agent = a};
    struct upload_record nothing;
    struct upload_options options = {
        .loop = &a->loop,
        .store = a->store,
        .source = source,
        .budget = a->budget,
        .path = slash == NULL ? file : slash + 1,
        .key = key,
        .stamp = {.size = UINT64_MAX}, /* whatever it is */
        .events = &events,
        .ctx = &s,
    };

    memset(&nothing, 0, sizeof nothing);
    s.upload = upload_start(&options, &nothing, NULL);
    store_on_room(a->store, on_moved, &s);
    a->on_interrupt = on_interrupt;
    a->interrupt_ctx = &s;
    loop_run_until(&a->loop, &s.is_over);
    a->on_interrupt = NULL;
    store_on_room(a->store, NULL, NULL);
    if (s.err.kind == ERROR_NONE)
        return 0;
    *err = s.err;
    return error_wrap(err, "%s", key);
}

int send_file(struct agent *a, const char *file, const char *key, struct error *err)
{
    struct walk_options walk = {.root = file, .scratch = "/tmp"};
    struct source *source;
    int status;

    if (source_open_tree(&source, &a->loop, &walk, err) != 0)
        return -1;
    status = send_from(a, source, file, key, err);
    source_close(source);
    return status;
}
