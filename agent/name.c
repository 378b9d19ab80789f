/*
 * A name is derived in four steps: cut the last path component out of the source,
 * decode it (URLs), strip its suffix, then keep what may stand in a name, lower case.
 * Decoding comes after cutting: an encoded slash is part of the component and is
 * dropped with the other characters that cannot stand.
 */
#include "agent/name.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool may_stand(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

bool name_is_valid(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > NAME_MAX_BYTES || !is_alnum(name[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!may_stand(name[i]))
            return false;
    return true;
}

/* The bytes of the scheme with "://", 0 for a local path. */
static size_t scheme_size(const char *source)
{
    static const char *const schemes[] = {"s3://", "http://", "https://"};

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (strncasecmp(source, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    return 0;
}

enum name_scheme name_scheme_of(const char *source)
{
    size_t size = scheme_size(source);

    return size == 0 ? NAME_LOCAL : size == strlen("s3://") ? NAME_S3 : NAME_HTTP;
}

/* ---- from a source to its last component ---- */

/* The last component of a path of `size` bytes that is not empty. */
static char *last_component(const char *path, size_t size)
{
    size_t end = size, start;

    while (end > 0 && path[end - 1] == '/')
        end--;
    start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return mem_copy_bytes(path + start, end - start);
}

/* Behind the host, before the query and the fragment. */
static char *url_component(const char *rest)
{
    size_t size = strcspn(rest, "?#");
    size_t host = strcspn(rest, "/?#");

    return last_component(rest + host, size - host);
}

static void decode_percent(char *string)
{
    char *out = string;

    for (const char *in = string; *in != '\0'; out++) {
        size_t size;

        if (*in == '%' && strlen(in) >= 3 &&
            text_parse_hex(in + 1, 2, out, 1, &size) == 0)
            in += 3;
        else
            *out = *in++;
    }
    *out = '\0';
}

/* ---- suffixes ---- */

static bool strip(char *string, const char *suffix)
{
    size_t size = strlen(string), cut = strlen(suffix);

    if (size <= cut || strcasecmp(string + size - cut, suffix) != 0)
        return false;
    string[size - cut] = '\0';
    return true;
}

static bool strip_archive_suffix(char *string)
{
    return strip(string, ".tar.gz") || strip(string, ".tgz") || strip(string, ".tar") ||
           strip(string, ".zip");
}

/* A dot at the beginning marks a hidden file, not a suffix. */
static void strip_any_suffix(char *string)
{
    char *dot;

    if (strip_archive_suffix(string))
        return;
    dot = strrchr(string, '.');
    if (dot != NULL && dot != string)
        *dot = '\0';
}

static void keep_valid(char out[NAME_MAX_BYTES + 1], const char *string)
{
    size_t n = 0;

    for (; *string != '\0' && n < NAME_MAX_BYTES; string++) {
        char c = *string;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (n == 0 ? is_alnum(c) : may_stand(c))
            out[n++] = c;
    }
    out[n] = '\0';
}

int name_derive(char out[NAME_MAX_BYTES + 1], const char *source, bool is_folder,
                struct error *err)
{
    const char *rest = source + scheme_size(source);
    char *component;

    switch (name_scheme_of(source)) {
    case NAME_HTTP:
        component = url_component(rest);
        decode_percent(component);
        strip_archive_suffix(component);
        break;
    case NAME_S3:
        component = last_component(rest, strlen(rest));
        break;
    default:
        component = last_component(rest, strlen(rest));
        if (!is_folder)
            strip_any_suffix(component);
        break;
    }
    keep_valid(out, component);
    free(component);
    if (out[0] != '\0')
        return 0;
    return error_set(
        err, ERROR_USAGE, 0,
        "no name can be made from the source %.150s: give one with --name, "
        "for example --name my-data",
        source);
}

/* ---- NAME[:VERSION] ---- */

int name_parse(char out[NAME_MAX_BYTES + 1], uint64_t *version, const char *spec,
               struct error *err)
{
    size_t size = strcspn(spec, ":");

    *version = 0;
    if (spec[size] == ':' &&
        (text_parse_u64(spec + size + 1, version) != 0 || *version == 0))
        return error_set(err, ERROR_USAGE, 0,
                         "\"%.150s\" names no version: write NAME or NAME:VERSION, for "
                         "example imagenet:2",
                         spec);
    if (size <= NAME_MAX_BYTES) {
        memcpy(out, spec, size);
        out[size] = '\0';
        if (name_is_valid(out))
            return 0;
    }
    return error_set(
        err, ERROR_USAGE, 0,
        "\"%.150s\" is no name of a datastore: letters, digits, '.', '_' and "
        "'-', at most %d, beginning with a letter or digit",
        spec, NAME_MAX_BYTES);
}
