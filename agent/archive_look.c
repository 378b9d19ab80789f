/*
 * A remote file that is opened and closed.
 */
#include "agent/archive_look.h"

#include <stdlib.h>

#include "transfer/remote_file.h"

struct looking {
    struct remote_file *file;
    bool is_open, is_closed;
    struct error err;
};

static void on_opened(void *ctx, const struct error *err)
{
    struct looking *l = ctx;

    l->is_open = true;
    error_keep_first(&l->err, err);
}

static void on_closed(void *ctx)
{
    struct looking *l = ctx;

    l->is_closed = true;
}

static void on_interrupt(void *ctx)
{
    struct looking *l = ctx;

    error_set(&l->err, ERROR_CANCELLED, 0, "interrupted");
    l->is_open = true;
}

static void take(struct looking *l, struct archive_look *out)
{
    struct remote_file_info info;

    remote_file_info(l->file, &info);
    out->has_size = info.has_size;
    out->can_seek = info.can_seek;
    out->size = info.size;
    if (info.validator[0] != '\0')
        unpack_add_validator(&out->validator, info.validator, info.size);
}

int archive_look(struct agent *a, const struct unpack_source *source,
                 struct archive_look *out, struct error *err)
{
    struct looking l = {0};
    const struct remote_file_options options = {
        .loop = &a->loop,
        .url = source->url,
        .ca_file = source->ca_file,
        .first_contact_ms = source->first_contact_ms,
        .outage_ms = source->outage_ms,
        .opened = on_opened,
        .ctx = &l,
    };

    *out = (struct archive_look){0};
    if (a->signal != 0)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    if (remote_file_open(&l.file, &options, err) != 0)
        return -1;
    a->on_interrupt = on_interrupt;
    a->interrupt_ctx = &l;
    loop_run_until(&a->loop, &l.is_open);
    a->on_interrupt = NULL;
    if (l.err.kind == ERROR_NONE)
        take(&l, out);
    remote_file_close(l.file, on_closed, &l);
    loop_run_until(&a->loop, &l.is_closed);
    if (l.err.kind == ERROR_NONE)
        return 0;
    *err = l.err;
    return -1;
}

void archive_look_free(struct archive_look *look)
{
    text_free(&look->validator);
}

/* As curl(1), and programs over OpenSSL. */
const char *archive_look_ca_file(void)
{
    const char *file = getenv("CURL_CA_BUNDLE");

    if (file == NULL || file[0] == '\0')
        file = getenv("SSL_CERT_FILE");
    return file != NULL && file[0] != '\0' ? file : NULL;
}

const char *archive_look_hint(const struct agent *a, const struct error *err)
{
    if (err->kind != ERROR_NETWORK || a->store == NULL || store_away(a->store) != NULL)
        return NULL;
    return "check the URL, and the network on the way there (HTTPS_PROXY and NO_PROXY "
           "count)";
}
