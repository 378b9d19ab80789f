/*
 * FLAT keeps one open folder a level and goes on reading where it was.
 *
 * LEVEL and UPLOADS are sorted, without holding all names: each page is a whole pass
 * over the folder that keeps the least STORE_PAGE names behind the last page's last
 * one.  Few folders that are listed so have more than one page.
 */
#include "transfer/dir_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "transfer/dir_upload.h"

/* A folder that is being read, and how much of the path is its. */
struct level {
    DIR *dir;
    size_t path_size;
    bool has_entries;
};

struct dir_list {
    enum dir_list_kind kind;
    char *prefix;
    bool is_at_end;
    char *after; /* LEVEL, UPLOADS: the last name given out; NULL at first */

    struct level *levels; /* FLAT: the folders from the prefix down */
    size_t n_levels, levels_room;
    bool is_begun;
    struct text path; /* of the deepest folder, with a '/' behind it unless empty */
};

struct dir_list *dir_list_new(enum dir_list_kind kind, const char *prefix)
{
    struct dir_list *list = mem_new(1, sizeof *list);

    list->kind = kind;
    list->prefix = mem_copy_string(prefix);
    return list;
}

void dir_list_free(struct dir_list *list)
{
    while (list->n_levels > 0)
        closedir(list->levels[--list->n_levels].dir);
    free(list->levels);
    text_free(&list->path);
    free(list->after);
    free(list->prefix);
    free(list);
}

/* ---- entries ---- */

enum entry_kind { KIND_FILE, KIND_FOLDER, KIND_LINKED_FOLDER, KIND_OTHER };

static enum entry_kind kind_of(int folder, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type == DT_REG)
        return KIND_FILE;
    if (entry->d_type == DT_DIR)
        return KIND_FOLDER;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return KIND_OTHER;
    if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return KIND_OTHER;
    if (S_ISDIR(st.st_mode))
        return KIND_FOLDER;
    if (S_ISLNK(st.st_mode) && fstatat(folder, entry->d_name, &st, 0) != 0)
        return KIND_OTHER;
    if (S_ISDIR(st.st_mode))
        return KIND_LINKED_FOLDER;
    return S_ISREG(st.st_mode) ? KIND_FILE : KIND_OTHER;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The next entry; NULL at the end, or with *code set.  A folder that was removed while
 * we read it is at its end. */
static struct dirent *next_entry(DIR *dir, int *code)
{
    struct dirent *entry;

    do {
        errno = 0;
        entry = readdir(dir);
    } while (entry != NULL && is_dots(entry->d_name));
    *code = entry == NULL && errno != ENOENT ? errno : 0;
    return entry;
}

/* path: "" or with a '/' at its end.  NULL and errno on failure. */
static DIR *open_folder(int at, const char *path, int flags)
{
    int fd = openat(at, *path != '\0' ? path : ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL && fd >= 0)
        close(fd);
    return dir;
}

static void add_file(struct store_items *items, int folder, const char *name,
                     const char *prefix)
{
    struct text key = {0};
    struct store_item *item;
    struct stat st;

    if (fstatat(folder, name, &st, 0) != 0)
        return; /* it has gone meanwhile */
    text_add(&key, prefix);
    text_add(&key, name);
    item = store_items_add(items);
    item->key = text_take(&key);
    item->size = (uint64_t)st.st_size;
    item->modified_ms = dir_tree_mtime_ms(&st);
}

static int cancelled(struct error *err)
{
    return error_set(err, ERROR_CANCELLED, 0, "cancelled");
}

/* ---- sorted pages ---- */

/* The least names behind `after`. */
struct page {
    const char *after;
    char *names[2 * STORE_PAGE];
    size_t n;
    bool is_cut; /* there are more than STORE_PAGE */
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void page_cut(struct page *page)
{
    qsort(page->names, page->n, sizeof page->names[0], compare_names);
    while (page->n > STORE_PAGE) {
        free(page->names[--page->n]);
        page->is_cut = true;
    }
}

static void page_add(struct page *page, const char *name, bool is_folder)
{
    struct text text = {0};

    text_add(&text, name);
    if (is_folder)
        text_add(&text, "/");
    if (page->after != NULL && strcmp(text_string(&text), page->after) <= 0) {
        text_free(&text);
        return;
    }
    page->names[page->n++] = text_take(&text);
    if (page->n == ARRAY_SIZE(page->names))
        page_cut(page);
}

static bool is_temp_of_version(const char *prefix, const char *name)
{
    size_t length = strlen(prefix);

    return length > 0 && dir_key_is_version(prefix, length - 1) &&
           strcmp(name, "tmp") == 0;
}

static void add_to_page(const struct dir_list *list, struct page *page, DIR *dir,
                        const struct dirent *entry)
{
    enum entry_kind kind;

    if (list->kind == DIR_LIST_UPLOADS) {
        page_add(page, entry->d_name, false);
        return;
    }
    kind = kind_of(dirfd(dir), entry);
    if (kind == KIND_OTHER || is_temp_of_version(list->prefix, entry->d_name))
        return;
    page_add(page, entry->d_name, kind != KIND_FILE);
}

static int read_page(const struct dir_list *list, DIR *dir, struct page *page,
                     const atomic_bool *stop)
{
    struct dirent *entry;
    int code;

    while ((entry = next_entry(dir, &code)) != NULL) {
        if (atomic_load(stop))
            return ECANCELED;
        add_to_page(list, page, dir, entry);
    }
    page_cut(page);
    return code;
}

static bool takes_strays(const char *prefix)
{
    size_t length = strlen(prefix);

    return length == 0 || prefix[length - 1] == '/';
}

/* One name of a version's temporary folder: an upload, a stray, or the other half. */
static void add_upload(const struct dir_list *list, struct store_items *items, int root,
                       const char *folder, const char *name)
{
    size_t length = strlen(name);
    bool is_notes = length > 2 && strcmp(name + length - 2, ".p") == 0;
    char *id = mem_copy_bytes(name, is_notes ? length - 2 : length);
    struct dir_notes_header info;
    struct store_item *item;
    char notes[DIR_PATH_MAX];
    bool is_upload = dir_upload_read_info(root, folder, id, &info);
    bool is_wanted = is_upload
                         ? strncmp(info.key, list->prefix, strlen(list->prefix)) == 0
                         : takes_strays(list->prefix);

    snprintf(notes, sizeof notes, "%.*s/%.255s.p", DIR_KEY_MAX + 4, folder, id);
    if (!is_notes && faccessat(root, notes, F_OK, 0) == 0)
        is_wanted = false; /* its notes have their turn */
    if (!is_wanted) {
        free(id);
        return;
    }
    item = store_items_add(items);
    item->key = mem_copy_string(is_upload ? info.key : "");
    item->upload_id = id;
    item->size = is_upload ? info.size : 0;
}

static void give_out(const struct dir_list *list, struct page *page,
                     struct store_items *items, DIR *dir, int root, const char *folder)
{
    for (size_t i = 0; i < page->n; i++) {
        const char *name = page->names[i];

        if (list->kind == DIR_LIST_UPLOADS) {
            add_upload(list, items, root, folder, name);
        } else if (name[strlen(name) - 1] == '/') {
            struct text key = {0};

            text_add(&key, list->prefix);
            text_add(&key, name);
            store_items_add(items)->key = text_take(&key);
        } else {
            add_file(items, dirfd(dir), name, list->prefix);
        }
    }
}

static void page_free(struct page *page)
{
    for (size_t i = 0; i < page->n; i++)
        free(page->names[i]);
    free(page);
}

static int next_page(struct dir_list *list, struct dir_tree *tree, int root,
                     struct store_items *items, const atomic_bool *stop,
                     struct error *err)
{
    struct page *page;
    char folder[DIR_PATH_MAX];
    DIR *dir;
    int code;

    snprintf(folder, sizeof folder, "%s", list->prefix);
    if (list->kind == DIR_LIST_UPLOADS)
        dir_key_temp_folder(folder, list->prefix);
    dir = open_folder(root, folder, 0);
    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : dir_tree_read_failed(tree, folder, errno, err);
    page = mem_new(1, sizeof *page);
    page->after = list->after;
    code = read_page(list, dir, page, stop);
    list->is_at_end = !page->is_cut;
    if (code == 0 && page->n > 0) {
        give_out(list, page, items, dir, root, folder);
        free(list->after);
        list->after = mem_copy_string(page->names[page->n - 1]);
    }
    page_free(page);
    closedir(dir);
    if (code == ECANCELED)
        return cancelled(err);
    return code == 0 ? 0 : dir_tree_read_failed(tree, folder, code, err);
}

/* ---- everything below ---- */

/* Go down into name, or into the prefix itself.  False, with errno, where that fails.
 */
static bool push(struct dir_list *list, int at, const char *name, int flags)
{
    DIR *dir = open_folder(at, name, flags);

    if (dir == NULL)
        return false;
    if (list->n_levels == list->levels_room) {
        list->levels_room = list->levels_room > 0 ? 2 * list->levels_room : 8;
        list->levels =
            mem_resize(list->levels, list->levels_room, sizeof list->levels[0]);
    }
    text_add(&list->path, name);
    if (flags != 0)
        text_add(&list->path, "/");
    list->levels[list->n_levels++] = (struct level){dir, list->path.size, false};
    return true;
}

static void pop(struct dir_list *list)
{
    struct text parent = {0};

    closedir(list->levels[--list->n_levels].dir);
    if (list->n_levels > 0)
        text_add_bytes(&parent, list->path.data,
                       list->levels[list->n_levels - 1].path_size);
    text_free(&list->path);
    list->path = parent;
}

/* An empty folder is an item of its own: what is to be deleted whole must not leave it.
 */
static void leave(struct dir_list *list, struct store_items *items)
{
    if (list->n_levels > 1 && !list->levels[list->n_levels - 1].has_entries)
        store_items_add(items)->key = mem_copy_string(text_string(&list->path));
    pop(list);
}

/* Was that failure only a folder that has gone meanwhile? */
static bool is_gone(int code)
{
    return code == ENOENT || code == ENOTDIR || code == ELOOP;
}

/* Take one step; returns an errno. */
static int step(struct dir_list *list, struct store_items *items)
{
    DIR *dir = list->levels[list->n_levels - 1].dir;
    int code;
    struct dirent *entry = next_entry(dir, &code);

    if (entry == NULL) {
        if (code == 0)
            leave(list, items);
        return code;
    }
    list->levels[list->n_levels - 1].has_entries = true;
    switch (kind_of(dirfd(dir), entry)) {
    case KIND_FILE:
        add_file(items, dirfd(dir), entry->d_name, text_string(&list->path));
        return 0;
    case KIND_FOLDER:
        if (!is_temp_of_version(text_string(&list->path), entry->d_name) &&
            !push(list, dirfd(dir), entry->d_name, O_NOFOLLOW) && !is_gone(errno))
            return errno;
        return 0;
    default:
        return 0;
    }
}

static int next_flat(struct dir_list *list, struct dir_tree *tree, int root,
                     struct store_items *items, const atomic_bool *stop,
                     struct error *err)
{
    int code = 0;

    if (!list->is_begun && !push(list, root, list->prefix, 0) && !is_gone(errno))
        code = errno;
    list->is_begun = true;
    while (code == 0 && list->n_levels > 0 && items->n < STORE_PAGE) {
        if (atomic_load(stop))
            return cancelled(err);
        code = step(list, items);
    }
    list->is_at_end = list->n_levels == 0;
    if (code != 0)
        return dir_tree_read_failed(tree, text_string(&list->path), code, err);
    return 0;
}

int dir_list_next(struct dir_list *list, struct dir_tree *tree,
                  struct store_items *items, const atomic_bool *stop, struct error *err)
{
    int root = dir_tree_root(tree, false, err);

    list->is_at_end = true;
    if (root < 0)
        return err->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (list->kind == DIR_LIST_FLAT)
        return next_flat(list, tree, root, items, stop, err);
    return next_page(list, tree, root, items, stop, err);
}

bool dir_list_is_at_end(const struct dir_list *list)
{
    return list->is_at_end;
}
