/*
 * The notes never lead: a part's record is written after its bytes were synced, and
 * taken back, for good, before its bytes are touched again.  So a record that is whole
 * (it has a checksum of its own) tells the truth whenever we are killed, and completion
 * needs no look at the bytes.
 *
 * What is left of an upload when creation, completion or abortion is interrupted:
 *   data without notes   created only half, or aborted only half
 *   notes without data   completed but for removing them
 * Neither is an upload; both are strays, which dir_upload_abort() removes.
 */
#include "transfer/dir_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/dir_etag.h"

/* ---- names ---- */

static void data_path(char out[DIR_PATH_MAX], const char *key, const char *id)
{
    char folder[DIR_PATH_MAX];

    dir_key_temp_folder(folder, key);
    snprintf(out, DIR_PATH_MAX, "%.*s/%.255s", DIR_KEY_MAX + 4, folder, id);
}

static void notes_path(char out[DIR_PATH_MAX], const char *key, const char *id)
{
    char folder[DIR_PATH_MAX];

    dir_key_temp_folder(folder, key);
    snprintf(out, DIR_PATH_MAX, "%.*s/%.255s.p", DIR_KEY_MAX + 4, folder, id);
}

static bool is_upload_id(const char *id)
{
    return strlen(id) == DIR_ID_HEX - 1 &&
           strspn(id, "0123456789abcdef") == DIR_ID_HEX - 1;
}

static int unknown_upload(const char *key, const char *id, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, ENOENT, "%s: there is no upload %s of it",
                     key, id);
}

/* ---- opening ---- */

/* An upload that is there.  The descriptors are the caller's. */
struct upload {
    int root, data, notes;
    struct dir_notes_header info;
};

static void upload_close(struct upload *u)
{
    if (u->notes >= 0)
        close(u->notes);
    if (u->data >= 0)
        close(u->data);
}

static int upload_open_files(struct upload *u, const char *key, const char *id)
{
    char path[DIR_PATH_MAX];

    data_path(path, key, id);
    u->data = openat(u->root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (u->data < 0)
        return -1;
    notes_path(path, key, id);
    u->notes = openat(u->root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (u->notes < 0 || dir_notes_read_header(u->notes, &u->info) != 0)
        return -1;
    errno = ENOENT;
    return strcmp(u->info.key, key) == 0 ? 0 : -1;
}

static int upload_open(struct upload *u, struct dir_tree *tree, const char *key,
                       const char *id, struct error *err)
{
    int code;

    *u = (struct upload){.data = -1, .notes = -1};
    u->root = dir_tree_root(tree, false, err);
    if (u->root < 0)
        return -1;
    if (!is_upload_id(id))
        return unknown_upload(key, id, err);
    if (upload_open_files(u, key, id) == 0)
        return 0;
    code = errno;
    upload_close(u);
    if (code == ENOENT || code == ENOTDIR || code == EBADMSG)
        return unknown_upload(key, id, err);
    return dir_tree_read_failed(tree, key, code, err);
}

bool dir_upload_read_info(int root, const char *folder, const char *id,
                          struct dir_notes_header *info)
{
    char path[DIR_PATH_MAX];
    bool is_whole;
    int fd;

    snprintf(path, sizeof path, "%.*s/%.255s", DIR_KEY_MAX + 4, folder, id);
    if (!is_upload_id(id) || faccessat(root, path, F_OK, 0) != 0)
        return false;
    snprintf(path, sizeof path, "%.*s/%.255s.p", DIR_KEY_MAX + 4, folder, id);
    fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    is_whole = dir_notes_read_header(fd, info) == 0;
    close(fd);
    return is_whole;
}

/* ---- creating ---- */

/* The notes come second: data without notes is no upload. */
static int create_files(int root, int data, const char *path,
                        const struct dir_notes_header *info)
{
    int fd, code = 0;

    if (ftruncate(data, (off_t)info->size) != 0)
        return errno;
    fd = dir_tree_create_file(root, path);
    if (fd < 0)
        return errno;
    if (dir_notes_write_header(fd, info) != 0)
        code = errno;
    close(fd);
    if (code != 0)
        unlinkat(root, path, 0);
    return code;
}

int dir_upload_create(struct dir_tree *tree, const char *key, uint64_t size,
                      uint64_t part_size, char id[DIR_ID_HEX], struct error *err)
{
    struct dir_notes_header info = {.size = size, .part_size = part_size};
    struct dir_temp temp = {0};
    char path[DIR_PATH_MAX];
    int root, code;

    if (part_size == 0 || size > INT64_MAX)
        return error_set(err, ERROR_INTERNAL, 0, "%s: parts of no size", key);
    if (dir_tree_create_temp(tree, key, &temp, err) != 0)
        return -1;
    root = dir_tree_root(tree, false, err);
    snprintf(info.key, sizeof info.key, "%s", key);
    snprintf(id, DIR_ID_HEX, "%s", strrchr(temp.path, '/') + 1);
    notes_path(path, key, id);
    code = create_files(root, temp.fd, path, &info);
    if (code != 0) {
        dir_tree_drop_temp(tree, &temp);
        return dir_tree_write_failed(tree, key, code, err);
    }
    dir_tree_keep_temp(tree, &temp);
    return 0;
}

/* ---- parts ---- */

/* Bytes of an attempt that was killed may lie there, of which nothing is noted. */
static bool punch(int data, uint64_t offset, uint64_t size)
{
    return size > 0 && fallocate(data, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 (off_t)offset, (off_t)size) == 0;
}

/* Of a part that is sent, or copied. */
static uint64_t part_size(const struct store_op *op)
{
    return op->body != NULL ? op->body->size : op->part.size;
}

static bool is_part_of(const struct dir_notes_header *info, const struct store_op *op)
{
    uint64_t number = op->part.number, size = part_size(op);

    return number >= 1 && number <= DIR_NOTES_PARTS_MAX &&
           op->offset == (number - 1) * info->part_size && op->offset <= INT64_MAX &&
           size <= (uint64_t)INT64_MAX - op->offset && size <= info->part_size;
}

int dir_upload_open_part(struct dir_tree *tree, const struct store_op *op,
                         struct dir_part *part, struct error *err)
{
    struct upload u;
    int code;

    if (upload_open(&u, tree, op->key, op->upload_id, err) != 0)
        return -1;
    if (!is_part_of(&u.info, op)) {
        upload_close(&u);
        return error_set(
            err, ERROR_INTERNAL, 0, "%s: part %u at %llu does not lie in upload %s",
            op->key, op->part.number, (unsigned long long)op->offset, op->upload_id);
    }
    if (dir_notes_take_back(u.notes, op->part.number) != 0) {
        code = errno;
        upload_close(&u);
        return dir_tree_write_failed(tree, op->key, code, err);
    }
    *part = (struct dir_part){.is_open = true,
                              .is_hole = punch(u.data, op->offset, part_size(op)),
                              .data = u.data,
                              .notes = u.notes,
                              .number = op->part.number,
                              .offset = op->offset,
                              .size = part_size(op)};
    return 0;
}

static bool is_zero(struct span bytes)
{
    return bytes.size > 0 && bytes.data[0] == 0 &&
           memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0;
}

int dir_upload_write_part(struct dir_part *part, struct span bytes, uint64_t position)
{
    if (part->is_hole && is_zero(bytes))
        return 0;
    return dir_tree_write(part->data, bytes, part->offset + position);
}

int dir_upload_end_part(struct dir_part *part, const uint8_t etag[DIR_ETAG_BYTES])
{
    struct dir_notes_part note = {.number = part->number, .size = part->size};

    if (fdatasync(part->data) != 0)
        return -1;
    memcpy(note.etag, etag, DIR_ETAG_BYTES);
    return dir_notes_write_part(part->notes, &note);
}

void dir_upload_close_part(struct dir_part *part)
{
    if (!part->is_open)
        return;
    close(part->data);
    close(part->notes);
    part->is_open = false;
}

int dir_upload_list_parts(struct dir_tree *tree, const char *key, const char *id,
                          struct store_items *items, struct error *err)
{
    struct dir_notes_part *parts;
    struct upload u;
    int status = 0;

    if (upload_open(&u, tree, key, id, err) != 0)
        return -1;
    parts = mem_new(DIR_NOTES_PARTS_MAX, sizeof *parts);
    if (dir_notes_read_parts(u.notes, 1, parts, DIR_NOTES_PARTS_MAX) != 0)
        status = dir_tree_read_failed(tree, key, errno, err);
    for (size_t i = 0; i < DIR_NOTES_PARTS_MAX && status == 0; i++) {
        struct store_item *item;

        if (parts[i].number == 0)
            continue;
        item = store_items_add(items);
        item->number = parts[i].number;
        item->size = parts[i].size;
        dir_etag_hex(item->etag, parts[i].etag);
    }
    free(parts);
    upload_close(&u);
    return status;
}

/* ---- the end ---- */

static bool is_noted(const struct upload *u, const struct store_part *part)
{
    struct dir_notes_part note;
    char etag[DIR_ETAG_HEX];

    if (part->number < 1 || part->number > DIR_NOTES_PARTS_MAX ||
        dir_notes_read_parts(u->notes, part->number, &note, 1) != 0 || note.number == 0)
        return false;
    dir_etag_hex(etag, note.etag);
    return note.size == part->size && strcmp(etag, part->etag) == 0;
}

/* Are op's parts the ones of the notes, and all there must be? */
static int check_parts(const struct upload *u, const struct store_op *op,
                       struct error *err)
{
    uint64_t size = 0;

    for (size_t i = 0; i < op->n_parts; i++) {
        const struct store_part *part = &op->parts[i];
        bool is_last = i + 1 == op->n_parts;

        if (part->number != i + 1 || !is_noted(u, part) ||
            (!is_last && part->size != u->info.part_size))
            return error_set(err, ERROR_CORRUPT, 0,
                             "%s: part %zu of upload %s is not what was stored",
                             op->key, i + 1, op->upload_id);
        size += part->size;
    }
    if (size != op->size)
        return error_set(err, ERROR_CORRUPT, 0,
                         "%s: the parts of upload %s have %llu bytes, not %llu",
                         op->key, op->upload_id, (unsigned long long)size,
                         (unsigned long long)op->size);
    return 0;
}

static void remove_notes(int root, const struct store_op *op)
{
    char path[DIR_PATH_MAX];

    notes_path(path, op->key, op->upload_id);
    unlinkat(root, path, 0);
    dir_tree_prune(root, path);
}

static bool holds_part(int fd, const struct store_part *part, uint64_t offset,
                       struct span buffer)
{
    uint8_t sum[DIR_ETAG_BYTES];
    char hex[DIR_ETAG_HEX];
    struct dir_etag etag;
    uint64_t left = part->size;
    ssize_t n = 0;

    dir_etag_init(&etag);
    while (left > 0) {
        n = pread(fd, buffer.data, left < buffer.size ? (size_t)left : buffer.size,
                  (off_t)offset);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        if (n < 0)
            continue;
        dir_etag_add(&etag, buffer.data, (size_t)n);
        offset += (uint64_t)n;
        left -= (uint64_t)n;
    }
    dir_etag_end(&etag, sum);
    dir_etag_hex(hex, sum);
    return left == 0 && strcmp(hex, part->etag) == 0;
}

/* Is the object made of op's parts?  It may be another that has its size.  Of parts that
 * were copied the ETags do not tell: then it is as if it were not. */
static bool holds_parts(int fd, const struct store_op *op)
{
    struct span buffer = {mem_new(1, STORE_CHUNK), STORE_CHUNK};
    uint64_t offset = 0;
    bool holds = true;

    for (size_t i = 0; holds && i < op->n_parts; i++) {
        holds = holds_part(fd, &op->parts[i], offset, buffer);
        offset += op->parts[i].size;
    }
    free(buffer.data);
    return holds && offset == op->size;
}

/* No such upload: has it become the object already? */
static int complete_again(struct dir_tree *tree, const struct store_op *op,
                          struct error *err)
{
    struct error ignored;
    struct stat st;
    bool holds;
    int root, fd;

    if (dir_tree_stat(tree, op->key, &st, &ignored) != 0 ||
        (uint64_t)st.st_size != op->size)
        return -1;
    root = dir_tree_root(tree, false, &ignored);
    fd = openat(root, op->key, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    holds = fd >= 0 && holds_parts(fd, op);
    if (fd >= 0)
        close(fd);
    if (!holds)
        return -1;
    if (is_upload_id(op->upload_id))
        remove_notes(root, op);
    error_clear(err);
    return 0;
}

int dir_upload_complete(struct dir_tree *tree, const struct store_op *op,
                        struct error *err)
{
    char path[DIR_PATH_MAX];
    struct upload u;
    int status;

    if (upload_open(&u, tree, op->key, op->upload_id, err) != 0)
        return err->kind == ERROR_NOT_FOUND ? complete_again(tree, op, err) : -1;
    status = check_parts(&u, op, err);
    /* The file may have changed its size since the upload was created. */
    if (status == 0 && (ftruncate(u.data, (off_t)op->size) != 0 || fsync(u.data) != 0))
        status = dir_tree_write_failed(tree, op->key, errno, err);
    if (status == 0) {
        data_path(path, op->key, op->upload_id);
        status = dir_tree_move(tree, path, op->key, err);
    }
    if (status == 0)
        remove_notes(u.root, op);
    upload_close(&u);
    return status;
}

static int remove_stray(int root, const char *path)
{
    if (unlinkat(root, path, 0) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    return errno == EISDIR ? unlinkat(root, path, AT_REMOVEDIR) : -1;
}

int dir_upload_abort(struct dir_tree *tree, const char *key, const char *id,
                     struct error *err)
{
    int root = dir_tree_root(tree, false, err);
    char data[DIR_PATH_MAX], notes[DIR_PATH_MAX];

    if (root < 0)
        return err->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (id[0] == '\0' || strchr(id, '/') != NULL || strcmp(id, ".") == 0 ||
        strcmp(id, "..") == 0 || strlen(id) > 255)
        return 0; /* no file can have that name: gone already */
    data_path(data, key, id);
    notes_path(notes, key, id);
    if (remove_stray(root, data) != 0 ||
        (strlen(id) <= 253 && remove_stray(root, notes) != 0))
        return dir_tree_write_failed(tree, key, errno, err);
    dir_tree_prune(root, data);
    return 0;
}
