/*
 * Writing and judging one line; manifest_parse.c reads it.
 *
 * Lines are put together by hand rather than through a JSON tree: there may be tens of
 * millions, and deflate should be what takes the time.  Fields that every file has come
 * first and in one order, the digests of blocks last, so that a shard is pleasant to
 * look at with zcat.
 */
#include "manifest/manifest_line.h"

#include <string.h>

static void add_u64(struct text *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add_bytes(out, digits + at, sizeof digits - at);
}

static void add_i64(struct text *out, int64_t value)
{
    if (value < 0)
        text_add(out, "-");
    add_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* ,"name":"value" */
static void add_field(struct text *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    text_add(out, ",\"");
    text_add(out, name);
    text_add(out, "\":");
    text_add_json(out, value, strlen(value));
}

/* "name":"value", or "name_b64":"..." where the value is not UTF-8 */
static void add_bytes_field(struct text *out, const char *name, const char *value)
{
    size_t size = strlen(value);

    text_add(out, "\"");
    text_add(out, name);
    if (text_is_utf8(value, size)) {
        text_add(out, "\":");
        text_add_json(out, value, size);
    } else {
        text_add(out, "_b64\":\"");
        text_add_base64(out, value, size);
        text_add(out, "\"");
    }
}

static struct digest target_hash(const struct manifest_line *line)
{
    return digest_of_bytes(line->entry.target, strlen(line->entry.target));
}

static void add_hash(struct text *out, const struct digest *hash)
{
    text_add(out, ",\"hash\":\"");
    text_add_hex(out, hash->bytes, sizeof hash->bytes);
    text_add(out, "\"");
}

static void add_file_fields(struct text *out, const struct manifest_line *line)
{
    uint32_t mode = line->entry.mode & 07777;
    char octal[4];

    for (int i = 3; i >= 0; i--, mode >>= 3)
        octal[i] = (char)('0' + (mode & 7));
    text_add(out, ",\"size\":");
    add_u64(out, line->entry.stamp.size);
    if (line->has_hash)
        add_hash(out, &line->hash);
    text_add(out, ",\"mtime\":\"");
    add_i64(out, line->entry.stamp.mtime_ns);
    text_add(out, "\",\"mode\":\"");
    text_add_bytes(out, octal, sizeof octal);
    text_add(out, "\"");
    add_field(out, "key", line->key);
    add_field(out, "ref", line->ref);
    add_field(out, "etag", line->etag);
    add_field(out, "version_id", line->version_id);
    if (line->n_blocks > 1) {
        text_add(out, ",\"block_size\":");
        add_u64(out, line->block_size);
        text_add(out, ",\"blocks\":\"");
        text_add_base64(out, line->blocks, line->n_blocks * sizeof line->blocks[0]);
        text_add(out, "\"");
    }
}

void manifest_line_add(struct text *out, const struct manifest_line *line)
{
    text_add(out, "{");
    add_bytes_field(out, "path", line->entry.path);
    add_field(out, "type", entry_type_name(line->entry.type));
    if (line->entry.type == ENTRY_FILE)
        add_file_fields(out, line);
    if (line->entry.type == ENTRY_SYMLINK) {
        struct digest hash = target_hash(line);

        text_add(out, ",");
        add_bytes_field(out, "target", line->entry.target);
        add_hash(out, &hash);
    }
    text_add(out, "}\n");
}

void manifest_line_add_root(struct text *out, const struct manifest_line *line)
{
    struct digest hash = line->hash;
    bool is_file = line->entry.type == ENTRY_FILE;

    text_add(out, entry_type_name(line->entry.type));
    text_add(out, " ");
    add_u64(out, is_file ? line->entry.stamp.size : 0);
    text_add(out, " ");
    if (line->entry.type == ENTRY_SYMLINK)
        hash = target_hash(line);
    if (line->entry.type == ENTRY_DIRECTORY) {
        text_add(out, "-");
    } else if (is_file && !line->has_hash) {
        text_add(out, "etag:");
        text_add(out, line->etag);
    } else {
        text_add_hex(out, hash.bytes, sizeof hash.bytes);
    }
    text_add(out, " ");
    text_add_bytes(out, line->entry.path, strlen(line->entry.path) + 1);
}

/* ---- faults ---- */

static bool is_text(const char *string)
{
    return string == NULL || text_is_utf8(string, strlen(string));
}

static bool is_odd_key(const char *key, const char *path)
{
    struct text odd = {0};
    bool is_odd;

    entry_add_odd_key(&odd, path);
    is_odd = strcmp(key, text_string(&odd)) == 0;
    text_free(&odd);
    return is_odd;
}

static const char *blocks_fault(const struct manifest_line *line)
{
    struct digest hash;

    if (line->n_blocks < 2)
        return NULL;
    if (line->block_size == 0 || line->n_blocks > DIGEST_OLD_BLOCKS_MAX ||
        digest_block_count(line->entry.stamp.size, line->block_size) != line->n_blocks)
        return "number of blocks does not go with size and block_size";
    hash = digest_of_blocks(line->blocks, line->n_blocks);
    if (!line->has_hash || !digest_is_same(&hash, &line->hash))
        return "hash is not that of the blocks";
    return NULL;
}

static const char *file_fault(const struct manifest_line *line)
{
    if (line->entry.stamp.size > INT64_MAX)
        return "size out of range";
    if (!line->has_hash && line->etag == NULL)
        return "neither hash nor etag";
    if (!is_text(line->etag) || !is_text(line->ref) || !is_text(line->version_id))
        return "etag, ref or version_id is not UTF-8";
    if (line->key != NULL && !is_odd_key(line->key, line->entry.path))
        return "key is not that of the path";
    return blocks_fault(line);
}

const char *manifest_line_fault(const struct manifest_line *line)
{
    struct digest hash;

    if (!entry_path_is_safe(line->entry.path))
        return "unsafe path";
    if (line->entry.type == ENTRY_FILE)
        return file_fault(line);
    if (line->entry.type != ENTRY_SYMLINK)
        return NULL;
    if (line->entry.target == NULL || line->entry.target[0] == '\0')
        return "symlink without target";
    hash = target_hash(line);
    if (line->has_hash && !digest_is_same(&hash, &line->hash))
        return "hash is not that of the target";
    return NULL;
}
