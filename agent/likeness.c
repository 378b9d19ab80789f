/*
 * A sample of the objects, those at the head of the listing, by name and size.
 */
#include "agent/likeness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { SAMPLE = 200 };

struct sample {
    const char *folder;
    size_t prefix; /* of the keys: "NAME/vN/data/" */
    struct {
        char *path;
        uint64_t size;
    } objects[SAMPLE];
    size_t n, n_alike;
};

static int on_object(void *ctx, const char *name, const struct store_item *item,
                     struct error *err)
{
    struct sample *s = ctx;

    (void)name;
    if (s->n == SAMPLE)
        return error_set(err, ERROR_CANCELLED, 0, "enough");
    s->objects[s->n].path = mem_copy_string(item->key + s->prefix);
    s->objects[s->n++].size = item->size;
    return 0;
}

static void compare_work(void *ctx)
{
    struct sample *s = ctx;

    for (size_t i = 0; i < s->n; i++) {
        struct text path = {0};
        struct stat st;

        text_add_format(&path, "%s/%s", s->folder, s->objects[i].path);
        if (stat(text_string(&path), &st) == 0 && S_ISREG(st.st_mode) &&
            (uint64_t)st.st_size == s->objects[i].size)
            s->n_alike++;
        text_free(&path);
    }
}

static int take_sample(struct agent *a, const struct version *v, struct sample *s,
                       struct error *err)
{
    struct text prefix = {0};
    int status;

    text_add_format(&prefix, "%s/v%" PRIu64 "/data/", v->name, v->number);
    s->prefix = prefix.size;
    status = agent_list(a, text_string(&prefix), true, on_object, s, err);
    text_free(&prefix);
    return s->n == SAMPLE ? 0 : status;
}

int likeness_check(struct agent *a, const struct version *v, const struct place *place,
                   struct error *err)
{
    struct sample *s;
    int status;

    if (place->kind != PLACE_LOCAL || !place->is_folder)
        return 0;
    s = mem_new(1, sizeof *s);
    s->folder = place->path;
    status = take_sample(a, v, s, err);
    if (status == 0)
        agent_work(a, compare_work, s);
    if (status == 0 && s->n > 0 && s->n_alike == 0)
        status = error_set(err, ERROR_USAGE, 0,
                           "nothing of what is stored of %s version %" PRIu64
                           " is in %s (it was begun from %s on %s; %s is there, for "
                           "one)",
                           v->name, v->number, place->path, v->session.source,
                           v->session.host, s->objects[0].path);
    for (size_t i = 0; i < s->n; i++)
        free(s->objects[i].path);
    free(s);
    return status;
}
