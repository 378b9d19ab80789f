/*
 * The fields of a cluster stand in one table, so that reading, writing, copying and
 * freeing know the same ones.
 *
 * The built-in "local" is added at load and left out at save when nothing was changed
 * in it: a file made with one XDG_DATA_HOME would else pin the store for ever.
 */
#include "agent/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "agent/name.h"
#include "agent/nearest.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

enum { FORMAT = 1, FILE_MAX_BYTES = 1 << 20 };

static const struct {
    const char *key;
    size_t offset;
} fields[] = {
    {"store", offsetof(struct cluster, store)},
    {"endpoint", offsetof(struct cluster, endpoint)},
    {"region", offsetof(struct cluster, region)},
    {"profile", offsetof(struct cluster, profile)},
    {"ca_file", offsetof(struct cluster, ca_file)},
    {"addressing", offsetof(struct cluster, addressing)},
    {"sign_payload", offsetof(struct cluster, sign_payload)},
    {"account", offsetof(struct cluster, account)},
};

static char **field_of(struct cluster *cluster, size_t i)
{
    return (char **)(void *)((char *)cluster + fields[i].offset);
}

static char *field_value(const struct cluster *cluster, size_t i)
{
    return *(char *const *)(const void *)((const char *)cluster + fields[i].offset);
}

static char *copy_or_null(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

/* ---- clusters in memory ---- */

void cluster_free(struct cluster *cluster)
{
    free(cluster->name);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        free(*field_of(cluster, i));
    memset(cluster, 0, sizeof *cluster);
}

void cluster_copy(struct cluster *to, const struct cluster *from)
{
    to->name = mem_copy_string(from->name);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        *field_of(to, i) = copy_or_null(field_value(from, i));
}

static struct cluster *find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_clusters; i++)
        if (strcmp(config->clusters[i].name, name) == 0)
            return &config->clusters[i];
    return NULL;
}

const struct cluster *config_find(const struct config *config, const char *name)
{
    return find(config, name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct cluster *)a)->name, ((const struct cluster *)b)->name);
}

void config_put(struct config *config, const struct cluster *cluster)
{
    struct cluster *old = find(config, cluster->name);
    struct cluster copy = {0};

    cluster_copy(&copy, cluster); /* before the old one goes: they may be the same */
    if (old != NULL) {
        cluster_free(old);
        *old = copy;
        return;
    }
    config->clusters =
        mem_resize(config->clusters, config->n_clusters + 1, sizeof *config->clusters);
    config->clusters[config->n_clusters++] = copy;
    qsort(config->clusters, config->n_clusters, sizeof *config->clusters,
          compare_names);
}

static void forget_name(char **name, const char *which)
{
    if (*name == NULL || strcmp(*name, which) != 0)
        return;
    free(*name);
    *name = NULL;
}

void config_remove(struct config *config, const char *name)
{
    struct cluster *old = find(config, name);
    size_t at;

    forget_name(&config->context, name);
    forget_name(&config->last_login, name);
    if (old == NULL)
        return;
    at = (size_t)(old - config->clusters);
    cluster_free(old);
    memmove(old, old + 1, (--config->n_clusters - at) * sizeof *old);
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->n_clusters; i++)
        cluster_free(&config->clusters[i]);
    free(config->clusters);
    cluster_free(&config->env);
    free(config->context);
    free(config->last_login);
    config_roles_free(&config->roles);
    free(config->file);
    memset(config, 0, sizeof *config);
}

/* ---- reading ---- */

static int damaged(const struct config *config, const char *what, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0,
                     "%.160s is damaged (%s): repair it, or remove it and log in again",
                     config->file, what);
}

static int get_string(char **out, const struct config *config, const cJSON *object,
                      const char *key, struct error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    struct text what = {0};
    int status;

    if (item == NULL || cJSON_IsNull(item))
        return 0;
    if (cJSON_IsString(item)) {
        free(*out);
        *out = mem_copy_string(item->valuestring);
        return 0;
    }
    text_add_format(&what, "\"%s\" is no string", key);
    status = damaged(config, text_string(&what), err);
    text_free(&what);
    return status;
}

static int get_cluster(struct config *config, const cJSON *item, struct error *err)
{
    struct cluster cluster = {0};
    int status = 0;

    if (!cJSON_IsObject(item) || !name_is_valid(item->string))
        return damaged(config, "a cluster is no object, or has no proper name", err);
    cluster.name = mem_copy_string(item->string);
    for (size_t i = 0; status == 0 && i < ARRAY_SIZE(fields); i++)
        status = get_string(field_of(&cluster, i), config, item, fields[i].key, err);
    if (status == 0 && cluster.store == NULL)
        status = damaged(config, "a cluster has no \"store\"", err);
    if (status == 0)
        config_put(config, &cluster);
    cluster_free(&cluster);
    return status;
}

static int get_all(struct config *config, const cJSON *root, struct error *err)
{
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
    const cJSON *clusters = cJSON_GetObjectItemCaseSensitive(root, "clusters");
    const cJSON *item;

    if (!cJSON_IsObject(root) || !cJSON_IsNumber(format))
        return damaged(config, "no JSON object with a \"format\"", err);
    if (format->valueint != FORMAT)
        return error_set(
            err, ERROR_CORRUPT, 0,
            "%.160s has format %d; this grid knows format %d: a newer grid "
            "wrote it",
            config->file, format->valueint, FORMAT);
    if (clusters != NULL && !cJSON_IsObject(clusters))
        return damaged(config, "\"clusters\" is no object", err);
    cJSON_ArrayForEach(item, clusters)
    {
        if (get_cluster(config, item, err) != 0)
            return -1;
    }
    if (get_string(&config->context, config, root, "context", err) != 0)
        return -1;
    if (config_roles_read(&config->roles, root) != 0)
        return damaged(config, "\"credentials\" is no list of roles", err);
    return get_string(&config->last_login, config, root, "last_login", err);
}

static int read_file(struct text *out, const struct config *config, struct error *err)
{
    char bytes[4096];
    int fd = open(config->file, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "%s", config->file);
    while ((n = read(fd, bytes, sizeof bytes)) > 0 && out->size < FILE_MAX_BYTES)
        text_add_bytes(out, bytes, (size_t)n);
    if (n < 0)
        error_errno(err, errno, "%s", config->file);
    close(fd);
    if (n > 0)
        return damaged(config, "larger than 1 MiB", err);
    if (n == 0 && out->size == 0)
        return damaged(config, "empty", err);
    return n < 0 ? -1 : 0;
}

static void add_local(struct config *config, const struct paths *paths)
{
    struct cluster local = {0};

    if (find(config, "local") != NULL)
        return;
    local.name = mem_copy_string("local");
    local.store = paths_local_store_url(paths);
    config_put(config, &local);
    cluster_free(&local);
}

int config_load(struct config *config, const struct paths *paths, struct error *err)
{
    struct text file = {0}, bytes = {0};
    int status;

    memset(config, 0, sizeof *config);
    text_add_format(&file, "%s/config.json", paths->config_dir);
    config->file = text_take(&file);
    status = read_file(&bytes, config, err);
    if (status == 0 && bytes.size > 0) {
        cJSON *root = cJSON_ParseWithOpts(text_string(&bytes), NULL, 1);

        status = get_all(config, root, err);
        cJSON_Delete(root);
    }
    text_free(&bytes);
    if (status == 0)
        add_local(config, paths);
    return status;
}

/* ---- writing ---- */

static bool is_built_in(const struct cluster *cluster, const struct paths *paths)
{
    char *url = paths_local_store_url(paths);
    bool is = strcmp(cluster->name, "local") == 0 && strcmp(cluster->store, url) == 0;

    for (size_t i = 1; i < ARRAY_SIZE(fields); i++)
        is = is && field_value(cluster, i) == NULL;
    free(url);
    return is;
}

static void spell_cluster(cJSON *clusters, const struct cluster *cluster)
{
    cJSON *object = cJSON_AddObjectToObject(clusters, cluster->name);

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (field_value(cluster, i) != NULL)
            cJSON_AddStringToObject(object, fields[i].key, field_value(cluster, i));
}

static char *spell(const struct config *config, const struct paths *paths)
{
    cJSON *root = cJSON_CreateObject(), *clusters;
    char *json;

    cJSON_AddNumberToObject(root, "format", FORMAT);
    if (config->context != NULL)
        cJSON_AddStringToObject(root, "context", config->context);
    if (config->last_login != NULL)
        cJSON_AddStringToObject(root, "last_login", config->last_login);
    config_roles_write(&config->roles, root);
    clusters = cJSON_AddObjectToObject(root, "clusters");
    for (size_t i = 0; i < config->n_clusters; i++)
        if (!is_built_in(&config->clusters[i], paths))
            spell_cluster(clusters, &config->clusters[i]);
    json = cJSON_Print(root);
    cJSON_Delete(root);
    return json;
}

/* 0 or an errno. */
static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes += n;
        size -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd); /* where folders cannot be synced the rename has to do */
    close(fd);
}

static int replace_file(const struct config *config, const char *bytes, size_t size,
                        struct error *err)
{
    struct text temporary = {0};
    char *name;
    int fd, code;

    text_add_format(&temporary, "%s.XXXXXX", config->file);
    name = text_take(&temporary);
    fd = mkostemp(name, O_CLOEXEC); /* 0600 */
    code = fd < 0 ? errno : write_all(fd, bytes, size);
    if (fd >= 0 && close(fd) != 0 && code == 0)
        code = errno;
    if (code == 0 && rename(name, config->file) != 0)
        code = errno;
    if (code != 0 && fd >= 0)
        unlink(name);
    free(name);
    return code == 0 ? 0 : error_errno(err, code, "cannot write %s", config->file);
}

int config_save(const struct config *config, const struct paths *paths,
                struct error *err)
{
    struct text bytes = {0};
    char *json;
    int status;

    if (paths_make(paths, PATHS_CONFIG, err) != 0)
        return -1;
    json = spell(config, paths);
    if (json == NULL)
        return error_set(err, ERROR_INTERNAL, 0, "config.json cannot be spelled");
    text_add_format(&bytes, "%s\n", json);
    cJSON_free(json);
    status = replace_file(config, bytes.data, bytes.size, err);
    if (status == 0)
        sync_folder(paths->config_dir);
    text_free(&bytes);
    return status;
}

/* ---- choosing ---- */

static void add_known(struct text *out, const struct config *config)
{
    for (size_t i = 0; i < config->n_clusters; i++)
        text_add_format(out, "%s%s", i > 0 ? ", " : "", config->clusters[i].name);
}

/* where: "--cluster", "GRID_CLUSTER", ... */
static int unknown(const struct config *config, const char *name, const char *where,
                   struct error *err)
{
    const char **names = mem_new(config->n_clusters, sizeof *names);
    const char *near;
    struct text known = {0};

    for (size_t i = 0; i < config->n_clusters; i++)
        names[i] = config->clusters[i].name;
    near = nearest_word(name, names, config->n_clusters);
    add_known(&known, config);
    if (near != NULL)
        error_set(err, ERROR_USAGE, 0,
                  "%s: there is no cluster \"%.60s\"; did you mean %s? Known: %.120s",
                  where, name, near, text_string(&known));
    else
        error_set(err, ERROR_USAGE, 0,
                  "%s: there is no cluster \"%.60s\". Known: %.160s", where, name,
                  text_string(&known));
    text_free(&known);
    free(names);
    return -1;
}

int config_set_context(struct config *config, const char *name, struct error *err)
{
    if (find(config, name) == NULL)
        return unknown(config, name, "set-cluster-context", err);
    free(config->context);
    config->context = mem_copy_string(name);
    return 0;
}

static const char *env_value(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const struct cluster *make_env(struct config *config, const char *store)
{
    cluster_free(&config->env);
    config->env.name = mem_copy_string("env");
    config->env.store = mem_copy_string(store);
    return &config->env;
}

static int choose_named(const struct cluster **out, struct config *config,
                        const char *name, const char *where, struct error *err)
{
    const char *store = env_value("GRID_STORE");

    *out = find(config, name);
    if (*out == NULL && store != NULL && strcmp(name, "env") == 0)
        *out = make_env(config, store);
    return *out != NULL ? 0 : unknown(config, name, where, err);
}

int config_choose_cluster(const struct cluster **out, struct config *config,
                          const char *name, struct error *err)
{
    const char *store = env_value("GRID_STORE");
    const char *env_name = env_value("GRID_CLUSTER");

    if (name != NULL)
        return choose_named(out, config, name, "--cluster", err);
    if (env_name != NULL)
        return choose_named(out, config, env_name, "GRID_CLUSTER", err);
    if (store != NULL) {
        *out = make_env(config, store);
        return 0;
    }
    if (config->context != NULL)
        return choose_named(out, config, config->context, "the current context", err);
    if (config->last_login != NULL)
        return choose_named(out, config, config->last_login, "the last login", err);
    return choose_named(out, config, "local", "the default", err);
}
