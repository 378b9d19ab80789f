/*
 * Keys are looked at as text only; whether a folder of that name is there is
 * dir_tree.c's business.
 */
#include "transfer/dir_key.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The length of "NAME/vN" at the start of path, 0 where there is none. */
static size_t version_length(const char *path, size_t length)
{
    const char *slash = memchr(path, '/', length);
    size_t i;

    if (slash == NULL || slash == path)
        return 0;
    i = (size_t)(slash - path) + 1;
    if (i >= length || path[i++] != 'v' || i >= length ||
        !isdigit((unsigned char)path[i]))
        return 0;
    while (i < length && isdigit((unsigned char)path[i]))
        i++;
    return i == length || path[i] == '/' ? i : 0;
}

bool dir_key_is_version(const char *path, size_t length)
{
    return length > 0 && version_length(path, length) == length;
}

bool dir_key_is_version_temp(const char *path, size_t length)
{
    size_t version = version_length(path, length);

    return version > 0 && length == version + 4 &&
           memcmp(path + version, "/tmp", 4) == 0;
}

static bool is_plain_component(const char *start, size_t length)
{
    if (length == 0 || (length == 1 && start[0] == '.'))
        return false;
    return !(length == 2 && start[0] == '.' && start[1] == '.');
}

static bool are_components_plain(const char *key, size_t length)
{
    while (true) {
        const char *slash = memchr(key, '/', length);
        size_t component = slash != NULL ? (size_t)(slash - key) : length;

        if (!is_plain_component(key, component))
            return false;
        if (slash == NULL)
            return true;
        key += component + 1;
        length -= component + 1;
    }
}

static int check(const char *key, size_t length, struct error *err)
{
    size_t version;

    if (length > DIR_KEY_MAX)
        return error_set(err, ERROR_INTERNAL, 0, "a key of %zu bytes", length);
    if (!are_components_plain(key, length))
        return error_set(err, ERROR_INTERNAL, 0, "'%s' cannot be a key", key);
    version = version_length(key, length);
    if (version > 0 && length >= version + 4 &&
        dir_key_is_version_temp(key, version + 4) &&
        (length == version + 4 || key[version + 4] == '/'))
        return error_set(err, ERROR_INTERNAL, 0,
                         "'%s' lies where temporary files are kept", key);
    return 0;
}

int dir_key_check(const char *key, struct error *err)
{
    return check(key, strlen(key), err);
}

int dir_key_check_prefix(const char *prefix, struct error *err)
{
    size_t length = strlen(prefix);

    if (length == 0)
        return 0;
    if (prefix[length - 1] != '/')
        return error_set(err, ERROR_INTERNAL, 0, "'%s' is no prefix of folders",
                         prefix);
    return check(prefix, length - 1, err);
}

void dir_key_temp_folder(char out[DIR_PATH_MAX], const char *key)
{
    size_t length = strlen(key);
    size_t folder = version_length(key, length);

    if (folder == length)
        folder = 0; /* a file that is called NAME/vN */
    if (folder == 0 && memchr(key, '/', length) != NULL)
        folder = (size_t)(strchr(key, '/') - key);
    snprintf(out, DIR_PATH_MAX, "%.*s%stmp", (int)folder, key, folder > 0 ? "/" : "");
}
