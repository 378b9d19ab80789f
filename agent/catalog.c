/*
 * Names are the folders of the store, numbers those of a name; reading what stands under
 * one is for version_read.h.
 */
#include "agent/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/gauge.h"
#include "agent/nearest.h"
#include "agent/open_uploads.h"
#include "agent/version_scan.h"
#include "base/mem.h"

/* ---- names ---- */

struct names {
    char **names;
    size_t n;
};

static int on_name(void *ctx, const char *name, const struct store_item *item,
                   struct error *err)
{
    struct names *all = ctx;
    size_t length = strlen(name);
    char *copy;

    (void)item;
    (void)err;
    if (length < 2 || name[length - 1] != '/')
        return 0;
    copy = mem_copy_bytes(name, length - 1);
    if (!name_is_valid(copy)) {
        free(copy); /* somebody else's folder */
        return 0;
    }
    all->names = mem_resize(all->names, all->n + 1, sizeof *all->names);
    all->names[all->n++] = copy;
    return 0;
}

int catalog_names(struct agent *a, char ***names, size_t *n, struct error *err)
{
    struct names all = {NULL, 0};
    int status = agent_list(a, "", false, on_name, &all, err);

    *names = all.names;
    *n = all.n;
    return status;
}

int catalog_fold_name(struct agent *a, char name[NAME_MAX_BYTES + 1], struct error *err)
{
    const char *similar = NULL;
    char **names;
    size_t n;
    int status;

    if (store_folder(a->store) == NULL)
        return 0;
    status = catalog_names(a, &names, &n, err);
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0 &&
            (similar == NULL || strcmp(names[i], name) == 0))
            similar = names[i];
    if (similar != NULL)
        snprintf(name, NAME_MAX_BYTES + 1, "%s", similar);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return status;
}

/* ---- numbers ---- */

int catalog_numbers(struct agent *a, const char *name, uint64_t **numbers, size_t *n,
                    struct error *err)
{
    struct version_ref *refs;
    int status = version_scan_numbers(a, &name, 1, &refs, n, err);

    *numbers = mem_new(*n, sizeof **numbers);
    for (size_t i = 0; i < *n; i++)
        (*numbers)[i] = refs[i].number;
    free(refs);
    return status;
}

int catalog_newest_number(struct agent *a, const char *name, uint64_t *newest,
                          struct error *err)
{
    uint64_t *numbers;
    size_t n;
    int status = catalog_numbers(a, name, &numbers, &n, err);

    *newest = n > 0 ? numbers[n - 1] : 0;
    free(numbers);
    return status;
}

/* ---- one version ---- */

static int take_version(void *ctx, struct version *v, const struct error *failed,
                        struct error *err)
{
    struct version *out = ctx;

    if (failed != NULL) {
        *err = *failed;
        return -1;
    }
    *out = *v;
    memset(v, 0, sizeof *v); /* it is out's now */
    return 0;
}

int catalog_read(struct agent *a, const char *name, uint64_t number,
                 struct version *out, struct error *err)
{
    const struct version_ref ref = {name, number};

    memset(out, 0, sizeof *out);
    return version_scan_run(a, &ref, 1, take_version, out, err);
}

/* The nearest name in the store, copied into similar; "" if there is none. */
static void find_similar(struct agent *a, const char *name,
                         char similar[NAME_MAX_BYTES + 1])
{
    const char *nearest = NULL;
    struct error ignored;
    char **names;
    size_t n;

    similar[0] = '\0';
    if (catalog_names(a, &names, &n, &ignored) == 0)
        nearest = nearest_word(name, (const char *const *)names, n);
    if (nearest != NULL)
        snprintf(similar, NAME_MAX_BYTES + 1, "%s", nearest);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static int say_missing(struct agent *a, const char *name, uint64_t number,
                       bool has_others, struct error *err)
{
    char similar[NAME_MAX_BYTES + 1];

    if (number != 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no published version %" PRIu64 " of %s on %s",
                         number, name, a->cluster);
    if (has_others)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "%s has no published version on %s yet", name, a->cluster);
    find_similar(a, name, similar);
    if (similar[0] != '\0')
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "there is no datastore named %s on %s; did you mean %s?", name,
                         a->cluster, similar);
    return error_set(
        err, ERROR_NOT_FOUND, 0,
        "there is no datastore named %s on %s; `grid datastore` lists them", name,
        a->cluster);
}

/* number 0: the newest that is below `below`. */
static int find(struct agent *a, const char *name, uint64_t number, uint64_t below,
                struct version *out, struct error *err)
{
    uint64_t *numbers;
    size_t n;
    int status = catalog_numbers(a, name, &numbers, &n, err);
    size_t left = n;

    memset(out, 0, sizeof *out);
    while (status == 0 && left-- > 0) {
        if (numbers[left] >= below || (number != 0 && numbers[left] != number))
            continue;
        version_free(out);
        status = catalog_read(a, name, numbers[left], out, err);
        if (status == 0 && out->status == VERSION_SUCCEEDED)
            break;
        if (status == 0 && out->status == VERSION_DAMAGED) {
            *err = out->damage;
            status = -1;
        }
    }
    if (status == 0 && out->status != VERSION_SUCCEEDED)
        status = say_missing(a, name, number, n > 0, err);
    free(numbers);
    return status;
}

int catalog_find(struct agent *a, const char *name, uint64_t number,
                 struct version *out, struct error *err)
{
    return find(a, name, number, UINT64_MAX, out, err);
}

int catalog_find_below(struct agent *a, const char *name, uint64_t below,
                       struct version *out, struct error *err)
{
    return find(a, name, 0, below, out, err);
}

/* ---- deleting ---- */

struct deletion {
    struct agent *agent;
    char **keys;
    size_t n;
    const char **large; /* of the keys, those that may have hidden uploads */
    size_t n_large;
};

enum { DELETE_BATCH = 1000 };

static int delete_collected(struct deletion *d, struct error *err)
{
    struct store_op op = {
        .verb = STORE_DELETE, .keys = (const char *const *)d->keys, .n_keys = d->n};
    int status = open_uploads_abort_keys(d->agent, d->large, d->n_large, err);

    if (status == 0 && d->n > 0) {
        op.key = d->keys[0];
        status = agent_do(d->agent, &op, err);
        store_op_clear(&op);
    }
    if (status == 0)
        gauge_add_files(d->agent->gauge, d->n);
    for (size_t i = 0; i < d->n; i++)
        free(d->keys[i]);
    d->n = d->n_large = 0;
    return status;
}

static int on_object(void *ctx, const char *name, const struct store_item *item,
                     struct error *err)
{
    struct deletion *d = ctx;

    if (strcmp(name, "deleted.json") == 0)
        return 0;
    d->keys[d->n++] = mem_copy_string(item->key);
    if (open_uploads_are_hidden(d->agent, item->size))
        d->large[d->n_large++] = d->keys[d->n - 1];
    return d->n < DELETE_BATCH ? 0 : delete_collected(d, err);
}

static int delete_all(struct agent *a, const char *prefix, struct error *err)
{
    struct deletion d = {.agent = a,
                         .keys = mem_new(DELETE_BATCH, sizeof(char *)),
                         .large = mem_new(DELETE_BATCH, sizeof(char *))};
    int status = agent_list(a, prefix, true, on_object, &d, err);
    struct error later;

    if (delete_collected(&d, status == 0 ? err : &later) != 0)
        status = -1;
    free(d.keys);
    free(d.large);
    return status;
}

static int refuse_alive(const struct version *v, struct error *err)
{
    return error_set(
        err, ERROR_CONFLICT, 0,
        "%s version %" PRIu64 " is being uploaded by %s on %s (pid %" PRId64
        "); stop it first: grid datastore stop %s",
        v->name, v->number, v->session.user, v->session.host, v->session.pid, v->name);
}

int catalog_delete(struct agent *a, const struct version *v, struct error *err)
{
    struct text prefix = {0}, key = {0}, json = {0};
    int status;

    if (v->status == VERSION_UPLOADING)
        return refuse_alive(v, err);
    text_add_format(&prefix, "%s/v%" PRIu64 "/", v->name, v->number);
    text_add_format(&key, "%sdeleted.json", text_string(&prefix));
    deleted_record_format(v->name, v->number, &json);
    status = agent_put(a, text_string(&key), json.data, json.size, false, err);
    text_clear(&key);
    text_add_format(&key, "%sdatastore.json", text_string(&prefix));
    if (status == 0)
        status = agent_delete(a, text_string(&key), err);
    if (status == 0)
        status = delete_all(a, text_string(&prefix), err);
    if (status == 0)
        status = open_uploads_abort(a, text_string(&prefix), NULL, 0, err);
    text_free(&prefix);
    text_free(&key);
    text_free(&json);
    return status;
}

char *catalog_url(struct agent *a, const char *name, uint64_t number)
{
    struct text url = {0};
    const char *root = store_url(a->store);
    size_t length = strlen(root);

    text_add_bytes(&url, root,
                   length > 0 && root[length - 1] == '/' ? length - 1 : length);
    text_add_format(&url, "/%s/v%" PRIu64, name, number);
    return text_take(&url);
}
