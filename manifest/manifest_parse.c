/*
 * Reading one line, in two passes over memory that is changed in place.
 *
 *   1. JSON: the members of the object are split into one value a known field.  Strings
 *      lose their escapes (which only makes them shorter) and get a NUL; numbers are
 * taken as they stand.  A field that comes twice is refused, since two readers could
 * take different ones; unknown fields are checked and skipped.
 *   2. Meaning: values become the members of a manifest_line, numbers parsed, base64
 * and hex decoded where they lie.
 *
 * The input ends in a NUL, at which scanning stops by itself; a NUL before the end is
 * then found because the cursor is not where it should be.
 */
#include "manifest/manifest_line.h"

#include <string.h>

#include "base/span.h"
#include "manifest/json_scan.h"

enum field {
    FIELD_PATH,
    FIELD_PATH_B64,
    FIELD_TYPE,
    FIELD_SIZE,
    FIELD_HASH,
    FIELD_MTIME,
    FIELD_MODE,
    FIELD_KEY,
    FIELD_REF,
    FIELD_ETAG,
    FIELD_VERSION_ID,
    FIELD_BLOCK_SIZE,
    FIELD_BLOCKS,
    FIELD_TARGET,
    FIELD_TARGET_B64,
    N_FIELDS
};

static const char *const field_names[N_FIELDS] = {
    "path",       "path_b64",   "type",   "size",   "hash",
    "mtime",      "mode",       "key",    "ref",    "etag",
    "version_id", "block_size", "blocks", "target", "target_b64"};

/* data is NULL where the field is missing. */
struct fields {
    struct json_value values[N_FIELDS];
};

/* ---- from JSON to fields ---- */

static enum field find_field(const struct json_value *name)
{
    int field = 0;

    while (field < N_FIELDS && strcmp(field_names[field], name->data) != 0)
        field++;
    return (enum field)field;
}

static const char *read_member(char **at, struct fields *f)
{
    static const char malformed[] = "malformed JSON";
    struct json_value name, value;
    enum field field;

    if (!json_scan_string(at, &name) || !json_scan_char(at, ':'))
        return malformed;
    field = find_field(&name);
    if (field == N_FIELDS)
        return json_scan_skip(at) ? NULL : malformed;
    if (field == FIELD_SIZE || field == FIELD_BLOCK_SIZE) {
        if (!json_scan_number(at, &value))
            return "size or block_size is not a number";
    } else if (!json_scan_string(at, &value)) {
        return "a field is not a string";
    }
    if (f->values[field].data != NULL)
        return "a field comes twice";
    if (memchr(value.data, '\0', value.size) != NULL)
        return "a string holds a NUL";
    f->values[field] = value;
    return NULL;
}

static const char *read_fields(char *json, size_t size, struct fields *f)
{
    char *at = json;

    if (!json_scan_char(&at, '{'))
        return "no JSON object";
    do {
        const char *fault = read_member(&at, f);

        if (fault != NULL)
            return fault;
    } while (json_scan_char(&at, ','));
    if (!json_scan_char(&at, '}'))
        return "malformed JSON";
    if (!json_scan_char(&at, '\0') || at != json + size + 1)
        return "something behind the JSON object";
    for (int i = 0; i < N_FIELDS; i++)
        if (f->values[i].data != NULL)
            f->values[i].data[f->values[i].size] = '\0'; /* now for the numbers too */
    return NULL;
}

/* ---- meaning ---- */

/* A string of any bytes but NUL, from one of two fields; NULL when that is not so. */
static const char *bytes_of(struct json_value *plain, struct json_value *base64)
{
    size_t size;

    if ((plain->data == NULL) == (base64->data == NULL))
        return NULL;
    if (plain->data != NULL)
        return plain->data;
    if (text_parse_base64(base64->data, base64->size, base64->data, base64->size,
                          &size) != 0 ||
        memchr(base64->data, '\0', size) != NULL)
        return NULL;
    base64->data[size] = '\0';
    return base64->data;
}

static bool parse_type(const char *string, enum entry_type *out)
{
    static const enum entry_type types[] = {ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK};

    for (size_t i = 0; string != NULL && i < ARRAY_SIZE(types); i++)
        if (strcmp(string, entry_type_name(types[i])) == 0) {
            *out = types[i];
            return true;
        }
    return false;
}

static bool parse_i64(const char *string, int64_t *out)
{
    bool is_negative = string[0] == '-';
    uint64_t size;

    if (text_parse_u64(string + is_negative, &size) != 0 ||
        size > (uint64_t)INT64_MAX + is_negative)
        return false;
    *out = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

static bool parse_mode(const char *string, uint32_t *out)
{
    size_t size = strspn(string, "01234567");
    uint32_t mode = 0;

    if (size == 0 || size > 4 || string[size] != '\0')
        return false;
    for (size_t i = 0; i < size; i++)
        mode = mode << 3 | (uint32_t)(string[i] - '0');
    *out = mode;
    return true;
}

static bool parse_hash(const struct json_value *value, struct manifest_line *line)
{
    size_t size;

    line->has_hash = value->data != NULL;
    return !line->has_hash ||
           (text_parse_hex(value->data, value->size, line->hash.bytes,
                           sizeof line->hash.bytes, &size) == 0 &&
            size == sizeof line->hash.bytes);
}

static bool parse_blocks(struct fields *f, struct manifest_line *line)
{
    struct json_value *blocks = &f->values[FIELD_BLOCKS];
    const char *block_size = f->values[FIELD_BLOCK_SIZE].data;
    size_t size;

    if (blocks->data == NULL && block_size == NULL)
        return true;
    if (blocks->data == NULL || block_size == NULL)
        return false;
    if (text_parse_u64(block_size, &line->block_size) != 0 ||
        text_parse_base64(blocks->data, blocks->size, blocks->data, blocks->size,
                          &size) != 0)
        return false;
    line->blocks = (const struct digest *)(const void *)blocks->data; /* of bytes */
    line->n_blocks = size / sizeof line->blocks[0];
    return size % sizeof line->blocks[0] == 0 && line->n_blocks > 1;
}

static const char *parse_file(struct fields *f, struct manifest_line *line)
{
    const char *size = f->values[FIELD_SIZE].data, *mtime = f->values[FIELD_MTIME].data,
               *mode = f->values[FIELD_MODE].data;

    if (size == NULL || mtime == NULL || mode == NULL)
        return "size, mtime or mode is missing";
    if (text_parse_u64(size, &line->entry.stamp.size) != 0 ||
        !parse_i64(mtime, &line->entry.stamp.mtime_ns) ||
        !parse_mode(mode, &line->entry.mode))
        return "malformed size, mtime or mode";
    if (!parse_hash(&f->values[FIELD_HASH], line))
        return "malformed hash";
    if (!parse_blocks(f, line))
        return "malformed blocks";
    line->key = f->values[FIELD_KEY].data;
    line->ref = f->values[FIELD_REF].data;
    line->etag = f->values[FIELD_ETAG].data;
    line->version_id = f->values[FIELD_VERSION_ID].data;
    return NULL;
}

static const char *parse_symlink(struct fields *f, struct manifest_line *line)
{
    line->entry.target =
        bytes_of(&f->values[FIELD_TARGET], &f->values[FIELD_TARGET_B64]);
    if (line->entry.target == NULL)
        return "malformed target";
    if (!parse_hash(&f->values[FIELD_HASH], line) || !line->has_hash)
        return "malformed hash";
    return NULL;
}

const char *manifest_line_parse(struct manifest_line *line, char *json, size_t size)
{
    struct fields f = {0};
    const char *fault = NULL;

    *line = (struct manifest_line){0};
    json[size] = '\0';
    if (!text_is_utf8(json, size))
        return "not UTF-8";
    fault = read_fields(json, size, &f);
    if (fault != NULL)
        return fault;
    line->entry.path = bytes_of(&f.values[FIELD_PATH], &f.values[FIELD_PATH_B64]);
    if (line->entry.path == NULL)
        return "malformed path";
    if (!parse_type(f.values[FIELD_TYPE].data, &line->entry.type))
        return "type is missing or not known";
    if (line->entry.type == ENTRY_FILE)
        fault = parse_file(&f, line);
    else if (line->entry.type == ENTRY_SYMLINK)
        fault = parse_symlink(&f, line);
    return fault != NULL ? fault : manifest_line_fault(line);
}
