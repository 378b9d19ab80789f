/*
 *   manifest --batch--> checkpoint (merged with the stat cache, on its thread)
 *
 * One batch at a time: while the checkpoint has it nothing more is read.
 */
#include "agent/previous.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agent/answer.h"
#include "agent/catalog.h"
#include "agent/contents.h"
#include "base/log.h"

/* The trouble of this run, or of the session, and not of what was to be read. */
static bool is_fatal(const struct error *err)
{
    return err->kind == ERROR_CANCELLED || err->kind == ERROR_NETWORK ||
           err->kind == ERROR_EXPIRED;
}

static int begin(const struct previous_options *o, const struct version *v,
                 struct error *err)
{
    struct answer answer = {0};

    checkpoint_previous_begin(o->checkpoint, o->cache, v->record.session, answer_done,
                              &answer);
    return answer_wait(&answer, &o->agent->loop, err);
}

static int add(const struct previous_options *o, const struct contents_batch *batch,
               struct error *err)
{
    struct answer answer = {0};

    checkpoint_previous_add(o->checkpoint, batch->lines, batch->n_lines, answer_done,
                            &answer);
    return answer_wait(&answer, &o->agent->loop, err);
}

static int end(const struct previous_options *o, const char *prefix, struct error *err)
{
    struct answer answer = {0};

    checkpoint_previous_end(o->checkpoint, prefix, answer_done, &answer);
    return answer_wait(&answer, &o->agent->loop, err);
}

/* 0: all of it; 1: it cannot be read, *err says why; -1: error. */
static int fill(const struct previous_options *o, const struct version *v,
                struct error *err)
{
    struct contents *contents;
    struct contents_batch batch;
    int status;

    if (begin(o, v, err) != 0)
        return -1;
    contents = contents_open(o->agent, v);
    while ((status = contents_next(contents, &batch, err)) == 1)
        if (add(o, &batch, err) != 0)
            break;
    contents_close(contents);
    if (status == 1)
        return -1; /* the checkpoint's */
    if (status == 0)
        return 0;
    return is_fatal(err) ? -1 : 1;
}

static int find_and_fill(const struct previous_options *o, struct text *prefix,
                         struct error *err)
{
    struct version v;
    int status = catalog_find_below(o->agent, o->name, o->number, &v, err);

    if (status == 0 && v.record.copy) {
        text_add_format(prefix, "%s/v%" PRIu64 "/", v.name, v.number);
        status = fill(o, &v, err);
    } else if (status != 0 && err->kind == ERROR_NOT_FOUND) {
        status = 0; /* this is the first */
    } else if (status != 0) {
        status = is_fatal(err) ? -1 : 1;
    }
    if (status != 0)
        text_clear(prefix);
    version_free(&v);
    return status;
}

int previous_prepare(const struct previous_options *o, struct text *prefix,
                     struct error *err)
{
    char *known = checkpoint_previous_name(o->checkpoint);
    int status;

    text_clear(prefix);
    if (known != NULL) {
        text_add(prefix, known);
        free(known);
        return 0;
    }
    status = find_and_fill(o, prefix, err);
    if (status == 0 && end(o, text_string(prefix), err) != 0)
        return -1;
    if (status == 1)
        o->unreadable(o->ctx, err);
    if (prefix->size > 0)
        log_line(LOG_INFO, LOG_SESSION, "what is in %s need not be sent again",
                 text_string(prefix));
    return status < 0 ? -1 : 0;
}
