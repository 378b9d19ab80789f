/*
 * Batches keep their strings in a list of blocks, newest first.  A string goes behind
 * the last one of the newest block; where it does not fit a new block is made, as large
 * as the string if that is larger than usual.  Blocks never move, so that entries may
 * point into them while the arrays of entries and issues grow.
 *
 * What makes a key odd is what S3 stores, the XML of their listings, or file systems
 * are known to refuse or to alter (FORMATS, "A manifest line").
 */
#include "manifest/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/digest.h"

enum { BLOCK_BYTES = 64 << 10, FIRST_ENTRIES = 64, FIRST_ISSUES = 8 };
enum { KEY_MAX = 1024, COMPONENT_MAX = 255 }; /* of S3, of file systems; in bytes */

struct entry_block {
    struct entry_block *next;
    size_t size, room;
    char bytes[];
};

static char *block_take(struct entry_batch *batch, size_t size)
{
    struct entry_block *block = batch->blocks;
    char *bytes;

    if (block == NULL || block->room - block->size < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = mem_buffer(sizeof *block + room);
        block->next = batch->blocks;
        block->size = 0;
        block->room = room;
        batch->blocks = block;
    }
    bytes = block->bytes + block->size;
    block->size += size;
    batch->string_bytes += size;
    return bytes;
}

static const char *keep_string(struct entry_batch *batch, const char *string)
{
    size_t size;

    if (string == NULL)
        return NULL;
    size = strlen(string) + 1;
    return memcpy(block_take(batch, size), string, size);
}

/* Room for one more element; returns the array, which may have moved. */
static void *make_room(void *array, size_t n, size_t *room, size_t first, size_t size)
{
    if (n < *room)
        return array;
    *room = *room > 0 ? 2 * *room : first;
    return mem_resize(array, *room, size);
}

void entry_batch_add(struct entry_batch *batch, const struct entry *entry)
{
    struct entry copy = *entry;

    copy.path = keep_string(batch, entry->path);
    copy.target = keep_string(batch, entry->target);
    batch->entries = make_room(batch->entries, batch->n_entries, &batch->entries_room,
                               FIRST_ENTRIES, sizeof batch->entries[0]);
    batch->entries[batch->n_entries++] = copy;
}

void entry_batch_add_issue(struct entry_batch *batch, enum issue_kind kind,
                           const char *path, const char *message)
{
    struct issue issue = {.kind = kind};

    issue.path = keep_string(batch, path);
    issue.message = keep_string(batch, message);
    batch->issues = make_room(batch->issues, batch->n_issues, &batch->issues_room,
                              FIRST_ISSUES, sizeof batch->issues[0]);
    batch->issues[batch->n_issues++] = issue;
}

static void free_blocks(struct entry_block *block)
{
    while (block != NULL) {
        struct entry_block *next = block->next;

        free(block);
        block = next;
    }
}

void entry_batch_clear(struct entry_batch *batch)
{
    struct entry_block *kept = batch->blocks;

    batch->n_entries = 0;
    batch->n_issues = 0;
    batch->string_bytes = 0;
    if (kept == NULL)
        return;
    free_blocks(kept->next);
    kept->next = NULL;
    kept->size = 0;
    if (kept->room > BLOCK_BYTES) {
        free(kept);
        batch->blocks = NULL;
    }
}

void entry_batch_free(struct entry_batch *batch)
{
    free_blocks(batch->blocks);
    free(batch->entries);
    free(batch->issues);
    *batch = (struct entry_batch){0};
}

bool stamp_is_same(const struct stamp *a, const struct stamp *b)
{
    return a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns && a->inode == b->inode;
}

const char *entry_type_name(enum entry_type type)
{
    static const char *const names[] = {
        [ENTRY_FILE] = "file",
        [ENTRY_DIRECTORY] = "dir",
        [ENTRY_SYMLINK] = "symlink",
    };

    return names[type];
}

const char *issue_kind_name(enum issue_kind kind)
{
    static const char *const names[] = {
        [ISSUE_UNREADABLE] = "unreadable",
        [ISSUE_SPECIAL] = "special",
        [ISSUE_LINK_LOOP] = "link_loop",
        [ISSUE_LINK_DANGLING] = "link_dangling",
        [ISSUE_LINK_SKIPPED] = "link_skipped",
        [ISSUE_STORE_INSIDE] = "store_inside",
        [ISSUE_BAD_KEY] = "bad_key",
        [ISSUE_NOT_LISTED] = "not_listed",
        [ISSUE_UNSAFE] = "unsafe",
        [ISSUE_IN_THE_WAY] = "in_the_way",
        [ISSUE_LINK_OUTSIDE] = "link_outside",
        [ISSUE_DUPLICATE] = "duplicate",
        [ISSUE_EXPANDS] = "expands",
    };

    return names[kind];
}

bool issue_is_failure(enum issue_kind kind)
{
    return kind == ISSUE_UNREADABLE || kind == ISSUE_NOT_LISTED ||
           kind == ISSUE_UNSAFE || kind == ISSUE_IN_THE_WAY;
}

/* ---- paths and keys ---- */

static bool is_dots(const char *component, size_t size)
{
    return (size == 1 && component[0] == '.') ||
           (size == 2 && component[0] == '.' && component[1] == '.');
}

/* No component is empty, ".", ".." or longer than `most`. */
static bool has_plain_components(const char *path, size_t most)
{
    for (;;) {
        size_t size = strcspn(path, "/");

        if (size == 0 || size > most || is_dots(path, size))
            return false;
        if (path[size] == '\0')
            return true;
        path += size + 1;
    }
}

bool entry_path_is_safe(const char *path)
{
    return has_plain_components(path, SIZE_MAX);
}

/* UTF-8, and nothing in it that XML 1.0 cannot say or that is a control character. */
static bool is_plain_text(const char *path, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)path[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == 0xef && i + 2 < size && (uint8_t)path[i + 1] == 0xbf &&
            (uint8_t)path[i + 2] >= 0xbe)
            return false; /* U+FFFE, U+FFFF */
    }
    return text_is_utf8(path, size);
}

bool entry_key_is_odd(const char *path, size_t prefix_bytes)
{
    size_t size = strlen(path);

    return prefix_bytes + strlen("data/") + size > KEY_MAX ||
           !has_plain_components(path, COMPONENT_MAX) || !is_plain_text(path, size);
}

void entry_add_odd_key(struct text *key, const char *path)
{
    uint8_t sha256[DIGEST_SHA256_BYTES];

    digest_sha256(sha256, path, strlen(path));
    text_add(key, "odd/");
    text_add_hex(key, sha256, sizeof sha256);
}

void entry_add_key(struct text *key, const char *path, size_t prefix_bytes)
{
    if (entry_key_is_odd(path, prefix_bytes)) {
        entry_add_odd_key(key, path);
        return;
    }
    text_add(key, "data/");
    text_add(key, path);
}
