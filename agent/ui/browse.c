/* A link is what it leads to; what is neither folder nor file cannot be a source, and
 * does not show. */
#include "agent/ui/browse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/json_line.h"
#include "base/mem.h"

struct found {
    char *name;
    bool is_folder;
    uint64_t size;
    int64_t modified_ms;
};

struct folder {
    struct found *found;
    size_t n, room, n_left_off;
};

static int compare(const void *left, const void *right)
{
    const struct found *a = left, *b = right;

    if (a->is_folder != b->is_folder)
        return a->is_folder ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void add(struct folder *f, int fd, const char *name)
{
    struct stat st;
    struct found *found;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    if (f->n == BROWSE_ENTRIES_MAX) {
        f->n_left_off++;
        return;
    }
    if (fstatat(fd, name, &st, 0) != 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
        return;
    if (f->n == f->room) {
        f->room = f->room > 0 ? 2 * f->room : 64;
        f->found = mem_resize(f->found, f->room, sizeof *f->found);
    }
    found = &f->found[f->n++];
    found->name = mem_copy_string(name);
    found->is_folder = S_ISDIR(st.st_mode);
    found->size = (uint64_t)st.st_size;
    found->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000;
}

static int read_folder(struct folder *f, const char *path, struct error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (dir == NULL)
        return error_errno(err, errno, "cannot read the folder %s", path);
    while ((entry = readdir(dir)) != NULL)
        add(f, dirfd(dir), entry->d_name);
    closedir(dir);
    if (f->n > 0)
        qsort(f->found, f->n, sizeof *f->found, compare);
    return 0;
}

/* ---- as JSON ---- */

static void add_ref(struct text *json, const char *folder, const char *name)
{
    struct text path = {0}, ref = {0};

    text_add(&path, strcmp(folder, "/") == 0 ? "" : folder);
    if (name != NULL)
        text_add_format(&path, "/%s", name);
    if (path.size == 0)
        text_add(&path, "/");
    text_add_uri(&ref, path.data, path.size, true);
    json_line_string(json, "ref", text_string(&ref));
    text_free(&path);
    text_free(&ref);
}

static void add_found(struct text *json, const char *folder, const struct found *f)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "name", f->name);
    add_ref(&line, folder, f->name);
    json_line_string(&line, "type", f->is_folder ? "dir" : "file");
    if (!f->is_folder)
        json_line_u64(&line, "size", f->size);
    json_line_time(&line, "modified", f->modified_ms);
    json_line_end(&line);
    text_add_bytes(json, line.data, line.size - 1);
    text_free(&line);
}

static void add_parent(struct text *json, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct text parent = {0}, ref = {0};

    if (strcmp(path, "/") != 0) {
        text_add_bytes(&parent, path, slash > path ? (size_t)(slash - path) : 1);
        text_add_uri(&ref, parent.data, parent.size, true);
    }
    json_line_string(json, "parent", strcmp(path, "/") != 0 ? text_string(&ref) : NULL);
    text_free(&parent);
    text_free(&ref);
}

static void format(struct text *json, const char *path, const struct folder *f)
{
    json_line_begin(json);
    json_line_string(json, "path", path);
    add_ref(json, path, NULL);
    add_parent(json, path);
    json_line_u64(json, "left_off", f->n_left_off);
    text_add(json, ",\"entries\":[");
    for (size_t i = 0; i < f->n; i++) {
        text_add(json, i > 0 ? "," : "");
        add_found(json, path, &f->found[i]);
    }
    text_add(json, "]");
    json_line_end(json);
}

int browse_folder(struct text *json, const char *path, struct error *err)
{
    char *resolved = realpath(path, NULL);
    struct folder f = {0};
    int status;

    if (resolved == NULL)
        return error_errno(err, errno, "cannot read the folder %s", path);
    status = read_folder(&f, resolved, err);
    if (status == 0)
        format(json, resolved, &f);
    for (size_t i = 0; i < f.n; i++)
        free(f.found[i].name);
    free(f.found);
    free(resolved);
    return status;
}

char *browse_path_of(const char *ref)
{
    char *path = mem_copy_string(ref), *out = path;
    size_t size;

    for (const char *in = ref; *in != '\0'; out++) {
        if (*in == '%' && strlen(in) >= 3 &&
            text_parse_hex(in + 1, 2, out, 1, &size) == 0)
            in += 3;
        else
            *out = *in++;
    }
    *out = '\0';
    return path;
}
